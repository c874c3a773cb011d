package match

import (
	"encoding/hex"

	"filippo.io/edwards25519/field"
)

// The encodings of ristretto255 and its one-way map, RFC 9496, section 4.3. Encoding is of many points at once.

// Constants of RFC 9496, section 4.1.
var (
	constD         = element("a3785913ca4deb75abd841414d0a700098e879777940c78c73fe6f2bee6c0352")
	sqrtMinusOne   = element("b0a00e4a271beec478e42fad0618432fa7d7fb3d99004d2b0bdfc14f8024832b")
	sqrtADMinusOne = element("1b2e7b49a0f6977ebd54781b0c8e9daffdd1f531c9fc3c0fac48832bbf316937")
	invSqrtAMinusD = element("ea405d80aafdc899be72415a17162f9d40d801fe917bc216a2fcafcf05896c78")
	oneMinusDSq    = element("76c15f94c1097ce20f355ecd38a1812ce4df70beddab9499d7e0b3b2a8729002")
	dMinusOneSq    = element("204ded44aa5aad3199191eb02c4a9ed2eb4e9b522fd3dc4c41226cf67ab36859")

	zero     = new(field.Element)
	one      = new(field.Element).One()
	minusOne = new(field.Element).Negate(one)
	twoD     = new(field.Element).Add(constD, constD)
)

func element(littleEndian string) *field.Element {
	b, err := hex.DecodeString(littleEndian)
	if err != nil {
		panic(err)
	}
	e, err := new(field.Element).SetBytes(b)
	if err != nil {
		panic(err)
	}
	return e
}

// decode sets p to the point that an encoding stands for, and reports whether there is one: encodings that RFC 9496,
// section 4.3.1, refuses have none here, nor has that of the identity.
func (p *extended) decode(encoding *Point) bool {
	if *encoding == (Point{}) { // points are no secret to whom they are sent
		return false
	}
	var s, ss, u1, u2, u2Sq, v, root, x, y field.Element
	if _, err := s.SetBytes(encoding[:]); err != nil || Point(s.Bytes()) != *encoding || s.IsNegative() == 1 {
		return false
	}
	ss.Square(&s)
	u1.Subtract(one, &ss)
	u2.Add(one, &ss)
	u2Sq.Square(&u2)
	v.Square(&u1)
	v.Multiply(&v, constD)
	v.Negate(&v)
	v.Subtract(&v, &u2Sq)
	_, square := root.SqrtRatio(one, x.Multiply(&v, &u2Sq))
	x.Multiply(&root, &u2) // den_x
	y.Multiply(&root, &x)
	y.Multiply(&y, &v) // den_y
	x.Multiply(&x, &s)
	x.Add(&x, &x)
	p.x.Absolute(&x)
	p.y.Multiply(&u1, &y)
	p.z.One()
	p.t.Multiply(&p.x, &p.y)
	return square == 1 && p.t.IsNegative() == 0 && p.y.Equal(zero) == 0
}

// doubled is what the encoding of 2·P needs of P = (X : Y : Z : T): the four factors of 2·P = (ef : gh : fh : eg), and
// two products of them.
type doubled struct{ e, f, g, h, eg, fh field.Element }

// from computes, with a = −1, e = 2XY, f = Z²+dT², g = Y²+X², h = Z²−dT²; so x(2P) = e/f·…: see encodeDoubles.
func (s *doubled) from(p *extended) {
	var xx, yy, zz, dtt field.Element
	xx.Square(&p.x)
	yy.Square(&p.y)
	zz.Square(&p.z)
	dtt.Square(&p.t)
	dtt.Multiply(&dtt, constD)
	s.e.Add(&p.y, &p.y)
	s.e.Multiply(&s.e, &p.x)
	s.f.Add(&zz, &dtt)
	s.g.Add(&yy, &xx)
	s.h.Subtract(&zz, &dtt)
	s.eg.Multiply(&s.e, &s.g)
	s.fh.Multiply(&s.f, &s.h)
}

