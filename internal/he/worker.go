package he

import (
	"fmt"
	"math/big"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/ring"
)

// Worker encrypts and multiplies blocks under one public key. Not safe for concurrent use: one per goroutine.
type Worker struct {
	ring      *Ring
	encryptor *rlwe.Encryptor
	zero      *rlwe.Ciphertext // buffer for encryptions of zero
	plain     ring.Poly        // buffer for encoded plaintexts
	slots     []uint64         // buffer modulo t
}

// NewWorker returns a worker for the key.
func (k *PublicKey) NewWorker() *Worker {
	return &Worker{
		ring:      k.ring,
		encryptor: rlwe.NewEncryptor(k.ring.rlwe, k.key),
		zero:      rlwe.NewCiphertext(k.ring.rlwe, 1),
		plain:     k.ring.q.NewPoly(),
		slots:     make([]uint64, k.ring.set.N()),
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
	w.ring.q.NTT(p.poly, p.poly)
	w.ring.q.MForm(p.poly, p.poly)
}

// lift interpolates the slots modulo t and writes the centred coefficients modulo every prime of Q.
func (w *Worker) lift(slots []int64, out ring.Poly) {
	n, t := w.ring.set.N(), w.ring.set.T
	if len(slots) != n {
		panic(fmt.Sprintf("he: %d slots in a block of %d", len(slots), n))
	}
	for i, v := range slots {
		w.slots[i] = uint64(v) + t&uint64(v>>63) // v mod t without a branch on the value
	}
	w.ring.t.INTT(w.slots, w.slots)
	for i, s := range w.ring.q.SubRings {
		row, gap := out.Coeffs[i], s.Modulus-t
		for j, c := range w.slots {
			row[j] = c + gap&-((t/2-c)>>63) // c > t/2 stands for c − t
		}
	}
}

// Encrypt writes a fresh encryption of the slots to out.
func (w *Worker) Encrypt(slots []int64, out *Block) error {
	w.lift(slots, w.plain)
	for i, s := range w.ring.q.SubRings {
		s.MulScalarMontgomery(w.plain.Coeffs[i], w.ring.tInverse[i], w.plain.Coeffs[i])
	}
	w.ring.q.NTT(w.plain, w.plain)
	if err := w.encryptor.EncryptZero(w.zero); err != nil {
		return fmt.Errorf("encrypt block: %w", err)
	}
	w.ring.q.Add(w.zero.Value[0], w.plain, out.c0)
	copyPoly(out.c1, w.zero.Value[1])
	return nil
}

// Multiply writes in times p, slot by slot, to out. What comes out still shows p to whoever knows in: it must be
// re-randomised before it leaves.
func (w *Worker) Multiply(in *Block, p *Plain, out *Block) {
	w.ring.q.MulCoeffsMontgomery(in.c0, p.poly, out.c0)
	w.ring.q.MulCoeffsMontgomery(in.c1, p.poly, out.c1)
}

// MultiplyAdd adds in times p to the accumulator.
func (w *Worker) MultiplyAdd(in *Block, p *Plain, accumulator *Block) {
	w.ring.q.MulCoeffsMontgomeryThenAdd(in.c0, p.poly, accumulator.c0)
	w.ring.q.MulCoeffsMontgomeryThenAdd(in.c1, p.poly, accumulator.c1)
}

// Rerandomise adds a fresh encryption of zero to b, after which b tells nothing about how it was computed.
func (w *Worker) Rerandomise(b *Block) error {
	if err := w.encryptor.EncryptZero(w.zero); err != nil {
		return fmt.Errorf("re-randomise block: %w", err)
	}
	w.ring.q.Add(b.c0, w.zero.Value[0], b.c0)
	w.ring.q.Add(b.c1, w.zero.Value[1], b.c1)
	return nil
}

// Output splits a result ciphertext into what is handed on at the end of a chain: the constant coefficient of c0 in
// [0, Q), which goes to the analyst, and the encoding of c1, which goes to the key-holders.
func (r *Ring) Output(b *Block) (c0 *big.Int, c1 []byte) {
	return r.constantTerm(b.c0), r.appendPoly(nil, b.c1)
}

func copyPoly(to, from ring.Poly) {
	for i := range from.Coeffs {
		copy(to.Coeffs[i], from.Coeffs[i])
	}
}
