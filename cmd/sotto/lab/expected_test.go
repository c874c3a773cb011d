package lab_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
)

// Quantiles of the standard normal distribution: P(|X| > z) = 5 % and 0.1 %.
const (
	z95  = 1.9600
	z999 = 3.2905
)

// checkError holds what a cell says about its error against the formulas of the protocol (Layouts; Noise and its price),
// worked out here a second time: an interval that is too wide is as wrong as one that is too narrow. low and high are of
// the cell's 99.9 % interval.
func (q *question) checkError(t *testing.T, c client.Cell, low, high float64) {
	std, bias := q.expectedError(float64(c.Value))
	if math.Abs(c.Std/std-1) > 0.001 {
		t.Errorf("%s, %q: the standard deviation is %.3f, by the formulas it is %.3f", q.Name, q.group(c), c.Std, std)
	}
	for _, interval := range []struct{ low, high, z float64 }{{c.Low, c.High, z95}, {low, high, z999}} {
		// Noise makes the distribution a little wider at the ends than a Gaussian one; widths are rounded up to integers.
		half := (interval.high - interval.low) / 2
		if half < 0.98*interval.z*std || half > 1.03*interval.z*std+bias+1 {
			t.Errorf("%s, %q: the interval is %d ± %.2f; with a standard deviation of %.3f it should be ± %.2f",
				q.Name, q.group(c), c.Value, half, std, interval.z*std+bias)
		}
		if middle := (interval.low + interval.high) / 2; math.Abs(middle-float64(c.Value)) > 1e-6 {
			t.Errorf("%s, %q: the interval is around %v, the answer is %d", q.Name, q.group(c), middle, c.Value)
		}
	}
}

// expectedError returns the standard deviation of an answer's error, and a bound on its bias.
func (q *question) expectedError(answer float64) (std, bias float64) {
	var sizes []float64
	for _, p := range q.file.Parties {
		if slices.Contains(q.parties, p.Name) {
			sizes = append(sizes, float64(p.CustomersUpTo))
		}
	}
	m := 0x1p20 // slots: 64 for each person of the largest party, at least 2²⁰
	for m < 64*slices.Max(sizes) {
		m *= 2
	}
	const clip = 2 // at a load of 1/16 and less
	split := map[string]bool{}
	for _, dimension := range q.By {
		party, _, _ := strings.Cut(dimension, ".")
		split[party] = true
	}
	parties, g := float64(len(sizes)), float64(len(split))
	sensitivity := math.Pow(clip, parties) - math.Pow(clip-1, parties)
	if g > 0 {
		sensitivity = min(2*math.Pow(clip, parties), (parties+g)*math.Pow(clip, parties-1))
	}
	noise := (parties + 1) * laplaceVariance(sensitivity/q.Epsilon)

	overlap := math.Abs(answer)
	var hashing float64
	switch a, b := sizes[0], sizes[1]; len(sizes) {
	case 2:
		hashing = (a*b + overlap*overlap) / m
	case 3: // of two parties' overlap it is known that it is not more than the smaller one
		third := sizes[2]
		pairs := min(a, b)*third + min(a, third)*b + min(b, third)*a
		hashing = (pairs+3*overlap*overlap)/m + a*b*third/(m*m)
	}
	// One of three people in a slot is left out, by each party that they all are customers of; P(two others) = load²/2.
	for _, size := range sizes {
		bias += size / m * size / m / 2 / 3 * overlap
	}
	return math.Sqrt(noise + hashing), bias
}

// laplaceVariance returns the variance of Laplace noise of that scale, rounded to integers: E X² = Σ (2k−1)·P(|X| ≥ k).
func laplaceVariance(scale float64) float64 {
	variance := 0.
	for k := 1.; k < 50*scale+50; k++ {
		variance += (2*k - 1) * math.Exp(-(k-0.5)/scale)
	}
	return variance
}

// binomialTail returns P(X > k) for X of a binomial distribution with n trials of probability p.
func binomialTail(n int, p float64, k int) float64 {
	tail := 0.
	for i := k + 1; i <= n; i++ {
		ways, _ := math.Lgamma(float64(n + 1))
		those, _ := math.Lgamma(float64(i + 1))
		others, _ := math.Lgamma(float64(n - i + 1))
		tail += math.Exp(ways - those - others + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return tail
}

// binomialLimit returns the smallest k for which P(X > k) is at most rate.
func binomialLimit(n int, p, rate float64) int {
	k := 0
	for binomialTail(n, p, k) > rate {
		k++
	}
	return k
}
