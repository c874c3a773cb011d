package dp_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the numbers that ledgers are checked against. Each golden value is the minimum over all real orders α of
// n·ρ(α) + ln((α−1)/α) − (ln δ + ln α)/(α−1), found with 40 digits (Python's mpmath, golden-section search in ln(α−1)),
// with ρ as published: Laplace, Mironov 2017, Proposition 6; Gaussian α/(2σ²), σ the root of Balle and Wang 2018, Theorem
// 8; pure, ln((e^(αε) + e^((1−α)ε))/(1+e^ε))/(α−1) (Mironov 2017, Proposition 5, with p = e^ε/(1+e^ε)). The grid of orders
// may cost 0.4 %.
func TestMicroEpsilonGolden(t *testing.T) {
	for _, c := range []struct {
		tally dp.Tally
		delta float64
		want  float64
	}{
		{dp.Tally{laplace(1): 100}, 1e-6, 73.81721226},
		{dp.Tally{laplace(0.1): 100}, 1e-6, 4.984173959},
		{dp.Tally{laplace(0.1): 1000}, 1e-9, 23.77729277},
		{dp.Tally{laplace(0.01): 10_000}, 1e-6, 5.21028557},
		{dp.Tally{laplace(10): 10_000}, 1e-6, 90884.76896},
		{dp.Tally{laplace(5): 20}, 1e-6, 99.74446127},
		{dp.Tally{pure(0.1): 1000}, 1e-6, 20.45037646},
		{dp.Tally{pure(1): 50}, 1e-6, 48.22409336},
		{dp.Tally{gaussian(1, 1e-6): 100}, 1e-5, 13.19901097},
		{dp.Tally{gaussian(0.1, 1e-9): 1000}, 1e-6, 3.116625923},
		{dp.Tally{gaussian(5, 1e-8): 10}, 1e-6, 17.45170962},
		{dp.Tally{laplace(0.1): 50, gaussian(1, 1e-6): 20, pure(2): 1}, 1e-5, 8.155012953},
	} {
		if got := epsilon(c.tally, c.delta); got < c.want*(1-1e-9) || got > c.want*1.004 {
			t.Errorf("%v at δ %v: %v, want %v to 0.4 %% more", c.tally, c.delta, got, c.want)
		}
	}
}

