package query

import (
	"math"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/fault"
)

// price derives the noise from the sensitivity of all cells together.
func (p *Plan) price() error {
	sensitivity, err := p.matchedSensitivity(), error(nil)
	if !p.Matched() {
		sensitivity, err = p.hashedSensitivity()
	}
	if err != nil {
		return err
	}
	p.Noise = p.Query.noise(sensitivity)
	if err := p.Noise.Check(); err != nil {
		return fault.New(fault.Invalid, "plan: %v", err)
	}
	return nil
}

// hashedSensitivity adds up every chain's sensitivity, times what it is added with.
func (p *Plan) hashedSensitivity() (sensitivity int64, err error) {
	for i := range p.Chains {
		c := &p.Chains[i]
		one := int64(1) // of a count without vectors
		if len(c.Hops) > 1 {
			if one, err = dp.HashedSensitivity(len(c.Hops), c.split(), p.Clip); err != nil {
				return 0, fault.New(fault.Size, "plan: %v", err)
			}
		}
		if one > math.MaxInt64/2/MaxChains/c.Scale/c.weight() {
			return 0, fault.New(fault.Size, "plan: one person moves the answer too far for any noise to cover")
		}
		sensitivity += one * c.Scale * c.weight()
	}
	return sensitivity, nil
}

// matchedSensitivity is how far a person, there or not at all parties together, moves all numbers together where nobody
// shares a slot: whatever the chains are, together they add the person to one cell, of the groups that they are in or of the
// number of parts, or to none. There they count 1, or their amount; for a mean their amount less Centre, and Scale; in a
// total, 1 for each party. It is attained.
//
// This is so only as long as the chains agree on who is a customer, those of one hop too: see [Plan.CountsAll].
func (p *Plan) matchedSensitivity() int64 {
	switch p.Query.Measure {
	case Mean:
		return 2 * p.Scale
	case Total:
		return int64(len(p.Chains))
	}
	return p.Scale
}

// CountsAll tells whether a party counts all its customers in chains of one hop, and not only those who have a slot. In the
// matched layout only a total does, which is of such chains alone. Elsewhere a chain of one hop is added up with others: a
// customer who was in it but, for want of a slot, not in those would be counted twice, or taken for nobody else's customer.
func (p *Plan) CountsAll() bool { return !p.Matched() || p.Query.Measure == Total }
