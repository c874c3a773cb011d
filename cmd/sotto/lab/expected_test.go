package lab_test

import (
	"math"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/party/config"
)

// What a cell says about its error is held against the formulas of the protocol (Layouts; Noise and its price), worked out
// here a second time, by the terms that a question has on paper: an interval that is too wide is as wrong as one that is
// too narrow.

// checkError checks a cell's standard deviation and intervals; low and high are of the 99.9 % one.
func (q *question) checkError(t *testing.T, c client.Cell, low, high float64) {
	if q.Mean != "" {
		q.checkMean(t, c, low, high)
		return
	}
	scale, step := q.scale()
	e := q.expectedError(q.group(c), float64(c.Released[0]), scale, scale)
	if c.Value != float64(c.Released[0])*step {
		t.Errorf("%s, %q: the value is %v, what was released %d steps of %v", q.Name, q.group(c), c.Value, c.Released[0], step)
	}
	if math.Abs(c.Std/step/e.std()-1) > 0.001 {
		t.Errorf("%s, %q: the standard deviation is %.3f, by the formulas it is %.3f", q.Name, q.group(c), c.Std/step, e.std())
	}
	for _, interval := range []struct{ low, high, confidence float64 }{{c.Low, c.High, 0.95}, {low, high, 0.999}} {
		half, least := (interval.high-interval.low)/2/step, e.quantile(interval.confidence)
		// Widths are rounded up to integers, and may be one more; those of noise alone are the quantiles, integers both.
		most := 1.01*least + e.bias + 2
		if q.matched() {
			most = least * (1 + 1e-9)
		}
		if half < 0.998*least || half > most {
			t.Errorf("%s, %q: the interval is %v ± %.2f steps of %v; with a standard deviation of %.3f it should be ± %.2f to %.2f",
				q.Name, q.group(c), c.Value, half, step, e.std(), least, most)
		}
		if middle := (interval.low + interval.high) / 2; math.Abs(middle-c.Value) > 1e-6*(1+math.Abs(c.Value)) {
			t.Errorf("%s, %q: the interval is around %v, the answer is %v", q.Name, q.group(c), middle, c.Value)
		}
	}
}

// checkMean checks the error of a mean: that of the ratio r of two released numbers, a sum of amounts less the middle of
// their bounds, and a count that is multiplied by half the bounds' distance so that the same noise suits it. To first order
// the errors of the two add up as sum − r·count does. That is near the truth where the count is much larger than its error;
// where it isn't, only what holds for all intervals is checked, elsewhere: that they contain the truth.
func (q *question) checkMean(t *testing.T, c client.Cell, low, high float64) {
	scale, step := q.scale()
	sum, count := float64(c.Released[0]), float64(c.Released[1])
	ofSum := q.expectedError("", sum, scale, 2*scale)                  // one person changes the sum and the count
	ofSum.bias = q.expectedError("", math.Inf(1), scale, 2*scale).bias // of both signs, so that a small sum may be of many people
	ofCount := q.expectedError("", count, scale, 2*scale)
	if count < 20*ofCount.std() {
		return
	}
	ratio := max(-1, min(1, sum/count))
	std := math.Hypot(ofSum.std(), ratio*ofCount.std()) / count * scale * step
	bias := (ofSum.bias + math.Abs(ratio)*ofCount.bias) / count * scale * step
	if math.Abs(c.Std/std-1) > 0.001 {
		t.Errorf("%s, %q: the standard deviation is %.3f, by the formulas it is %.3f", q.Name, q.group(c), c.Std, std)
	}
	// The noise of both is of one kind: where r is ±1 it is twice the draws, and less in between.
	both := errorParts{draws: ofSum.draws, scale: ofSum.scale, hashing: ofSum.hashing, second: math.Abs(ratio), secondHashing: ofCount.hashing}
	for _, interval := range []struct{ low, high, confidence float64 }{{c.Low, c.High, 0.95}, {low, high, 0.999}} {
		half, want := (interval.high-interval.low)/2, both.quantile(interval.confidence)/count*scale*step
		if half < 0.98*want || half > 1.04*(want+bias) {
			t.Errorf("%s, %q: the interval is %.3f to %.3f, ± %.4f; it should be ± %.4f to %.4f",
				q.Name, q.group(c), interval.low, interval.high, half, want, want+bias)
		}
	}
}

