package he

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/params"
)

// The codec packs every residue to the bit length of its prime, most significant bit first, and takes back exactly what it
// wrote, whatever follows. Guards the bytes on the wire: they are compared with one large number, shifted and added.
func TestPackRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(33, 63).Draw(t, "bits")
		values := rapid.SliceOfN(rapid.Uint64Range(0, 1<<size-1), 8, 8*9).Draw(t, "values")
		values = values[:len(values)/8*8]
		before := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "bytes before")
		after := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes after")
		encoded := pack(bytes.Clone(before), values, size)
		want := new(big.Int)
		largest := uint64(0)
		for _, v := range values {
			want.Lsh(want, uint(size)).Add(want, new(big.Int).SetUint64(v))
			largest = max(largest, v)
		}
		if whole := append(before, want.FillBytes(make([]byte, len(values)*size/8))...); !bytes.Equal(encoded, whole) {
			t.Fatalf("packed to %x, want %x", encoded, whole)
		}
		encoded = slices.Clip(append(encoded[len(before):], after...)) // nothing behind the end is to be read
		back := make([]uint64, len(values))
		if !unpack(encoded, back, size, largest+1) {
			t.Fatal("refused its own encoding")
		}
		for i := range values {
			if back[i] != values[i] {
				t.Fatalf("value %d is %d, was %d", i, back[i], values[i])
			}
		}
		if largest > 0 && unpack(encoded, back, size, largest) {
			t.Fatal("accepted a residue that is not below its prime")
		}
	})
}

// A block costs at most 1 % more than the residues' own bits, 2·log2(Q)/8 bytes per slot.
func TestBlockSize(t *testing.T) {
	for products := 1; products <= 4; products++ {
		j := newJoint(t, params.Need{Products: products, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 3, Coefficient: 1}, 1)
		q, _ := new(big.Float).SetInt(j.ring.modulus).Float64()
		limit := 2 * math.Log2(q) / 8 * 1.01
		if perSlot := float64(j.ring.BlockBytes(1)) / float64(j.ring.set.N()); perSlot > limit {
			t.Errorf("%d products: %.2f bytes per slot, at most %.2f", products, perSlot, limit)
		}
	}
}

// Short, long and out-of-range blocks are refused; whatever is accepted encodes to the same bytes.
func FuzzReadBlock(f *testing.F) {
	j := newJoint(f, params.Need{Products: 1, Slots: 1 << 20, Largest: 1, KeyHolders: 2, Coefficient: 1}, 2)
	b := j.ring.NewBlock(2)
	f.Add([]byte{}, 0)
	f.Add(j.ring.AppendBlock(nil, b)[:100], 5)
	f.Add(bytes.Repeat([]byte{0xff}, 64), 200)
	f.Fuzz(func(t *testing.T, patch []byte, at int) {
		encoded := make([]byte, j.ring.BlockBytes(2))
		if at >= 0 && at < len(encoded) {
			copy(encoded[at:], patch)
		}
		if j.ring.ReadBlock(encoded, b) == nil && !bytes.Equal(j.ring.AppendBlock(nil, b), encoded) {
			t.Fatal("accepted a second encoding of one block")
		}
		for _, bad := range [][]byte{patch, encoded[1:], append(encoded, 0)} {
			if len(bad) != len(encoded) && !errors.Is(j.ring.ReadBlock(bad, b), ErrMalformed) {
				t.Fatalf("accepted %d bytes", len(bad))
			}
		}
	})
}
