package dp_test

import (
	"math"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// An audit looks for a lower bound on ε: releases on two neighbouring data sets, and events "a statistic of the release is
// above (below) a threshold". (ε, δ)-privacy means P(event on one) <= e^ε·P(event on the other) + δ, both ways round. With
// bounds on both probabilities from their frequencies (Clopper and Pearson 1934), ε is at least the largest
// ln((P−δ)/P'). (Ding, Wang, Wang, Zhang and Kifer, Detecting Violations of Differential Privacy, 2018.)
//
// The thresholds are fixed before anything is drawn. All bounds of one audit together are wrong with a probability of
// auditError at most: that is the rate of false alarms.
const auditError = 1e-7

// release is how an audit, and a bug, sees a question: how far one person moves a count, and the noise that it gets.
type release struct {
	change int64
	noise  func(draw int64) int64
}

// honest returns the release that is charged for.
func honest(n dp.Noise) release {
	return release{n.Sensitivity, func(draw int64) int64 { return draw }}
}

// Guards the charge of a single question: a million releases of 5000 people, half of them with one more, don't show more
// than it. For Laplace noise they show nearly all of it, so that each bug is noticed. False-alarm rate: 2·10⁻⁷.
func TestAuditOfOneRelease(t *testing.T) {
	eachPool(t, func(t *testing.T, n dp.Noise, draws []int64) {
		half := len(draws) / 2
		audit := func(r release) float64 {
			one, other := make([]float64, half), make([]float64, half)
			for i := range half {
				one[i] = float64(5000 + r.noise(draws[i]))
				other[i] = float64(5000 + r.change + r.noise(draws[half+i]))
			}
			return audited(one, other, thresholds(5000+float64(n.Sensitivity)/2, n.Std()/4), n.Delta)
		}
		charge := epsilon(dp.Tally{lossOf(n): 1}, n.Delta)
		shown := audit(honest(n))
		t.Logf("charged %v, shown %v", charge, shown)
		if shown > charge {
			t.Errorf("charged %v, but %v is lost", charge, shown)
		}
		if n.Mechanism == dp.Gaussian {
			return // its ε is lost in one case of 1/δ: too rare for single releases to show
		}
		if shown < 0.93*charge {
			t.Errorf("charged %v, only %v is shown: the audit doesn't look where it is lost", charge, shown)
		}
		checkBugs(t, n, charge, audit)
	})
}

// checkBugs tests the audit: what it must catch shows more than is charged.
func checkBugs(t *testing.T, n dp.Noise, charge float64, audit func(release) float64) {
	t.Helper()
	for name, r := range map[string]release{
		"half the noise":                        {n.Sensitivity, func(draw int64) int64 { return draw / 2 }},
		"half the sensitivity":                  {2 * n.Sensitivity, func(draw int64) int64 { return draw }},
		"a sensitivity of one, not one and two": {3 * n.Sensitivity, func(draw int64) int64 { return draw }},
	} {
		shown := audit(r)
		t.Logf("%s: shown %v", name, shown)
		if shown <= charge {
			t.Errorf("%s: charged %v, shown %v: not noticed", name, charge, shown)
		}
	}
}

// Guards the account of several questions, by what shows if the answers to three of them, with Laplace noise, or ten, with
// Gaussian noise, are put together as well as can be (by their likelihood ratio): not more than is charged for all, at
// δ = 1 %, and so much of it that each bug is noticed. False-alarm rate: 2·10⁻⁷.
func TestAuditOfSeveralReleases(t *testing.T) {
	eachPool(t, func(t *testing.T, n dp.Noise, draws []int64) {
		const delta = 0.01
		together, atLeast := 3, 0.8
		change := float64(n.Sensitivity)
		evidence := func(x float64) float64 { // for the person's presence: from −1 to 1
			return (math.Abs(x) - math.Abs(x-change)) / change
		}
		if n.Mechanism == dp.Gaussian {
			together, atLeast = 10, 0.4
			evidence = func(x float64) float64 { return x/change - 0.5 }
		}
		half := len(draws) / (2 * together)
		audit := func(r release) float64 {
			one, other := make([]float64, half), make([]float64, half)
			for i, draw := range draws[:2*half*together] {
				noise := r.noise(draw)
				if at := i / together; at < half {
					one[at] += evidence(float64(noise))
				} else {
					other[at-half] += evidence(float64(noise + r.change))
				}
			}
			return audited(one, other, thresholds(0, math.Sqrt(float64(together))*n.Std()/change/10), delta)
		}
		charge := epsilon(dp.Tally{lossOf(n): int64(together)}, delta)
		shown := audit(honest(n))
		t.Logf("charged %v, shown %v", charge, shown)
		if shown > charge {
			t.Errorf("charged %v, but %v is lost", charge, shown)
		}
		if shown < atLeast*charge {
			t.Errorf("charged %v, only %v is shown: the audit doesn't look where it is lost", charge, shown)
		}
		checkBugs(t, n, charge, audit)
	})
}

// Guards cells from one another: of two cells, of which one person is in the first, neither a cell nor their difference
// shows more than is charged. Two cells that share a draw show all by their difference, and that is noticed. False-alarm
// rate: 4·10⁻⁷.
func TestAuditOfTwoCells(t *testing.T) {
	eachPool(t, func(t *testing.T, n dp.Noise, draws []int64) {
		quarter := len(draws) / 4
		audit := func(first, second float64, sameDraw bool) float64 {
			one, other := make([]float64, quarter), make([]float64, quarter)
			for i := range quarter {
				a, b, c, d := draws[i], draws[quarter+i], draws[2*quarter+i], draws[3*quarter+i]
				if sameDraw {
					b, d = a, c
				}
				one[i] = first*float64(a) + second*float64(b)
				other[i] = first*float64(c+n.Sensitivity) + second*float64(d)
			}
			return audited(one, other, thresholds(first*float64(n.Sensitivity)/2, n.Std()/4), n.Delta)
		}
		charge := epsilon(dp.Tally{lossOf(n): 1}, n.Delta)
		for _, c := range [][2]float64{{1, 0}, {1, -1}} {
			if shown := audit(c[0], c[1], false); shown > charge {
				t.Errorf("cells times %v: charged %v, but %v is lost", c, charge, shown)
			}
		}
		if shown := audit(1, -1, true); shown <= charge {
			t.Errorf("two cells with the same draw: charged %v, shown %v: not noticed", charge, shown)
		}
	})
}

// lossOf returns what a release with that noise is charged as.
func lossOf(n dp.Noise) dp.Loss {
	return dp.Loss{n.Mechanism, int64(math.Round(n.Epsilon * 1e6)), int64(math.Round(n.Delta * 1e18)), 0}
}

// thresholds returns 41 numbers around centre.
func thresholds(centre, step float64) (all []float64) {
	for i := -20.; i <= 20; i++ {
		all = append(all, centre+i*step)
	}
	return all
}

// audited returns the lower bound, for statistics of releases on the two data sets, and thresholds for them.
func audited(one, other, thresholds []float64, delta float64) float64 {
	events := 4 * len(thresholds) // above and below, each way round
	mistake := auditError / float64(2*events)
	bound := 0.
	for _, threshold := range thresholds {
		for _, sign := range []float64{1, -1} {
			hits := func(statistics []float64) (count int) {
				for _, x := range statistics {
					if sign*x > sign*threshold {
						count++
					}
				}
				return count
			}
			a, b := hits(one), hits(other)
			lowA, highA := clopperPearson(a, len(one), mistake)
			lowB, highB := clopperPearson(b, len(other), mistake)
			for _, ratio := range []float64{(lowA - delta) / highB, (lowB - delta) / highA} {
				if ratio > 1 {
					bound = max(bound, math.Log(ratio))
				}
			}
		}
	}
	return bound
}

// clopperPearson returns bounds on a probability of which hits of trials were seen, each wrong with that probability.
func clopperPearson(hits, trials int, mistake float64) (low, high float64) {
	low, high = 0, 1
	if hits > 0 {
		low = lowerBound(hits, trials, mistake)
	}
	if hits < trials {
		high = 1 - lowerBound(trials-hits, trials, mistake)
	}
	return low, high
}

// lowerBound returns the p at which hits or more of trials have the probability mistake, from below.
func lowerBound(hits, trials int, mistake float64) float64 {
	low, high := 0., float64(hits)/float64(trials)
	for range 40 {
		if p := (low + high) / 2; binomialTail(hits, trials, p) > mistake {
			high = p
		} else {
			low = p
		}
	}
	return low
}

// binomialTail returns P(X >= hits) for p below hits/trials: the first term, and the others, which get smaller.
func binomialTail(hits, trials int, p float64) float64 {
	all, _ := math.Lgamma(float64(trials + 1))
	in, _ := math.Lgamma(float64(hits + 1))
	out, _ := math.Lgamma(float64(trials - hits + 1))
	term := math.Exp(all - in - out + float64(hits)*math.Log(p) + float64(trials-hits)*math.Log1p(-p))
	sum := 0.
	for k := hits; k <= trials && term > sum*1e-12; k++ {
		sum += term
		term *= float64(trials-k) / float64(k+1) * p / (1 - p)
	}
	return sum
}

// Guards the bounds themselves: by the binomial sum with 60 digits (mpmath), and no hits and nothing but hits
// by hand: (1−p)^n = mistake.
func TestClopperPearsonGolden(t *testing.T) {
	for _, c := range []struct {
		hits, trials       int
		mistake, low, high float64
	}{
		{0, 100, 1e-3, 0, 1 - math.Pow(1e-3, 0.01)},
		{100, 100, 1e-3, math.Pow(1e-3, 0.01), 1},
		{50, 100, 0.001, 0.3447980064253, 0.6552019935747},
		{3, 1000, 1.0e-6, 1.827239470747e-5, 0.02115561431675},
		{600, 2000, 1.0e-9, 0.2409840561036, 0.3638798678501},
	} {
		low, high := clopperPearson(c.hits, c.trials, c.mistake)
		if math.Abs(low-c.low) > 1e-9 || math.Abs(high-c.high) > 1e-9 {
			t.Errorf("%d of %d: [%.12g, %.12g], want [%.12g, %.12g]", c.hits, c.trials, low, high, c.low, c.high)
		}
	}
}
