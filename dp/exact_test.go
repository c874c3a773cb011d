package dp_test

import (
	"math"

	"github.com/sotto-dev/sotto/dp"
)

// What the tests compare with is computed here from the definitions, by other ways than the package's.

// exactDelta returns the δ at which Gaussian noise with standard deviation ratio·sensitivity is (ε, δ)-private: with
// the privacy loss L, which is Gaussian with mean η = 1/(2·ratio²) and variance 2η, it is E max(0, 1 − e^(ε−L)). All
// terms are positive, so nothing cancels, however small ε and δ are. (Balle and Wang 2018, Theorem 5.)
func exactDelta(epsilon, ratio float64) float64 {
	mean := 1 / (2 * ratio * ratio)
	std := math.Sqrt(2 * mean)
	low, high := max((epsilon-mean)/std, -40), 40.
	const pieces = 4000
	width, sum := (high-low)/pieces, 0.
	for i := range pieces + 1 { // Simpson's rule
		z := low + float64(i)*width
		weight := float64(2 + 2*(i%2))
		if i == 0 || i == pieces {
			weight = 1
		}
		sum -= weight * math.Expm1(epsilon-mean-std*z) * math.Exp(-z*z/2)
	}
	return sum * width / 3 / math.Sqrt(2*math.Pi)
}

// exactSigma returns the smallest σ that gives (ε, δ).
func exactSigma(n dp.Noise) float64 {
	low, high := 1e-3, 1e15
	for high/low > 1+1e-12 {
		middle := math.Sqrt(low * high)
		if exactDelta(n.Epsilon, middle) > n.Delta {
			low = middle
		} else {
			high = middle
		}
	}
	return high * float64(n.Sensitivity)
}

// below returns P(draw <= k) for an integer k: the rounded continuous distribution.
func below(n dp.Noise, size float64) func(k float64) float64 {
	return func(k float64) float64 {
		x := (k + 0.5) / size
		switch {
		case n.Mechanism == dp.Gaussian:
			return math.Erfc(-x/math.Sqrt2) / 2
		case x < 0:
			return math.Exp(x) / 2
		}
		return 1 - math.Exp(-x)/2
	}
}

// size returns b = sensitivity/ε of Laplace noise, σ of Gaussian noise.
func size(n dp.Noise) float64 {
	if n.Mechanism == dp.Gaussian {
		return exactSigma(n)
	}
	return float64(n.Sensitivity) / n.Epsilon
}

// improbable returns an upper bound on the probability of a binomial count of trials with probability p that is as far
// from its mean as hits, on the same side: Chernoff's, exp(−trials·KL(hits/trials ‖ p)).
func improbable(hits, trials int, p float64) float64 {
	q := float64(hits) / float64(trials)
	divergence := 0.
	if q > 0 {
		divergence += q * math.Log(q/p)
	}
	if q < 1 {
		divergence += (1 - q) * math.Log((1-q)/(1-p))
	}
	return math.Exp(-float64(trials) * divergence)
}
