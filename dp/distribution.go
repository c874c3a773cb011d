package dp

import (
	"math"

	"github.com/google/differential-privacy/go/v3/noise"
)

// A draw is a real number rounded to the nearest integer (the library's grid below the integers is too fine to
// matter). For Laplace noise of scale b, P(|draw| >= k) = exp(−(k−½)/b) for every integer k >= 1.

// Std returns the standard deviation of one draw, an integer. It is NaN if n does not pass [Noise.Check].
//
// The variance is cosh(x)/(2·sinh²x) with x = 1/(2b) for Laplace noise, which is 2b² + 1/12 unless b is small, and
// σ² + 1/12 for Gaussian noise unless σ is small (then it is summed).
func (n Noise) Std() float64 {
	if n.Check() != nil {
		return math.NaN()
	}
	if n.Mechanism == Laplace {
		x := 1 / (2 * n.scale())
		return math.Sqrt(math.Cosh(x)/2) / math.Sinh(x)
	}
	if sigma := n.sigma(); sigma > 2 {
		return math.Sqrt(sigma*sigma + 1./12) // off by a factor of 1 ± 10⁻³⁰ (Sheppard's correction)
	}
	variance := 0.
	for k := 1.; k < 30; k++ { // E X² = Σ (2k−1)·P(|X| >= k)
		variance += (2*k - 1) * n.atLeast(k)
	}
	return math.Sqrt(variance)
}

// Tail returns a number that |draw| exceeds with probability 2⁻⁶⁴ at most.
// It is [math.MaxInt64] if n does not pass [Noise.Check].
func (n Noise) Tail() int64 {
	if n.Check() != nil {
		return math.MaxInt64
	}
	if n.Mechanism == Laplace {
		return int64(math.Ceil(64 * math.Ln2 * n.scale()))
	}
	const quantile = 9.16 // P(|X| > 9.16 σ) < 2⁻⁶⁴
	return int64(math.Ceil(quantile * n.sigma()))
}

// atLeast returns P(|draw| >= k) for an integer k >= 1.
func (n Noise) atLeast(k float64) float64 {
	if n.Mechanism == Laplace {
		return math.Exp(-(k - 0.5) / n.scale())
	}
	return 2 * upperNormal((k-0.5)/n.sigma())
}

// scale returns b of Laplace noise as the library draws it: (sensitivity + g)/ε on a grid of step g, the smallest power
// of two that is at least 2⁻⁴⁰·sensitivity/ε. (addLaplaceInt64 in noise/laplace_noise.go of v3.0.0.)
func (n Noise) scale() float64 {
	sensitivity := float64(n.Sensitivity)
	fraction, exponent := math.Frexp(sensitivity / n.Epsilon / maxRatio)
	if fraction == 0.5 { // a power of two already
		exponent--
	}
	return (sensitivity + math.Ldexp(1, exponent)) / n.Epsilon
}

// sigma returns the standard deviation of Gaussian noise before it is rounded: the smallest that gives (ε, δ), or up to
// a thousandth more. (Balle and Wang, Improving the Gaussian Mechanism for Differential Privacy, 2018, Theorem 8.)
func (n Noise) sigma() float64 {
	return noise.SigmaForGaussian(1, float64(n.Sensitivity), n.Epsilon, n.Delta)
}

// upperNormal returns P(X > x) of a standard Gaussian, accurate to many digits in either tail.
func upperNormal(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }
