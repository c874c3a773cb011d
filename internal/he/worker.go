package he

import (
	"fmt"
	"math/big"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// Worker encrypts and multiplies blocks under one public key. Not safe for concurrent use: one per goroutine.
type Worker struct {
	ring   *Ring
	key    *PublicKey
	random *sampler
	small  []int8    // buffer for what is drawn
	noise  ring.Poly // buffer for the u of an encryption
	zero   *Block    // buffer for encryptions of zero, once there was one
	values []int64   // buffer for slots
	slots  []uint64  // the same modulo t
}

// NewWorker returns a worker for the key.
func (k *PublicKey) NewWorker() *Worker {
	n := k.ring.set.N()
	return &Worker{
		ring: k.ring, key: k, random: newSampler(),
		small: make([]int8, n), noise: k.ring.q.NewPoly(), values: make([]int64, n), slots: make([]uint64, n),
	}
}

// Plain is a plaintext block, ready to multiply ciphertexts by it.
type Plain struct{ poly ring.Poly }

// NewPlain returns a buffer for a plaintext.
func (w *Worker) NewPlain() *Plain { return &Plain{w.ring.q.NewPoly()} }

// Encode writes the plaintext of n slots, each in (−t/2, t/2), to p.
// Its coefficients are lifted to the centre, (−t/2, t/2], which keeps the noise of products small.
func (w *Worker) Encode(slots []int64, p *Plain) {
	w.lift(slots, p.poly)
	w.ring.q.NTTLazy(p.poly, p.poly) // up to 6q, which MForm reduces
	w.ring.q.MForm(p.poly, p.poly)
}

// lift interpolates the slots modulo t and writes the centred coefficients modulo every prime of Q.
func (w *Worker) lift(slots []int64, out ring.Poly) {
	n, t := w.ring.set.N(), w.ring.set.T
	if len(slots) != n {
		panic(fmt.Sprintf("he: %d slots in a block of %d", len(slots), n))
	}
	half := int64(t / 2)
	var outside int64 // negative once a slot is
	for i, v := range slots {
		outside |= (half - v) | (half + v)
		w.slots[i] = uint64(v) + t&uint64(v>>63) // v mod t without a branch on the value
	}
	if outside < 0 {
		panic("he: a slot lies outside the plaintext space")
	}
	w.ring.t.INTT(w.slots, w.slots)
	for i, s := range w.ring.q.SubRings {
		row, gap := out.Coeffs[i], s.Modulus-t
		for j, c := range w.slots {
			row[j] = c + gap&-((t/2-c)>>63) // c > t/2 stands for c − t
		}
	}
}

// Multiply writes in times p, slot by slot, to out. What comes out still shows p to whoever knows in: it must be
// re-randomised before it leaves.
func (w *Worker) Multiply(in *Block, p *Plain, out *Block) {
	for i, poly := range in.polys {
		w.ring.q.MulCoeffsMontgomery(poly, p.poly, out.polys[i])
	}
}

// MultiplyAdd adds in times p to the accumulator.
func (w *Worker) MultiplyAdd(in *Block, p *Plain, accumulator *Block) {
	for i, poly := range in.polys {
		w.ring.q.MulCoeffsMontgomeryThenAdd(poly, p.poly, accumulator.polys[i])
	}
}

// Output splits a result ciphertext into what is handed on at the end of a chain: the constant coefficient in [0, Q) of every
// lane's c0, which goes to the analyst, and the encoding of c1, which goes to the key-holders.
func (r *Ring) Output(b *Block) (c0 []*big.Int, c1 []byte) {
	for _, p := range b.polys[1:] {
		c0 = append(c0, r.constantTerm(p))
	}
	return c0, r.appendPoly(nil, b.polys[0])
}
