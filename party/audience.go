package party

import (
	"slices"

	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/customers"
)

// dimensions returns the declared dimensions in the order of the snapshot.
func (n *Node) dimensions() []query.Dimension {
	var out []query.Dimension
	for _, name := range n.customers.DimensionNames {
		out = append(out, query.Dimension{Party: n.config.Name, Name: name, Values: n.config.Dimensions[name].Values})
	}
	return out
}

// place computes this party's vector in a chain: its customers in the audience, in the groups of its dimensions.
func (n *Node) place(s *session, h *hop) (*layout.Vector, error) {
	own := h.hops[h.index]
	where := n.compile(own.Where, s.snapshot)
	columns := make([][]uint16, len(own.GroupBy))
	sizes := make([]int, len(own.GroupBy))
	for i, d := range own.GroupBy {
		dimension := s.Plan.Query.GroupBy[d]
		columns[i] = s.snapshot.Dimensions[slices.Index(s.snapshot.DimensionNames, dimension.Name)]
		sizes[i] = dimension.Groups()
	}
	layoutOfChain := layout.Hashed{
		Salt: h.joint.Salt, Chain: h.chain, Length: len(h.hops), LogSlots: s.Plan.LogSlots, LogN: int(s.Plan.Params.LogN), Clip: s.Plan.Clip,
	}
	return layoutOfChain.Place(h.index, s.snapshot.IDs, own.Groups, func(customer int) int {
		if !where(customer) {
			return layout.None
		}
		group := 0
		for i, column := range columns {
			group = group*sizes[i] + int(column[customer])
		}
		return group
	})
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
