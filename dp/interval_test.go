package dp_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
)

// Guards what an analyst is told: simulated errors lie within HalfWidth at least as often as promised, and within a
// width one smaller (and 1 % narrower) not much more often than that; for noise that is 0 nearly always as for wide
// noise, with and without a Gaussian error of any size.
//
// Seeded, so it can't flake. Each of the 2·7·3·5·2 widths would be rejected by chance with less than 10⁻⁹ (Chernoff),
// all together 10⁻⁶.
func TestHalfWidthCovers(t *testing.T) {
	trials := 40_000
	if os.Getenv("SOTTO_LONG") == "1" {
		trials = 1_000_000
	}
	for _, mechanism := range []dp.Mechanism{dp.Laplace, dp.Gaussian} {
		for _, scale := range []float64{0.05, 0.3, 1, 3.9, 4.1, 30, 1e5} {
			t.Run(fmt.Sprintf("%s %v", mechanism, scale), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(3, math.Float64bits(scale)))
				n := noiseOf(mechanism, scale)
				for _, draws := range []int{1, 3, 6} {
					for _, ratio := range []float64{0, 0.05, 0.5, 2, 40} {
						e := dp.Error{Noise: n, Draws: draws, Std: ratio * scale}
						errors := simulate(e, random, trials)
						for _, confidence := range []float64{0.95, 0.999} {
							checkCoverage(t, e, errors, confidence)
						}
					}
				}
			})
		}
	}
}

func checkCoverage(t *testing.T, e dp.Error, errors []float64, confidence float64) {
	t.Helper()
	w, err := e.HalfWidth(confidence)
	if err != nil {
		t.Fatal(err)
	}
	narrower := (w - 1) * 0.99
	beyond, beyondNarrower := 0, 0
	for _, x := range errors {
		if math.Abs(x) > w {
			beyond++
		}
		if math.Abs(x) > narrower {
			beyondNarrower++
		}
	}
	promised := (1 - confidence) * float64(len(errors))
	if float64(beyond) > promised && improbable(beyond, len(errors), 1-confidence) < 1e-9 {
		t.Errorf("%+v: %d of %d errors are beyond %v, promised are %v", e, beyond, len(errors), w, promised)
	}
	if float64(beyondNarrower) < promised && improbable(beyondNarrower, len(errors), 1-confidence) < 1e-9 {
		t.Errorf("%+v: only %d of %d errors are beyond %v, %v may be", e, beyondNarrower, len(errors), narrower, promised)
	}
}

// simulate returns errors as [dp.Error] describes them, without bias: rounded continuous noise, and a Gaussian.
func simulate(e dp.Error, random *rand.Rand, trials int) []float64 {
	errors, scale := make([]float64, trials), size(e.Noise)
	for i := range errors {
		for range e.Draws {
			if e.Noise.Mechanism == dp.Laplace {
				errors[i] += math.Round(scale * random.ExpFloat64() * float64(1-2*random.IntN(2)))
			} else {
				errors[i] += math.Round(scale * random.NormFloat64())
			}
		}
		errors[i] += e.Std * random.NormFloat64()
	}
	return errors
}

// noiseOf returns noise with b, or roughly σ, of that value.
func noiseOf(mechanism dp.Mechanism, scale float64) dp.Noise {
	sensitivity := int64(math.Ceil(scale))
	if mechanism == dp.Laplace {
		return dp.Noise{dp.Laplace, float64(sensitivity) / scale, 0, sensitivity}
	}
	// δ(σ) falls as σ grows, so that the δ of ε = 1 at this σ gives this σ back (with 0.99 as the limit where the noise
	// is tiny: δ is then of no use, but the distribution is what's tested).
	return dp.Noise{dp.Gaussian, 1, min(0.99, exactDelta(1, scale/float64(sensitivity))), sensitivity}
}

