package dp

import (
	"fmt"
	"math"
	"testing"
)

// Guards the closed form of the sum of Laplace variables and its convolution with a Gaussian, for all ratios of the
// two, against the inverse of the characteristic function (1+b²θ²)^−k·e^(−std²θ²/2), which shares nothing with it.
func TestLaplaceSumBeyond(t *testing.T) {
	for _, k := range []int{1, 2, 3, 6, 17, 64} {
		for _, ratio := range []float64{1e-3, 0.05, 0.3, 1, 4, 30, 1e4, 1e7} {
			const scale = 7.
			sum, std := newLaplaceSum(k, scale), ratio*scale
			total := math.Sqrt(2*float64(k)*scale*scale + std*std)
			for _, deviations := range []float64{0.01, 0.5, 1, 2, 4, 6} {
				w := deviations * total
				got, want := sum.beyond(w, std), beyondByInversion(k, scale, std, w)
				if math.Abs(got-want) > 1e-9*want+1e-12 {
					t.Errorf("k %d, std/b %v, w %v: P(beyond) %.12g, by inversion %.12g", k, ratio, w, got, want)
				}
			}
		}
	}
}

// beyondByInversion returns P(|X| > w) = 1 − 2/π ∫ sin(wθ)/θ·φ(θ) dθ by the trapezoidal rule of step h, whose only error
// is to wrap the distribution around at 2π/h (Poisson's summation formula).
func beyondByInversion(k int, scale, std, w float64) float64 {
	total := math.Sqrt(2*float64(k)*scale*scale + std*std)
	h := 2 * math.Pi / (2*w + 80*total)
	sum := w / 2
	for i := 1; ; i++ {
		theta := float64(i) * h
		characteristic := math.Exp(-float64(k)*math.Log1p(scale*scale*theta*theta) - std*std*theta*theta/2)
		if characteristic < 1e-16 {
			return 1 - 2/math.Pi*sum*h
		}
		sum += math.Sin(w*theta) / theta * characteristic
	}
}

// Guards the survival function by its simplest cases: one variable is exponential, two have (2+u)·e^−u/2, and the
// probability at 0 is 1 for any number. Very far out it is 0, not NaN.
func TestLaplaceSumAbove(t *testing.T) {
	for _, y := range []float64{0, 0.1, 1, 10, 300} {
		u := y / 3
		for k, want := range map[int]float64{1: math.Exp(-u), 2: (2 + u) * math.Exp(-u) / 2} {
			s := newLaplaceSum(k, 3)
			if got := 2 * s.above(y); math.Abs(got/want-1) > 1e-13 {
				t.Errorf("k %d: P(|sum| > %v) = %v, want %v", k, y, got, want)
			}
			if got := s.above(y) + s.above(-y); math.Abs(got-1) > 1e-15 {
				t.Errorf("k %d: P(sum > %v) + P(sum > -%v) = %v", k, y, y, got)
			}
		}
	}
	for k := 1; k <= fewDraws; k++ {
		s := newLaplaceSum(k, 2)
		if got := s.above(0); math.Abs(got-0.5) > 1e-14 {
			t.Errorf("k %d: P(sum > 0) = %v", k, got)
		}
		if far := s.above(1e18); !(far >= 0 && far < 1e-100) {
			t.Errorf("k %d: P(sum > 10^18) = %v", k, far)
		}
		if flat := s.above(256 * 2); flat > 1e-40 {
			t.Errorf("k %d: P(sum > 256·b) = %v", k, flat)
		}
	}
}

// Guards coverage where the two ways of computing it meet: for noise just above the smallest scale for which rounding is
// an independent error, the width covers by the exact distribution on the integers as well; two units less never would,
// and one unit less in less than one case in twenty.
func TestHalfWidthCoversByTheExactDistribution(t *testing.T) {
	widths, generous := 0, 0
	for _, scale := range []float64{4.001, 5, 12} {
		for _, mechanism := range []Mechanism{Laplace, Gaussian} {
			n := noiseOfScale(mechanism, scale)
			for _, draws := range []int{1, 2, 3, 6, 20} {
				for _, std := range []float64{0, 0.1, 1, 10} {
					e := Error{Noise: n, Draws: draws, Std: std}
					for _, confidence := range []float64{0.1, 0.5, 0.9, 0.95, 0.999, 1 - 1e-9} {
						w, err := e.HalfWidth(confidence)
						if err != nil {
							t.Fatal(err)
						}
						name := fmt.Sprintf("%s %v, %d draws, std %v, confidence %v", mechanism, scale, draws, std, confidence)
						exact, miss := e.beyondLattice(1-confidence), 1-confidence
						if got := exact(w); got > miss*(1+2e-6) {
							t.Errorf("%s: %v is exceeded with probability %v", name, w, got)
						}
						if got := exact(w - 2); w >= 2 && got < miss {
							t.Errorf("%s: %v is enough", name, w-2)
						}
						widths++
						if w >= 1 && exact(w-1) < miss {
							generous++
						}
					}
				}
			}
		}
	}
	if t.Logf("%d of %d widths could be a unit less", generous, widths); generous > widths/20 {
		t.Errorf("%d of %d widths could be a unit less", generous, widths)
	}
}

// Guards the window of the exact distribution: nothing that matters is cut off, and it is symmetric.
func TestSumOfDrawsIsComplete(t *testing.T) {
	for _, scale := range []float64{0.05, 0.3, 1, 3.9} {
		for _, mechanism := range []Mechanism{Laplace, Gaussian} {
			for _, draws := range []int{1, 3, fewDraws} {
				e := Error{Noise: noiseOfScale(mechanism, scale), Draws: draws}
				sum, reach := e.sumOfDraws(1e-12)
				total, variance := 0., 0.
				for i, p := range sum {
					total += p
					variance += p * float64(i-reach) * float64(i-reach)
					if p != sum[len(sum)-1-i] && math.Abs(p/sum[len(sum)-1-i]-1) > 1e-9 {
						t.Errorf("%s %v, %d draws: P(%d) is %v and %v", mechanism, scale, draws, i-reach, p, sum[len(sum)-1-i])
					}
				}
				if total < 1-1.1e-12 || total > 1+1e-13 {
					t.Errorf("%s %v, %d draws: all adds up to 1 %+v", mechanism, scale, draws, total-1)
				}
				if std := e.TotalStd(); math.Abs(math.Sqrt(variance)/std-1) > 1e-7 {
					t.Errorf("%s %v, %d draws: standard deviation %v, TotalStd %v", mechanism, scale, draws, math.Sqrt(variance), std)
				}
			}
		}
	}
}

// noiseOfScale returns noise with b, or about σ, of that value.
func noiseOfScale(mechanism Mechanism, scale float64) Noise {
	if mechanism == Laplace {
		sensitivity := int64(math.Ceil(scale))
		return Noise{Laplace, float64(sensitivity) / scale, 0, sensitivity}
	}
	low, high := 0.01, MaxEpsilon // the larger ε, the smaller σ
	n := Noise{Gaussian, 1, 1e-4, int64(math.Ceil(scale))}
	for range 50 {
		n.Epsilon = math.Sqrt(low * high)
		if n.sigma() > scale {
			low = n.Epsilon
		} else {
			high = n.Epsilon
		}
	}
	n.Epsilon = low
	return n
}
