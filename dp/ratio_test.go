package dp_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the interval against Fieller's own, for Gaussian errors: the roots r of (A−rB)² = z²·(σ_A² + r²·σ_B²), of numbers
// that are large enough for rounding not to matter. Where the denominator may be 0, it ends where the range does.
func TestRatioIntervalIsFiellers(t *testing.T) {
	const z95, z999 = 1.959963984540054, 3.290526731491926 // standard Gaussian quantiles, two-sided
	for _, c := range []struct {
		numerator, denominator, confidence, z float64
	}{
		{5e9, 1e7, 0.95, z95},
		{5e9, 1e7, 0.999, z999},
		{5e6, 2e5, 0.95, z95},
		{5e8, 3e4, 0.95, z95},
		{1e5, 3e5, 0.95, z95},
		{1e8, 1.5e4, 0.95, z95},
	} {
		n := dp.Error{Noise: dp.Noise{dp.Gaussian, 0.01, 1e-6, 500}, Draws: 3, Std: 1e5}
		d := dp.Error{Noise: dp.Noise{dp.Gaussian, 0.01, 1e-6, 20}, Draws: 3, Std: 100}
		lo, hi, err := dp.RatioInterval(c.numerator, c.denominator, n, d, c.confidence, 0, 1e5)
		if err != nil {
			t.Fatal(err)
		}
		varN, varD := n.TotalStd()*n.TotalStd()*c.z*c.z, d.TotalStd()*d.TotalStd()*c.z*c.z
		// (B²−varD)·r² − 2AB·r + A² − varN = 0
		a, b, e := c.denominator*c.denominator-varD, c.numerator*c.denominator, c.numerator*c.numerator-varN
		root := math.Sqrt(max(0, b*b-a*e))
		wantLo, wantHi := max(0, (b-root)/a), (b+root)/a
		if a <= 0 { // not bounded: what is between the roots is out
			wantLo, wantHi = max(0, (b+root)/a), 1e5
			if b > 0 {
				wantLo = max(0, e/(b+root))
			}
		}
		if width := wantHi - wantLo; math.Abs(lo-wantLo) > 2e-3*width || math.Abs(hi-wantHi) > 2e-3*width {
			t.Errorf("%v/%v at %v: [%v, %v], want [%v, %v]", c.numerator, c.denominator, c.confidence, lo, hi, wantLo, wantHi)
		}
	}
}

// Guards the bounds on bias, which are added to what noise may do: of the numerator as they are, of the denominator times
// the ratio.
func TestRatioIntervalAddsBias(t *testing.T) {
	n := dp.Error{Noise: dp.Noise{dp.Laplace, 1, 0, 100}, Draws: 3}
	d := dp.Error{Noise: dp.Noise{dp.Laplace, 1, 0, 1}, Draws: 3}
	for _, c := range []struct{ low, high, numerator, biasN, biasD, by float64 }{
		{0, 500, 7e6, 1000, 0, 0.01},
		{0, 500, 7e6, 0, 1000, 0.7},
		{0, 500, 7e6, 1000, 2000, 1.41},
		{-500, 0, -7e6, 1000, 2000, 1.41},
	} {
		lo, hi, err := dp.RatioInterval(c.numerator, 1e5, n, d, 0.95, c.low, c.high)
		if err != nil {
			t.Fatal(err)
		}
		biasedN, biasedD := n, d
		biasedN.Bias, biasedD.Bias = c.biasN, c.biasD
		lower, higher, err := dp.RatioInterval(c.numerator, 1e5, biasedN, biasedD, 0.95, c.low, c.high)
		if err != nil {
			t.Fatal(err)
		}
		if slack := 0.03 * c.by; math.Abs(lo-lower-c.by) > slack || math.Abs(higher-hi-c.by) > slack {
			t.Errorf("%+v: [%v, %v] without bias, [%v, %v] with it", c, lo, hi, lower, higher)
		}
	}
}

