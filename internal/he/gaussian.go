package he

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// edges[k−1] is P(|X| < k)·2^79, rounded, for k = 1 … 19 and X the discrete Gaussian, P(X = x) ∝ exp(−x²/2σ²), with
// σ = params.SigmaFresh, cut at 6σ: |X| ≤ 19. High holds the upper 15 bits, low the other 64. Rounding moves no edge by
// more than 2⁻⁸⁰, so the distribution that is drawn lies within a statistical distance of 2⁻⁷⁵ of X.
var edges = [19]struct{ high, low uint64 }{
	{4085, 0x2b40a5917f1d1fa3},
	{11866, 0x25d4bf0e400e4e20},
	{18586, 0xe26955b04bd62e7d},
	{23851, 0xc20f621bf1856b1e},
	{27592, 0x694c3cc80ff4f0d2},
	{30002, 0xd89ac6ba7dcecada},
	{31411, 0x96cb74436798ff0f},
	{32158, 0x4e916643eb07d6c7},
	{32517, 0x495819eb20516cd4},
	{32673, 0xce9c0039a95711d1},
	{32735, 0xb3f212e8c4e898a6},
	{32757, 0xe6f9d2314fcc59b1},
	{32765, 0x1f97bc4406a2bce5},
	{32767, 0x40fa0088d11d96dc},
	{32767, 0xd2e835e1c57dbeae},
	{32767, 0xf6524386ff1e293c},
	{32767, 0xfe1db4769da53ce8},
	{32767, 0xffac0a1dcb08cd0f},
	{32767, 0xfff4286738531beb},
}

// distinct is how many edges differ in their upper bits.
const distinct = 14

// atEdge[k] is the largest upper part of an edge that a number of k edges' upper parts or more reaches; none for 0.
var atEdge = func() (at [16]uint64) {
	at[0] = 1 << 15
	for k := range distinct {
		at[k+1] = edges[k].high
	}
	return at
}()

// gaussian fills out, whose length is a multiple of 4, with independent draws of X.
//
// This is sampling by the cumulative table (Peikert, "An Efficient and Parallel Gaussian Sampler for Lattices", 2010,
// section 5): |X| is the number of edges that a uniform number reaches. The upper 15 bits are drawn and compared for four
// numbers at once, with the same operations whatever they are. They leave it open only when they are those of an edge, one
// time in 2000; then 64 more are drawn. That this happened can be seen in the time taken: it tells that the number is next
// to one of the edges, and not to which.
func (s *sampler) gaussian(out []int8) error {
	bytes, err := s.draw(2 * len(out))
	if err != nil {
		return err
	}
	for ; len(out) >= 4; out, bytes = out[4:], bytes[8:] {
		word := binary.LittleEndian.Uint64(bytes)
		counts := reached(word)
		four := out[:4]
		for i := range four {
			high, count := word&(1<<15-1), counts&15
			if high == atEdge[count] {
				count = resolve(high)
			}
			sign := word >> 15 & 1
			four[i] = int8(count ^ -sign + sign)
			word, counts = word>>16, counts>>16
		}
	}
	return nil
}

const (
	lanes = 0x0001000100010001 // 1 in each of four lanes of 16 bits
	tops  = lanes << 15
)

// laneEdges are the upper parts of edges, in every lane.
var laneEdges = func() (at [distinct]uint64) {
	for k := range at {
		at[k] = edges[k].high * lanes
	}
	return at
}()

// reached returns, lane by lane, how many edges' upper parts the lower 15 bits of word reach.
func reached(word uint64) uint64 {
	word |= tops
	e := &laneEdges
	// With the top bit set, a lane less an edge keeps that bit if and only if its number reaches the edge.
	return (word-e[0])>>15&lanes + (word-e[1])>>15&lanes + (word-e[2])>>15&lanes + (word-e[3])>>15&lanes +
		(word-e[4])>>15&lanes + (word-e[5])>>15&lanes + (word-e[6])>>15&lanes + (word-e[7])>>15&lanes +
		(word-e[8])>>15&lanes + (word-e[9])>>15&lanes + (word-e[10])>>15&lanes + (word-e[11])>>15&lanes +
		(word-e[12])>>15&lanes + (word-e[13])>>15&lanes
}

// resolve draws 64 lower bits for these upper ones and returns how many edges they reach together.
func resolve(high uint64) uint64 {
	var bytes [8]byte
	rand.Read(bytes[:])
	return reachedBy(high, binary.LittleEndian.Uint64(bytes[:]))
}

// reachedBy returns how many edges a number of 79 bits reaches, without a branch on it.
func reachedBy(high, low uint64) (count uint64) {
	for _, e := range edges {
		_, borrow := bits.Sub64(low, e.low, 0)
		_, borrow = bits.Sub64(high, e.high, borrow)
		count += 1 - borrow
	}
	return count
}
