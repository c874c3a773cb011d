package dp

import (
	"math"
	"slices"
)

// laplaceSum is the distribution of the sum of k independent Laplace variables of scale b, before any rounding. Its
// density at x, with u = |x|/b, is
//
//	e^−u / (b·(k−1)!·2^k) · Σ_{j<k} (k−1+j)!/(j!·(k−1−j)!) · u^(k−1−j)/2^j
//
// (the inverse of the characteristic function (1+b²θ²)^−k). In other words |sum|/b is Gamma distributed with a random
// shape k−j, of probability C(k−1+j, j)/2^(k−1+j); hence P(|sum| > y) = e^−u · Σ_{i<k} P(k−j > i)·u^i/i!.
type laplaceSum struct {
	scale float64
	terms []float64 // P(k−j > i)/i!, for i = 0 … k−1
}

func newLaplaceSum(k int, scale float64) laplaceSum {
	terms := make([]float64, k)
	shape := math.Ldexp(1, 1-k) // probability of shape k−j, from j = 0 on
	reached := 0.               // probability of a shape above i
	for j := range k {
		reached += shape
		terms[k-1-j] = reached
		shape *= float64(k+j) / float64(2*(j+1))
	}
	factorial := 1.
	for i := range terms {
		factorial *= max(1, float64(i))
		terms[i] /= factorial
	}
	return laplaceSum{scale, terms}
}

// above returns P(sum > y).
func (s laplaceSum) above(y float64) float64 {
	u := math.Min(math.Abs(y)/s.scale, 700) // further out e^−u · u^63 is 0 all the same, but u^63 overflows
	polynomial := 0.
	for i := len(s.terms) - 1; i >= 0; i-- {
		polynomial = polynomial*u + s.terms[i]
	}
	half := math.Exp(-u) * polynomial / 2
	if y < 0 {
		return 1 - half
	}
	return half
}

// beyond returns P(|sum + g| > w) for an independent Gaussian g of standard deviation std > 0, which by symmetry is
// 2·∫ P(sum > w + std·x)·φ(x) dx. The variable is x, the distance from w in units of std: with y = w + std·x in its place,
// a std far below the resolution of floating point at w would be lost.
//
// Everything under the integral is positive, so that small results keep their digits. P(sum > y) bends at y = 0 and
// changes on the scale b near it, the Gaussian on the scale 1 near x = 0. Breaking the range at y = 0, at y = ±b·2^i and
// at every second x leaves pieces on each of which both are smooth, whatever the ratio of b and std; each gets 16
// Gauss-Legendre points.
func (s laplaceSum) beyond(w, std float64) float64 {
	const reach = 10 // P(g > 10·std) < 10⁻²³: nothing next to the smallest possible 1 − confidence, 10⁻¹⁶
	cuts := make([]float64, 0, 4*reach)
	for x := -reach; x <= reach; x += 2 {
		cuts = append(cuts, float64(x))
	}
	cut := func(y float64) {
		if x := (y - w) / std; math.Abs(x) < reach {
			cuts = append(cuts, x)
		}
	}
	cut(0)
	for y := s.scale; y <= s.scale*256; y *= 2 { // beyond 256·b the sum is flat: P < 10⁻⁴⁰ for 64 draws
		cut(-y)
		cut(y)
	}
	slices.Sort(cuts)
	total := 0.
	for i := 1; i < len(cuts); i++ {
		total += gaussLegendre(cuts[i-1], cuts[i], func(x float64) float64 {
			return s.above(w+std*x) * math.Exp(-x*x/2)
		})
	}
	return 2 * total / math.Sqrt(2*math.Pi)
}

// Abscissas and weights of 16-point Gauss-Legendre quadrature on [−1, 1], the positive half: Abramowitz and Stegun,
// Handbook of Mathematical Functions, table 25.4.
var (
	abscissas = [8]float64{
		0.095012509837637440185, 0.281603550779258913230, 0.458016777657227386342, 0.617876244402643748447,
		0.755404408355003033895, 0.865631202387831743880, 0.944575023073232576078, 0.989400934991649932596,
	}
	weights = [8]float64{
		0.189450610455068496285, 0.182603415044923588867, 0.169156519395002538189, 0.149595988816576732081,
		0.124628971255533872052, 0.095158511682492784810, 0.062253523938647892863, 0.027152459411754094852,
	}
)

// gaussLegendre returns the integral of f from low to high, exact for polynomials up to degree 31.
func gaussLegendre(low, high float64, f func(float64) float64) float64 {
	centre, half := (low+high)/2, (high-low)/2
	total := 0.
	for i, x := range abscissas {
		total += weights[i] * (f(centre-half*x) + f(centre+half*x))
	}
	return total * half
}
