package dp

import (
	"cmp"
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
// If no r is kept, which happens with a probability of 1 − confidence at most, the released ratio lies outside of
// [low, high] by more than errors explain. The interval is then that of the nearest ratio in [low, high], for which the
// error is the fewest standard deviations. (It would otherwise be empty: no choice can make it miss more often. That the
// ratio is in [low, high] is certain in any case.)
func RatioInterval(numerator, denominator float64, n, d Error, confidence, low, high float64) (lo, hi float64, err error) {
	if err := checkRatio(numerator, denominator, n, d, confidence, low, high); err != nil {
		return 0, 0, err
	}
	q := ratio{numerator, denominator, n, d, n.spread(), d.spread(), 1 - confidence}
	lo, hi = q.interval(low, high)
	return lo, hi, nil
}

// ratio is what is known of one.
type ratio struct {
	numerator, denominator float64
	n, d                   Error
	above, below           spread // of the numerator and of the denominator
	miss                   float64
}

// kept reports whether an error as large as that of the released numbers, if r is true, has a probability of miss.
func (q ratio) kept(r float64) bool {
	const accuracy = 0.998 // of the probability, for confidences up to 0.9999
	t := math.Abs(q.numerator-r*q.denominator) - q.n.Bias - math.Abs(r)*q.d.Bias
	return q.above.farther(q.below, math.Abs(r), t, q.miss) >= accuracy*q.miss
}

// deviations returns how many standard deviations the error of the released numbers is, if r is true.
func (q ratio) deviations(r float64) float64 {
	return math.Abs(q.numerator-r*q.denominator) / math.Hypot(q.n.TotalStd(), r*q.d.TotalStd())
}

func (q ratio) interval(low, high float64) (lo, hi float64) {
	points := q.toTry(low, high)
	first, last := slices.IndexFunc(points, q.kept), len(points)-1
	if first < 0 {
		nearest := slices.MinFunc(points, func(a, b float64) int { return cmp.Compare(q.deviations(a), q.deviations(b)) })
		q.numerator = nearest * q.denominator // at which nearest is kept
		return q.interval(low, high)
	}
	for !q.kept(points[last]) {
		last--
	}
	// About how far from the released ratio the ends are, if the denominator is much larger than its error.
	released := q.numerator / q.denominator
	step := math.Hypot(q.n.TotalStd(), released*q.d.TotalStd()) / math.Abs(q.denominator)
	lo, hi = points[first], points[last]
	if first > 0 {
		lo = boundary(q.kept, lo, points[first-1], step)
	}
	if last < len(points)-1 {
		hi = boundary(q.kept, hi, points[last+1], step)
	}
	return lo, hi
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

// toTry returns points of [low, high] in ascending order, among them both ends and the released ratio if it is within, so
// that nothing that would be kept between two of them is overlooked. If both numbers are positive, that is certain for
// positive r: up to the released ratio, numerator − r·denominator falls while its error gets wider; from there on the same
// is true of both divided by r, with 1/r in its place. Otherwise the chance of what is seen may fall and rise again, but
// so slowly that a dozen steps will do.
func (q ratio) toTry(low, high float64) []float64 {
	pieces := 12
	if q.numerator > 0 && q.denominator > 0 && low >= 0 {
		pieces = 1
	}
	points := []float64{low}
	for i := 1; i < pieces; i++ {
		points = append(points, low+(high-low)*float64(i)/float64(pieces))
	}
	points = append(points, high)
	if released := q.numerator / q.denominator; released > low && released < high { // not if it is NaN or infinite
		points = append(points, released)
	}
	slices.Sort(points)
	return points
}

// boundary returns a point that isn't kept, next to one that is, starting from two such points and a guess of how far
// from the kept one it is: near enough to make the interval wider by a thousandth at most.
func boundary(kept func(float64) bool, in, out, guess float64) float64 {
	start, toward := in, math.Copysign(guess, out-in)
	for next := start + toward; toward != 0 && math.Abs(next-start) < math.Abs(out-start); next = start + toward {
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
