package party

import (
	"slices"

	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/customers"
)

// dimensions returns the declared dimensions in the order of the snapshot.
func (n *Node) dimensions(s *customers.Snapshot) []query.Dimension {
	var out []query.Dimension
	for _, name := range s.DimensionNames {
		out = append(out, query.Dimension{Party: n.config.Name, Name: name, Values: n.config.Dimensions[name].Values})
	}
	return out
}

// measures returns the declared measures in the order of the snapshot.
func (n *Node) measures(s *customers.Snapshot) []query.Amount {
	var out []query.Amount
	for _, name := range s.MeasureNames {
		m := n.config.Measures[name]
		low, high := m.Steps()
		out = append(out, query.Amount{Party: n.config.Name, Name: name, Unit: m.Unit, Step: m.StepSize(), Low: low, High: high})
	}
	return out
}

// contribution says what customers contribute to one hop: their group, or layout.None for those who are not in the
// audience or may not take part, and how much; a nil amount is 1 for everybody.
type contribution struct {
	group  func(customer int) int
	amount func(customer int) int64
}

func (n *Node) contribution(plan *query.Plan, own *query.Hop, snapshot *customers.Snapshot, taking people) contribution {
	where := n.compile(own.Where, snapshot)
	columns := make([][]uint16, len(own.GroupBy))
	sizes := make([]int, len(own.GroupBy))
	for i, d := range own.GroupBy {
		dimension := plan.Query.GroupBy[d]
		columns[i] = snapshot.Dimensions[slices.Index(snapshot.DimensionNames, dimension.Name)]
		sizes[i] = dimension.Groups()
	}
	c := contribution{group: func(customer int) int {
		if !taking.has(customer) || !where(customer) {
			return layout.None
		}
		group := 0
		for i, column := range columns {
			group = group*sizes[i] + int(column[customer])
		}
		return group
	}}
	if own.Amounts {
		amounts := snapshot.Amounts[slices.Index(snapshot.MeasureNames, plan.Query.Amount.Name)]
		c.amount = func(customer int) int64 { return int64(amounts[customer]) - plan.Centre }
	}
	return c
}

// place computes this party's vector in a chain.
func (h *hop) place(c contribution) (*layout.Vector, error) {
	groups, scale := h.hops[h.index].Groups, int64(1)
	if c.amount != nil {
		scale = h.Plan.Scale
	}
	if h.Plan.Matched() {
		matched := layout.Matched{Slots: h.Plan.Query.Slots, LogN: int(h.Plan.Params.LogN), Scale: scale}
		return matched.Place(h.slots, groups, c.group, c.amount)
	}
	hashed := layout.Hashed{
		Salt: h.joint.Salt, Chain: h.chain, Length: len(h.Plan.Chains[h.chain].Hops), LogSlots: h.Plan.LogSlots, LogN: int(h.Plan.Params.LogN),
		Clip: h.Plan.Clip, Scale: scale,
	}
	return hashed.Place(h.index, h.snapshot.IDs, groups, c.group, c.amount)
}

// count adds up what customers contribute to each group, for a chain without vectors.
func (h *hop) count(c contribution) []int64 {
	counts := make([]int64, h.hops[h.index].Groups)
	all := h.Plan.CountsAll()
	for customer := range h.snapshot.IDs {
		if !all && h.slots[customer] == layout.NoSlot {
			continue
		}
		group := c.group(customer)
		switch {
		case group == layout.None:
		case c.amount != nil:
			counts[group] += c.amount(customer)
		default:
			counts[group]++
		}
	}
	return counts
}

// compile turns an expression over this party's leaves into a test on customers of a snapshot. Names were checked.
func (n *Node) compile(e *query.Expr, s *customers.Snapshot) func(customer int) bool {
	args := make([]func(int) bool, len(e.Args))
	for i, a := range e.Args {
		args[i] = n.compile(a, s)
	}
	switch e.Op {
	case query.And:
		return func(c int) bool { return !slices.ContainsFunc(args, func(f func(int) bool) bool { return !f(c) }) }
	case query.Or:
		return func(c int) bool { return slices.ContainsFunc(args, func(f func(int) bool) bool { return f(c) }) }
	case query.Not:
		return func(c int) bool { return !args[0](c) }
	case query.Segment:
		bit := uint64(1) << slices.Index(s.SegmentNames, e.Name)
		return func(c int) bool { return s.Segments[c]&bit != 0 }
	case query.Has:
		amounts := s.Amounts[slices.Index(s.MeasureNames, e.Name)]
		return func(c int) bool { return amounts[c] != customers.NoAmount }
	case query.In:
		column := s.Dimensions[slices.Index(s.DimensionNames, e.Name)]
		declared := n.config.Dimensions[e.Name].Values
		wanted := make([]bool, len(declared)+1)
		for _, v := range e.Values {
			if v == query.Unknown {
				wanted[len(declared)] = true
			} else {
				wanted[slices.Index(declared, v)] = true
			}
		}
		return func(c int) bool { return wanted[column[c]] }
	}
	return func(int) bool { return true } // member
}
