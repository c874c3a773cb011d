package consistent_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sotto-dev/sotto/internal/consistent"
	"pgregory.net/rapid"
)

// Guards the interval by example: inside, cut off at 0, stretched either way, and wholly below 0.
func TestInterval(t *testing.T) {
	for _, c := range []struct{ low, high, value, wantLow, wantHigh float64 }{
		{10, 30, 20, 10, 30},
		{-10, 10, 0, 0, 10},
		{-10, 10, 3, 0, 10},
		{10, 30, 8, 8, 30},
		{10, 30, 33, 10, 33},
		{-30, -10, 0, 0, 0},
		{-30, -10, 2, 0, 2},
	} {
		if low, high := consistent.Interval(c.low, c.high, c.value); low != c.wantLow || high != c.wantHigh {
			t.Errorf("Interval(%v, %v, %v) = %v, %v, want %v, %v", c.low, c.high, c.value, low, high, c.wantLow, c.wantHigh)
		}
	}
}

// Guards validity, in every table of an answer: wherever the noisy number's interval holds the truth, the consistent
// number's does too, so that no confidence is lost, for one number or all together; and it holds the consistent number,
// and nothing below 0.
func TestIntervalsStayValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyTable(t)
		x := project(t, a.sizes, a.noisy)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "widths"), 0))
		for _, keep := range consistent.Subsets(len(a.sizes)) {
			truth, noisy := consistent.Marginal(a.sizes, a.truth, keep), consistent.Marginal(a.sizes, a.noisy, keep)
			for i, value := range consistent.Marginal(a.sizes, x, keep) {
				// Widths near the error, so that the truth is often just inside.
				width := math.Abs(noisy[i]-truth[i]) * (1 + random.NormFloat64()*1e-3)
				if random.IntN(2) == 0 {
					width *= 3 * random.Float64()
				}
				low, high := consistent.Interval(noisy[i]-width, noisy[i]+width, value)
				held := noisy[i]-width <= truth[i] && truth[i] <= noisy[i]+width
				if held && !(low <= truth[i] && truth[i] <= high) {
					t.Fatalf("%v ± %v held %v, [%v, %v] does not", noisy[i], width, truth[i], low, high)
				}
				if !(0 <= low && low <= value && value <= high) {
					t.Fatalf("[%v, %v] for %v", low, high, value)
				}
			}
		}
	})
}
