package query_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

// lost returns the share of everybody's value that clipping takes away in a chain of two parties of so many customers.
func lost(p *query.Plan, a, b float64) float64 {
	slots := float64(p.Need.Slots)
	return layout.ClipBias(a/slots, p.Clip) + layout.ClipBias(b/slots, p.Clip)
}

// Guards the interval that is shown with an answer, where all is of one chain: it counts every draw, the collisions at the
// agreed bounds (never true sizes) with the released number as the overlap, and the clip.
func TestErrorOfOneChain(t *testing.T) {
	p := plan(t, question(100_000, 50_000))
	sizes := []float64{100_000, 50_000}
	for _, value := range []int64{0, 30_000, -700} {
		e := p.Error([]int{0}, value)
		overlap := math.Abs(float64(value))
		if want := math.Sqrt((100_000*50_000 + overlap*overlap) / (1 << 20)); !near(e.Std, want) {
			t.Errorf("value %d: standard error %v, want %v", value, e.Std, want)
		}
		if e.Draws != 3 || e.Noise != p.Noise || !near(e.Bias, overlap*lost(p, 100_000, 50_000)) || value > 0 && e.Bias == 0 {
			t.Errorf("value %d: error is %+v", value, e)
		}
	}
	// No more people are shared than the smaller party can have, whatever noise says.
	most, beyond := p.LargestError([]int{0}), p.Error([]int{0}, math.MaxInt64)
	if most != p.Error([]int{0}, 50_000) || beyond != most || !near(most.Std, layout.StandardError(sizes, 50_000, 20)) {
		t.Errorf("the largest error is %+v, that of a number which can't be %+v", most, beyond)
	}
	quiet := question(100_000, 50_000)
	quiet.Noise = "coordinator"
	if e := plan(t, quiet).Error([]int{0}, 5); e.Draws != 1 {
		t.Errorf("noise of the coordinator: %d draws", e.Draws)
	}
}

// Guards marginals: noise is drawn anew for every cell, but the collisions are those of whole vectors, in every cell and in
// any sum of cells.
func TestErrorOfMarginals(t *testing.T) {
	p := plan(t, by(by(question(100_000, 50_000), "a.age", 4), "b.tier", 3))
	one := p.Error([]int{7}, 900)
	for _, cells := range [][]int{{0, 1, 2, 3}, {3, 7, 11, 15, 19}, {19, 0}} {
		e := p.Error(cells, 900)
		if e.Draws != 3*len(cells) || e.Std != one.Std || e.Bias != one.Bias || e.Noise != one.Noise {
			t.Errorf("cells %v: %+v, one cell of the same number: %+v", cells, e, one)
		}
	}
	if want := layout.StandardError([]float64{100_000, 50_000}, 900, 20); !near(one.Std, want) || one.Draws != 3 {
		t.Errorf("one cell: %+v, want a standard error of %v", one, want)
	}
	if _, err := p.LargestError([]int{0, 1}).HalfWidth(0.95); err != nil {
		t.Error(err)
	}
}