// Guards what any such interval must satisfy: it lies in the range that is known, and contains the released ratio if that
// is possible; it doesn't shrink for more confidence, and a bias, or a Gaussian error, makes it wider.
func TestRatioIntervalIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mechanism := rapid.SampledFrom([]dp.Mechanism{dp.Laplace, dp.Gaussian}).Draw(t, "mechanism")
		draws := rapid.IntRange(1, 6).Draw(t, "draws")
		anyError := rapid.Custom(func(t *rapid.T) dp.Error {
			n := noiseOf(mechanism, math.Exp(rapid.Float64Range(math.Log(0.2), math.Log(1000)).Draw(t, "ln scale")))
			return dp.Error{n, draws, rapid.SampledFrom([]float64{0, 0.5, 20}).Draw(t, "std"), rapid.SampledFrom([]float64{0, 3}).Draw(t, "bias")}
		}).Filter(func(e dp.Error) bool { return e.Noise.Check() == nil })
		n, d := anyError.Draw(t, "n"), anyError.Draw(t, "d")
		numerator := float64(rapid.IntRange(-1000, 100_000).Draw(t, "numerator"))
		denominator := float64(rapid.IntRange(-100, 10_000).Draw(t, "denominator"))
		low := float64(rapid.IntRange(-20, 5).Draw(t, "low"))
		high := low + rapid.Float64Range(0, 100).Draw(t, "range")
		interval := func(n, d dp.Error, confidence float64) (lo, hi float64) {
			lo, hi, err := dp.RatioInterval(numerator, denominator, n, d, confidence, low, high)
			if err != nil {
				t.Fatal(err)
			}
			if !(low <= lo && lo <= hi && hi <= high) {
				t.Fatalf("[%v, %v], known is [%v, %v]", lo, hi, low, high)
			}
			return lo, hi
		}
		lo, hi := interval(n, d, 0.9)
		released := numerator / denominator
		if released >= low && released <= high && (released < lo || released > hi) {
			t.Errorf("[%v, %v] doesn't contain %v", lo, hi, released)
		}
		// An end may be a thousandth too far out; and a Gaussian error makes half a step of the integers smooth.
		slack := (hi-lo)*3e-3 + (1+max(math.Abs(lo), math.Abs(hi)))/math.Abs(denominator)
		wider := func(why string, moreLo, moreHi float64) {
			// Outside of the known range, the nearest ratio takes the place of the released one, and another one may with
			// more of an error.
			if released > low && released < high && (moreLo > lo+slack || moreHi < hi-slack) {
				t.Errorf("[%v, %v], and [%v, %v] with %s", lo, hi, moreLo, moreHi, why)
			}
		}
		moreLo, moreHi := interval(n, d, 0.99)
		wider("more confidence", moreLo, moreHi)
		biased := d
		biased.Bias += 5
		moreLo, moreHi = interval(n, biased, 0.9)
		wider("more bias", moreLo, moreHi)
		if min(n.Noise.Std(), d.Noise.Std()) > 7 { // else integers are taken exactly, and their steps may be worse than a Gaussian
			spread := n
			spread.Std = 2*n.TotalStd() + 1
			moreLo, moreHi = interval(spread, d, 0.9)
			wider("more of a Gaussian error", moreLo, moreHi)
		}
	})
}