// Guards the plain sum, which is exact: where it is smaller, where δ allows for nothing else, and what is charged to δ. A
// released question costs what it says.
func TestMicroEpsilonIsAPlainSumWhereThatIsSmaller(t *testing.T) {
	flooded := func(l dp.Loss, cells int64) dp.Loss { l.Cells = cells; return l }
	for _, c := range []struct {
		name  string
		tally dp.Tally
		delta float64
		want  int64
	}{
		{"nothing", nil, 0, 0},
		{"nothing left", dp.Tally{laplace(1): 0}, 0, 0},
		{"one", dp.Tally{laplace(1): 1}, 1e-6, 1_000_000},
		{"one, without δ", dp.Tally{laplace(1): 1}, 0, 1_000_000},
		{"without δ", dp.Tally{laplace(0.01): 10_000, pure(4): 1}, 0, 104_000_000},
		{"a few", dp.Tally{laplace(1): 3, pure(0.5): 2}, 1e-9, 4_000_000},
		{"Gaussian noise, with its δ", dp.Tally{gaussian(1, 1e-6): 1}, 1e-6, 1_000_000},
		{"ten of them", dp.Tally{gaussian(0.1, 1e-7): 1, laplace(20): 1}, 1e-7, 20_100_000},
		{"NaN is no δ", dp.Tally{laplace(1): 1, pure(1): 1}, math.NaN(), 2_000_000},
		{"nor is a negative number", dp.Tally{laplace(1): 1, pure(1): 1}, -1, 2_000_000},
		{"flooding is covered", dp.Tally{flooded(laplace(1), 1): 1}, 1.6909e-12, 1_000_000},
		{"flooding isn't", dp.Tally{flooded(laplace(1), 1): 1}, 1.6908e-12, math.MaxInt64},
		{"flooding of a hundred isn't", dp.Tally{flooded(laplace(1), 1): 100}, 1.6908e-10, math.MaxInt64},
		{"Gaussian noise without δ", dp.Tally{gaussian(1, 1e-6): 1}, 0, math.MaxInt64},
		{"δ of a matching isn't covered", dp.Tally{{dp.Pure, 1_000_000, 1_000_000, 0}: 1}, 9.99999e-13, math.MaxInt64},
		{"δ of a matching is covered", dp.Tally{{dp.Pure, 1_000_000, 1_000_000, 0}: 1}, 1e-12, 1_000_000},
		{"counts below 0 are none", dp.Tally{laplace(1): -3, laplace(2): 1, {}: -1}, 0, 2_000_000},
		{"more than an int64 holds", dp.Tally{pure(1e6): math.MaxInt64}, 1e-6, math.MaxInt64},
		{"twice as much as an int64 holds", dp.Tally{{dp.Laplace, 2, 0, 0}: math.MaxInt64}, 0, math.MaxInt64},
		{"most of what an int64 holds", dp.Tally{{dp.Laplace, 1, 0, 0}: math.MaxInt64 - 1}, 0, math.MaxInt64 - 1},
	} {
		if got := c.tally.MicroEpsilon(c.delta); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// Guards that flooding is charged before anything else, so that what is left for the conversion is less.
func TestFloodingTakesItsDelta(t *testing.T) {
	l := laplace(0.1)
	l.Cells = 100 // (1+e^0.1)·10·2⁻⁴¹ = 9.573·10⁻¹² each
	flood := dp.FloodDelta(0.1, 100)
	with, without := dp.Tally{l: 1000}.MicroEpsilon(1e-8), dp.Tally{laplace(0.1): 1000}.MicroEpsilon(1e-8-1000*flood)
	if with < without || with > without+without/100_000 {
		t.Errorf("%d with flooding, %d with as much less of δ", with, without)
	}
	if got := (dp.Tally{l: 1045}).MicroEpsilon(1e-8); got != math.MaxInt64 {
		t.Errorf("%d where flooding takes more than δ", got)
	}
}

// Guards what every account must satisfy, over losses of all kinds and magnitudes: never more than the plain sum, nor than
// the ε of the Gaussian losses plus the ε of the others; never less for more losses or a smaller δ; and the same for the
// same tally, however it came to be.
func TestMicroEpsilonIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		losses := rapid.SliceOfNDistinct(anyLoss(), 1, 8, rapid.ID).Draw(t, "losses")
		delta := math.Exp(rapid.Float64Range(math.Log(1e-12), math.Log(0.5)).Draw(t, "ln delta"))
		all, backwards, gaussians := dp.Tally{}, dp.Tally{}, dp.Tally{}
		var plain, others, before int64
		var plainDelta, othersDelta float64
		for _, l := range losses {
			n := rapid.Int64Range(1, 1000).Draw(t, "n")
			all.Add(l, n)
			plain += n * l.MicroEpsilon
			plainDelta += float64(n) * (l.Delta() + 2e-18) // charges are rounded up
			if l.Mechanism == dp.Gaussian {
				gaussians.Add(l, n)
			} else {
				others += n * l.MicroEpsilon
				othersDelta += float64(n) * (l.Delta() + 2e-18)
			}
			total := all.MicroEpsilon(delta)
			if total < before {
				t.Errorf("%d, and %d with %d of %+v more", before, total, n, l)
			}
			before = total
		}
		total := all.MicroEpsilon(delta)
		for i := len(losses) - 1; i >= 0; i-- {
			backwards.Add(losses[i], all[losses[i]]+5)
			backwards.Add(losses[i], -5)
		}
		if got := backwards.MicroEpsilon(delta); got != total {
			t.Errorf("%d, and %d for the same tally", total, got)
		}
		if plainDelta < delta && total > plain {
			t.Errorf("%d is above the plain sum, %d", total, plain)
		}
		apart := gaussians.MicroEpsilon(delta - othersDelta)
		if othersDelta < delta && apart < math.MaxInt64 && total > apart+others+1 {
			t.Errorf("%d is above the Gaussian losses' %d and the others' %d", total, apart, others)
		}
		if got := all.MicroEpsilon(delta / 3); got < total {
			t.Errorf("%d at a third of δ, %d at δ", got, total)
		}
	})
}

