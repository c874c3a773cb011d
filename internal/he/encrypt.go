package he

import "fmt"

// Encrypt writes a fresh encryption to out. slots is called once for each of out's lanes and writes its n slots, each in
// (−t/2, t/2).
func (w *Worker) Encrypt(slots func(lane int, out []int64), out *Block) error {
	defer clear(w.values)
	for lane, c0 := range out.polys[1:] {
		slots(lane, w.values)
		w.lift(w.values, c0)
		for i, s := range w.ring.q.SubRings {
			s.MulScalarMontgomery(c0.Coeffs[i], w.ring.tInverse[i], c0.Coeffs[i])
		}
	}
	if err := w.hide(out); err != nil {
		return fmt.Errorf("encrypt block: %w", err)
	}
	return nil
}

// EncryptZero writes a fresh encryption of zeros to out.
func (w *Worker) EncryptZero(out *Block) error {
	out.Zero()
	if err := w.hide(out); err != nil {
		return fmt.Errorf("encrypt zero: %w", err)
	}
	return nil
}

// Rerandomise adds a fresh encryption of zero to b, after which b tells nothing about how it was computed.
func (w *Worker) Rerandomise(b *Block) error {
	if w.zero == nil || len(w.zero.polys) != len(b.polys) {
		w.zero = w.ring.NewBlock(len(b.polys) - 1)
	}
	if err := w.EncryptZero(w.zero); err != nil {
		return fmt.Errorf("re-randomise block: %w", err)
	}
	for i, p := range b.polys {
		w.ring.q.Add(p, w.zero.polys[i], p)
	}
	w.zero.Zero() // together with b it would show what b was
	return nil
}

// hide encrypts: given the coefficients of t⁻¹·m in every lane's c0 it writes, transformed,
//
//	c0 = b·u + e0 + t⁻¹·m for every lane, with its own b, e0 and m, and c1 = a·u + e1
//
// with fresh u, uniform ternary, and Gaussian e0 and e1 (Lyubashevsky, Peikert, Regev, "On Ideal Lattices and Learning
// with Errors over Rings", 2010, and for the joint key a sum of such shares). That lanes with independent keys share a and u
// is the amortised encryption of Peikert, Vaikuntanathan and Waters, "A Framework for Efficient and Composable Oblivious
// Transfer", 2008, section 7.2, over a ring: (a, b_1, …, b_k) are k samples with one a and k secrets, and what hides the
// messages is one secret u with the k+1 public polynomials. e0 joins the message before it is transformed, which saves a
// transform.
func (w *Worker) hide(out *Block) error {
	defer w.forget()
	q := w.ring.q
	if err := w.random.ternary(w.small); err != nil {
		return err
	}
	w.ring.spread(w.small, w.noise)
	q.NTTLazy(w.noise, w.noise) // up to 6q, which the products below reduce

	for lane, c0 := range out.polys[1:] {
		if err := w.random.gaussian(w.small); err != nil {
			return err
		}
		for i, s := range q.SubRings {
			addSmall(w.small, c0.Coeffs[i], s.Modulus)
		}
		q.NTT(c0, c0)
		q.MulCoeffsMontgomeryThenAdd(w.noise, w.key.b[lane], c0)
	}

	c1 := out.polys[0]
	if err := w.random.gaussian(w.small); err != nil {
		return err
	}
	w.ring.spread(w.small, c1)
	q.NTT(c1, c1)
	q.MulCoeffsMontgomeryThenAdd(w.noise, w.key.a, c1)
	return nil
}

// forget overwrites what was drawn for an encryption.
func (w *Worker) forget() {
	clear(w.small)
	w.noise.Zero()
	w.random.erase()
}
