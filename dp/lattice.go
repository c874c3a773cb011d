package dp

import "math"

// beyondLattice is [Error.beyond] for noise of small scale, where the integers are coarse: the distribution of the sum
// of the draws is computed on the integers themselves, without approximation except that what lies outside of a window
// of probability 1 − miss·10⁻⁶ is counted as beyond any w.
func (e Error) beyondLattice(miss float64) func(w float64) float64 {
	left := miss * 1e-6
	sum, reach := e.sumOfDraws(left)
	return func(w float64) float64 {
		total := left
		for i, p := range sum {
			value := float64(i - reach)
			switch {
			case e.Std > 0: // P(value + g > w), and as much below −w for −value
				total += 2 * p * upperNormal((w-value)/e.Std)
			case math.Abs(value) > w:
				total += p
			}
		}
		return total
	}
}

// sumOfDraws returns the probabilities of the values −reach … reach of the sum of all draws; they add up to at least
// 1 − left.
//
// Half of left is for a single draw's end, the other half for the end of the window, which must hold all partial sums:
// by Lévy's inequality P(a partial sum is outside) <= 2·P(the sum is outside).
func (e Error) sumOfDraws(left float64) (sum []float64, reach int) {
	draws := float64(e.Draws)
	one := 0 // largest magnitude kept of one draw
	for e.Noise.atLeast(float64(one+1)) > left/(2*draws) {
		one++
	}
	draw := make([]float64, 2*one+1)
	draw[one] = 1 - e.Noise.atLeast(1)
	for k := 1; k <= one; k++ {
		p := (e.Noise.atLeast(float64(k)) - e.Noise.atLeast(float64(k+1))) / 2
		draw[one-k], draw[one+k] = p, p
	}
	reach = min(e.window(left/4), one*e.Draws)
	sum = make([]float64, 2*reach+1)
	sum[reach] = 1
	for range e.Draws {
		next := make([]float64, len(sum))
		for i, p := range sum {
			if p == 0 {
				continue
			}
			for k := max(-one, -i); k <= min(one, len(sum)-1-i); k++ {
				next[i+k] += p * draw[one+k]
			}
		}
		sum = next
	}
	return sum, reach
}

// window returns a number that the magnitude of the sum of all draws exceeds with probability left at most. It is
// Chernoff's bound, P(|sum| > w) <= 2·e^−tw·M(t)^draws, on the draws before rounding, which moves each by ½ at most. The
// moment generating function M(t) is 1/(1−b²t²) for Laplace and e^(σ²t²/2) for Gaussian noise.
func (e Error) window(left float64) int {
	draws, width := float64(e.Draws), math.Inf(1)
	if e.Noise.Mechanism == Gaussian {
		width = e.Noise.sigma() * math.Sqrt(2*draws*math.Log(2/left))
	} else {
		for bt := 0.05; bt < 0.99; bt += 0.05 {
			width = min(width, e.Noise.scale()*(math.Log(2/left)-draws*math.Log1p(-bt*bt))/bt)
		}
	}
	return int(math.Ceil(width + draws/2))
}