// Where several chains are added up, the number that comes out does not say how much of each there is: public bounds do. The
// errors of chains are independent. Counts of one party have none.
func TestErrorOfSeveralChains(t *testing.T) {
	pair := layout.StandardError([]float64{100_000, 100_000}, 100_000, 20)
	for _, c := range []struct {
		name      string
		q         *query.Query
		cells     []int
		std, bias float64 // in pairs and shares lost by all people of one
	}{
		{"either", about("a.member || b.member", 100_000), []int{0}, 1, 1},
		{"one without", about("a.x && !b.x", 100_000), []int{0}, 1, 1},
		{"one but not both", about("(a.x || b.x) && !(a.x && b.x)", 100_000), []int{0}, 2, 2},
		{"two pairs", about("a.x && b.x || a.y && b.y", 100_000), []int{0}, math.Sqrt(3), 3},
		{"total", counting(about("[a.x, b.x, c.x]", 100_000), query.Total), []int{0}, 0, 0},
		{"by age, of b alone", by(about("a.member || b.member", 100_000), "b.age", 2), []int{0}, 0, 0},
		{"by age, two of b alone", by(about("a.member || b.member", 100_000), "b.age", 2), []int{0, 1}, 0, 0},
		{"by age, unknown", by(about("a.member || b.member", 100_000), "b.age", 2), []int{2}, 1, 1},
		{"by age, all", by(about("a.member || b.member", 100_000), "b.age", 2), []int{0, 1, 2}, 1, 1},
		{"in one of two", counting(about("[a.x, b.x]", 100_000), query.Frequency), []int{0}, 2, 2},
		{"sum without", of(about("a.x && !b.x", 100_000), query.Sum, "a.spend", 0, 40), []int{0}, 40, 40},
	} {
		p := plan(t, c.q)
		for _, sum := range []int64{0, 77, -5000} {
			e := p.Error(c.cells, sum)
			bias := 0.
			if p.Need.Slots > 0 {
				bias = c.bias * 100_000 * lost(p, 100_000, 100_000)
			}
			if !near(e.Std, c.std*pair) || !near(e.Bias, bias) || e.Draws != p.Draws()*len(c.cells) {
				t.Errorf("%s: sum %d: %+v, want standard error %v and bias %v", c.name, sum, e, c.std*pair, bias)
			}
			if e != p.LargestError(c.cells) {
				t.Errorf("%s: sum %d has another error than any other", c.name, sum)
			}
		}
	}
}

// Amounts: whoever collides may have the largest, so everything is in multiples of it. If amounts have one sign, a sum says
// what its people have at most, and so what clipping takes away; where they have both, many may hide in a sum near 0.
func TestErrorOfAmounts(t *testing.T) {
	sizes := []float64{100_000, 50_000}
	for _, c := range []struct {
		name      string
		measure   string
		low, high int64
		scale     float64
		signed    bool
	}{
		{"from 0", query.Sum, 0, 40, 40, false},
		{"above 0", query.Sum, 10, 40, 40, false},
		{"up to 0", query.Sum, -30, 0, 30, false},
		{"below 0", query.Sum, -30, -10, 30, false},
		{"around 0", query.Sum, -30, 40, 40, true},
		{"mean from 0", query.Mean, 0, 40, 20, true},
		{"mean above 0", query.Mean, 10, 41, 16, true},
	} {
		p := plan(t, by(of(question(100_000, 50_000), c.measure, "b.spend", c.low, c.high), "a.age", 1))
		for _, sum := range []int64{0, 12_345, -20_000} {
			e := p.Error([]int{1}, sum)
			magnitude := math.Abs(float64(sum))
			bias := magnitude
			if c.signed {
				bias = 50_000 * c.scale
			}
			if want := c.scale * layout.StandardError(sizes, magnitude/c.scale, 20); !near(e.Std, want) || !near(e.Bias, bias*lost(p, 100_000, 50_000)) {
				t.Errorf("%s: sum %d: %+v, want a standard error of %v and a bias of %v", c.name, sum, e, want, bias*lost(p, 100_000, 50_000))
			}
			if c.measure == query.Mean { // the count, everybody of which is Scale
				e, magnitude := p.Error([]int{3}, sum), math.Abs(float64(sum))
				if want := c.scale * layout.StandardError(sizes, magnitude/c.scale, 20); !near(e.Std, want) || !near(e.Bias, magnitude*lost(p, 100_000, 50_000)) {
					t.Errorf("%s: count %d: %+v, want a standard error of %v", c.name, sum, e, want)
				}
			}
		}
	}
}

