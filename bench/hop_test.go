package bench

import (
	"fmt"
	"testing"

	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/protocol"
)

// Questions to two parties of 100 000 customers, precision low. A dimension of 10 values has 11 groups, with the unknown.
var hops = []struct {
	name        string
	first, last int // groups of each party
	lanes       int // of a ciphertext
	ciphertexts int // per block, on their way from the first to the last
}{
	{"overlap", 1, 1, 1, 1},
	{"by 10", 1, 11, 1, 1},
	{"10 x 10", 11, 11, 11, 1},
	{"10 x 10 without lanes", 11, 11, 1, 11},
}

const (
	each     = 100_000 // customers
	logSlots = 20
	logN     = 13
	blocks   = 1 << (logSlots - logN)
)

// BenchmarkFirstHop is all that the first party does per block, but for the network: slots, encryption, packing, hashing.
func BenchmarkFirstHop(b *testing.B) {
	for _, h := range hops {
		b.Run(h.name, func(b *testing.B) {
			ring, key := newKey(b, h.lanes)
			w := key.NewWorker()
			block := ring.NewBlock(h.lanes)
			vector := place(b, h.first)
			hash := protocol.NewStreamHash([32]byte{}, 0, 0)
			buffer := make([]byte, 0, ring.BlockBytes(h.lanes))
			i := 0
			for b.Loop() {
				for ciphertext := range h.ciphertexts {
					slots := func(lane int, out []int64) { vector.Block(i%blocks, ciphertext*h.lanes+lane, out) }
					if err := w.Encrypt(slots, block); err != nil {
						b.Fatal(err)
					}
					buffer = ring.AppendBlock(buffer[:0], block)
					hash.Add(buffer)
				}
				i++
			}
			b.ReportMetric(float64(h.ciphertexts*ring.BlockBytes(h.lanes)), "B-sent/op")
		})
	}
}

// BenchmarkLastHop is all that the last party does per block, but for the network: hashing, unpacking, slots, encoding,
// products.
func BenchmarkLastHop(b *testing.B) {
	for _, h := range hops {
		b.Run(h.name, func(b *testing.B) {
			ring, key := newKey(b, h.lanes)
			w := key.NewWorker()
			block := ring.NewBlock(h.lanes)
			if err := w.EncryptZero(block); err != nil {
				b.Fatal(err)
			}
			var branches [][]byte
			for range h.ciphertexts {
				branches = append(branches, ring.AppendBlock(nil, block))
			}
			batch := w.NewBatch(ring.NewSums(h.ciphertexts, h.last, h.lanes), place(b, h.last).Block)
			hash := protocol.NewStreamHash([32]byte{}, 0, 0)
			i := 0
			for b.Loop() {
				for _, encoded := range branches {
					hash.Add(encoded)
				}
				if err := batch.Add(i%blocks, 0, branches); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkResults is what the last party does once per ciphertext at the end of a chain, and each key-holder with it: the
// sum is re-randomised and taken apart, and every lane's scalar is computed.
func BenchmarkResults(b *testing.B) {
	for _, lanes := range []int{1, 11} {
		b.Run(fmt.Sprintf("%d lanes", lanes), func(b *testing.B) {
			ring, key := newKey(b, lanes)
			share, err := ring.NewShare([32]byte{1}, lanes)
			if err != nil {
				b.Fatal(err)
			}
			w, block, sums := key.NewWorker(), ring.NewBlock(lanes), ring.NewSums(1, 1, lanes)
			for b.Loop() {
				sums.Cell(0, 0, block)
				if err := w.Rerandomise(block); err != nil {
					b.Fatal(err)
				}
				_, c1 := ring.Output(block)
				if _, err := share.Scalars(c1, lanes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFlood draws the flooding of one cell at one key-holder.
func BenchmarkFlood(b *testing.B) {
	ring, _ := newKey(b, 1)
	sigma := ring.Set().FloodSigma(need)
	for b.Loop() {
		he.Flood(sigma)
	}
}

func people(n int) []ids.ID {
	all := make([]ids.ID, n)
	for i := range all {
		all[i] = ids.ID{byte(i), byte(i >> 8), byte(i >> 16), 7}
	}
	return all
}

// place returns a party's vector in so many groups.
func place(b *testing.B, groups int) *layout.Vector {
	b.Helper()
	h := layout.Hashed{Length: 2, LogSlots: logSlots, LogN: logN, Clip: 3, Scale: 1}
	v, err := h.Place(0, people(each), groups, func(i int) int { return i % groups }, nil)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkPlace computes the vector of a million people, who count 1 or have amounts.
func BenchmarkPlace(b *testing.B) {
	all := people(1_000_000)
	h := layout.Hashed{Length: 2, LogSlots: 22, LogN: logN, Clip: 3, Scale: 1000}
	for name, amount := range map[string]func(int) int64{"people": nil, "amounts": func(i int) int64 { return int64(i % 1000) }} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Place(0, all, 1, func(int) int { return 0 }, amount); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
