package bench

import (
	"testing"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/schemes/bgv"

	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/params"
	"github.com/sotto-dev/sotto/internal/protocol"
)

// need is that of a two-party question over a million customers each, precision low.
var need = params.Need{Products: 1, Slots: 1 << 22, Largest: 4 << 20, KeyHolders: 3, Coefficient: 1}

func newKey(b *testing.B) (*he.Ring, *he.PublicKey) {
	b.Helper()
	set, err := params.Choose(need)
	if err != nil {
		b.Fatal(err)
	}
	ring, err := he.NewRing(set)
	if err != nil {
		b.Fatal(err)
	}
	share, err := ring.NewShare([32]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	key, err := ring.JoinKey([32]byte{1}, [][]byte{share.Public()})
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
	_, key := newKey(b)
	w := key.NewWorker()
	plain, values := w.NewPlain(), slots(1<<13)
	for b.Loop() {
		w.Encode(values, plain)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	ring, key := newKey(b)
	w := key.NewWorker()
	block, values := ring.NewBlock(), slots(1<<13)
	for b.Loop() {
		if err := w.Encrypt(values, block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMultiplyAdd(b *testing.B) {
	ring, key := newKey(b)
	w := key.NewWorker()
	block, sum, plain := ring.NewBlock(), ring.NewBlock(), w.NewPlain()
	w.Encode(slots(1<<13), plain)
	for b.Loop() {
		w.MultiplyAdd(block, plain, sum)
	}
}

func BenchmarkRerandomise(b *testing.B) {
	ring, key := newKey(b)
	w := key.NewWorker()
	block := ring.NewBlock()
	for b.Loop() {
		if err := w.Rerandomise(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	ring, _ := newKey(b)
	block := ring.NewBlock()
	buffer := make([]byte, 0, ring.BlockBytes())
	b.SetBytes(int64(ring.BlockBytes()))
	for b.Loop() {
		buffer = ring.AppendBlock(buffer[:0], block)
	}
}

func BenchmarkUnpack(b *testing.B) {
	ring, _ := newKey(b)
	block := ring.NewBlock()
	encoded := ring.AppendBlock(nil, block)
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		if err := ring.ReadBlock(encoded, block); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstHop is all that the first party of a chain does per block, but for the network: slots, encoding,
// encryption, packing, hashing.
func BenchmarkFirstHop(b *testing.B) {
	ring, key := newKey(b)
	w := key.NewWorker()
	block, values := ring.NewBlock(), make([]int64, 1<<13)
	vector := place(b)
	hash := protocol.NewStreamHash([32]byte{}, 0, 0)
	buffer := make([]byte, 0, ring.BlockBytes())
	i := 0
	for b.Loop() {
		vector.Block(i%512, 0, values)
		i++
		if err := w.Encrypt(values, block); err != nil {
			b.Fatal(err)
		}
		buffer = ring.AppendBlock(buffer[:0], block)
		hash.Add(buffer)
	}
}

// BenchmarkLastHop is all that the last party of a chain does per block and cell, but for the network.
func BenchmarkLastHop(b *testing.B) {
	ring, key := newKey(b)
	w := key.NewWorker()
	block, sum, plain, values := ring.NewBlock(), ring.NewBlock(), w.NewPlain(), make([]int64, 1<<13)
	encoded := ring.AppendBlock(nil, block)
	vector := place(b)
	hash := protocol.NewStreamHash([32]byte{}, 0, 0)
	i := 0
	for b.Loop() {
		hash.Add(encoded)
		if err := ring.ReadBlock(encoded, block); err != nil {
			b.Fatal(err)
		}
		vector.Block(i%512, 0, values)
		i++
		w.Encode(values, plain)
		w.MultiplyAdd(block, plain, sum)
	}
}

func people(n int) []ids.ID {
	all := make([]ids.ID, n)
	for i := range all {
		all[i] = ids.ID{byte(i), byte(i >> 8), byte(i >> 16), 7}
	}
	return all
}

var hashed = layout.Hashed{Length: 2, LogSlots: 22, LogN: 13, Clip: 3}

func place(b *testing.B) *layout.Vector {
	b.Helper()
	v, err := hashed.Place(0, people(1_000_000), 1, func(int) int { return 0 })
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkPlace computes the vector of a million people.
func BenchmarkPlace(b *testing.B) {
	all := people(1_000_000)
	for b.Loop() {
		if _, err := hashed.Place(0, all, 1, func(int) int { return 0 }); err != nil {
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