// Guards the promise in the README, with the library's own draws: of 100 000 releases with the noise of 1 to 6 key-holders
// (5 parties and the coordinator), 94.5 % to 95.5 % lie within their 95 % interval, with a further Gaussian error as
// without; and so they do of a table's total, of ten cells with three draws each.
//
// (94.2 % to 95.8 % of the 33 333 totals.) The noise is so wide that the integers make 95.02 % of it at most. Then a share
// outside of these bounds has a probability below 10⁻¹⁰ (Chernoff), for each of 28.
func TestIntervalsCoverAsStated(t *testing.T) {
	eachPool(t, func(t *testing.T, n dp.Noise, draws []int64) {
		random := rand.New(rand.NewPCG(7, 8))
		for _, c := range []struct{ draws, releases int }{
			{1, 100_000}, {2, 100_000}, {3, 100_000}, {4, 100_000}, {5, 100_000}, {6, 100_000}, {30, 33_333},
		} {
			for _, std := range []float64{0, 1.5 * n.Std()} {
				e := dp.Error{Noise: n, Draws: c.draws, Std: std}
				w, err := e.HalfWidth(0.95)
				if err != nil {
					t.Fatal(err)
				}
				covered := 0
				for i := range c.releases {
					sum := std * random.NormFloat64()
					for _, draw := range draws[i*c.draws : (i+1)*c.draws] {
						sum += float64(draw)
					}
					if math.Abs(sum) <= w {
						covered++
					}
				}
				least, most := 0.945, 0.955
				if c.releases < 100_000 {
					least, most = 0.942, 0.958
				}
				if share := float64(covered) / float64(c.releases); share < least || share > most {
					t.Errorf("%d draws, std %v: %v of the releases are within %v", c.draws, std, share, w)
				}
			}
		}
	})
}

// Guards widths that can be worked out by hand: one Laplace draw exceeds w with probability exp(−(w+½)/b), and with 22 000
// to 1 a draw of scale 0.05 is 0. Bias is added on top.
func TestHalfWidthGolden(t *testing.T) {
	laplace := func(epsilon float64, sensitivity int64) dp.Noise {
		return dp.Noise{dp.Laplace, epsilon, 0, sensitivity}
	}
	for _, c := range []struct {
		err        dp.Error
		confidence float64
		want       float64
	}{
		{dp.Error{laplace(20, 1), 1, 0, 0}, 0.9999, 0},           // e^−10 beyond 0
		{dp.Error{laplace(20, 1), 1, 0, 0}, 0.99999, 1},          // e^−30 beyond 1
		{dp.Error{laplace(20, 1), 1, 0, 2.5}, 0.9999, 2.5},       // bias alone
		{dp.Error{laplace(1, 1), 1, 0, 0}, 0.95, 3},              // ln 20 − ½ = 2.496
		{dp.Error{laplace(1, 3), 1, 0, 0}, 0.95, 9},              // 3 ln 20 − ½ = 8.487
		{dp.Error{laplace(1, 3), 1, 0, 0}, 0.999, 21},            // 3 ln 1000 − ½ = 20.22
		{dp.Error{laplace(0.01, 1), 1, 0, 0}, 0.95, 300},         // 100 ln 20 − ½ = 299.07, and 0.0004 for the rounding
		{dp.Error{laplace(1e-4, 1), 1, 0, 0.25}, 0.95, 29957.25}, // 10⁴ ln 20 − ½ = 29956.8
		{dp.Error{laplace(1e-4, 1), 2, 0, 0}, 0.95, 41130},       // (2+u)·e^−u/2 = 0.05 at u = 4.1130033
		{dp.Error{laplace(1, 4), 1, 1e6, 0}, 0.95, 1959964},      // 1.959964·10⁶, plus 16 for the noise's 2·4²
		{dp.Error{laplace(1, 4), 1, 1e6, 0}, 0.999, 3290527},     // 3.290527·10⁶
	} {
		if got, err := c.err.HalfWidth(c.confidence); err != nil || got != c.want {
			t.Errorf("%+v at %v: %v, %v, want %v", c.err, c.confidence, got, err, c.want)
		}
	}
}