// Guards the answer to "how many more questions": as many as fit by the account itself, and not one more.
func TestFitsAgreesWithMicroEpsilon(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally := dp.Tally{}
		for _, l := range rapid.SliceOfN(anyLoss(), 0, 4).Draw(t, "losses") {
			tally.Add(l, rapid.Int64Range(1, 100).Draw(t, "n"))
		}
		l := anyLoss().Draw(t, "loss")
		delta := math.Exp(rapid.Float64Range(math.Log(1e-12), math.Log(0.5)).Draw(t, "ln delta"))
		limit := rapid.Int64Range(0, 100_000_000).Draw(t, "limit")
		most := rapid.Int64Range(0, 1_000_000).Draw(t, "most")
		before := tally[l]
		fits := tally.Fits(l, limit, delta, most)
		if fits < 0 || fits > most || tally[l] != before {
			t.Fatalf("%d of %d; the tally had %d, has %d", fits, most, before, tally[l])
		}
		epsilon := func(n int64) int64 {
			with := dp.Tally{l: n}
			for known, n := range tally {
				with.Add(known, n)
			}
			return with.MicroEpsilon(delta)
		}
		if fits > 0 && epsilon(fits) > limit {
			t.Errorf("%d fit, with ε %d of %d", fits, epsilon(fits), limit)
		}
		if fits < most && epsilon(fits+1) <= limit {
			t.Errorf("%d fit, but so does one more, with ε %d of %d", fits, epsilon(fits+1), limit)
		}
	})
}

// Guards the ends of Fits: no room at all, all the room there is, and questions that never fit.
func TestFitsAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		tally dp.Tally
		loss  dp.Loss
		limit int64
		delta float64
		most  int64
		want  int64
	}{
		{"an empty tally", nil, laplace(1), 5_500_000, 0, 100, 5},
		{"nothing left", dp.Tally{laplace(1): 5}, laplace(1), 5_500_000, 0, 100, 0},
		{"more spent than there is", dp.Tally{laplace(1): 7}, laplace(1), 5_500_000, 0, 100, 0},
		{"exactly", dp.Tally{laplace(1): 5}, laplace(0.5), 5_500_000, 0, 100, 1},
		{"no more than asked about", nil, laplace(1), 5_500_000, 0, 3, 3},
		{"none asked about", nil, laplace(1), 5_500_000, 0, 0, 0},
		{"fewer than none", nil, laplace(1), 5_500_000, 0, -7, 0},
		{"without limits", nil, laplace(20), math.MaxInt64, 1e-6, math.MaxInt64, math.MaxInt64/20_000_000 + 0},
		{"δ that there isn't", nil, gaussian(1, 1e-6), math.MaxInt64, 0, 100, 0},
		{"no such loss", nil, dp.Loss{}, math.MaxInt64, 1e-6, 100, 0},
		{"a negative count", dp.Tally{laplace(1): -3}, laplace(1), 5_500_000, 0, 100, 5},
	} {
		got := c.tally.Fits(c.loss, c.limit, c.delta, c.most)
		if c.name == "without limits" {
			if got < c.want { // with Rényi, a few more than by the plain sum
				t.Errorf("%s: %d, want %d or more", c.name, got, c.want)
			}
		} else if got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// Guards counting: amounts add up, go no lower than nothing, and no higher than an int64.
func TestTallyAdd(t *testing.T) {
	tally := dp.Tally{}
	for _, c := range []struct{ add, want int64 }{
		{3, 3},
		{4, 7},
		{-2, 5},
		{0, 5},
		{-9, 0},
		{-1, 0},
		{math.MaxInt64, math.MaxInt64},
		{5, math.MaxInt64},
		{-math.MaxInt64, 0},
		{math.MinInt64, 0},
	} {
		tally.Add(laplace(1), c.add)
		if _, there := tally[laplace(1)]; tally[laplace(1)] != c.want || there != (c.want > 0) {
			t.Errorf("%d after adding %d, want %d", tally[laplace(1)], c.add, c.want)
		}
	}
}

// Guards against a crash by whatever a ledger may hold: the account is then without end, or a number that is at least 0.
func TestMicroEpsilonNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally := dp.Tally{}
		for range rapid.IntRange(0, 5).Draw(t, "losses") {
			l := dp.Loss{
				dp.Mechanism(rapid.SampledFrom([]string{"laplace", "gaussian", "pure", "", "x"}).Draw(t, "mechanism")),
				rapid.Int64().Draw(t, "epsilon"), rapid.Int64().Draw(t, "delta"), rapid.Int64().Draw(t, "cells"),
			}
			tally[l] = rapid.Int64().Draw(t, "n")
			tally[anyLoss().Draw(t, "loss")] = rapid.Int64().Draw(t, "n")
		}
		delta := rapid.Float64().Draw(t, "delta")
		if got := tally.MicroEpsilon(delta); got < 0 {
			t.Errorf("%d", got)
		}
		if got := tally.Fits(anyLoss().Draw(t, "more"), rapid.Int64().Draw(t, "limit"), delta, 10); got < 0 || got > 10 {
			t.Errorf("%d of 10 fit", got)
		}
	})
}

