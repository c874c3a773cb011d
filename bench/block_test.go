package bench

import (
	"testing"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/schemes/bgv"

	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/params"
)

// need is that of a two-party question over 100 000 customers each, precision low.
var need = params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 19, KeyHolders: 3, Coefficient: 1}

// newKey returns a joint key of that many lanes.
func newKey(b *testing.B, lanes int) (*he.Ring, *he.PublicKey) {
	b.Helper()
	set, err := params.Choose(need)
	if err != nil {
		b.Fatal(err)
	}
	ring, err := he.NewRing(set)
	if err != nil {
		b.Fatal(err)
	}
	share, err := ring.NewShare([32]byte{1}, lanes)
	if err != nil {
		b.Fatal(err)
	}
	key, err := ring.JoinKey([32]byte{1}, [][]byte{share.Public()}, lanes)
	if err != nil {
		b.Fatal(err)
	}
	return ring, key
}

// slots is a block as the hashed layout makes it at a load of 1/4.
func slots(n int) []int64 {
	out := make([]int64, n)
	for i := 0; i < n; i += 4 {
		out[i] = int64(i/4%3) - 1
	}
	return out
}

func BenchmarkEncode(b *testing.B) {
	_, key := newKey(b, 1)
	w := key.NewWorker()
	plain, values := w.NewPlain(), slots(1<<13)
	for b.Loop() {
		w.Encode(values, plain)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	ring, key := newKey(b, 1)
	w := key.NewWorker()
	block, values := ring.NewBlock(1), slots(1<<13)
	for b.Loop() {
		if err := w.Encrypt(func(_ int, out []int64) { copy(out, values) }, block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMultiplyAdd(b *testing.B) {
	ring, key := newKey(b, 1)
	w := key.NewWorker()
	block, sum, plain := ring.NewBlock(1), ring.NewBlock(1), w.NewPlain()
	w.Encode(slots(1<<13), plain)
	for b.Loop() {
		w.MultiplyAdd(block, plain, sum)
	}
}

func BenchmarkRerandomise(b *testing.B) {
	ring, key := newKey(b, 1)
	w := key.NewWorker()
	block := ring.NewBlock(1)
	for b.Loop() {
		if err := w.Rerandomise(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	ring, _ := newKey(b, 1)
	block := ring.NewBlock(1)
	buffer := make([]byte, 0, ring.BlockBytes(1))
	b.SetBytes(int64(ring.BlockBytes(1)))
	for b.Loop() {
		buffer = ring.AppendBlock(buffer[:0], block)
	}
}

func BenchmarkUnpack(b *testing.B) {
	ring, _ := newKey(b, 1)
	block := ring.NewBlock(1)
	encoded := ring.AppendBlock(nil, block)
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		if err := ring.ReadBlock(encoded, block); err != nil {
			b.Fatal(err)
		}
	}
}

// The lattigo calls alone, through its own API, at the same parameters: what a hop is held against.
func lattigo(b *testing.B) (bgv.Parameters, *rlwe.PublicKey) {
	b.Helper()
	set, err := params.Choose(need)
	if err != nil {
		b.Fatal(err)
	}
	p, err := bgv.NewParametersFromLiteral(bgv.ParametersLiteral{LogN: int(set.LogN), Q: set.Q, PlaintextModulus: set.T})
	if err != nil {
		b.Fatal(err)
	}
	_, pk := rlwe.NewKeyGenerator(p).GenKeyPairNew()
	return p, pk
}

func BenchmarkLattigoEncode(b *testing.B) {
	p, _ := lattigo(b)
	encoder, pt, values := bgv.NewEncoder(p), bgv.NewPlaintext(p, p.MaxLevel()), slots(p.N())
	for b.Loop() {
		if err := encoder.Encode(values, pt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLattigoEncrypt(b *testing.B) {
	p, pk := lattigo(b)
	encryptor, pt, ct := rlwe.NewEncryptor(p, pk), bgv.NewPlaintext(p, p.MaxLevel()), bgv.NewCiphertext(p, 1, p.MaxLevel())
	for b.Loop() {
		if err := encryptor.Encrypt(pt, ct); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLattigoMultiplyAdd(b *testing.B) {
	p, _ := lattigo(b)
	evaluator := bgv.NewEvaluator(p, nil)
	pt, ct, sum := bgv.NewPlaintext(p, p.MaxLevel()), bgv.NewCiphertext(p, 1, p.MaxLevel()), bgv.NewCiphertext(p, 1, p.MaxLevel())
	for b.Loop() {
		if err := evaluator.MulThenAdd(ct, pt, sum); err != nil {
			b.Fatal(err)
		}
	}
}