// Guards what any width must satisfy: it grows with the confidence, the number of draws and each part of the error, is
// finite, and a width by Chebyshev's inequality is no smaller.
func TestHalfWidthIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := dp.Error{
			Noise: anyNoise().Draw(t, "noise"),
			Draws: rapid.IntRange(1, 8).Draw(t, "draws"),
			Bias:  float64(rapid.IntRange(0, 100).Draw(t, "bias")),
		}
		e.Std = e.TotalStd() * rapid.SampledFrom([]float64{0, 1e-6, 0.1, 1, 10, 1e4}).Draw(t, "std")
		confidence := rapid.Float64Range(0.5, 0.999).Draw(t, "confidence")
		width := func(e dp.Error, confidence float64) float64 {
			w, err := e.HalfWidth(confidence)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		w := width(e, confidence)
		if limit := (e.TotalStd()+1)*1.02/math.Sqrt(1-confidence) + 1 + e.Bias; !(w >= e.Bias && w <= limit) {
			t.Errorf("width %v is not in [bias, %v]", w, limit)
		}
		less := w * (1 - 1e-6) // what HalfWidth adds to be safe
		if surer := width(e, 1-(1-confidence)/3); surer < less {
			t.Errorf("width %v at %v, but %v at %v", w, confidence, surer, 1-(1-confidence)/3)
		}
		more := e
		more.Draws++
		if wider := width(more, confidence); wider < less {
			t.Errorf("width %v, but %v with a draw more", w, wider)
		}
		more = e
		more.Std = 2*e.Std + 1e-3
		if wider := width(more, confidence); wider < less {
			t.Errorf("width %v, but %v with a Gaussian error of %v", w, wider, more.Std)
		}
		more = e
		more.Bias += 7
		if wider := width(more, confidence); math.Abs(wider-w-7) > 1e-9*w {
			t.Errorf("width %v, but %v with 7 more of bias", w, wider)
		}
	})
}

// Guards the refusal of errors that can't be, in words.
func TestHalfWidthRefuses(t *testing.T) {
	n := dp.Noise{dp.Laplace, 1, 0, 1}
	for _, c := range []struct {
		err        dp.Error
		confidence float64
		words      string
	}{
		{dp.Error{n, 1, 0, 0}, 0, "confidence is 0, must be above 0 and below 1"},
		{dp.Error{n, 1, 0, 0}, 1, "confidence is 1, must be above 0 and below 1"},
		{dp.Error{n, 1, 0, 0}, math.NaN(), "confidence is NaN"},
		{dp.Error{n, 0, 0, 0}, 0.95, "number of draws is 0, must be 1 to 65536"},
		{dp.Error{n, 65537, 0, 0}, 0.95, "number of draws is 65537, must be 1 to 65536"},
		{dp.Error{n, 1, -1, 0}, 0.95, "standard deviation is -1, must be 0 to 2^60"},
		{dp.Error{n, 1, math.NaN(), 0}, 0.95, "standard deviation is NaN"},
		{dp.Error{n, 1, math.Inf(1), 0}, 0.95, "standard deviation is +Inf"},
		{dp.Error{n, 1, 0, -0.5}, 0.95, "bias is -0.5, must be 0 to 2^60"},
		{dp.Error{n, 1, 0, math.NaN()}, 0.95, "bias is NaN"},
		{dp.Error{dp.Noise{dp.Laplace, 0, 0, 1}, 1, 0, 0}, 0.95, "interval: noise: epsilon is 0"},
	} {
		if w, err := c.err.HalfWidth(c.confidence); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%+v at %v: %v, %v, want %q", c.err, c.confidence, w, err, c.words)
		}
	}
}

// Guards the standard deviation that a release states: draws and the Gaussian error add up in squares, bias does not.
func TestTotalStd(t *testing.T) {
	e := dp.Error{Noise: dp.Noise{dp.Laplace, 1e-3, 0, 1}, Draws: 8, Std: 3000, Bias: 1e9}
	if got, want := e.TotalStd(), 5000.; math.Abs(got-want) > 1e-3 {
		t.Errorf("%v, want √(8·2·1000² + 3000²) = %v", got, want)
	}
	e.Noise.Epsilon = 0
	if got := e.TotalStd(); !math.IsNaN(got) {
		t.Errorf("%v for noise that fails Check, want NaN", got)
	}
}

// Guards against cancellation where the noise is 10¹¹ times as large as what rounding and a Gaussian add to it: the width
// is then that of the noise alone.
func TestHalfWidthOfHugeNoise(t *testing.T) {
	e := dp.Error{Noise: dp.Noise{Mechanism: dp.Laplace, Epsilon: 1.2840254166877414, Sensitivity: 67642343024}, Draws: 2}
	alone, err := e.HalfWidth(0.5625)
	if err != nil {
		t.Fatal(err)
	}
	e.Std = 0.001
	both, err := e.HalfWidth(0.5625)
	if err != nil {
		t.Fatal(err)
	}
	// P(|sum of two| > w) = e^−u·(1 + u/2) for u = w/b.
	u := alone / (67642343024 / 1.2840254166877414)
	if miss := math.Exp(-u) * (1 + u/2); math.Abs(miss/(1-0.5625)-1) > 1e-6 || math.Abs(both/alone-1) > 1e-8 {
		t.Errorf("widths are %v and %v, missing %v", alone, both, miss)
	}
}
