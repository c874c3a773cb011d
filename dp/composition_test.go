package dp_test

import (
	"math"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the account against the truth. For equal losses the best possible ε is known exactly, by ways that share nothing
// with Rényi divergences; the account must never be below it, and not far above:
//
//   - n Gaussian releases are one with σ/√n (Dong, Roth and Su, Gaussian Differential Privacy, 2019, Corollary 3.3).
//   - n releases that are only known to be ε-private can be as bad as n randomised responses (Kairouz, Oh and Viswanath
//     2015, Theorem 3.3), whose privacy loss is binomial.
//   - The privacy loss of n Laplace releases is a sum of independent ones that are rounded down to a grid, which makes
//     the bound lower by at most n times the step.
func TestMicroEpsilonIsAboveTheTruth(t *testing.T) {
	for _, n := range []int{1, 2, 5, 20, 100} {
		for _, e := range []float64{0.05, 0.3, 1, 4} {
			responses, losses := randomisedResponses(n, e), laplaceLosses(n, e)
			for _, delta := range []float64{1e-3, 1e-6, 1e-9} {
				check := func(name string, l dp.Loss, truth, above float64) {
					t.Helper()
					got := epsilon(dp.Tally{l: int64(n)}, delta)
					if got < truth*(1-1e-9) || got > truth*above+1e-6 {
						t.Errorf("%d %s releases of ε %v, δ %v: ε %v, truth %v", n, name, e, delta, got, truth)
					}
				}
				check("pure", pure(e), lossEpsilon(responses, delta), 1.17)
				check("Laplace", laplace(e), lossEpsilon(losses, delta), 1.27)

				own := delta / 10
				if (dp.Noise{dp.Gaussian, e, own, 1}).Check() != nil {
					continue
				}
				ratio := exactSigma(dp.Noise{dp.Gaussian, e, own, 1}) / math.Sqrt(float64(n))
				truth := smallestEpsilon(func(epsilon float64) float64 { return exactDelta(epsilon, ratio) }, delta)
				check("Gaussian", gaussian(e, own), truth*(1-1e-6), 1.31)
			}
		}
	}
}

// privacyLoss is a distribution of ln(P(result)/Q(result)) under P: values[i] with probabilities[i].
type privacyLoss struct{ values, probabilities []float64 }

// lossEpsilon returns the smallest ε with E max(0, 1 − e^(ε−loss)) <= delta.
func lossEpsilon(p privacyLoss, delta float64) float64 {
	return smallestEpsilon(func(epsilon float64) float64 {
		sum := 0.
		for i, value := range p.values {
			if value > epsilon {
				sum -= p.probabilities[i] * math.Expm1(epsilon-value)
			}
		}
		return sum
	}, delta)
}

// smallestEpsilon returns the smallest ε with deltaOf(ε) <= delta, from below.
func smallestEpsilon(deltaOf func(epsilon float64) float64, delta float64) float64 {
	low, high := 0., 1000.
	for range 60 {
		if middle := (low + high) / 2; deltaOf(middle) > delta {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// randomisedResponses returns the privacy loss of n randomised responses: (n−2i)·ε with the binomial probability of i
// lies, at 1/(1+e^ε) each.
func randomisedResponses(n int, epsilon float64) (p privacyLoss) {
	all, _ := math.Lgamma(float64(n + 1))
	for i := range n + 1 {
		lies, _ := math.Lgamma(float64(i + 1))
		truths, _ := math.Lgamma(float64(n - i + 1))
		lnP := all - lies - truths - float64(n)*math.Log1p(math.Exp(-epsilon)) - float64(i)*epsilon
		p.values = append(p.values, float64(n-2*i)*epsilon)
		p.probabilities = append(p.probabilities, math.Exp(lnP))
	}
	return p
}

// laplaceLosses returns the privacy loss of n Laplace releases, rounded down. One is ε with probability ½ (noise on the
// far side), −ε with probability e^−ε/2, and in between ε − 2u with density e^−u/2.
func laplaceLosses(n int, epsilon float64) (p privacyLoss) {
	const steps = 100 // from −ε to ε
	one := make([]float64, steps+1)
	one[steps] = 0.5
	one[0] = math.Exp(-epsilon) / 2
	for i := range steps { // losses from this step up to the next count as this one
		nearest, farthest := epsilon*float64(steps-i-1)/steps, epsilon*float64(steps-i)/steps
		one[i] += (math.Exp(-nearest) - math.Exp(-farthest)) / 2
	}
	sum := []float64{1}
	for range n {
		next := make([]float64, len(sum)+steps)
		for i, a := range sum {
			for j, b := range one {
				next[i+j] += a * b
			}
		}
		sum = next
	}
	for i, probability := range sum {
		p.values = append(p.values, epsilon*(2*float64(i)/steps-float64(n)))
		p.probabilities = append(p.probabilities, probability)
	}
	return p
}
