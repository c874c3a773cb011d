package dp_test

import (
	"os"
	"sync"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// A pool is draws of the noise as it is released, a million or, in the long run, ten. They take seconds to draw, so the
// statistical tests share them: each has its own false-alarm rate, but false alarms would come together.
type pool struct {
	name  string
	noise dp.Noise
	draws func() ([]int64, error)
}

// The scales are so large that a step of the integers is a thousandth of them.
var pools = []pool{
	newPool("laplace b 1000", dp.Noise{dp.Laplace, 1, 0, 1000}),
	newPool("gaussian σ 845", dp.Noise{dp.Gaussian, 1, 1e-6, 200}),
}

func newPool(name string, n dp.Noise) pool {
	return pool{name, n, sync.OnceValues(func() ([]int64, error) {
		if os.Getenv("SOTTO_LONG") == "1" {
			return n.Draw(10_000_000)
		}
		return n.Draw(1_000_000)
	})}
}

// eachPool runs a test for each of them, in parallel.
func eachPool(t *testing.T, test func(t *testing.T, n dp.Noise, draws []int64)) {
	for _, p := range pools {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			draws, err := p.draws()
			if err != nil {
				t.Fatal(err)
			}
			test(t, p.noise, draws)
		})
	}
}
