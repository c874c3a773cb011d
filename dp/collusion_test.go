package dp_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the stance "trust only your own node": of four parties and a coordinator that all draw noise, let all but one
// pool what they know, the truth included, and subtract it from the release. What remains is the noise of the one that
// doesn't, in full, and it doesn't depend on anything that they know. For each of them in turn. Then the test is tested:
// with noise that is shared out among the parties, or that one party knows of another, less remains, and that is noticed.
//
// False-alarm rate: 1.6·10⁻⁸ for each of 3 distributions (see TestDrawsFollowTheDistribution) and 10⁻⁸ for the signs, for
// each of 5 members and 2 mechanisms: 6·10⁻⁷ in all.
func TestOnePartysFullNoiseRemains(t *testing.T) {
	const members, releases = 5, 150_000
	eachPool(t, func(t *testing.T, n dp.Noise, draws []int64) {
		noise := make([][]int64, members)
		for i := range noise {
			noise[i] = slices.Clone(draws[i*releases : (i+1)*releases])
		}
		for honest := range members {
			if err := fullNoiseRemains(n, noise, honest); err != nil {
				t.Errorf("member %d: %v", honest, err)
			}
		}

		shared := make([][]int64, members) // each draws a fifth of the variance, as would do without collusion
		for i := range shared {
			for _, draw := range noise[i] {
				shared[i] = append(shared[i], int64(math.Round(float64(draw)/math.Sqrt(members))))
			}
		}
		if fullNoiseRemains(n, shared, 0) == nil {
			t.Error("noise that is shared out among the parties isn't noticed")
		}
		known := slices.Clone(noise) // one repeats, or cancels, part of another's noise
		known[3] = make([]int64, releases)
		for i := range known[3] {
			known[3][i] = noise[3][i] - noise[1][i]
		}
		if fullNoiseRemains(n, known, 1) == nil {
			t.Error("noise that another party knows isn't noticed")
		}
		if wrong := fullNoiseRemains(dp.Noise{n.Mechanism, n.Epsilon / 1.05, n.Delta, n.Sensitivity}, noise, 2); wrong == nil {
			t.Error("noise that is 5 % too small isn't noticed")
		}
	})
}

// fullNoiseRemains tests the releases of 1000 plus everybody's noise, less what all others than one know.
func fullNoiseRemains(n dp.Noise, noise [][]int64, honest int) error {
	const truth = 1000
	remains, others := make([]int64, len(noise[0])), make([]int64, len(noise[0]))
	for i := range remains {
		release := int64(truth)
		for member := range noise {
			release += noise[member][i]
			if member != honest {
				others[i] += noise[member][i]
			}
		}
		remains[i] = release - truth - others[i]
	}
	if statistic, limit := chiSquare(remains, n, size(n)); statistic > limit {
		return fmt.Errorf("what remains has chi-square %v, at most %v expected", statistic, limit)
	}
	if agreed, pairs := signsAgree(remains, others); improbable(agreed, pairs, 0.5) < 1e-8 {
		return fmt.Errorf("what remains has the sign of what is known in %d of %d cases", agreed, pairs)
	}
	// The same distribution remains where what they know is small, and where it is large.
	var near, far []int64
	bound := math.Sqrt(float64(len(noise)-1)) * n.Std() * 0.7
	for i, known := range others {
		if math.Abs(float64(known)) < bound {
			near = append(near, remains[i])
		} else {
			far = append(far, remains[i])
		}
	}
	for _, part := range [][]int64{near, far} {
		if statistic, limit := chiSquare(part, n, size(n)); statistic > limit {
			return fmt.Errorf("what remains of %d releases has chi-square %v, at most %v expected", len(part), statistic, limit)
		}
	}
	return nil
}
