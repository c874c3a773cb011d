package match

import (
	"crypto/subtle"

	"filippo.io/edwards25519/field"
)

// Arithmetic on the twisted Edwards curve −x² + y² = 1 + d·x²·y² below ristretto255, with the complete formulas of Hisil,
// Wong, Carter and Dawson ("Twisted Edwards curves revisited", 2008, sections 3.1 and 3.3, k = 2d). They have no
// exceptional cases, and no branch or address here depends on a point or on an exponent.

// extended is a point as (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z.
type extended struct{ x, y, z, t field.Element }

// completed is a point as ((X : Z), (Y : T)) with x = X/Z, y = Y/T: what a sum or a double is before it is multiplied out.
type completed struct{ x, y, z, t field.Element }

// cached is a point made ready for being added: (Y+X, Y−X, Z, 2dT).
type cached struct{ sum, difference, z, t2d field.Element }

// projective sets p to c, but for p.t, which it leaves as it is: doubling does not need it.
func (p *extended) projective(c *completed) {
	p.x.Multiply(&c.x, &c.t)
	p.y.Multiply(&c.y, &c.z)
	p.z.Multiply(&c.z, &c.t)
}

func (p *extended) extend(c *completed) {
	p.projective(c)
	p.t.Multiply(&c.x, &c.y)
}

func (p *extended) identity() {
	p.x.Zero()
	p.y.One()
	p.z.One()
	p.t.Zero()
}

func (q *cached) from(p *extended) {
	q.sum.Add(&p.y, &p.x)
	q.difference.Subtract(&p.y, &p.x)
	q.z.Set(&p.z)
	q.t2d.Multiply(&p.t, twoD)
}

func (c *completed) add(p *extended, q *cached) {
	var a, b, t, z field.Element
	a.Add(&p.y, &p.x)
	a.Multiply(&a, &q.sum)
	b.Subtract(&p.y, &p.x)
	b.Multiply(&b, &q.difference)
	t.Multiply(&p.t, &q.t2d)
	z.Multiply(&p.z, &q.z)
	z.Add(&z, &z)
	c.x.Subtract(&a, &b)
	c.y.Add(&a, &b)
	c.z.Add(&z, &t)
	c.t.Subtract(&z, &t)
}

// double sets c to 2·p. It does not look at p.t.
func (c *completed) double(p *extended) {
	var xx, yy, zz, sum field.Element
	xx.Square(&p.x)
	yy.Square(&p.y)
	zz.Square(&p.z)
	zz.Add(&zz, &zz)
	sum.Add(&p.x, &p.y)
	sum.Square(&sum)
	c.y.Add(&yy, &xx)
	c.z.Subtract(&yy, &xx)
	c.x.Subtract(&sum, &c.y)
	c.t.Subtract(&zz, &c.z)
}

// doubles sets p to 2^n·p, n ≥ 1.
func (p *extended) doubles(n int) {
	var c completed
	c.double(p)
	for range n - 1 {
		p.projective(&c)
		c.double(p)
	}
	p.extend(&c)
}

// table holds P, 2P, … 8P.
type table [8]cached

func (t *table) fill(p *extended) {
	var c completed
	var multiple extended
	t[0].from(p)
	for i := range t[1:] {
		c.add(p, &t[i])
		multiple.extend(&c)
		t[i+1].from(&multiple)
	}
}

// pick sets q to digit·P, for a digit of −8…8, reading all of the table.
func (t *table) pick(q *cached, digit int8) {
	sign := digit >> 7 // 0 or −1
	size := uint8((digit + sign) ^ sign)
	q.sum.One()
	q.difference.One()
	q.z.One()
	q.t2d.Zero()
	for i := range t {
		hit := subtle.ConstantTimeByteEq(size, uint8(i+1))
		q.sum.Select(&t[i].sum, &q.sum, hit)
		q.difference.Select(&t[i].difference, &q.difference, hit)
		q.z.Select(&t[i].z, &q.z, hit)
		q.t2d.Select(&t[i].t2d, &q.t2d, hit)
	}
	var negative field.Element
	negative.Negate(&q.t2d)
	q.sum.Swap(&q.difference, int(sign&1))
	q.t2d.Select(&negative, &q.t2d, int(sign&1))
}

// times sets p to Σ digits[i]·16^i · q. p and q may be the same.
func (p *extended) times(digits *[64]int8, q *extended) {
	var multiples table
	multiples.fill(q)
	var c completed
	var term cached
	p.identity()
	for i := 63; i >= 0; i-- {
		if i < 63 {
			p.doubles(4)
		}
		multiples.pick(&term, digits[i])
		c.add(p, &term)
		if i > 0 {
			p.projective(&c)
		}
	}
	p.extend(&c)
}

// stretch is the number of digits that timesTwo takes from one table, and tables how many there are.
const (
	tables  = 4
	stretch = 64 / tables
)

// timesTwo sets first and second to two multiples of q. It makes tables of q, 2^64·q, 2^128·q and 2^192·q once, which is
// 192 doublings; each multiple then needs 60 more, not 252.
func timesTwo(first, second *extended, one, two *[64]int8, q *extended) {
	var multiples [tables]table
	base := *q
	for i := range multiples {
		if i > 0 {
			base.doubles(4 * stretch)
		}
		multiples[i].fill(&base)
	}
	sumOf(first, one, &multiples)
	sumOf(second, two, &multiples)
}

func sumOf(p *extended, digits *[64]int8, multiples *[tables]table) {
	var c completed
	var term cached
	p.identity()
	for i := stretch - 1; i >= 0; i-- {
		if i < stretch-1 {
			p.doubles(4)
		}
		for j := range multiples {
			multiples[j].pick(&term, digits[stretch*j+i])
			c.add(p, &term)
			if j < tables-1 || i == 0 {
				p.extend(&c)
			} else {
				p.projective(&c)
			}
		}
	}
}
