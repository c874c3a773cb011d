package he

import (
	"fmt"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// Batch is one goroutine's way to add products to [Sums]. It gathers a few blocks, then multiplies all their branches by
// all groups: every plaintext is encoded once, and the sums are read and written once. Not safe for concurrent use, but
// batches of the same sums can be used at the same time.
type Batch struct {
	worker *Worker
	sums   *Sums
	slots  func(block, group int, out []int64)
	start  int // the region where multiplying begins

	blocks          []int   // that have gathered, depth at most
	first, branches int     // of these blocks
	in              []stack // their ciphertexts: of region r, branch first + i and polynomial j at (r·Window + i)·polys + j

	chunk  int       // groups that are encoded at once
	plain  []stack   // their plaintexts: of region r and the j-th of them at r·chunk + j
	buffer []int64   // slots of one
	poly   ring.Poly // coefficients of one
}

// These bound the memory of a batch: at two primes and n = 2^13 it is half a MiB per polynomial of a branch and per group.
const (
	maxWindow = 64 // polynomials
	maxChunk  = 16
)

// Window returns how many branches should be added at a time: all of them or, if those are too many, an even part.
func (s *Sums) Window() int {
	most := max(1, maxWindow/s.polys)
	windows := (s.branches + most - 1) / most
	return (s.branches + windows - 1) / windows
}

// NewBatch returns an empty batch. slots writes the n slots, each in (−t/2, t/2), of a block of a group; it is called in
// Add and Flush, once per block and group (once per window as well, if there are several).
func (w *Worker) NewBatch(s *Sums, slots func(block, group int, out []int64)) *Batch {
	b := &Batch{worker: w, sums: s, slots: slots, chunk: min(s.groups, maxChunk)}
	b.start = int(s.batches.Add(1)-1) * len(s.regions) / 4 // batches of several goroutines do not begin at the same place
	b.in = make([]stack, len(s.regions)*s.Window()*s.polys)
	b.plain = make([]stack, len(s.regions)*b.chunk)
	b.buffer = make([]int64, w.ring.set.N())
	b.poly = w.ring.q.NewPoly()
	return b
}

// Add takes one block's encoded ciphertexts of the branches first, first + 1, …, at most [Sums.Window] of them. They are
// not needed any more when it returns. Every pair of block and branch must be added once, to one of the batches. After an
// error, which wraps [ErrMalformed] and names the branch, the sums are of no use.
func (b *Batch) Add(block, first int, encoded [][]byte) error {
	if len(encoded) > b.sums.Window() || first < 0 || first+len(encoded) > b.sums.branches {
		return fmt.Errorf("add to batch: branches %d to %d of %d, at most %d at a time", first, first+len(encoded)-1, b.sums.branches, b.sums.Window())
	}
	if first != b.first || len(encoded) != b.branches {
		b.Flush()
		b.first, b.branches = first, len(encoded)
	}
	for i, e := range encoded {
		if err := b.read(e, i); err != nil {
			return fmt.Errorf("add to batch: branch %d: %w", first+i, err)
		}
	}
	if b.blocks = append(b.blocks, block); len(b.blocks) == depth || len(encoded) < b.sums.branches {
		b.Flush()
	}
	return nil
}

// Flush multiplies what has gathered. It must be called after the last Add.
func (b *Batch) Flush() {
	if len(b.blocks) == 0 {
		return
	}
	for from := 0; from < b.sums.groups; from += b.chunk {
		to := min(from+b.chunk, b.sums.groups)
		b.encode(from, to)
		for i := range b.sums.regions {
			b.multiply((b.start+i)%len(b.sums.regions), from, to)
		}
	}
	b.blocks = b.blocks[:0]
}

// read decodes the ciphertext of branch first + i of the next block.
func (b *Batch) read(encoded []byte, i int) error {
	r := b.worker.ring
	if err := r.checkLength(encoded, b.sums.polys); err != nil {
		return err
	}
	k, window := len(b.blocks), b.sums.Window()
	inside := true
	for j := range b.sums.polys {
		for prime, size := range r.bits {
			q := r.set.Q[prime]
			for t := range r.tiles() {
				to := &b.in[((prime*r.tiles()+t)*window+i)*b.sums.polys+j][k]
				inside = unpack(encoded[t*tileSize*size/8:], to[:], size, q) && inside
			}
			encoded = encoded[r.rowBytes(prime):]
		}
	}
	if !inside {
		return errResidue
	}
	return nil
}

// encode computes the plaintexts of the blocks that have gathered, of the groups from…to−1.
func (b *Batch) encode(from, to int) {
	r := b.worker.ring
	for k, block := range b.blocks {
		for group := from; group < to; group++ {
			b.slots(block, group, b.buffer)
			b.worker.lift(b.buffer, b.poly)
			for prime, s := range r.q.SubRings {
				row := b.poly.Coeffs[prime]
				s.NTTLazy(row, row) // up to 6q, which MForm reduces
				for t := range r.tiles() {
					s.MForm(row[t*tileSize:(t+1)*tileSize], b.plain[(prime*r.tiles()+t)*b.chunk+group-from][k][:])
				}
			}
		}
	}
}

// multiply adds to a region the products with the groups from…to−1, which have been encoded.
func (b *Batch) multiply(index, from, to int) {
	region, s := &b.sums.regions[index], b.worker.ring.q.SubRings[index/b.worker.ring.tiles()]
	polys := b.sums.polys
	in, plain := b.in[index*b.sums.Window()*polys:][:b.branches*polys], b.plain[index*b.chunk:][:to-from]
	region.mu.Lock()
	defer region.mu.Unlock()
	if len(b.blocks) == depth {
		region.room(1, s)
	} else {
		region.room(len(b.blocks), s)
	}
	for i := range b.branches {
		for group := from; group < to; group++ {
			cell := region.sums[((b.first+i)*b.sums.groups+group)*polys:][:polys]
			for j := range cell {
				if len(b.blocks) == depth {
					multiplyStack(&cell[j], &in[i*polys+j], &plain[group-from], s)
					continue
				}
				for k := range b.blocks {
					multiplyTile(&cell[j], &in[i*polys+j][k], &plain[group-from][k], s)
				}
			}
		}
	}
}
