package he

import (
	"bytes"
	"errors"
	"math/big"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/params"
)

// smallRing returns a ring of two tiles per row, too small to be secure, with primes of 55 bits, or of 60, the largest in
// the table, where lazily reduced sums have the least room.
func smallRing(large bool) *Ring {
	set := params.Set{LogN: 8, Q: []uint64{0x7ffffffffb4001, 0x7fffffffeac001}, T: 0x3ff0001}
	if large {
		set.Q = []uint64{0xfffffffffffc001, 0xffffffffffe8001}
	}
	r, err := NewRing(set)
	if err != nil {
		panic(err)
	}
	return r
}

// anyBlock fills b with residues that a generator seeded by seed gives, a tenth of them the largest there are.
func anyBlock(r *Ring, b *Block, seed uint64) {
	for _, p := range b.polys {
		for i, q := range r.set.Q {
			for k := range p.Coeffs[i] {
				seed = seed*6364136223846793005 + 1442695040888963407
				p.Coeffs[i][k] = (seed >> 3) % q
				if seed>>40%10 == 0 {
					p.Coeffs[i][k] = q - 1
				}
			}
		}
	}
}

// anySlots fills out with slots of the whole plaintext space.
func anySlots(r *Ring, out []int64, seed uint64) {
	for i := range out {
		seed = seed*6364136223846793005 + 1442695040888963407
		out[i] = int64(seed>>3%r.set.T) - int64(r.set.T/2)
	}
}

// Sums are exactly what MultiplyAdd gives, for any number of branches (more than fit into a window, too), groups (more than
// are encoded at a time, too), lanes and blocks, in whatever order and to whichever of several concurrent batches they are
// added. With this, all that holds for MultiplyAdd holds for sums.
func TestSumsAreThoseOfMultiplyAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkSums(t, drawShape(t)) })
}

// The extremes of it, one at a time: nothing but windows, nothing but chunks, and so many blocks that sums must be reduced
// in between.
func TestSumsAtTheirExtremes(t *testing.T) {
	for _, s := range []shape{
		{branches: 70, groups: 1, lanes: 1, blocks: 2, batches: 1},
		{branches: 33, groups: 2, lanes: 2, blocks: 5, batches: 2, large: true},
		{branches: 65, groups: 1, lanes: 1, blocks: 60, batches: 1, large: true},
		{branches: 1, groups: 40, lanes: 1, blocks: 5, batches: 1},
		{branches: 1, groups: 1, lanes: 1, blocks: 203, batches: 1, large: true},
		{branches: 2, groups: 1, lanes: 16, blocks: 61, batches: 3, large: true},
		{branches: 1, groups: 3, lanes: 1, blocks: 1, batches: 4},
	} {
		checkSums(t, s)
	}
}

type shape struct {
	branches, groups, lanes, blocks, batches int
	large                                    bool
	seed                                     uint64
}

func drawShape(t *rapid.T) shape {
	return shape{
		branches: rapid.IntRange(1, 6).Draw(t, "branches"), groups: rapid.IntRange(1, 6).Draw(t, "groups"),
		lanes: rapid.IntRange(1, 4).Draw(t, "lanes"), blocks: rapid.IntRange(0, 12).Draw(t, "blocks"),
		batches: rapid.IntRange(1, 3).Draw(t, "batches"), large: rapid.Bool().Draw(t, "primes of 60 bits"),
		seed: rapid.Uint64().Draw(t, "seed"),
	}
}