// scale returns the largest magnitude of one person's contribution, in steps, and the size of a step; 1 and 1 for people.
func (q *question) scale() (scale, step float64) {
	m, ok := q.amount()
	if !ok {
		return 1, 1
	}
	step = m.StepSize()
	if q.Mean != "" {
		return math.Ceil((m.Clip[1] - m.Clip[0]) / step / 2), step
	}
	return max(math.Abs(m.Clip[0]), math.Abs(m.Clip[1])) / step, step
}

// amount returns the declared measure that a sum or mean is of.
func (q *question) amount() (config.Measure, bool) {
	for _, p := range q.file.Parties {
		for name, m := range p.Measures {
			if full := p.Name + "." + name; full == q.Sum || full == q.Mean {
				return m, true
			}
		}
	}
	return config.Measure{}, false
}

const clip = 2 // of a slot, at a load of 1/16 and less

// expectedError returns the parts of a released number's error. unit is what one person counts in it, and weight by how much
// one person changes all numbers, as a multiple of what the terms say.
func (q *question) expectedError(group string, released, unit, weight float64) errorParts {
	e := errorParts{draws: float64(q.draws())}
	if q.matched() { // nobody collides, and noise is all
		e.scale = q.matchedSensitivity() * weight / q.Epsilon
		return e
	}
	var sensitivity float64
	var mine []term
	for _, t := range q.terms {
		sensitivity += math.Abs(t.coefficient) * t.sensitivity()
		if t.group == "" || t.group == group {
			mine = append(mine, t)
		}
	}
	e.scale = sensitivity * weight / q.Epsilon
	for _, t := range mine {
		sizes := q.sizes(t.names())
		if len(sizes) == 1 {
			continue
		}
		overlap := slices.Min(sizes)
		if len(mine) == 1 { // else how many people each term is about is not known
			overlap = min(overlap, math.Abs(released)/unit)
		}
		variance, bias := q.collisions(sizes, overlap)
		e.hashing += t.coefficient * t.coefficient * variance * unit * unit
		e.bias += math.Abs(t.coefficient) * bias * unit
	}
	return e
}

// sensitivity returns how far one person moves all numbers that the term is split into, in L1.
func (t term) sensitivity() float64 {
	parties := float64(len(t.names()))
	switch {
	case parties == 1:
		return 1
	case t.split == 0:
		return math.Pow(clip, parties) - math.Pow(clip-1, parties)
	}
	return min(2*math.Pow(clip, parties), (parties+t.split)*math.Pow(clip, parties-1))
}

// sizes returns the declared bounds on parties' customers.
func (q *question) sizes(parties []string) []float64 {
	var sizes []float64
	for _, p := range q.file.Parties {
		if slices.Contains(parties, p.Name) {
			sizes = append(sizes, float64(p.CustomersUpTo))
		}
	}
	return sizes
}

// collisions returns the variance of a hashed product of vectors of 0 and ±1, and a bound on its bias.
func (q *question) collisions(sizes []float64, overlap float64) (variance, bias float64) {
	m := 0x1p20 // slots: 64 for each person of the largest party of the question that is matched, at least 2²⁰
	for m < 64*slices.Max(q.sizes(q.parties)) {
		m *= 2
	}
	switch a, b := sizes[0], sizes[1]; len(sizes) {
	case 2:
		variance = (a*b + overlap*overlap) / m
	case 3: // of two parties' overlap it is known that it is not more than the smaller one
		third := sizes[2]
		pairs := min(a, b)*third + min(a, third)*b + min(b, third)*a
		variance = (pairs+3*overlap*overlap)/m + a*b*third/(m*m)
	}
	// One of three people in a slot is left out, by each party that they all are customers of; P(two others) = load²/2.
	for _, size := range sizes {
		bias += size / m * size / m / 2 / 3 * overlap
	}
	return variance, bias
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
