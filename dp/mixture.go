package dp

import "math"

// mixture is a Gaussian of mean 0 whose variance is random: variances[i] with probability weights[i], which add up to 1.
//
// The sum of k Laplace variables of scale b is a Gaussian of variance 2b²·G, with G Gamma distributed of shape k: the
// characteristic function of both is E e^(−b²θ²G) = (1+b²θ²)^−k. Where the closed form of [laplaceSum] has too many
// terms, or two scales are to be added, an integral over G takes its place, in which all is smooth and positive.
type mixture struct {
	variances, weights []float64
}

// newMixture returns the sum of k Laplace variables of that scale. (Any k > 0 is a shape of G.)
//
// The integral over G is taken over y = ln(G/k), by the trapezoidal rule: the density, e^(−k(e^y−1−y)) but for a factor,
// is analytic and falls off on both sides, so that its error is exponentially small in the inverse of the step. What is
// beyond e^−60 of its peak is left out. The left side, of small variances, may be given shorter: what is beyond e^−left
// of the peak is then counted with the variance there.
//
// Probabilities of being beyond w come out, with left = 60, with a relative error below 10⁻¹³ for k >= 64, down to 10⁻¹⁷;
// and with left = 5, for k >= 1, below 2·10⁻⁴ for probabilities down to 0.01, 5·10⁻⁴ down to 10⁻⁴, and 10⁻² down to 10⁻⁶.
// (The tests compare them with the closed form.)
func newMixture(k, scale, left float64) mixture {
	const end = 60
	step := 0.5 / math.Sqrt(max(1, k)) // half a standard deviation of y
	drop := func(y float64) float64 { return k * (math.Expm1(y) - y) }
	var m mixture
	total := 0.
	for y := 0.; drop(y) < end; y += step {
		m.add(2*scale*scale*k*math.Exp(y), math.Exp(-drop(y)))
	}
	for y := -step; drop(y) < end; y -= step {
		if drop(y) < left {
			m.add(2*scale*scale*k*math.Exp(y), math.Exp(-drop(y)))
		} else {
			m.weights[len(m.weights)-1] += math.Exp(-drop(y))
		}
	}
	for _, weight := range m.weights {
		total += weight
	}
	for i := range m.weights {
		m.weights[i] /= total
	}
	return m
}

func (m *mixture) add(variance, weight float64) {
	m.variances = append(m.variances, variance)
	m.weights = append(m.weights, weight)
}

// plus returns m with an independent Gaussian of that variance added.
func (m mixture) plus(variance float64) mixture {
	wider := mixture{make([]float64, len(m.variances)), m.weights}
	for i, v := range m.variances {
		wider.variances[i] = v + variance
	}
	return wider
}

// beyond returns P(|m| > w).
func (m mixture) beyond(w float64) float64 {
	total := 0.
	for i, variance := range m.variances {
		total += m.weights[i] * 2 * upperNormal(w/math.Sqrt(variance))
	}
	return total
}

// characteristic returns E cos(θm).
func (m mixture) characteristic(theta float64) float64 {
	total := 0.
	for i, variance := range m.variances {
		total += m.weights[i] * math.Exp(-variance*theta*theta/2)
	}
	return total
}
