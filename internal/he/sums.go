package he

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// Sums is a table of branches × groups cells, in which the last hop of a chain gathers Σ_block ciphertext · plaintext:
// cell (i, j) multiplies the ciphertexts of branch i by the plaintexts of group j. Products are added to it by a [Batch]
// per goroutine. A cell takes as much memory as a [Block], for two primes and n = 2^13 and one lane 256 KiB. Safe for
// concurrent use.
type Sums struct {
	ring             *Ring
	branches, groups int
	polys            int          // of a ciphertext
	regions          []region     // of prime p and tile t at p·tiles + t
	batches          atomic.Int32 // how many have been made
}

// The rows of polynomials are cut into tiles, so that while a batch of blocks is multiplied all that a tile needs fits the
// processor's caches, and so that goroutines work on different tiles rather than wait for each other. A stack is the
// same tile of up to depth blocks: their products with another stack are added up before they are reduced.
const (
	tileSize = 128
	depth    = 4
)

type (
	tile  [tileSize]uint64
	stack [depth]tile
)

// region is one tile of one prime of all cells.
type region struct {
	mu    sync.Mutex
	sums  []tile // by branch, then group, then polynomial of the block; lazily reduced
	added int    // a value of sums is below 2·added·q
}

// NewSums returns a table of zeros, for ciphertexts of that many lanes.
func (r *Ring) NewSums(branches, groups, lanes int) *Sums {
	s := &Sums{ring: r, branches: branches, groups: groups, polys: 1 + lanes, regions: make([]region, len(r.set.Q)*r.tiles())}
	tiles := branches * groups * s.polys
	all := make([]tile, tiles*len(s.regions))
	for i := range s.regions {
		s.regions[i].sums = all[i*tiles : (i+1)*tiles]
	}
	return s
}

// tiles returns how many tiles make a row.
func (r *Ring) tiles() int { return r.set.N() / tileSize }

// Cell writes a cell to out. Every batch must have been flushed.
func (s *Sums) Cell(branch, group int, out *Block) {
	cell := branch*s.groups + group
	for i := range s.regions {
		region := &s.regions[i]
		prime, from := i/s.ring.tiles(), i%s.ring.tiles()*tileSize
		sub := s.ring.q.SubRings[prime]
		region.mu.Lock()
		for j, p := range out.polys {
			sub.Reduce(region.sums[cell*s.polys+j][:], p.Coeffs[prime][from:from+tileSize])
		}
		region.mu.Unlock()
	}
}

// room makes sure that values below 2q can be added so many times without an overflow. The lock is held.
func (r *region) room(times int, s *ring.SubRing) {
	limit := int(min(math.MaxUint64/(2*s.Modulus), math.MaxInt))
	if r.added += times; r.added <= limit {
		return
	}
	for i := range r.sums {
		s.Reduce(r.sums[i][:], r.sums[i][:])
	}
	r.added = times + 1
}

// multiplyStack adds Σ_k a[k]·b[k], by coefficients and in Montgomery form, to sums: an integer in (0, 2q). One reduction
// does for all, since depth·q² < q·2^64. All of a and b lie below q.
func multiplyStack(sums *tile, a, b *stack, s *ring.SubRing) {
	q, qInv := s.Modulus, s.MRedConstant
	for i := range sums {
		high, low := bits.Mul64(a[0][i], b[0][i])
		var carry uint64
		h, l := bits.Mul64(a[1][i], b[1][i])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		h, l = bits.Mul64(a[2][i], b[2][i])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		h, l = bits.Mul64(a[3][i], b[3][i])
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
		h, _ = bits.Mul64(low*qInv, q)
		sums[i] += high - h + q
	}
}

// multiplyTile adds a·b, by coefficients and in Montgomery form, to sums: an integer in (0, 2q).
func multiplyTile(sums, a, b *tile, s *ring.SubRing) {
	q, qInv := s.Modulus, s.MRedConstant
	for i := range sums {
		sums[i] += ring.MRedLazy(a[i], b[i], q, qInv)
	}
}
