package query_test

import (
	"slices"

	"github.com/sotto-dev/sotto/internal/query"
)

// local is what a party evaluates for one hop, of one of its customers.
type local struct {
	in     bool
	group  int
	amount int64 // 1 without amounts
}

// evaluate does for one customer what the party of a hop does. Whoever is not its customer is not looked at.
func evaluate(p *query.Plan, h *query.Hop, r *record) local {
	if r == nil || !h.Where.Holds(in(map[string]*record{h.Party: r})) {
		return local{}
	}
	l := local{in: true, amount: 1}
	for _, d := range h.GroupBy {
		dimension := p.Query.GroupBy[d]
		l.group = l.group*dimension.Groups() + groupOf(dimension, r)
	}
	if h.Amounts {
		l.amount = *r.amount - p.Centre
	}
	return l
}

// groupOf returns the group of a dimension that a person is in, customer of its party or not.
func groupOf(d query.Dimension, r *record) int {
	if r != nil {
		if at := slices.Index(d.Values, r.value(d.Name)); at >= 0 {
			return at
		}
	}
	return len(d.Values)
}

// exact returns what a person adds to the numbers of a plan as long as nobody collides with anybody, given what the parties
// evaluate for the person at every hop of every chain.
func exact(p *query.Plan, at func(chain, hop int) local) []int64 {
	numbers := make([]int64, p.Cells)
	for c := range p.Chains {
		chain := &p.Chains[c]
		result, product := 0, int64(1)
		for h := range chain.Hops {
			l := at(c, h)
			if !l.in {
				product = 0
				break
			}
			result = result*chain.Hops[h].Groups + l.group
			product *= l.amount
		}
		if product == 0 {
			continue
		}
		for _, target := range chain.Into[result] {
			numbers[target.Cell] += target.Coefficient * product
		}
	}
	return numbers
}

// exactOf is exact for one person.
func exactOf(p *query.Plan, person map[string]*record) []int64 {
	return exact(p, func(chain, hop int) local {
		h := &p.Chains[chain].Hops[hop]
		return evaluate(p, h, person[h.Party])
	})
}

// truth returns what a person should add to the numbers of a question, given whether the person is in the audience.
func truth(p *query.Plan, person map[string]*record, holds bool) []int64 {
	numbers := make([]int64, p.Cells)
	q := p.Query
	cell := 0
	for _, d := range q.GroupBy {
		cell = cell*d.Groups() + groupOf(d, person[d.Party])
	}
	switch owner := person[q.Amount.Party]; {
	case !holds:
	case q.Measure == query.Count:
		numbers[cell] = 1
	case owner == nil || owner.amount == nil:
	case q.Measure == query.Sum:
		numbers[cell] = *owner.amount
	case q.Measure == query.Mean:
		numbers[cell], numbers[q.Cells()+cell] = *owner.amount-p.Centre, p.Scale
	}
	return numbers
}

// evaluations returns, for every chain and hop and every state of the hop's party, what the party evaluates.
func evaluations(p *query.Plan, states map[string][]*record) [][][]local {
	var all [][][]local
	for c := range p.Chains {
		var hops [][]local
		for h := range p.Chains[c].Hops {
			hop := &p.Chains[c].Hops[h]
			var by []local
			for _, r := range states[hop.Party] {
				by = append(by, evaluate(p, hop, r))
			}
			hops = append(hops, by)
		}
		all = append(all, hops)
	}
	return all
}

// plan derives a plan or fails the test.
func plan(t interface {
	Fatalf(format string, args ...any)
}, q *query.Query,
) *query.Plan {
	p, err := query.NewPlan(q)
	if err != nil {
		t.Fatalf("%s of %s: %v", q.Measure, q.Audience, err)
	}
	return p
}
