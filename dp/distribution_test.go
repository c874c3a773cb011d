package dp_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the numbers that others plan with: the standard deviation of an integer draw (of the rounded Laplace
// distribution, summed to 30 digits) and the bound that plaintext moduli are chosen by.
func TestStdAndTailGolden(t *testing.T) {
	for _, c := range []struct {
		noise    dp.Noise
		std      float64
		accuracy float64
		tail     int64
	}{
		{dp.Noise{dp.Laplace, 20, 0, 1}, 0.00673794701991738, 1e-10, 3},      // b = 0.05: mostly 0
		{dp.Noise{dp.Laplace, 10, 0, 3}, 0.458643864267105, 1e-10, 14},       // b = 0.3
		{dp.Noise{dp.Laplace, 1, 0, 1}, 1.44095485724473, 1e-10, 45},         // b = 1
		{dp.Noise{dp.Laplace, 1, 0, 3}, 4.25235547519703, 1e-10, 134},        // b = 3
		{dp.Noise{dp.Laplace, 0.5, 0, 100}, 282.842859788171, 1e-10, 8873},   // b = 200
		{dp.Noise{dp.Laplace, 1e-6, 0, 1}, 1414214.91107, 1e-10, 44_361_462}, // b = 10⁶ · (1 + 2⁻²⁰), for the grid's sake
		{dp.Noise{dp.Gaussian, 1, 1e-5, 1}, 3.7418, 1.1e-3, 35},              // √(3.7306² + 1/12), and up to 0.1 % more
		{dp.Noise{dp.Gaussian, 1, 1e-5, 1000}, 3730.6, 1.1e-3, 34_200},
	} {
		if std := c.noise.Std(); math.Abs(std/c.std-1) > c.accuracy {
			t.Errorf("%+v: Std %.15g, want %.15g", c.noise, std, c.std)
		}
		tail := c.noise.Tail()
		if c.noise.Mechanism == dp.Laplace && tail != c.tail || math.Abs(float64(tail-c.tail)) > 1e-3*float64(c.tail) {
			t.Errorf("%+v: Tail %d, want %d", c.noise, tail, c.tail)
		}
	}
}

// Guards Std and Tail against their definitions, over all accepted noise: the variance is Σ (2k−1)·P(|draw| >= k), and
// the tail's probability is at most 2⁻⁶⁴ without being wasteful.
func TestStdAndTailByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyNoise().Draw(t, "noise")
		s := size(n)
		atLeast := func(k float64) float64 { return 2 * below(n, s)(-k) }
		variance := 2*s*s + 1./12
		if n.Mechanism == dp.Gaussian {
			variance = s*s + 1./12
		}
		if s < 50 {
			variance = 0
			for k := 1.; k < 40*s+10; k++ {
				variance += (2*k - 1) * atLeast(k)
			}
		}
		// SigmaForGaussian may give a thousandth more, or 10⁻¹⁵/ε less; the grid makes Laplace noise up to 2⁻³⁹/ε wider.
		slack := 1.0011 + 0x1p-39/n.Epsilon
		low, high := math.Sqrt(variance)*(0.9999-1e-15/n.Epsilon), math.Sqrt(variance)*(slack+0.005/(s*s))
		if std := n.Std(); s > 0.3 && (std < low || std > high) {
			t.Errorf("Std %v, by definition %v", std, math.Sqrt(variance))
		}
		tail := float64(n.Tail())
		if p := atLeast(tail + 1); p > 0x1p-64 {
			t.Errorf("P(|draw| > %v) = %v", tail, p)
		}
		if p := atLeast(math.Floor(tail/slack/1.01) - 2); p < 0x1p-64 {
			t.Errorf("P(|draw| > %v) = %v: Tail is much too large", math.Floor(tail/slack/1.01)-3, p)
		}
	})
}

// Guards the calibration of Gaussian noise, whose library finds σ by subtracting nearly equal numbers: over all accepted
// noise, σ gives the δ that was asked for by a formula in which nothing cancels, and is at most a thousandth larger than
// it must be. What cancellation costs is below 10⁻⁶ of δ down to ε = 10⁻⁸, and below 1 % for the smallest ε, 2⁻⁴⁰.
func TestGaussianNoiseKeepsItsDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyNoise().Filter(func(n dp.Noise) bool { return n.Mechanism == dp.Gaussian }).Draw(t, "noise")
		want := exactSigma(n)
		if want < 3 {
			return // Std is σ but for rounding, which is a small part of it from there on
		}
		cancelled := 1e-14 / n.Epsilon
		sigma := math.Sqrt(n.Std()*n.Std() - 1./12)
		delta := exactDelta(n.Epsilon, sigma/float64(n.Sensitivity))
		if delta > n.Delta*(1+1e-6+cancelled) || sigma > want*(1.0011+cancelled) {
			t.Errorf("σ %v gives δ %v; the smallest σ is %v", sigma, delta, want)
		}
	})
}