func checkSums(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, s shape,
) {
	r := smallRing(s.large)
	key := &PublicKey{ring: r}
	encoded := make([][][]byte, s.blocks)
	one, plain, slots := r.NewBlock(s.lanes), key.NewWorker().NewPlain(), make([]int64, r.set.N())
	want := make([]*Block, s.branches*s.groups)
	for i := range want {
		want[i] = r.NewBlock(s.lanes)
	}
	slotsOf := func(block, group int, out []int64) { anySlots(r, out, s.seed+uint64(block*1000+group)) }
	w := key.NewWorker()
	for block := range encoded {
		for branch := range s.branches {
			anyBlock(r, one, s.seed+uint64(1<<40+block*1000+branch))
			encoded[block] = append(encoded[block], r.AppendBlock(nil, one))
			for group := range s.groups {
				slotsOf(block, group, slots)
				w.Encode(slots, plain)
				w.MultiplyAdd(one, plain, want[branch*s.groups+group])
			}
		}
	}

	sums := r.NewSums(s.branches, s.groups, s.lanes)
	var wait sync.WaitGroup
	for i := range s.batches {
		batch := key.NewWorker().NewBatch(sums, slotsOf)
		wait.Go(func() {
			for block := len(encoded) - 1 - i; block >= 0; block -= s.batches {
				for first := 0; first < s.branches; first += sums.Window() {
					if err := batch.Add(block, first, encoded[block][first:min(s.branches, first+sums.Window())]); err != nil {
						panic(err)
					}
				}
			}
			batch.Flush()
		})
	}
	wait.Wait()
	for cell, w := range want {
		sums.Cell(cell/s.groups, cell%s.groups, one)
		for j, p := range w.polys {
			for prime := range p.Coeffs {
				if !slices.Equal(p.Coeffs[prime], one.polys[j].Coeffs[prime]) {
					t.Fatalf("%+v: cell %d, polynomial %d, prime %d differs from MultiplyAdd", s, cell, j, prime)
				}
			}
		}
	}
}

// A product of stacks is right up to the largest residues of the largest prime, and a sum never holds more than is counted.
func TestMultiplyStackAtTheEdge(t *testing.T) {
	s := smallRing(true).q.SubRings[0]
	var a, b stack
	for k := range a {
		for i := range a[k] {
			a[k][i], b[k][i] = s.Modulus-1, s.Modulus-1-uint64(i%2)
		}
	}
	q := new(big.Int).SetUint64(s.Modulus)
	inverse := new(big.Int).ModInverse(new(big.Int).Lsh(big.NewInt(1), 64), q)
	var sums tile
	multiplyStack(&sums, &a, &b, s)
	for i, got := range sums {
		want := big.NewInt(int64(depth * (1 + i%2))) // (−1)·(−1 − i%2), depth times
		want.Mul(want, inverse).Mod(want, q)
		if got >= 2*s.Modulus || got%s.Modulus != want.Uint64() {
			t.Fatalf("coefficient %d: %d modulo %d, want %d", i, got, s.Modulus, want)
		}
	}
}

// Sums never overflow, even where every product is as large as it can be.
func TestRoomForSums(t *testing.T) {
	for _, large := range []bool{false, true} {
		s := smallRing(large).q.SubRings[0]
		most := 2*s.Modulus - 1
		r := region{sums: make([]tile, 2)}
		for i := range 2000 {
			times := 1 + i%depth
			r.room(times, s)
			for range times {
				if sum := r.sums[1][3] + most; sum < most {
					t.Fatalf("primes of %d bits: overflow at product %d", big.NewInt(int64(s.Modulus)).BitLen(), i)
				}
				r.sums[1][3] += most
			}
		}
	}
}

