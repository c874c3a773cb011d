package query

import (
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
)

// addChains plans the chains that the question's measure takes.
func (p *Plan) addChains() error {
	if p.Query.Measure == Total || p.Query.Measure == Frequency {
		return p.addParts()
	}
	audience, err := ParseAudience(p.Query.Audience)
	if err != nil {
		return err
	}
	if err := p.checkParties(audience.Parties()); err != nil {
		return err
	}
	if q := p.Query; q.Measure == Sum || q.Measure == Mean {
		measured := &Expr{Op: Has, Party: q.Amount.Party, Name: q.Amount.Name}
		audience = &Expr{Op: And, Args: []*Expr{audience, measured}}
	}
	return p.addStrata(audience)
}

// checkParties tells whether the question's participants are the parties that its audience names.
func (p *Plan) checkParties(named []string) error {
	for _, participant := range p.Query.Participants {
		if !slices.Contains(named, participant.Party) {
			return fault.New(fault.Invalid, "participant %s does not occur in the audience", participant.Party)
		}
	}
	if len(named) != len(p.Query.Participants) {
		return fault.New(fault.Invalid, "the audience names %d parties, the question has %d participants", len(named), len(p.Query.Participants))
	}
	return nil
}

// addStrata plans an audience with its group-by. People who are not customers of a party are in the group "unknown" of its
// dimensions. So the audience falls into strata, one for every set of dividing parties of which a person is not a customer:
// in each, the vectors of the other dividing parties are split, and all goes to cells that are unknown for those left out.
func (p *Plan) addStrata(audience *Expr) error {
	var dividing []string
	for _, d := range p.Query.GroupBy {
		if !slices.Contains(dividing, d.Party) {
			dividing = append(dividing, d.Party)
		}
	}
	for left := range 1 << len(dividing) {
		stratum := &Expr{Op: And, Args: []*Expr{audience}}
		split := map[string]bool{}
		for i, party := range dividing {
			member := &Expr{Op: Member, Party: party}
			if split[party] = left>>i&1 == 0; !split[party] {
				member = not(member)
			}
			stratum.Args = append(stratum.Args, member)
		}
		terms, err := stratum.polynomial()
		if err != nil {
			return err
		}
		for _, t := range terms {
			p.addTerm(t, split)
		}
	}
	return nil
}

// addTerm plans one term of one stratum. A mean has its sum and, scaled up so that the same noise suits it, its count.
func (p *Plan) addTerm(t term, split map[string]bool) {
	into := func(first int, coefficient int64) func(groups []int) []Target {
		return func(groups []int) []Target {
			cell := 0
			for i, d := range p.Query.GroupBy {
				group := groups[i]
				if group < 0 {
					group = len(d.Values) // unknown
				}
				cell = cell*d.Groups() + group
			}
			return []Target{{first + cell, coefficient}}
		}
	}
	switch p.Query.Measure {
	case Count:
		p.add(t.local, false, split, into(0, t.coefficient))
	case Sum:
		p.add(t.local, true, split, into(0, t.coefficient))
	case Mean:
		p.add(t.local, true, split, into(0, t.coefficient))
		p.add(t.local, false, split, into(p.Query.Cells(), t.coefficient*p.Scale))
	}
}

// addParts plans a total, a sum of the parties' own counts, or a frequency. With n_T the people who are in all parts of T,
// those in exactly k parts are Σ_T (−1)^(|T|−k)·C(|T|, k)·n_T (Feller, An Introduction to Probability Theory and Its
// Applications, volume 1, IV.3): every product goes to several cells.
func (p *Plan) addParts() error {
	parts, err := ParseParts(p.Query.Audience)
	if err != nil {
		return err
	}
	var named []string
	for _, part := range parts {
		named = append(named, part.Parties()[0])
	}
	if err := p.checkParties(named); err != nil {
		return err
	}
	if p.Query.Measure == Total {
		for i, part := range parts {
			p.add(map[string]*Expr{named[i]: part}, false, nil, func([]int) []Target { return []Target{{0, 1}} })
		}
		return nil
	}
	if 1<<len(parts)-1 > MaxChains {
		return fault.New(fault.Size, "a frequency over %d parties takes %d products of encrypted vectors, at most %d", len(parts), 1<<len(parts)-1, MaxChains).
			WithHint("ask about fewer parties")
	}
	for set := 1; set < 1<<len(parts); set++ {
		local := map[string]*Expr{}
		for i, part := range parts {
			if set>>i&1 == 1 {
				local[named[i]] = part
			}
		}
		size := len(local)
		var targets []Target
		coefficient := int64(1) // (−1)^(size−k)·C(size, k)
		for k := size; k >= 1; k-- {
			targets = append(targets, Target{k - 1, coefficient})
			coefficient = -coefficient * int64(k) / int64(size-k+1)
		}
		p.add(local, false, nil, func([]int) []Target { return targets })
	}
	return nil
}