// Whatever is planned, and whichever numbers are added up: the error that is stated is not less than those of the chains
// together, each times what it is added to the sum with; and a smaller sum never has a larger error.
func TestErrorIsNotUnderstated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, _ := anyExpression(t, 100_000)
		if rapid.IntRange(0, 2).Draw(t, "frequency") == 0 {
			text, _ := partsOf(t, rapid.IntRange(2, 3).Draw(t, "parties"))
			q = counting(about(text, 100_000), query.Frequency)
		}
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		cells := rapid.SliceOfNDistinct(rapid.IntRange(0, q.Cells()-1), 1, q.Cells(), rapid.ID).Draw(t, "cells")
		variance := 0.
		for i := range p.Chains {
			c := &p.Chains[i]
			if len(c.Hops) == 1 {
				continue
			}
			var most int64
			for _, targets := range c.Into {
				var sum int64
				for _, target := range targets {
					if slices.Contains(cells, target.Cell) {
						sum += target.Coefficient
					}
				}
				most = max(most, sum, -sum)
			}
			sizes := slices.Repeat([]float64{100_000}, len(c.Hops))
			std := float64(most) * float64(c.Scale) * layout.StandardError(sizes, 100_000, p.LogSlots)
			variance += std * std
		}
		largest := p.LargestError(cells)
		if largest.Std < math.Sqrt(variance)*(1-1e-9) {
			t.Fatalf("%s of %s, cells %v: standard error %v is stated, it is up to %v", q.Measure, q.Audience, cells, largest.Std, math.Sqrt(variance))
		}
		sum := rapid.Int64Range(-200_000, 200_000).Draw(t, "sum")
		less, more := p.Error(cells, sum/2), p.Error(cells, sum)
		if less.Std > more.Std || less.Bias > more.Bias || more.Std > largest.Std || more.Bias > largest.Bias || largest.Draws != p.Draws()*len(cells) {
			t.Fatalf("errors of %d: %+v, of %d: %+v, at most %+v", sum/2, less, sum, more, largest)
		}
	})
}

// Guards the price: δ counts what the flooding leaves of every number that is released, twice as many for a mean, and both
// sides compute what is charged from the same integers. The coordinator, who has no customers, is charged nothing.
func TestPrice(t *testing.T) {
	gaussian := question(1000, 1000)
	gaussian.Mechanism, gaussian.AttoDelta = "gaussian", 1e11
	for name, c := range map[string]struct {
		q       *query.Query
		numbers int
		delta   float64
	}{
		"count":     {question(1000, 1000), 1, 0},
		"gaussian":  {gaussian, 1, 1e-7},
		"cross-tab": {by(by(question(1000, 1000), "a.age", 2), "b.age", 3), 12, 0},
		"mean":      {by(of(question(1000, 1000), query.Mean, "b.spend", 0, 5), "a.age", 2), 6, 0},
		"sum":       {by(of(question(1000, 1000), query.Sum, "b.spend", 0, 5), "a.age", 2), 3, 0},
		"frequency": {counting(about("[a.x, b.x, c.x]", 1000), query.Frequency), 3, 0},
		"total":     {counting(about("[a.x, b.x, c.x]", 1000), query.Total), 1, 0},
	} {
		p := plan(t, c.q)
		want := c.delta + (1+math.E)*0x1p-41*math.Sqrt(float64(c.numbers))
		loss := dp.Loss{Mechanism: dp.Mechanism(c.q.Mechanism), MicroEpsilon: 1_000_000, AttoDelta: c.q.AttoDelta, Cells: int64(c.numbers)}
		if !near(c.q.TotalDelta(), want) || c.q.Loss() != loss || loss.Check() != nil || p.Cells != c.numbers {
			t.Errorf("%s: delta is %v, want %v; loss is %+v, want %+v (%v); %d numbers", name, c.q.TotalDelta(), want, c.q.Loss(), loss, loss.Check(), p.Cells)
		}
		for _, keyHolder := range p.KeyHolders {
			want := loss
			if keyHolder == query.Coordinator {
				want = dp.Loss{}
			}
			if got := p.Charge(keyHolder); got != want {
				t.Errorf("%s: %s is charged %+v", name, keyHolder, got)
			}
		}
	}
	quiet := question(9, 9)
	quiet.Noise = "coordinator"
	for _, p := range []*query.Plan{plan(t, quiet), plan(t, question(9, 9))} {
		draws := 0
		for _, keyHolder := range p.KeyHolders {
			if p.DrawsNoise(keyHolder) {
				draws++
			}
		}
		if draws != p.Draws() || !p.DrawsNoise(query.Coordinator) {
			t.Errorf("noise %s: %d draw noise, %d draws in every number", p.Query.Noise, draws, p.Draws())
		}
	}
}
