// Package dp is the differential privacy of Sotto: the noise that every key-holder adds to a release, how far one
// person can move an answer, how far an answer with its noise lies from the truth, and what all releases together cost a
// person.
//
// It is the only importer of Google's differential privacy library, which draws the noise; it keeps no state but results
// that it has computed before, and does no input or output but the library's reading of the operating system's randomness.
package dp

import (
	"fmt"

	"github.com/google/differential-privacy/go/v3/noise"
)

// Mechanism names a distribution of noise.
type Mechanism string

const (
	// Laplace noise gives ε-differential privacy for an L1 sensitivity.
	Laplace Mechanism = "laplace"
	// Gaussian noise gives (ε, δ)-differential privacy for an L2 sensitivity.
	Gaussian Mechanism = "gaussian"
)

const (
	// MaxEpsilon is the largest ε of one release. Far above it the noise of a count is 0 nearly always (at ε = 50 with
	// probability 1 − 10⁻¹¹), which hides nothing.
	MaxEpsilon = 20.0

	// maxRatio bounds sensitivity/ε. Up to it the library's grid is never coarser than the integers (its resolution is
	// 2⁻⁴⁰ of sensitivity/ε for Laplace noise, 2⁻⁵⁶ of σ for Gaussian noise), and no draw overflows.
	maxRatio = 1 << 40

	// gaussianReach is how many σ the library's Gaussian noise can be away from 0 at most: it draws m from a binomial
	// distribution with standard deviation √n/2 and never returns |m| > √n·√(ln(√n)/2), with √n between 2⁵⁶ and 2⁵⁷.
	// That is 2·√(ln(√n)/2) = √(2·ln(√n)) standard deviations: 8.81 for the smallest n. (binomialProbability in
	// noise/gaussian_noise.go of v3.0.0.)
	gaussianReach = 8.81
)

// Noise is what one key-holder adds to every cell of one release.
type Noise struct {
	Mechanism   Mechanism
	Epsilon     float64 // of the whole vector of cells, in (0, MaxEpsilon]
	Delta       float64 // of the whole vector of cells: 0 for Laplace, in (0, 1) for Gaussian
	Sensitivity int64   // of the whole vector of cells, at least 1: L1 for Laplace; for Gaussian an upper bound on L2
}

// Check reports whether noise of this description can be drawn and gives the privacy that it names. Its errors name the
// offending value and the rule; they depend on the description alone, never on what the noise is added to.
func (n Noise) Check() error {
	if n.Mechanism != Laplace && n.Mechanism != Gaussian {
		return fmt.Errorf("noise: mechanism is %q, must be %q or %q", n.Mechanism, Laplace, Gaussian)
	}
	if !(n.Epsilon > 0 && n.Epsilon <= MaxEpsilon) { // not (a or b), so that NaN is refused
		return fmt.Errorf("noise: epsilon is %v, must be above 0 and at most %v", n.Epsilon, MaxEpsilon)
	}
	if n.Sensitivity < 1 {
		return fmt.Errorf("noise: sensitivity is %d, must be at least 1", n.Sensitivity)
	}
	if float64(n.Sensitivity)/n.Epsilon > maxRatio {
		return fmt.Errorf("noise: sensitivity %d over epsilon %v is %v, must be at most 2^40",
			n.Sensitivity, n.Epsilon, float64(n.Sensitivity)/n.Epsilon)
	}
	if n.Mechanism == Laplace {
		if n.Delta != 0 {
			return fmt.Errorf("noise: delta is %v, must be 0 for %s noise", n.Delta, n.Mechanism)
		}
		return nil
	}
	if !(n.Delta > 0 && n.Delta < 1) {
		return fmt.Errorf("noise: delta is %v, must be above 0 and below 1 for %s noise", n.Delta, n.Mechanism)
	}
	return n.checkReach()
}

// checkReach refuses Gaussian noise whose finite reach costs more than a hundredth of δ. An answer that only one of two
// neighbouring data sets can give is a breach, and it appears with the probability that noise lands within the
// sensitivity of its end: Q(8.81 − sensitivity/σ) if the change is in one cell, plus less than 8·Q(8.81) < 2⁻⁵⁷ for
// every further cell that changes by little. It matters only where ε is large and δ small: at ε = 20, δ = 10⁻¹² it is
// 50 times δ; at ε = 10, δ = 10⁻⁹ a ten-thousandth of it.
func (n Noise) checkReach() error {
	breach := upperNormal(gaussianReach - float64(n.Sensitivity)/n.sigma())
	if !(breach <= n.Delta/100) {
		return fmt.Errorf("noise: delta is %v, must be at least %.1e at epsilon %v, for gaussian noise ends at 8.81 sigma",
			n.Delta, 100*breach, n.Epsilon)
	}
	return nil
}

// Draw returns fresh, independent integer noise for that many cells (at least 1), after [Noise.Check].
func (n Noise) Draw(cells int) ([]int64, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	if cells < 1 {
		return nil, fmt.Errorf("noise: number of cells is %d, must be at least 1", cells)
	}
	source := noise.Laplace()
	if n.Mechanism == Gaussian {
		source = noise.Gaussian()
	}
	draws := make([]int64, cells)
	for i := range draws {
		// The sensitivities of the library's call are of l0 cells by lInf each; with one cell, lInf is the whole
		// vector's sensitivity, and nothing is multiplied that could overflow.
		draw, err := source.AddNoiseInt64(0, 1, n.Sensitivity, n.Epsilon, n.Delta)
		if err != nil {
			return nil, fmt.Errorf("noise: draw %s noise: %w", n.Mechanism, err)
		}
		draws[i] = draw
	}
	return draws, nil
}
