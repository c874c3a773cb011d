package consistent_test

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Guards the choice of weights: in sparse tables, where clamped cells put the total more than ten of its standard errors
// too high, every level of the consistent table has about the error that the package comment gives, and so have the
// cells that are not empty, which pay for the total. Root mean squares of 100 tables, in standard errors.
//
// False-alarm rate, for Gaussian noise drawn anew: below 10⁻⁸ per number. The projection shrinks distances in its norm,
// whose eigenvalues are products of 1 + √k. So, with the noise in units of σ, the root mean square of e entries in each
// of r tables is a Lipschitz function with constant L = √(Π over kept dimensions of (1 + √k) / (e·r)), and exceeds its
// mean by more than 6.1·L with probability e^(−6.1²/2) at most (Gaussian concentration). The means below are the
// root mean squares of 4000 tables, rounded up.
func TestProjectErrorsByLevel(t *testing.T) {
	const tables = 100
	for _, c := range []struct {
		sizes  []int
		filled float64   // share of cells that are not empty, at 30σ on average
		means  []float64 // by number of kept dimensions, then of the cells that are not empty
	}{
		{[]int{10, 10, 10}, 0, []float64{1.9, 0.8, 0.4, 0.3}},
		{[]int{10, 10, 10}, 0.1, []float64{1.3, 0.9, 0.7, 0.7, 1.6}},
		{[]int{30, 30}, 0, []float64{1.8, 0.5, 0.3}},
		{[]int{30, 30}, 0.1, []float64{1.3, 0.8, 0.6, 1.4}},
	} {
		random := rand.New(rand.NewPCG(3, 0))
		squares, counts := make([]float64, len(c.means)), make([]float64, len(c.means))
		lipschitz, clamped := make([]float64, len(c.means)), 0.
		for range tables {
			truth, noisy := sparse(random, c.sizes, c.filled)
			errors := minus(project(t, c.sizes, noisy), truth)
			each(c.sizes, errors, func(keep []int, entries []float64, cells float64) {
				level := len(keep)
				lipschitz[level] = 1
				for _, d := range keep {
					lipschitz[level] *= 1 + math.Sqrt(float64(c.sizes[d]))
				}
				for _, e := range entries {
					squares[level] += e * e / cells
					counts[level]++
				}
			})
			last := len(c.means) - 1
			for i, e := range errors {
				if truth[i] > 0 {
					squares[last] += e * e
					counts[last]++
				}
			}
			lipschitz[last] = lipschitz[len(c.sizes)]
			total := 0.
			for i, y := range noisy {
				total += max(0, y) - truth[i]
			}
			clamped += total * total / float64(len(noisy))
		}
		if rms := math.Sqrt(clamped / tables); rms < 10 {
			t.Errorf("%v, share %v: clamping puts the total only %.2f standard errors off", c.sizes, c.filled, rms)
		}
		for level, mean := range c.means {
			rms, limit := math.Sqrt(squares[level]/counts[level]), mean+6.1*math.Sqrt(lipschitz[level]/counts[level])
			if rms > limit {
				t.Errorf("%v, share %v, level %d: error %.2f standard errors, at most %.2f expected", c.sizes, c.filled, level, rms, limit)
			}
		}
	}
}

// sparse draws a true table with that share of cells filled, and adds Gaussian noise of standard deviation 1.
func sparse(random *rand.Rand, sizes []int, filled float64) (truth, noisy []float64) {
	n := 1
	for _, k := range sizes {
		n *= k
	}
	truth, noisy = make([]float64, n), make([]float64, n)
	for i := range truth {
		if random.Float64() < filled {
			truth[i] = 30 * random.ExpFloat64()
		}
		noisy[i] = truth[i] + random.NormFloat64()
	}
	return truth, noisy
}
