package query

import (
	"math"
	"slices"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/layout"
)

// Error returns what separates the sum of some released numbers from the truth, given that sum.
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
func (p *Plan) error(cells []int, sum float64) dp.Error {
	e := dp.Error{Noise: p.Noise, Draws: p.Draws() * len(cells)}
	within := make([]bool, p.Cells)
	for _, cell := range cells {
		within[cell] = true
	}
	factors := make([]float64, len(p.Chains)) // by which a chain's count is multiplied, 0 if it has no part
	parts := 0
	for i := range p.Chains {
		for _, targets := range p.Chains[i].Into {
			for _, t := range targets {
				if within[t.Cell] {
					factors[i] = max(factors[i], math.Abs(float64(t.Coefficient))*float64(p.Chains[i].Scale))
				}
			}
		}
		if factors[i] > 0 {
			parts++
		}
	}
	var variance float64
	for i, factor := range factors {
		c := &p.Chains[i]
		if factor == 0 || len(c.Hops) == 1 {
			continue // a count without vectors has no collisions
		}
		smallest, _ := p.bounds(c)
		overlap := float64(smallest)
		lost := overlap // people whose amounts clipping may take away from
		if parts == 1 {
			overlap = min(overlap, sum/factor)
			if !p.signed(c) { // else what is lost of some may be hidden in a sum near 0
				lost = overlap
			}
		}
		sizes := make([]float64, len(c.Hops))
		var bias float64
		for j, h := range c.Hops {
			sizes[j] = float64(p.Query.Participants[p.Query.participant(h.Party)].CustomersUpTo)
			bias += layout.ClipBias(sizes[j]/float64(p.Need.Slots), p.Clip)
		}
		std := factor * layout.StandardError(sizes, overlap, p.LogSlots)
		variance += std * std
		e.Bias += factor * bias * lost
	}
	e.Std = math.Sqrt(variance)
	return e
}
