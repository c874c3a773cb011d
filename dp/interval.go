package dp

import (
	"fmt"
	"math"
)

// MaxDraws is the largest number of draws in one [Error]: those of all cells that a marginal adds up.
const MaxDraws = 1 << 16

// Error is everything that separates a released cell, an integer, or a sum of several, from the truth: independent draws
// of the same noise, a further approximately Gaussian error of mean 0 (the collisions of the hashed layout), and a bound on
// what is left.
type Error struct {
	Noise Noise
	Draws int     // how many draws are in it, 1 to MaxDraws: of every key-holder, for every cell that was added up
	Std   float64 // standard deviation of the Gaussian error, at least 0
	Bias  float64 // bound on the magnitude of the bias, at least 0
}

// TotalStd returns the standard deviation of the error, its bias left out. It is NaN if the noise does not pass
// [Noise.Check].
func (e Error) TotalStd() float64 {
	return math.Hypot(math.Sqrt(float64(e.Draws))*e.Noise.Std(), e.Std)
}

// HalfWidth returns w with P(|error| <= w) >= confidence, for a confidence in (0, 1): the true cell is in
// [released − w, released + w] with that confidence. w − Bias is an integer: the smallest that will do, or
// one more, or in wide intervals at most 10⁻⁴ of w more (for more than 64 draws of small scale, and a confidence above
// 1 − 10⁻¹⁰, up to a tenth of w).
//
// The draws are rounded, and so is the width: a real-valued quantile would be short by up to half a unit of the
// probability that sits on the integers. Two cases, by the noise's scale:
//
//   - Small (below 4): the sum of the draws is taken with its exact distribution on the integers, by convolution, or for
//     more than 64 draws by Fourier's inversion.
//   - Else rounding is one more independent error per draw, uniform on ±½, of variance 1/12. Two more are counted because
//     the sum has steps at the integers, where w is: with a tiny Gaussian error, half of the last step may lie beyond w,
//     which amounts to a further variance of 1/6 at most. This widens w by less than 1 % at scale 4, 0.01 % at 40.
//
// Without a Gaussian error the error is an integer and exceeds an integer w only if it exceeds w + ½. With one, w is the
// real quantile rounded up, which holds for a real-valued error and for an integer one.
func (e Error) HalfWidth(confidence float64) (float64, error) {
	if err := e.check(); err != nil {
		return 0, err
	}
	if !(confidence > 0 && confidence < 1) {
		return 0, fmt.Errorf("interval: confidence is %v, must be above 0 and below 1", confidence)
	}
	miss := 1 - confidence
	edge := 0.
	if e.Std == 0 {
		edge = 0.5
	}
	beyond := e.beyond(miss)
	return smallest(func(w float64) bool { return beyond(w+edge) <= miss }) + e.Bias, nil
}

func (e Error) check() error {
	if err := e.Noise.Check(); err != nil {
		return fmt.Errorf("interval: %w", err)
	}
	switch {
	case e.Draws < 1 || e.Draws > MaxDraws:
		return fmt.Errorf("interval: number of draws is %d, must be 1 to %d", e.Draws, MaxDraws)
	case !(e.Std >= 0 && e.Std <= maxStd):
		return fmt.Errorf("interval: standard deviation is %v, must be 0 to 2^60", e.Std)
	case !(e.Bias >= 0 && e.Bias <= maxStd):
		return fmt.Errorf("interval: bias is %v, must be 0 to 2^60", e.Bias)
	}
	return nil
}

const (
	// maxStd bounds what no error of an int64 can be near.
	maxStd = 1 << 60
	// widest is where the search for a width stops in any case: no error that is accepted needs half of it.
	widest = 1 << 70
	// smallScale is the scale of noise (b or σ) from which on rounding is treated as an independent error.
	smallScale = 4.
	// fewDraws is the largest number of draws whose sum is taken by its closed form, or term by term.
	fewDraws = 64
)

// beyond returns the function w ↦ P(|error without bias| > w), which may come out larger by up to a millionth of miss.
func (e Error) beyond(miss float64) func(w float64) float64 {
	draws := float64(e.Draws)
	rounding := (draws + 2) / 12 // variance
	if e.Noise.Mechanism == Gaussian {
		sigma := e.Noise.sigma()
		if sigma < smallScale {
			return e.beyondSmall(miss)
		}
		std := math.Sqrt(draws*sigma*sigma + rounding + e.Std*e.Std)
		return func(w float64) float64 { return 2 * upperNormal(w/std) }
	}
	scale := e.Noise.scale()
	if scale < smallScale {
		return e.beyondSmall(miss)
	}
	variance := rounding + e.Std*e.Std
	if e.Draws > fewDraws {
		return newMixture(draws, scale, 60).plus(variance).beyond
	}
	sum, std := newLaplaceSum(e.Draws, scale), math.Sqrt(variance)
	return func(w float64) float64 { return sum.beyond(w, std) }
}

// beyondSmall is [Error.beyond] for noise of small scale, where the integers are coarse.
func (e Error) beyondSmall(miss float64) func(w float64) float64 {
	if e.Draws > fewDraws {
		return newLatticeSum(e, miss*1e-6).beyond
	}
	return e.beyondLattice(miss)
}

// smallest returns the smallest integer w >= 0 for which holds is true, or above 2³⁰ one at most 2⁻³⁰ of it larger.
// holds must be true from some w below widest on.
func smallest(holds func(w float64) bool) float64 {
	if holds(0) {
		return 0
	}
	low, high := 0., 1. // holds(low) is false
	for high < widest && !holds(high) {
		low, high = high, 2*high
	}
	for high-low > 1+high*0x1p-30 {
		if middle := math.Floor((low + high) / 2); holds(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
