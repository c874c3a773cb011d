package dp

import (
	"math"
	"testing"
)

// Guards a spread by itself (of a ratio of 0) against the exact distribution, whatever form it takes: the probability of
// so large an error, its own size included, is understated by 1 % of it at most, and hardly overstated.
func TestSpreadAlone(t *testing.T) {
	for _, mechanism := range []Mechanism{Laplace, Gaussian} {
		for _, c := range []struct {
			scale, std, most float64
			draws            int
		}{
			{0.05, 0, 1.001, 1},
			{0.3, 0, 1.001, 6},
			{1, 0, 1.001, 3},
			{3.9, 0, 1.001, 1}, // exact
			{0.3, 0, 1.001, 100},
			{0.3, 0, 1.001, 500},
			{0.3, 0, 1.1, 3000},
			{1, 0, 1.1, 150},
			{3.9, 0, 1.1, 8}, // many
			{0.3, 1, 1.1, 3},
			{1, 1.5, 1.1, 1},
			{3, 2, 1.1, 2},
			{0.3, 40, 1.1, 6}, // with a Gaussian
			{4.1, 0, 1.1, 1},
			{4.1, 0, 1.1, 6},
			{20, 0, 1.1, 3},
			{8, 3, 1.1, 1}, // wide
		} {
			e := Error{Noise: noiseOfScale(mechanism, c.scale), Draws: c.draws, Std: c.std}
			edge := 0.
			if c.std == 0 {
				edge = 0.5
			}
			s, exact, wide := e.spread(), newLatticeSum(e, 1e-12), Error{Noise: noiseOfScale(mechanism, 50), Draws: 1}.spread()
			for i := range 14 {
				size := math.Floor(float64(i) * e.TotalStd() / 4)
				want := min(1, exact.beyond(size-edge))
				if size == 0 {
					want = 1
				}
				if want < 1e-3 {
					break
				}
				for _, other := range []spread{s, wide} {
					if got := s.farther(other, 0, size, 1e-3); got < want*0.99 || got > want*c.most+1e-6 {
						t.Errorf("%s %+v: P(>= %v) = %v, want %v", mechanism, c, size, got, want)
					}
				}
			}
		}
	}
}

// Guards two sums of integers against all pairs, with sizes that are reached exactly but for the last bits.
func TestFartherOfTwoExact(t *testing.T) {
	a, b := Error{Noise: noiseOfScale(Laplace, 0.7), Draws: 2}.spread(), Error{Noise: noiseOfScale(Laplace, 1.2), Draws: 1}.spread()
	for _, factor := range []float64{0.1, 1, 7.3, 100} {
		for i := -3; i <= 3; i++ {
			for j := range 5 {
				size := math.Abs(float64(i) - factor*float64(j))
				want := 0.
				for k := 1 - len(a.exact); k < len(a.exact); k++ {
					for l := 1 - len(b.exact); l < len(b.exact); l++ {
						if math.Abs(float64(k)+factor*float64(l)) > size-1e-9 {
							want += a.exact[max(k, -k)] * b.exact[max(l, -l)]
						}
					}
				}
				for _, bits := range []float64{1 - 1e-14, 1, 1 + 1e-14} {
					if got := a.farther(b, factor, size*bits, 0.05); math.Abs(got-want) > 1e-9 {
						t.Errorf("factor %v: P(>= %v) = %v, of all pairs %v", factor, size, got, want)
					}
				}
			}
		}
	}
}

// Guards the steps that one side makes where the other is too narrow to hide them: at k steps, less what the other side
// amounts to, all k are counted.
func TestFartherCountsSteps(t *testing.T) {
	for _, mechanism := range []Mechanism{Laplace, Gaussian} {
		e := Error{Noise: noiseOfScale(mechanism, 4.1), Draws: 1}
		s, exact := e.spread(), newLatticeSum(e, 1e-12)
		small := Error{Noise: noiseOfScale(mechanism, 2), Draws: 1}.spread()
		for k := 4.; k < 16; k += 3 {
			want := exact.beyond(k - 0.5)
			for name, got := range map[string]float64{
				"large steps":              s.farther(s, 1000, 1000*k-50, 1e-3),
				"small steps":              s.farther(s, 0.001, k-0.05, 1e-3),
				"large steps, small noise": small.farther(s, 1000, 1000*k-50, 1e-3),
				"small steps, small noise": s.farther(small, 0.001, k-0.05, 1e-3),
			} {
				if got < 0.99*want || got > 1.1*want {
					t.Errorf("%s, %s: P(%v or more) = %v, want %v", mechanism, name, k, got, want)
				}
			}
		}
	}
}
