package dp_test

import (
	"math"
	"os"
	"sort"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// drawsTested is how many draws a sampler test takes: enough to notice a scale that is wrong by 5 %, or by 2 % in the
// long run.
func drawsTested() (draws int, noticed float64) {
	if os.Getenv("SOTTO_LONG") == "1" {
		return 1_000_000, 0.02
	}
	return 200_000, 0.05
}

var sampled = []struct {
	name  string
	noise dp.Noise
}{
	{"laplace b 0.75", dp.Noise{dp.Laplace, 4, 0, 3}},
	{"laplace b 3", dp.Noise{dp.Laplace, 1, 0, 3}},
	{"laplace b 10^7", dp.Noise{dp.Laplace, 1e-4, 0, 1000}},
	{"gaussian σ 0.7", dp.Noise{dp.Gaussian, 10, 1e-6, 1}},
	{"gaussian σ 10^4", dp.Noise{dp.Gaussian, 1, 1e-9, 2000}},
}

// Guards the distribution of the noise itself, as it is released: Pearson's χ² of the draws on up to 24 classes of about
// equal probability (the integers allow 3 where noise is smallest), against the exact distribution. Then the same draws
// are held against a scale that is off by 5 % (2 % in the long run) in either direction, which must be noticed: the test
// has teeth.
//
// False-alarm rate: P(χ²_d >= d + 2√(dx) + 2x) <= e^−x (Laurent and Massart 2000, lemma 1), with x = 18 that is 10⁻⁷·⁸
// per test. A wrong scale goes unnoticed with less than 10⁻⁹: the statistic's mean is then above d + 280, six or more
// standard deviations beyond the threshold.
func TestDrawsFollowTheDistribution(t *testing.T) {
	for _, c := range sampled {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			count, noticed := drawsTested()
			draws, err := c.noise.Draw(count)
			if err != nil {
				t.Fatal(err)
			}
			if statistic, limit := chiSquare(draws, c.noise, size(c.noise)); statistic > limit {
				t.Errorf("chi-square %v, at most %v expected", statistic, limit)
			}
			for _, factor := range []float64{1 + noticed, 1 - noticed} {
				if statistic, limit := chiSquare(draws, c.noise, size(c.noise)*factor); statistic <= limit {
					t.Errorf("scale wrong by a factor of %v: chi-square %v isn't above %v", factor, statistic, limit)
				}
			}
			if std, want := deviation(draws), c.noise.Std(); math.Abs(std/want-1) > noticed {
				t.Errorf("standard deviation %v, Std says %v", std, want)
			}
		})
	}
}

// Guards the independence of cells: the signs of neighbouring draws agree as often as they differ. False-alarm rate:
// 10⁻⁷ (Chernoff).
func TestDrawsAreIndependent(t *testing.T) {
	for _, n := range []dp.Noise{{dp.Laplace, 0.01, 0, 10}, {dp.Gaussian, 0.1, 1e-6, 100}} {
		draws, err := n.Draw(100_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, gap := range []int{1, 2, 7} {
			agreed, pairs := 0, 0
			for i := gap; i < len(draws); i++ {
				if draws[i] != 0 && draws[i-gap] != 0 {
					pairs++
					if (draws[i] > 0) == (draws[i-gap] > 0) {
						agreed++
					}
				}
			}
			if improbable(agreed, pairs, 0.5) < 1e-7 {
				t.Errorf("%s: %d of %d draws have the sign of the draw %d before", n.Mechanism, agreed, pairs, gap)
			}
		}
	}
}

// chiSquare returns Pearson's statistic of the draws against noise of that size, and the limit for it. The classes are
// chosen by the distribution alone: each runs up to the next integer at which another 24th of probability is reached,
// and the last ones are merged unless they hold as much as a 50th.
func chiSquare(draws []int64, n dp.Noise, size float64) (statistic, limit float64) {
	cumulative := below(n, size)
	var ends, probabilities []float64 // of classes; an end is included
	reached := 0.
	for reached < 1-1./24 {
		k := nextInteger(func(k float64) bool { return cumulative(k) >= reached+1./24 }, 64*size+64)
		ends = append(ends, k)
		probabilities = append(probabilities, cumulative(k)-reached)
		reached = cumulative(k)
	}
	if 1-reached < 1./50 {
		ends = ends[:len(ends)-1]
		probabilities[len(probabilities)-1] += 1 - reached
	} else {
		probabilities = append(probabilities, 1-reached)
	}
	counts := make([]float64, len(probabilities))
	for _, draw := range draws {
		counts[sort.SearchFloat64s(ends, float64(draw))]++
	}
	for i, count := range counts {
		expected := probabilities[i] * float64(len(draws))
		statistic += (count - expected) * (count - expected) / expected
	}
	const x = 18.
	freedom := float64(len(counts) - 1)
	return statistic, freedom + 2*math.Sqrt(freedom*x) + 2*x
}

// nextInteger returns the smallest integer in [−bound, bound] for which holds is true; it must be from there on.
func nextInteger(holds func(float64) bool, bound float64) float64 {
	low, high := -math.Ceil(bound), math.Ceil(bound)
	for high-low > 1 {
		if middle := math.Floor((low + high) / 2); holds(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

func deviation(draws []int64) float64 {
	sum := 0.
	for _, draw := range draws {
		sum += float64(draw) * float64(draw)
	}
	return math.Sqrt(sum / float64(len(draws)))
}