// encodeDoubles writes to out the encodings of 2·P for each P. Doubling is the isogeny through which ristretto255 is
// defined, so that the square root in the encoding of a double is known from P, and all that is left is a division; the
// divisions of all points share one inversion (Hamburg, "Decaf", 2015; Ristretto's batched "double and encode", as in
// curve25519-dalek). A square root each would be a tenth of everything that a matching computes.
//
// It panics if a P is the identity. No exponent is 0 and no identity is decoded, so that none is.
func encodeDoubles(out []Point, states []doubled) {
	// Montgomery's trick: prefix[i] is the product of all before i.
	prefix := make([]field.Element, len(states))
	var product, all field.Element
	product.One()
	for i := range states {
		prefix[i].Set(&product)
		all.Multiply(&states[i].eg, &states[i].fh)
		product.Multiply(&product, &all)
	}
	if product.Equal(zero) == 1 {
		panic("match: a point raised to an exponent is the identity")
	}
	var rest field.Element // the inverse of the product of all up to i
	rest.Invert(&product)
	for i := len(states) - 1; i >= 0; i-- {
		var inverse field.Element
		inverse.Multiply(&rest, &prefix[i])
		all.Multiply(&states[i].eg, &states[i].fh)
		rest.Multiply(&rest, &all)
		out[i] = states[i].encode(&inverse)
	}
}

// encode takes the inverse of e·f·g·h.
func (s *doubled) encode(inverse *field.Element) Point {
	var zInv, tInv, check, minusE, fi, e, g, h, magic field.Element
	zInv.Multiply(&s.eg, inverse)
	tInv.Multiply(&s.fh, inverse)
	rotate := check.Multiply(&s.eg, &zInv).IsNegative()
	minusE.Negate(&s.e)
	fi.Multiply(&s.f, sqrtMinusOne)
	e.Select(&s.g, &s.e, rotate)
	g.Select(&minusE, &s.g, rotate)
	h.Select(&fi, &s.h, rotate)
	magic.Select(sqrtMinusOne, invSqrtAMinusD, rotate)

	check.Multiply(&h, &e)
	negative := check.Multiply(&check, &zInv).IsNegative()
	minusE.Negate(&g)
	g.Select(&minusE, &g, negative)

	h.Subtract(&h, &g)
	g.Multiply(&g, &tInv)
	g.Multiply(&g, &magic)
	h.Multiply(&h, &g)
	return Point(h.Absolute(&h).Bytes())
}

// uniform sets p to the point that RFC 9496, section 4.3.4, derives from 64 uniform bytes.
func (p *extended) uniform(b *[64]byte) {
	var t field.Element
	var c completed
	var q cached
	t.SetBytes(b[:32]) // 32 bytes are never refused; the highest bit is ignored
	p.oneWay(&t)
	q.from(p)
	t.SetBytes(b[32:])
	p.oneWay(&t)
	c.add(p, &q)
	p.extend(&c)
}

// oneWay is MAP of RFC 9496, section 4.3.4.
func (p *extended) oneWay(t *field.Element) {
	var r, u, v, c, s, sPrime, n, ss, w0, w1, w2, w3 field.Element
	r.Square(t)
	r.Multiply(&r, sqrtMinusOne)
	u.Add(&r, one)
	u.Multiply(&u, oneMinusDSq)
	v.Multiply(&r, constD)
	v.Subtract(minusOne, &v)
	w0.Add(&r, constD)
	v.Multiply(&v, &w0)

	_, square := s.SqrtRatio(&u, &v)
	sPrime.Multiply(&s, t)
	sPrime.Absolute(&sPrime)
	sPrime.Negate(&sPrime)
	s.Select(&s, &sPrime, square)
	c.Select(minusOne, &r, square)

	n.Subtract(&r, one)
	n.Multiply(&n, &c)
	n.Multiply(&n, dMinusOneSq)
	n.Subtract(&n, &v)
	w0.Multiply(&s, &v)
	w0.Add(&w0, &w0)
	w1.Multiply(&n, sqrtADMinusOne)
	ss.Square(&s)
	w2.Subtract(one, &ss)
	w3.Add(one, &ss)
	p.x.Multiply(&w0, &w3)
	p.y.Multiply(&w2, &w1)
	p.z.Multiply(&w1, &w3)
	p.t.Multiply(&w0, &w2)
}
