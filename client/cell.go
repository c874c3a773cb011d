package client

import (
	"math"
	"strconv"
	"sync"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// Cell is one number of the answer.
type Cell struct {
	Group     map[string]string // value by "party.dimension"; of a frequency the number of parties by "parties"; empty without By
	Value     float64           // people or units, with noise: it can be negative; a mean is within the measure's bounds
	Low, High float64           // 95 % interval of the true number, with all error in it
	Std       float64           // standard deviation of the error; of a mean to first order
	Released  []int64           // what was released: a count, a sum in steps, or of a mean the sum, in steps from the middle of the bounds, and the count times half their distance in steps

	interval func(confidence float64) (low, high float64, err error)
}

// Interval returns the interval that contains the true number with a confidence in (0, 1).
func (c Cell) Interval(confidence float64) (low, high float64, err error) {
	low, high, err = c.interval(confidence)
	if err != nil {
		return 0, 0, fault.New(fault.Invalid, "interval: %v", err)
	}
	return low, high, nil
}

// dimensions returns the names of the dimensions of a question's answer.
func dimensions(q *query.Query) []string {
	if q.Measure == query.Frequency {
		return []string{"parties"}
	}
	var by []string
	for _, d := range q.GroupBy {
		by = append(by, d.FullName())
	}
	return by
}

// group returns the values of a cell of the answer, by the names of its dimensions.
func group(q *query.Query, cell int) map[string]string {
	values := map[string]string{}
	if q.Measure == query.Frequency {
		values["parties"] = strconv.Itoa(cell + 1)
		return values
	}
	for d, group := range q.Group(cell) {
		values[q.GroupBy[d].FullName()] = q.GroupBy[d].Value(group)
	}
	return values
}

// cells makes the cells of the answer of what was released.
func cells(plan *query.Plan, released []int64) ([]Cell, error) {
	out := make([]Cell, plan.Query.Cells())
	known := &widths{known: map[width]float64{}}
	for i := range out {
		c := linearCell(plan, known, []int{i}, released[i])
		if plan.Query.Measure == query.Mean {
			count := len(out) + i
			c = meanCell(plan, released[i], released[count], plan.Error([]int{i}, released[i]), plan.Error([]int{count}, released[count]))
		}
		c.Group = group(plan.Query, i)
		var err error
		if c.Low, c.High, err = c.interval(0.95); err != nil {
			return nil, fault.New(fault.Internal, "compute the interval").Wrap(err)
		}
		out[i] = c
	}
	return out, nil
}

// linearCell is the sum of some released numbers: people, or an amount in steps.
func linearCell(plan *query.Plan, known *widths, numbers []int, value int64) Cell {
	unit := 1.
	if plan.Query.Measure == query.Sum {
		unit = plan.Query.Amount.Step
	}
	e := plan.Error(numbers, value)
	centre := float64(value) * unit
	return Cell{
		Value: centre, Std: e.TotalStd() * unit, Released: []int64{value},
		interval: func(confidence float64) (low, high float64, err error) {
			width, err := known.half(e, confidence)
			return centre - width*unit, centre + width*unit, err
		},
	}
}

// widths remembers the half widths of an answer's intervals: cells that differ little in their errors share one. Safe for
// concurrent use.
type widths struct {
	mu    sync.Mutex // guards known
	known map[width]float64
}

type width struct {
	err        dp.Error
	confidence float64
}

// half returns the half width of an interval. The standard deviation of collisions is rounded up, by a thousandth at most, and
// the bias, which adds to any width, is left out until the end.
func (w *widths) half(e dp.Error, confidence float64) (float64, error) {
	bias := e.Bias
	e.Bias = 0
	mantissa, exponent := math.Frexp(e.Std)
	e.Std = math.Ldexp(math.Ceil(mantissa*2048)/2048, exponent)
	w.mu.Lock()
	defer w.mu.Unlock()
	half, ok := w.known[width{e, confidence}]
	if !ok {
		var err error
		if half, err = e.HalfWidth(confidence); err != nil {
			return 0, err
		}
		w.known[width{e, confidence}] = half
	}
	return half + bias, nil
}

// meanCell is the ratio of two released numbers. The sum is of amounts less the middle of the bounds; the count is times
// plan.Scale, so that the ratio r is within ±1 and the mean is the middle + r·Scale.
func meanCell(plan *query.Plan, sum, count int64, ofSum, ofCount dp.Error) Cell {
	amount := plan.Query.Amount
	mean := func(ratio float64) float64 {
		exact := float64(plan.Centre) + ratio*float64(plan.Scale)
		return max(float64(amount.Low), min(float64(amount.High), exact)) * amount.Step
	}
	ratio, std := 0., 1.
	if count > 0 {
		ratio = max(-1, min(1, float64(sum)/float64(count)))
		std = min(1, math.Hypot(ofSum.TotalStd(), ratio*ofCount.TotalStd())/float64(count))
	}
	return Cell{
		Value: mean(ratio), Std: std * float64(plan.Scale) * amount.Step, Released: []int64{sum, count},
		interval: func(confidence float64) (low, high float64, err error) {
			low, high, err = dp.RatioInterval(float64(sum), float64(count), ofSum, ofCount, confidence, -1, 1)
			return mean(low), mean(high), err
		},
	}
}
