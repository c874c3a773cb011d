package dp

import "math"

// latticeSum is the error of many draws of small-scale noise, and of a Gaussian: S + g, where S is a sum of integers
// whose characteristic function is known exactly, so that the distribution follows by Fourier's inversion.
//
// What is inverted is the error modulo a whole number, the period: that takes the characteristic function at multiples
// of 2π/period only, and the one approximation is that what lies beyond half the period is counted within.
type latticeSum struct {
	draw   []float64 // probabilities of the values 0, ±1, ±2, … of one draw
	draws  float64
	std    float64 // of g
	left   float64 // bounds what is beyond reach, or cut off of the draws
	reach  float64 // a whole number
	tilts  []tilt
	angles []float64 // multiples of 2π/period, up to π, for a period of 2·reach + 1
	values []float64 // of the characteristic function of S at the angles
	terms  []float64 // see beyond
}

// tilt is a t with ln E e^(t·error), for Chernoff's bound.
type tilt struct{ t, cumulant float64 }

func newLatticeSum(e Error, left float64) *latticeSum {
	s := &latticeSum{draws: float64(e.Draws), std: e.Std, left: left}
	s.draw = e.Noise.lattice(left / (2 * s.draws))
	total := e.TotalStd()
	for i := -8.; i <= 40; i++ { // t = w/total² is best for a Gaussian, up to 1/b is for w far out
		t := math.Exp2(i/4) / total
		more := 0.
		for k, p := range s.draw {
			more += 2 * p * (math.Cosh(float64(k)*t) - 1)
		}
		s.tilts = append(s.tilts, tilt{t, s.draws*math.Log1p(more) + s.std*s.std*t*t/2})
	}
	reach := math.Inf(1)
	for _, tilt := range s.tilts {
		reach = min(reach, (math.Log(4/left)+tilt.cumulant)/tilt.t)
	}
	s.reach = math.Ceil(reach)
	for i := 1.; i <= s.reach; i++ {
		angle := i * 2 * math.Pi / (2*s.reach + 1)
		value := s.characteristic(angle)
		if math.Abs(value)*math.Exp(-s.std*s.std*angle*angle/2) < 1e-20 {
			break // it only gets smaller
		}
		s.angles = append(s.angles, angle)
		s.values = append(s.values, value)
		s.terms = append(s.terms, value*s.kernel(angle))
	}
	return s
}

// lattice returns the probabilities of the values 0, ±1, ±2, … of a draw, each for one sign; all values that are left out
// have a probability of left together at most.
func (n Noise) lattice(left float64) []float64 {
	atLeast := n.atLeast(1)
	draw := []float64{1 - atLeast}
	for k := 2.; atLeast > left; k++ {
		next := n.atLeast(k)
		draw = append(draw, (atLeast-next)/2)
		atLeast = next
	}
	return draw
}

// characteristic returns E cos(θS). That of one draw is 1 − Σ p·(1−cos kθ), which is kept as a difference from 1 so that
// its power keeps its digits.
func (s *latticeSum) characteristic(theta float64) float64 {
	less := 0.
	for k := 1; k < len(s.draw); k++ {
		sine := math.Sin(float64(k) * theta / 2)
		less += 4 * s.draw[k] * sine * sine
	}
	if less < 1 {
		return math.Exp(s.draws * math.Log1p(-less))
	}
	return math.Pow(1-less, s.draws)
}

// kernel returns Σ e^(−std²φ²/2)/φ over all φ that differ from theta by a multiple of 2π: these have the same
// characteristic function of S, and the same sine of w·φ for a whole number w.
//
// Without a Gaussian, w is a whole number and a half, every other sine has the opposite sign, and the sum is
// 1/(2·sin(θ/2)). A tiny Gaussian only decides, half of the time, whether an error of w itself is beyond w: with
// std < 0.1, any other is on the wrong side with a probability of 10⁻²³. The sum is then near cot(θ/2)/2.
func (s *latticeSum) kernel(theta float64) float64 {
	switch {
	case s.std == 0:
		return 1 / (2 * math.Sin(theta/2))
	case s.std < 0.1:
		return 1 / (2 * math.Tan(theta/2))
	}
	sum := 0.
	for i := -math.Ceil(2 / s.std); i <= math.Ceil(2/s.std); i++ { // 4π/std away and more, terms are below e^−70
		phi := theta + 2*math.Pi*i
		sum += math.Exp(-s.std*s.std*phi*phi/2) / phi
	}
	return sum
}

// beyond returns P(|error| > w), or up to left more; w is a whole number, and a half if there is no Gaussian.
//
// It is 1 − 2/period·(w + 2·Σ terms·sin(w·angle)), with an error by rounding below 10⁻¹³, which is added, or Chernoff's
// bound if that is less: it counts where the confidence is 1 − 10⁻¹¹ or more.
func (s *latticeSum) beyond(w float64) float64 {
	if w >= s.reach {
		return s.left
	}
	sum := w
	for i, angle := range s.angles {
		sum += 2 * s.terms[i] * math.Sin(w*angle)
	}
	p := 1 - 2*sum/(2*s.reach+1) + 1e-13
	for _, tilt := range s.tilts {
		p = min(p, 2*math.Exp(tilt.cumulant-tilt.t*w))
	}
	return p + s.left
}

// probabilities returns those of S = 0, ±1, ±2, … ±reach, each for one sign, with an error below 10⁻¹³.
func (s *latticeSum) probabilities() []float64 {
	sum := make([]float64, int(s.reach)+1)
	for k := range sum {
		p := 1.
		for i, angle := range s.angles {
			p += 2 * s.values[i] * math.Cos(float64(k)*angle)
		}
		sum[k] = max(0, p/(2*s.reach+1))
	}
	return sum
}
