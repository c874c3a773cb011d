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

// Quantiles of the standard normal distribution: P(|X| > z) = 5 % and 0.1 %.
const (
	z95  = 1.9600
	z999 = 3.2905
)

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
	for _, interval := range []struct{ low, high, z, confidence float64 }{{c.Low, c.High, z95, 0.95}, {low, high, z999, 0.999}} {
		half := (interval.high - interval.low) / 2 / step
		// Noise makes the distribution a little wider at the ends than a Gaussian one; widths are rounded up to integers.
		least, most := 0.98*interval.z*e.std(), 1.03*interval.z*e.std()+e.bias+1
		if e.hashing == 0 { // noise alone, of which the distribution is known exactly
			least = e.noiseQuantile(interval.confidence)
			most = least + 1
		}
		if half < least || half > most {
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
	ofSum := q.expectedError("", sum, scale, 2*scale) // one person changes the sum and the count
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
	for _, interval := range []struct{ low, high, z float64 }{{c.Low, c.High, z95}, {low, high, z999}} {
		half := (interval.high - interval.low) / 2
		if half < 0.97*interval.z*std || half > 1.06*(interval.z*std+bias) {
			t.Errorf("%s, %q: the interval is %.3f to %.3f; with a standard deviation of %.4f it should be ± %.4f",
				q.Name, q.group(c), interval.low, interval.high, std, interval.z*std+bias)
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

// errorParts is what separates a released number from the truth.
type errorParts struct {
	draws   float64
	scale   float64 // of the Laplace distribution that each draw is of, before it is rounded
	hashing float64 // variance by collisions
	bias    float64 // bound on what clipping takes away
}

func (e errorParts) std() float64 { return math.Sqrt(e.draws*laplaceVariance(e.scale) + e.hashing) }

const clip = 2 // of a slot, at a load of 1/16 and less

// expectedError returns the parts of a released number's error. unit is what one person counts in it, and weight by how much
// one person changes all numbers, as a multiple of what the terms say.
func (q *question) expectedError(group string, released, unit, weight float64) errorParts {
	e := errorParts{draws: float64(len(q.parties) + 1)}
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

// laplaceVariance returns the variance of Laplace noise of that scale, rounded to integers: E X² = Σ (2k−1)·P(|X| ≥ k).
func laplaceVariance(scale float64) float64 {
	variance := 0.
	for k := 1.; k < 50*scale+50; k++ {
		variance += (2*k - 1) * math.Exp(-(k-0.5)/scale)
	}
	return variance
}

// noiseQuantile returns the smallest integer that the sum of the draws exceeds in magnitude with probability 1 − confidence
// at most.
func (e errorParts) noiseQuantile(confidence float64) float64 {
	reach := int(40*e.scale) + 20
	one := make([]float64, 2*reach+1)
	for k := -reach; k <= reach; k++ { // P(X = k): half of P(|X| ≥ |k|) − P(|X| ≥ |k| + 1)
		at := math.Abs(float64(k))
		if one[k+reach] = (math.Exp(-(at-0.5)/e.scale) - math.Exp(-(at+0.5)/e.scale)) / 2; k == 0 {
			one[reach] = 1 - math.Exp(-0.5/e.scale)
		}
	}
	sum := []float64{1}
	for range int(e.draws) {
		next := make([]float64, len(sum)+2*reach)
		for i, p := range sum {
			for j, r := range one {
				next[i+j] += p * r
			}
		}
		sum = next
	}
	middle := len(sum) / 2
	within, w := sum[middle], 0
	for within < confidence {
		w++
		within += sum[middle-w] + sum[middle+w]
	}
	return float64(w)
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
