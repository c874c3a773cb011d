package dp

import (
	"fmt"
	"math"
	"testing"
)

// Guards the integral over a random variance against the closed form of a sum of Laplace variables, where there is one,
// and against the inverse of the characteristic function for more: with the accuracy that its comment states.
func TestMixtureBeyond(t *testing.T) {
	const scale = 3.
	for _, k := range []int{1, 2, 3, 6, 17, fewDraws} {
		closed, coarse, fine := newLaplaceSum(k, scale), newMixture(float64(k), scale, 5), newMixture(float64(k), scale, 60)
		worst := [4]float64{} // relative errors of the coarse one, by the power of 100 of the probability, and of the fine one
		for w := 0.; ; w += scale / 10 {
			want := 2 * closed.above(w)
			if want < 1e-17 {
				break
			}
			if want < 0.5 && want > 1e-6 {
				at := int(-math.Log10(want) / 2)
				worst[at] = max(worst[at], math.Abs(coarse.beyond(w)/want-1))
			}
			worst[3] = max(worst[3], math.Abs(fine.beyond(w)/want-1))
		}
		if k < fewDraws {
			worst[3] = 0
		}
		for i, most := range []float64{2e-4, 5e-4, 1e-2, 1e-13} {
			if worst[i] > most {
				t.Errorf("k %d: relative errors are %v, number %d too large", k, worst, i)
			}
		}
	}
	for _, k := range []int{fewDraws + 1, 1000, MaxDraws} {
		for _, ratio := range []float64{0.1, 10, 1000} {
			std := ratio * scale
			total := math.Sqrt(2*float64(k)*scale*scale + std*std)
			m := newMixture(float64(k), scale, 60).plus(std * std)
			for _, deviations := range []float64{0, 0.5, 1, 2, 4, 6} {
				w := deviations * total
				got, want := m.beyond(w), beyondByInversion(k, scale, std, w)
				if math.Abs(got-want) > 1e-9*want+1e-12 {
					t.Errorf("k %d, std/b %v, w %v: P(beyond) %.12g, by inversion %.12g", k, ratio, w, got, want)
				}
			}
			theta := 0.7 / total
			if got, want := m.characteristic(theta), math.Exp(-float64(k)*math.Log1p(scale*scale*theta*theta)-std*std*theta*theta/2); math.Abs(got/want-1) > 1e-12 {
				t.Errorf("k %d: characteristic function %v, want %v", k, got, want)
			}
		}
	}
}

// Guards the inversion for many draws of small scale against the same distribution, convolved draw by draw: without and
// with a Gaussian, from one that decides ties only to one that hides all else.
func TestLatticeSumBeyond(t *testing.T) {
	const left = 1e-12
	for _, mechanism := range []Mechanism{Laplace, Gaussian} {
		for _, scale := range []float64{0.05, 0.3, 1, 3.9} {
			for _, draws := range []int{1, 5, fewDraws + 1} {
				for _, std := range []float64{0, 1e-3, 0.099, 0.101, 0.4, 30} {
					e := Error{Noise: noiseOfScale(mechanism, scale), Draws: draws, Std: std}
					edge := 0.
					if std == 0 {
						edge = 0.5
					}
					exact, sum := e.beyondLattice(1e-6*left), newLatticeSum(e, left)
					if got := sum.beyond(sum.reach + edge); got != left {
						t.Errorf("P(beyond %v) = %v, want %v", sum.reach, got, left)
					}
					for i := range 15 {
						w := math.Floor(float64(i)*e.TotalStd()/2) + edge
						got, want := sum.beyond(w), exact(w)
						if got < want || got > want+2e-12 {
							// Far out, Chernoff's bound takes over, which is not tight.
							if got < want || got > 1e-10 {
								t.Errorf("%s %v, %d draws, std %v: P(beyond %v) = %.15g, want %.15g", mechanism, scale, draws, std, w, got, want)
							}
						}
					}
				}
			}
		}
	}
}

// Guards the widths of marginals, which add up many cells: they cover by the exact distribution, two units less wouldn't;
// and where the ways of computing them meet, at 64 draws, they go on as they were.
func TestHalfWidthOfManyDraws(t *testing.T) {
	for _, mechanism := range []Mechanism{Laplace, Gaussian} {
		for _, scale := range []float64{0.3, 1, 3.9, 4.1, 8} {
			for _, draws := range []int{fewDraws + 1, 100} {
				for _, std := range []float64{0, 0.05, 10} {
					if draws > 65 && scale > 1 {
						continue // takes long to convolve
					}
					e := Error{Noise: noiseOfScale(mechanism, scale), Draws: draws, Std: std}
					exact := e.beyondLattice(1e-7)
					for _, confidence := range []float64{0.5, 0.95, 0.999, 1 - 1e-7} {
						w, err := e.HalfWidth(confidence)
						if err != nil {
							t.Fatal(err)
						}
						name := fmt.Sprintf("%s %v, %d draws, std %v, confidence %v", mechanism, scale, draws, std, confidence)
						miss := 1 - confidence
						if got := exact(w); got > miss*(1+2e-6) {
							t.Errorf("%s: %v is exceeded with probability %v", name, w, got)
						}
						if got := exact(w - 2); w >= 2 && got < miss {
							t.Errorf("%s: %v is enough", name, w-2)
						}
					}
				}
			}
			before := 0.
			for draws := fewDraws - 2; draws <= fewDraws+3; draws++ {
				w, err := Error{Noise: noiseOfScale(mechanism, scale), Draws: draws}.HalfWidth(0.99)
				if err != nil {
					t.Fatal(err)
				}
				if next := before * math.Sqrt(float64(draws)/float64(draws-1)); before > 0 && math.Abs(w-next) > 1.5 {
					t.Errorf("%s %v: width %v with %d draws, %v with one less", mechanism, scale, w, draws, before)
				}
				before = w
			}
		}
	}
}

// Guards the extremes: widths are finite, at least a Gaussian's of the same variance less a few percent, and not far above
// it, for the largest number of draws and any confidence.
func TestHalfWidthOfMostDraws(t *testing.T) {
	for _, mechanism := range []Mechanism{Laplace, Gaussian} {
		for _, scale := range []float64{0.3, 1, 3.9, 4.1, 1e9} {
			for _, std := range []float64{0, 0.05, 1e3, maxStd} {
				for _, miss := range []float64{0.5, 0.05, 1e-6, 1e-12, 0x1p-53} {
					e := Error{Noise: noiseOfScale(mechanism, scale), Draws: MaxDraws, Std: std}
					w, err := e.HalfWidth(1 - miss)
					if err != nil {
						t.Fatal(err)
					}
					gaussian := math.Sqrt2 * math.Erfcinv(1-(1-miss)) * e.TotalStd()
					if w < 0.99*gaussian-1 || w > 1.11*gaussian+1 {
						t.Errorf("%s %v, std %v, miss %v: width %v, of a Gaussian %v", mechanism, scale, std, miss, w, gaussian)
					}
				}
			}
		}
	}
}