// What is malformed is refused, by the number of its branch, and so are branches that there are not.
func TestBatchRefusals(t *testing.T) {
	r := smallRing(false)
	good := r.AppendBlock(nil, r.NewBlock(2))
	large := slices.Clone(good)
	copy(large[len(large)-7:], bytes.Repeat([]byte{0xff}, 7)) // the last residue of the last polynomial
	early := slices.Clone(good)
	copy(early, bytes.Repeat([]byte{0xff}, 7)) // the first residue of the first polynomial
	for name, c := range map[string]struct {
		first     int
		encoded   [][]byte
		malformed bool
		says      string
	}{
		"short":                      {0, [][]byte{good, good[1:]}, true, "add to batch: branch 1: malformed block: 10559 bytes, must be 10560"},
		"too large":                  {1, [][]byte{good, large}, true, "add to batch: branch 2: malformed block: a residue is not below its prime"},
		"too large at the beginning": {0, [][]byte{early}, true, "add to batch: branch 0: malformed block: a residue is not below its prime"},

		"one too many":  {2, [][]byte{good, good}, false, "add to batch: branches 2 to 3 of 3, at most 3 at a time"},
		"before":        {-1, [][]byte{good}, false, "add to batch: branches -1 to -1 of 3, at most 3 at a time"},
		"all is well":   {0, [][]byte{good, good, good}, false, ""},
		"only some":     {1, [][]byte{good}, false, ""},
		"none, anyway":  {0, nil, false, ""},
		"another lane":  {0, [][]byte{append(good[:len(good):len(good)], good[:len(good)/3]...)}, true, "add to batch: branch 0: malformed block: 14080 bytes, must be 10560"},
		"none of a row": {2, [][]byte{nil}, true, "add to batch: branch 2: malformed block: 0 bytes, must be 10560"},
	} {
		batch := (&PublicKey{ring: r}).NewWorker().NewBatch(r.NewSums(3, 1, 2), func(int, int, []int64) {})
		err := batch.Add(0, c.first, c.encoded)
		if errors.Is(err, ErrMalformed) != c.malformed || (err == nil) != (c.says == "") || err != nil && err.Error() != c.says {
			t.Errorf("%s: error is %v, want %q", name, err, c.says)
		}
	}
}

// A batch refuses exactly what ReadBlock refuses, and adds what ReadBlock reads.
func FuzzBatch(f *testing.F) {
	r := smallRing(false)
	worker := (&PublicKey{ring: r}).NewWorker()
	block, cell := r.NewBlock(1), r.NewBlock(1)
	ones := func(_, _ int, out []int64) {
		for i := range out {
			out[i] = 1
		}
	}
	anyBlock(r, block, 1)
	whole := r.AppendBlock(nil, block)
	f.Add([]byte{}, 0)
	f.Add(whole[:100], 5)
	f.Add(bytes.Repeat([]byte{0xff}, 9), r.BlockBytes(1)-9)
	f.Fuzz(func(t *testing.T, patch []byte, at int) {
		encoded := slices.Clone(whole)
		if at >= 0 && at < len(encoded) {
			copy(encoded[at:], patch)
		}
		for _, encoded := range [][]byte{encoded, patch} {
			sums := r.NewSums(1, 1, 1)
			batch := worker.NewBatch(sums, ones)
			refused := r.ReadBlock(encoded, block)
			if err := batch.Add(0, 0, [][]byte{encoded}); errors.Is(err, ErrMalformed) != (refused != nil) || (err != nil) != (refused != nil) {
				t.Fatalf("ReadBlock says %v, the batch %v", refused, err)
			}
			if refused != nil {
				continue
			}
			batch.Flush() // a product with ones is the block itself
			if sums.Cell(0, 0, cell); !bytes.Equal(r.AppendBlock(nil, cell), encoded) {
				t.Fatal("the batch read something else")
			}
		}
	})
}

// Guards the memory of a party: a cross-tab of 11 × 11 groups takes less than 100 MB for the sums and the batches of two
// goroutines, one of 1000 cells less than 400 MB, whatever their lanes. This counts what is allocated, at n = 2^13 and two
// primes; little more is, later on.
func TestMemoryOfSums(t *testing.T) {
	set := params.Set{LogN: 13, Q: []uint64{0x7ffffffffb4001, 0x7fffffffeac001}, T: 0x3ff0001}
	r, err := NewRing(set)
	if err != nil {
		t.Fatal(err)
	}
	worker := (&PublicKey{ring: r}).NewWorker()
	for _, c := range []struct {
		branches, groups, lanes int
		limit                   uint64
	}{
		{1, 1, 1, 5e6},
		{1, 11, 11, 100e6},
		{11, 11, 1, 100e6},
		{2, 32, 16, 400e6},
		{1, 1000, 1, 400e6},
		{100, 10, 1, 400e6},
		{1000, 1, 1, 400e6},
		{7, 10, 15, 400e6}, // 10 × 10 of two parties' dimensions each, and 10 of a third
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sums := r.NewSums(c.branches, c.groups, c.lanes)
		for range 2 {
			worker.NewBatch(sums, nil)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > c.limit {
			t.Errorf("%+v: %d MB", c, got/1e6)
		}
	}
}
