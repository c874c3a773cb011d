package dp_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the door to the noise library: what it would hang on, overflow on, or answer with the exact value is refused
// before the call, in words that name the value and the rule.
func TestCheckRefuses(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name  string
		noise dp.Noise
		words string
	}{
		{"epsilon 0", dp.Noise{dp.Laplace, 0, 0, 1}, "epsilon is 0, must be above 0 and at most 20"},
		{"epsilon negative", dp.Noise{dp.Laplace, -1, 0, 1}, "epsilon is -1, must be above 0"},
		{"epsilon NaN", dp.Noise{dp.Gaussian, nan, 1e-6, 1}, "epsilon is NaN, must be above 0"},
		{"epsilon +Inf", dp.Noise{dp.Laplace, inf, 0, 1}, "epsilon is +Inf, must be above 0"},
		{"epsilon that hides nothing", dp.Noise{dp.Laplace, 50, 0, 1}, "epsilon is 50, must be above 0 and at most 20"},
		{"epsilon just too large", dp.Noise{dp.Laplace, math.Nextafter(20, 21), 0, 1}, "at most 20"},
		{"ratio", dp.Noise{dp.Laplace, 1, 0, 1<<40 + 1}, "sensitivity 1099511627777 over epsilon 1 is 1.099511627777e+12, must be at most 2^40"},
		{"ratio by epsilon", dp.Noise{dp.Gaussian, 1e-13, 1e-6, 1}, "must be at most 2^40"},
		{"sensitivity that overflows", dp.Noise{dp.Laplace, 20, 0, math.MaxInt64}, "must be at most 2^40"},
		{"sensitivity 0", dp.Noise{dp.Laplace, 1, 0, 0}, "sensitivity is 0, must be at least 1"},
		{"sensitivity negative", dp.Noise{dp.Gaussian, 1, 1e-6, math.MinInt64}, "must be at least 1"},
		{"delta with laplace", dp.Noise{dp.Laplace, 1, 1e-9, 1}, "delta is 1e-09, must be 0 for laplace"},
		{"delta NaN with laplace", dp.Noise{dp.Laplace, 1, nan, 1}, "delta is NaN, must be 0 for laplace"},
		{"delta 0 with gaussian", dp.Noise{dp.Gaussian, 1, 0, 1}, "delta is 0, must be above 0 and below 1"},
		{"delta negative", dp.Noise{dp.Gaussian, 1, -1e-9, 1}, "must be above 0 and below 1"},
		{"delta 1", dp.Noise{dp.Gaussian, 1, 1, 1}, "must be above 0 and below 1"},
		{"delta NaN", dp.Noise{dp.Gaussian, 1, nan, 1}, "delta is NaN, must be above 0"},
		{"delta below what the sampler can do", dp.Noise{dp.Gaussian, 20, 1e-12, 1}, "delta is 1e-12, must be at least"},
		{"delta tiny", dp.Noise{dp.Gaussian, 1, 1e-30, 1}, "gaussian noise ends at 8.81 sigma"},
		{"no mechanism", dp.Noise{"", 1, 0, 1}, `mechanism is "", must be "laplace" or "gaussian"`},
		{"unknown mechanism", dp.Noise{"cauchy", 1, 0, 1}, `mechanism is "cauchy"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.noise.Check()
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Fatalf("Check: %v, want %q in it", err, c.words)
			}
			if draws, err := c.noise.Draw(3); err == nil || draws != nil {
				t.Errorf("Draw: %v, %v, want no draws and an error", draws, err)
			}
			if std, tail := c.noise.Std(), c.noise.Tail(); !math.IsNaN(std) || tail != math.MaxInt64 {
				t.Errorf("Std %v, Tail %d, want NaN and the largest int64", std, tail)
			}
			if w, err := (dp.Error{Noise: c.noise, Draws: 1}).HalfWidth(0.95); err == nil {
				t.Errorf("HalfWidth: %v, want an error", w)
			}
		})
	}
}

// Guards that the rules leave room for what is asked in practice.
func TestCheckAccepts(t *testing.T) {
	for _, n := range []dp.Noise{
		{dp.Laplace, 20, 0, 1},
		{dp.Laplace, 1e-6, 0, 1},
		{dp.Laplace, 1, 0, 1 << 40},
		{dp.Laplace, 0x1p-40, 0, 1},
		{dp.Gaussian, 1, 1e-12, 1},
		{dp.Gaussian, 10, 1e-9, 1_000_000},
		{dp.Gaussian, 20, 1e-5, 27},
		{dp.Gaussian, 15, 1e-8, 1},
		{dp.Gaussian, 1e-6, 1e-9, 1_000_000},
	} {
		if err := n.Check(); err != nil {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

// Guards that every accepted description can be drawn, at the extremes too, without a hang, and that a draw stays
// within Tail. False-alarm rate: 10⁴ draws · 2⁻⁶⁴ < 10⁻¹⁵.
func TestDrawsStayWithinTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyNoise().Draw(t, "noise")
		draws, err := n.Draw(20)
		if err != nil {
			t.Fatal(err)
		}
		for _, draw := range draws {
			if draw > n.Tail() || draw < -n.Tail() {
				t.Fatalf("draw %d is beyond the tail, %d", draw, n.Tail())
			}
		}
	})
}

// Guards the number of draws, and that nothing is drawn for no cells. False-alarm rate of equal vectors: < 10⁻¹⁰⁰.
func TestDrawGivesFreshNoisePerCell(t *testing.T) {
	n := dp.Noise{dp.Laplace, 0.1, 0, 10}
	for _, cells := range []int{0, -1, math.MinInt} {
		if draws, err := n.Draw(cells); err == nil || !strings.Contains(err.Error(), "number of cells is") {
			t.Errorf("Draw(%d): %v, %v, want an error", cells, draws, err)
		}
	}
	first, err := n.Draw(100)
	if err != nil {
		t.Fatal(err)
	}
	second, err := n.Draw(100)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 100 || len(second) != 100 || slices.Equal(first, second) {
		t.Errorf("%d and %d draws, equal: %v", len(first), len(second), slices.Equal(first, second))
	}
}

// anyNoise generates descriptions that pass Check, over all magnitudes.
func anyNoise() *rapid.Generator[dp.Noise] {
	return rapid.Custom(func(t *rapid.T) dp.Noise {
		n := dp.Noise{
			Mechanism:   dp.Laplace,
			Epsilon:     math.Exp(rapid.Float64Range(math.Log(0x1p-40), math.Log(dp.MaxEpsilon)).Draw(t, "ln epsilon")),
			Sensitivity: int64(math.Exp(rapid.Float64Range(0, 45*math.Ln2).Draw(t, "ln sensitivity"))),
		}
		if rapid.Bool().Draw(t, "gaussian") {
			n.Mechanism = dp.Gaussian
			n.Delta = math.Exp(rapid.Float64Range(math.Log(1e-15), math.Log(0.99)).Draw(t, "ln delta"))
		}
		return n
	}).Filter(func(n dp.Noise) bool { return n.Check() == nil })
}
