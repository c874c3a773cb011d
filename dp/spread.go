package dp

import "math"

// spread is the distribution of an [Error] without its bias, in a form that can be added to another one in any ratio:
// the sum of the draws on the integers, and a Gaussian apart from it, or all in one [mixture].
type spread struct {
	exact  []float64 // probabilities of 0, ±1, ±2, … of the sum of the draws, each for one sign; nil if smooth is set
	std    float64   // of the Gaussian error, which smooth has in it as well
	smooth mixture
}

const (
	// blurred is a standard deviation from which on a Gaussian hides the steps of integers: e^(−2π²) < 10⁻⁸ remains.
	blurred = 1.
	// coarse is the standard deviation of a sum of draws of small scale up to which it is taken exactly. Beyond it there
	// are so many that their sum is smooth, but for its steps.
	coarse = 12.
)

func (e Error) spread() spread {
	draws, variance := float64(e.Draws), e.Std*e.Std
	width := 0.
	if e.Noise.Mechanism == Laplace {
		width = e.Noise.scale()
	} else {
		width = e.Noise.sigma()
	}
	switch {
	case width < smallScale && e.Std < blurred && math.Sqrt(draws)*e.Noise.Std() < coarse:
		return spread{exact: e.exactDraws(), std: e.Std}
	case width < smallScale:
		return spread{smooth: e.Noise.likeSum(draws).plus(variance), std: e.Std}
	}
	variance += draws / 12 // for rounding
	if e.Noise.Mechanism == Laplace {
		return spread{smooth: newMixture(draws, width, 5).plus(variance), std: e.Std}
	}
	return spread{smooth: mixture{[]float64{draws*width*width + variance}, []float64{1}}, std: e.Std}
}

// likeSum returns a smooth distribution of the variance and the fourth moment of a sum of so many draws of small scale,
// where that isn't all there is, or not coarse: a sum of another number of Laplace variables. What that leaves out far out
// (the sixth moment; the fourth, of draws that are nearly always 0) is made up for by a hundredth more of variance.
func (n Noise) likeSum(draws float64) mixture {
	square, fourth := 0., 0.
	for k, p := range n.lattice(1e-12) {
		value := float64(k)
		square += 2 * p * value * value
		fourth += 2 * p * value * value * value * value
	}
	variance := 1.01 * draws * square
	excess := fourth/(square*square) - 3 // of a draw; it is 3 for a Laplace variable
	if excess <= 0 {
		return mixture{[]float64{variance}, []float64{1}}
	}
	number := max(0.5, 3*draws/excess)
	return newMixture(number, math.Sqrt(variance/(2*number)), 5)
}

// exactDraws returns the probabilities of 0, ±1, ±2, … of the sum of the draws, each for one sign. What is left out, at most
// 10⁻⁹, is added to the last.
func (e Error) exactDraws() []float64 {
	const left = 1e-9
	var sum []float64
	if e.Draws > fewDraws {
		sum = newLatticeSum(Error{Noise: e.Noise, Draws: e.Draws}, left).probabilities()
	} else {
		both, reach := e.sumOfDraws(left)
		sum = both[reach:]
	}
	total := sum[0]
	for _, p := range sum[1:] {
		total += 2 * p
	}
	sum[len(sum)-1] += max(0, 1-total) / sides(len(sum)-1)
	return sum
}

// farther returns P(|s + factor·other| >= t) for a factor of at least 0. It may come out larger: by miss/50 at most where
// both are exact with a Gaussian each, otherwise by much less.
func (s spread) farther(other spread, factor, t, miss float64) float64 {
	switch {
	case t <= 0:
		return 1
	case s.exact != nil && other.exact != nil:
		std, beyond := math.Hypot(s.std, factor*other.std), 0.
		if std > 0 {
			// |sum + g| >= t only if |sum| >= t − z·std or |g| > z·std: convolving three takes too long.
			beyond = miss / 50
			t -= math.Sqrt2 * math.Erfcinv(beyond) * std
		}
		return beyond + bothExact(s.exact, other.exact, factor, t)
	case s.exact != nil:
		return oneExact(s, 1, other, factor, t, miss)
	case other.exact != nil:
		return oneExact(other, factor, s, 1, t, miss)
	}
	t -= s.halfStep()*other.smooth.characteristic(2*math.Pi*factor) + factor*other.halfStep()*s.smooth.characteristic(2*math.Pi/factor)
	total := 0.
	for i, a := range s.smooth.variances {
		for j, b := range other.smooth.variances {
			total += s.smooth.weights[i] * other.smooth.weights[j] * 2 * upperNormal(max(0, t)/math.Sqrt(a+factor*factor*b))
		}
	}
	return total
}

// halfStep returns by how much t is to be reduced where a smooth distribution takes the place of a sum of integers: by ½,
// as |sum| >= t for an integer t means that |smooth| > t − ½. A Gaussian blurs the steps, and so does another variable:
// what remains is the first harmonic, times its characteristic function at 2π over the length of the steps.
func (s spread) halfStep() float64 { return math.Exp(-2*math.Pi*math.Pi*s.std*s.std) / 2 }

// oneExact returns P(|a·exact + b·smooth| >= t). Values of exact of a millionth of miss are counted as beyond.
func oneExact(exact spread, a float64, smooth spread, b, t, miss float64) float64 {
	if b > 0 {
		blur := 2 * math.Pi * a * exact.std / b
		t -= b * smooth.halfStep() * math.Exp(-blur*blur/2)
	}
	t = max(0, t*(1-1e-12)) // what equals t counts as well
	total := 0.
	for i, variance := range smooth.smooth.variances {
		std := math.Sqrt(b*b*variance + a*a*exact.std*exact.std + 1e-200)
		sum := 0.
		for k, p := range exact.exact {
			beyond := 1.
			if p > miss*1e-6 {
				shift := a * float64(k)
				beyond = upperNormal((t-shift)/std) + upperNormal((t+shift)/std)
			}
			sum += p * sides(k) * beyond
		}
		total += smooth.smooth.weights[i] * sum
	}
	return total
}

// bothExact returns P(|a + factor·b| >= t) of two sums of integers.
func bothExact(a, b []float64, factor, t float64) float64 {
	t *= 1 - 1e-12 // what equals t counts as well
	atLeast := make([]float64, len(a)+1)
	for k := len(a) - 1; k >= 0; k-- {
		atLeast[k] = atLeast[k+1] + a[k]
	}
	above := func(x float64) float64 { // P(a >= x)
		switch k := math.Ceil(x); {
		case k >= float64(len(a)):
			return 0
		case k > 0:
			return atLeast[int(k)]
		case k > -float64(len(a)):
			return 1 - atLeast[int(1-k)]
		}
		return 1
	}
	total := 0.
	for k, p := range b {
		shift := factor * float64(k)
		total += p * sides(k) * min(1, above(t-shift)+above(t+shift))
	}
	return total
}

// sides returns how many values have the magnitude k.
func sides(k int) float64 {
	if k == 0 {
		return 1
	}
	return 2
}
