package dp_test

import (
	"math"
	"os"
	"sort"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the distribution of the noise itself, as it is released: Pearson's χ² of a million draws (in the long run, ten) on
// 24 classes of about equal probability, against the exact distribution. Then the test is tested: the same draws, times 1.02
// or 0.98 and rounded, and the same draws held against a distribution that is wider or narrower by 2 %, must be noticed.
//
// False-alarm rate: P(χ²_d >= d + 2√(dx) + 2x) <= e^−x (Laurent and Massart 2000, lemma 1), with x = 18 that is 10⁻⁷·⁸
// per test. A wrong scale goes unnoticed with less than 10⁻⁹: the statistic's mean is then above d + 300, six or more
// standard deviations beyond the threshold.
func TestDrawsFollowTheDistribution(t *testing.T) {
	eachPool(t, func(t *testing.T, n dp.Noise, draws []int64) {
		checkDistribution(t, n, draws, 0.02)
		for _, factor := range []float64{1.02, 0.98} {
			wrong := make([]int64, len(draws))
			for i, draw := range draws {
				wrong[i] = int64(math.Round(float64(draw) * factor))
			}
			if statistic, limit := chiSquare(wrong, n, size(n)); statistic <= limit {
				t.Errorf("noise times %v: chi-square %v isn't above %v", factor, statistic, limit)
			}
		}
	})
}

// Guards the same at the ends: noise that is nearly always 0, where the integers allow 3 classes, and wide noise. With
// fewer draws, a scale must be wrong by 15 % (2 % in the long run) to be noticed for sure. False-alarm rate: as above.
func TestDrawsFollowTheDistributionAtTheEnds(t *testing.T) {
	count, noticed := 20_000, 0.15
	if os.Getenv("SOTTO_LONG") == "1" {
		count, noticed = 1_500_000, 0.02
	}
	for _, c := range []struct {
		name  string
		noise dp.Noise
	}{
		{"laplace b 0.75", dp.Noise{dp.Laplace, 4, 0, 3}},
		{"laplace b 10^7", dp.Noise{dp.Laplace, 1e-4, 0, 1000}},
		{"gaussian σ 0.7", dp.Noise{dp.Gaussian, 10, 1e-6, 1}},
		{"gaussian σ 10^4", dp.Noise{dp.Gaussian, 1, 1e-9, 2000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			draws, err := c.noise.Draw(count)
			if err != nil {
				t.Fatal(err)
			}
			checkDistribution(t, c.noise, draws, noticed)
		})
	}
}

// checkDistribution tests draws, and that they pass for no distribution that is wider or narrower by as much as noticed.
func checkDistribution(t *testing.T, n dp.Noise, draws []int64, noticed float64) {
	t.Helper()
	if statistic, limit := chiSquare(draws, n, size(n)); statistic > limit {
		t.Errorf("chi-square %v, at most %v expected", statistic, limit)
	}
	for _, factor := range []float64{1 + noticed, 1 - noticed} {
		if statistic, limit := chiSquare(draws, n, size(n)*factor); statistic <= limit {
			t.Errorf("scale wrong by a factor of %v: chi-square %v isn't above %v", factor, statistic, limit)
		}
	}
	if std, want := deviation(draws), n.Std(); math.Abs(std/want-1) > noticed {
		t.Errorf("standard deviation %v, Std says %v", std, want)
	}
}

// Guards the independence of cells: the signs of neighbouring draws agree as often as they differ. False-alarm rate:
// 10⁻⁷ for each of three distances (Chernoff).
func TestDrawsAreIndependent(t *testing.T) {
	eachPool(t, func(t *testing.T, _ dp.Noise, draws []int64) {
		for _, gap := range []int{1, 2, 7} {
			agreed, pairs := signsAgree(draws[gap:], draws[:len(draws)-gap])
			if improbable(agreed, pairs, 0.5) < 1e-7 {
				t.Errorf("%d of %d draws have the sign of the draw %d before", agreed, pairs, gap)
			}
		}
	})
}

// signsAgree counts the pairs of numbers other than 0, and those of the same sign.
func signsAgree(a, b []int64) (agreed, pairs int) {
	for i := range a {
		if a[i] != 0 && b[i] != 0 {
			pairs++
			if (a[i] > 0) == (b[i] > 0) {
				agreed++
			}
		}
	}
	return agreed, pairs
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