// What a ledger's reservation waits for: fifty kinds of losses, and how many more fit.
func BenchmarkTally(b *testing.B) {
	tally := dp.Tally{}
	for i := range int64(25) {
		tally.Add(dp.Loss{dp.Laplace, 10_000 * (i + 1), 0, 100}, i+1)
		tally.Add(dp.Loss{dp.Gaussian, 10_000 * (i + 1), 1_000_000_000, 100}, i+1)
	}
	b.Run("MicroEpsilon", func(b *testing.B) {
		for b.Loop() {
			tally.MicroEpsilon(1e-5)
		}
	})
	b.Run("Fits", func(b *testing.B) {
		for b.Loop() {
			tally.Fits(laplace(0.01), 30_000_000, 1e-5, 1_000_000)
		}
	})
}

func laplace(epsilon float64) dp.Loss {
	return dp.Loss{dp.Laplace, int64(math.Round(epsilon * 1e6)), 0, 0}
}

func pure(epsilon float64) dp.Loss { return dp.Loss{dp.Pure, int64(math.Round(epsilon * 1e6)), 0, 0} }

func gaussian(epsilon, delta float64) dp.Loss {
	return dp.Loss{dp.Gaussian, int64(math.Round(epsilon * 1e6)), int64(math.Round(delta * 1e18)), 0}
}

func epsilon(t dp.Tally, delta float64) float64 { return float64(t.MicroEpsilon(delta)) / 1e6 }

// anyLoss generates losses that pass Check, over all magnitudes that questions have.
func anyLoss() *rapid.Generator[dp.Loss] {
	return rapid.Custom(func(t *rapid.T) dp.Loss {
		l := dp.Loss{
			Mechanism:    rapid.SampledFrom([]dp.Mechanism{dp.Laplace, dp.Gaussian, dp.Pure}).Draw(t, "mechanism"),
			MicroEpsilon: int64(math.Exp(rapid.Float64Range(0, math.Log(20e6)).Draw(t, "ln epsilon"))),
			Cells:        rapid.SampledFrom([]int64{0, 0, 1, 100, 10_000}).Draw(t, "cells"),
		}
		if l.Mechanism == dp.Gaussian || l.Mechanism == dp.Pure && rapid.Bool().Draw(t, "with delta") {
			l.AttoDelta = int64(math.Exp(rapid.Float64Range(0, math.Log(1e16)).Draw(t, "ln delta")))
		}
		return l
	}).Filter(func(l dp.Loss) bool { return l.Check() == nil })
}
