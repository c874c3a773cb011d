package query

import (
	"maps"
	"math"
	"slices"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/layout"
)

// Error returns what separates the sum of some released numbers from the truth, given that sum. The cells are one, or all those
// of an answer that have some groups in common.
func (p *Plan) Error(cells []int, sum int64) dp.Error { return p.error(cells, math.Abs(float64(sum))) }

// LargestError is Error for the sum at which it is largest.
func (p *Plan) LargestError(cells []int) dp.Error { return p.error(cells, math.Inf(1)) }

// signed tells whether a chain adds up amounts of both signs.
func (p *Plan) signed(c *Chain) bool {
	return slices.ContainsFunc(c.Hops, func(h Hop) bool { return h.Amounts }) && p.Query.Amount.Low < p.Centre && p.Query.Amount.High > p.Centre
}

// error adds up the errors of the chains in the cells, which share no salt. Where all is of one chain, the sum says how many
// people the chain's parties share; where it is of several, only public bounds do.
//
// A chain's results for different groups have collisions of different people, and added up they are the chain's result for
// the groups together: its error is that of whole vectors, whichever cells it is in.
//
// In the matched layout nobody collides, and noise is the only error.
func (p *Plan) error(cells []int, sum float64) dp.Error {
	e := dp.Error{Noise: p.Noise, Draws: p.Draws() * len(cells)}
	if p.Matched() {
		return e
	}
	type result struct{ chain, result int }
	added := map[result]float64{} // a result can be in several of the cells
	for _, cell := range cells {
		for _, part := range p.parts[cell] {
			added[result{part.chain, part.result}] += part.factor
		}
	}
	factors := map[int]float64{} // by chain: its results have different people
	for r, factor := range added {
		if factor != 0 {
			factors[r.chain] = max(factors[r.chain], math.Abs(factor))
		}
	}
	var variance float64
	for _, i := range slices.Sorted(maps.Keys(factors)) { // in one order, for sums of floats depend on it
		c, factor := &p.Chains[i], factors[i]
		if len(c.Hops) == 1 {
			continue // a count without vectors has no collisions
		}
		smallest, _ := p.bounds(c)
		overlap := float64(smallest)
		lost := overlap // people whose amounts clipping may take away from
		if len(factors) == 1 {
			overlap = min(overlap, sum/factor)
			if !p.signed(c) { // else what is lost of some may be hidden in a sum near 0
				lost = overlap
			}
		}
		std := factor * layout.StandardError(p.collisions[i].sizes, overlap, p.LogSlots)
		variance += std * std
		e.Bias += factor * p.collisions[i].bias * lost
	}
	e.Std = math.Sqrt(variance)
	return e
}
