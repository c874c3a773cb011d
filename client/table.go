package client

import (
	"math"
	"slices"

	"github.com/sotto-dev/sotto/internal/consistent"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// Table is a table of cells by some of an answer's dimensions.
type Table struct {
	By    []string
	Cells []Cell
}

// Consistent returns the answer's cells and all their marginals, down to the total, as tables that agree with each other
// and have no negative number. It is computed from the released numbers alone and costs nothing. The cells' Released are
// the numbers as they were released, or sums of them; intervals are around those, within what is possible, and contain the
// truth with the confidence that they state. Counts, and sums of amounts that are nowhere negative, have such tables.
func (a *Answer) Consistent() ([]Table, error) {
	q := a.plan.Query
	if q.Measure != query.Count && q.Measure != query.Sum || q.Amount.Low < 0 {
		return nil, fault.New(fault.Unsupported, "a %s has no marginals that add up", a.Measure).
			WithHint("counts have, and sums of amounts that can't be negative")
	}
	sizes := make([]int, len(q.GroupBy))
	for i, d := range q.GroupBy {
		sizes[i] = d.Groups()
	}
	noisy := make([]float64, len(a.Cells))
	for i, c := range a.Cells {
		noisy[i] = c.Value
	}
	projected, err := consistent.Project(sizes, noisy)
	if err != nil {
		return nil, fault.New(fault.Internal, "make the cells agree").Wrap(err)
	}
	var tables []Table
	for _, keep := range consistent.Subsets(len(sizes)) {
		t, err := a.table(sizes, keep, consistent.Marginal(sizes, projected, keep))
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// table returns the marginal table over the dimensions that are kept, with the values that were projected.
func (a *Answer) table(sizes, keep []int, values []float64) (Table, error) {
	var t Table
	for _, d := range keep {
		t.By = append(t.By, a.By[d])
	}
	members := make([][]int, len(values)) // cells of the answer that each is the sum of
	for cell := range a.Cells {
		at := 0
		groups := a.plan.Query.Group(cell)
		for _, d := range keep {
			at = at*sizes[d] + groups[d]
		}
		members[at] = append(members[at], cell)
	}
	known := &widths{known: map[width]float64{}}
	for at, value := range values {
		var sum int64
		for _, cell := range members[at] {
			sum += a.Cells[cell].Released[0]
		}
		raw := linearCell(a.plan, known, members[at], sum)
		value = math.Round(value*1e6) / 1e6 // the projection is no more exact
		c := Cell{Value: value, Std: raw.Std, Released: raw.Released, Group: map[string]string{}}
		c.interval = func(confidence float64) (low, high float64, err error) {
			if low, high, err = raw.interval(confidence); err == nil {
				low, high = consistent.Interval(low, high, value)
			}
			return low, high, err
		}
		for i, d := range keep {
			c.Group[t.By[i]] = a.Cells[members[at][0]].Group[a.By[d]]
		}
		var err error
		if c.Low, c.High, err = c.interval(0.95); err != nil {
			return Table{}, fault.New(fault.Internal, "compute the interval").Wrap(err)
		}
		t.Cells = append(t.Cells, c)
	}
	return t, nil
}

// Marginal returns the table of Consistent by some of the answer's dimensions, in the answer's order; the total by none.
func (a *Answer) Marginal(by ...string) (Table, error) {
	tables, err := a.Consistent()
	if err != nil {
		return Table{}, err
	}
	for _, t := range tables {
		if slices.Equal(t.By, by) {
			return t, nil
		}
	}
	return Table{}, fault.New(fault.Invalid, "the answer has no marginal by %q", by).WithHint("name some of the question's dimensions, in its order")
}