// Guards the ends: a denominator that tells nothing, a numerator that no ratio explains, a range of one number, and
// amounts at the limits.
func TestRatioIntervalAtTheEnds(t *testing.T) {
	n := dp.Error{Noise: dp.Noise{dp.Laplace, 1, 0, 100}, Draws: 3}
	d := dp.Error{Noise: dp.Noise{dp.Laplace, 1, 0, 1}, Draws: 3}
	for _, c := range []struct {
		name                   string
		numerator, denominator float64
		low, high              float64
		lo, hi                 [2]float64 // between these
	}{
		{"nobody", 12, 0, 0, 500, [2]float64{0, 0}, [2]float64{500, 500}},
		{"fewer than nobody", 12, -3, 0, 500, [2]float64{0, 0}, [2]float64{500, 500}},
		{"far below the range", -1e5, 1e5, 0, 500, [2]float64{0, 0}, [2]float64{1e-3, 2e-2}},
		{"far above the range", 1e9, 1e5, 0, 500, [2]float64{499.97, 499.999}, [2]float64{500, 500}},
		{"nothing but 7", 1234, 100, 7, 7, [2]float64{7, 7}, [2]float64{7, 7}},
		{"negative amounts", -2e6, 1e4, -500, -100, [2]float64{-200.4, -200}, [2]float64{-200, -199.6}},
		{"of both signs", 0, 1e4, -500, 500, [2]float64{-0.1, -0.02}, [2]float64{0.02, 0.1}},
		{"the largest numbers", 0x1p62, 0x1p62, -0x1p60, 0x1p60, [2]float64{0.999999, 1}, [2]float64{1, 1.000001}},
		{"a huge ratio", 0x1p62, 2, 0, 0x1p60, [2]float64{1e17, 1e18}, [2]float64{0x1p60, 0x1p60}},
	} {
		lo, hi, err := dp.RatioInterval(c.numerator, c.denominator, n, d, 0.95, c.low, c.high)
		if err != nil || lo < c.lo[0] || lo > c.lo[1] || hi < c.hi[0] || hi > c.hi[1] {
			t.Errorf("%s: [%v, %v], %v, want in %v and %v", c.name, lo, hi, err, c.lo, c.hi)
		}
	}
}

// Guards the refusal of what can't be, in words.
func TestRatioIntervalRefuses(t *testing.T) {
	good := dp.Error{Noise: dp.Noise{dp.Laplace, 1, 0, 1}, Draws: 3}
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		numerator, denominator float64
		n, d                   dp.Error
		confidence, low, high  float64
		words                  string
	}{
		{1, 1, dp.Error{}, good, 0.95, 0, 1, "numerator: interval: noise: mechanism"},
		{1, 1, good, dp.Error{Noise: good.Noise}, 0.95, 0, 1, "denominator: interval: number of draws is 0"},
		{1, 1, good, good, 1, 0, 1, "confidence is 1, must be above 0 and below 1"},
		{1, 1, good, good, nan, 0, 1, "confidence is NaN"},
		{nan, 1, good, good, 0.95, 0, 1, "numerator is NaN, must be -2^62 to 2^62"},
		{1, -inf, good, good, 0.95, 0, 1, "denominator is -Inf, must be -2^62 to 2^62"},
		{1, 1, good, good, 0.95, 2, 1, "the ratio is in [2, 1], must be in [-2^60, 2^60] and not empty"},
		{1, 1, good, good, 0.95, nan, 1, "the ratio is in [NaN, 1]"},
		{1, 1, good, good, 0.95, 0, inf, "the ratio is in [0, +Inf]"},
	} {
		lo, hi, err := dp.RatioInterval(c.numerator, c.denominator, c.n, c.d, c.confidence, c.low, c.high)
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("[%v, %v], %v, want %q", lo, hi, err, c.words)
		}
	}
}

// What a table of means waits for, per cell: by the scales of numerator and denominator, and the number of draws.
func BenchmarkRatioInterval(b *testing.B) {
	for _, c := range []struct {
		numerator, denominator float64
		draws                  int
	}{{1000, 30, 1}, {1000, 30, 6}, {1000, 3.9, 1}, {1000, 0.2, 3}, {2, 1, 3}, {3.9, 5, 1}} {
		b.Run(fmt.Sprintf("scales %v and %v, %d draws", c.numerator, c.denominator, c.draws), func(b *testing.B) {
			n := dp.Error{Noise: noiseOf(dp.Laplace, c.numerator), Draws: c.draws}
			d := dp.Error{Noise: noiseOf(dp.Laplace, c.denominator), Draws: c.draws}
			for b.Loop() {
				if _, _, err := dp.RatioInterval(123_456, 1007, n, d, 0.95, 0, 500); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
