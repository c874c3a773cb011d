package dp

import (
	"fmt"
	"math"
	"slices"
)

// RatioInterval returns an interval for the ratio A/B of two true numbers, known to be in [low, high], of which
// numerator and denominator are released with independent errors n and d: the mean of an amount that was clipped to
// [low, high] over a number of people.
//
// It contains A/B with a probability of at least confidence, in (0, 1), whatever A and B are; and whatever A/B may be said
// to be where B = 0. It is Fieller's (Some Problems in Interval Estimation, 1954), for errors of any distribution: as
// numerator − r·denominator has the error n − r·d at the true ratio r, all r in [low, high] are kept for which an error
// of that size, less |biases|, has a probability of 1 − confidence or more; the interval runs from the first to the last.
// Where the denominator is much larger than its error, that is the usual interval, by error propagation. Where it isn't,
// the interval gets wide, up to [low, high].
//
// If no r is kept, which happens with a probability of 1 − confidence at most, [low, high] is returned: it is the truth
// at any confidence.
func RatioInterval(numerator, denominator float64, n, d Error, confidence, low, high float64) (lo, hi float64, err error) {
	if err := checkRatio(numerator, denominator, n, d, confidence, low, high); err != nil {
		return 0, 0, err
	}
	miss := 1 - confidence
	above, below := n.spread(), d.spread()
	kept := func(r float64) bool {
		t := math.Abs(numerator-r*denominator) - n.Bias - math.Abs(r)*d.Bias
		const accuracy = 0.998 // of the probability
		return above.farther(below, math.Abs(r), t, miss) >= miss*accuracy
	}
	points := ratiosToTry(numerator, denominator, low, high)
	first, last := slices.IndexFunc(points, kept), len(points)-1
	if first < 0 {
		return low, high, nil
	}
	for !kept(points[last]) {
		last--
	}
	// About how far from the released ratio the ends are, if the denominator is much larger than its error.
	step := math.Hypot(n.TotalStd(), d.TotalStd()*numerator/denominator) / math.Abs(denominator)
	lo, hi = points[first], points[last]
	if first > 0 {
		lo = boundary(kept, lo, points[first-1], step)
	}
	if last < len(points)-1 {
		hi = boundary(kept, hi, points[last+1], step)
	}
	return lo, hi, nil
}

func checkRatio(numerator, denominator float64, n, d Error, confidence, low, high float64) error {
	if err := n.check(); err != nil {
		return fmt.Errorf("numerator: %w", err)
	}
	if err := d.check(); err != nil {
		return fmt.Errorf("denominator: %w", err)
	}
	switch {
	case !(confidence > 0 && confidence < 1):
		return fmt.Errorf("interval: confidence is %v, must be above 0 and below 1", confidence)
	case !(math.Abs(numerator) <= 4*maxStd):
		return fmt.Errorf("interval: numerator is %v, must be -2^62 to 2^62", numerator)
	case !(math.Abs(denominator) <= 4*maxStd):
		return fmt.Errorf("interval: denominator is %v, must be -2^62 to 2^62", denominator)
	case !(low <= high && low >= -maxStd && high <= maxStd):
		return fmt.Errorf("interval: the ratio is in [%v, %v], must be in [-2^60, 2^60] and not empty", low, high)
	}
	return nil
}

// ratiosToTry returns points of [low, high] in ascending order, among them both ends and the released ratio if it is
// within. Between two of them, nothing that would be kept is overlooked. If both numbers are positive, that is a fact for
// positive r: up to the released ratio, numerator − r·denominator falls and its error gets wider; from there on the same
// is true of what is divided by r, with 1/r in its place. Otherwise the chance of what is seen may fall and rise again,
// but so slowly that some steps will do.
func ratiosToTry(numerator, denominator, low, high float64) []float64 {
	pieces := 12
	if numerator > 0 && denominator > 0 && low >= 0 {
		pieces = 1
	}
	points := []float64{low}
	for i := 1; i < pieces; i++ {
		points = append(points, low+(high-low)*float64(i)/float64(pieces))
	}
	points = append(points, high)
	if released := numerator / denominator; released > low && released < high { // not if it is NaN or infinite
		points = append(points, released)
	}
	slices.Sort(points)
	return points
}

// boundary returns a point that isn't kept, next to one that is, starting from two such points and a guess of how far
// from the kept one it is: near enough to make the interval wider by a thousandth at most.
func boundary(kept func(float64) bool, in, out, guess float64) float64 {
	start, toward := in, math.Copysign(guess, out-in)
	for next := start + toward; math.Abs(next-start) < math.Abs(out-start); next = start + toward {
		if !kept(next) {
			out = next
			break
		}
		in, toward = next, 2*toward
	}
	for math.Abs(out-in) > 1e-3*math.Abs(out-start) {
		middle := in + (out-in)/2
		if middle == in || middle == out {
			break
		}
		if kept(middle) {
			in = middle
		} else {
			out = middle
		}
	}
	return out
}
