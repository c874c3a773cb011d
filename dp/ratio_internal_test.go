package dp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Guards the intervals of means: at the true ratio r, simulated errors n − r·d are within what is kept at least as often
// as promised, and at most 1 % of all cases more often where numbers are wide enough not to jump over that; for noise of
// all scales and both mechanisms on either side, for ratios that make the one or the other matter, and with further
// Gaussian errors. Then whole intervals are computed, which must contain r whenever it is kept.
//
// Seeded, so it can't flake; each coverage would be rejected by chance with less than 10⁻⁸ (Chernoff).
func TestRatioIntervalCovers(t *testing.T) {
	const trials, confidence = 30_000, 0.95
	for _, mechanism := range []Mechanism{Laplace, Gaussian} {
		t.Run(string(mechanism), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(5, uint64(len(mechanism))))
			for _, scales := range [][2]float64{{0.3, 0.2}, {2, 1}, {1, 5}, {5, 0.3}, {5, 5}, {60, 0.2}, {60, 2}, {100, 100}, {1e6, 30}} {
				for _, draws := range []int{1, 3, 6} {
					for i, ratio := range []float64{0, 0.01, 1, 7.3, 250} {
						std := [][2]float64{{0, 0}, {0.3, 0.3}, {0, 0}, {40, 5}, {0, 0}}[(i+draws)%5]
						n := Error{Noise: noiseOfScale(mechanism, scales[0]), Draws: draws, Std: std[0]}
						d := Error{Noise: noiseOfScale(mechanism, scales[1]), Draws: draws, Std: std[1]}
						name := fmt.Sprintf("scales %v, %d draws, ratio %v, std %v", scales, draws, ratio, std)
						within := farthestKept(n, d, ratio, 1-confidence)
						covered, scaleN, scaleD := 0, scaleOf(n.Noise), scaleOf(d.Noise)
						for trial := range trials {
							errN, errD := simulateOne(n, scaleN, random), simulateOne(d, scaleD, random)
							kept := math.Abs(errN-ratio*errD) <= within
							if kept {
								covered++
							}
							if trial < 2 {
								checkContains(t, name, n, d, ratio, errN, errD, within)
							}
						}
						share := float64(covered) / trials
						if share < confidence && chernoff(share, confidence, trials) < 1e-8 {
							t.Errorf("%s: %v covered", name, share)
						}
						if scales[0] >= 60 && share > confidence+0.01 && chernoff(share, confidence+0.01, trials) < 1e-8 {
							t.Errorf("%s: %v covered, more than needed", name, share)
						}
					}
				}
			}
		})
	}
}

// farthestKept returns the largest |n − r·d| at which the ratio r is kept.
func farthestKept(n, d Error, ratio, miss float64) float64 {
	above, below := n.spread(), d.spread()
	low, high := 0., 1e3*(1+n.TotalStd()+ratio*d.TotalStd())
	for range 60 {
		if middle := (low + high) / 2; above.farther(below, ratio, middle, miss) >= 0.998*miss {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// checkContains computes the interval for one release of 10⁵ and ratio·10⁵, and one of 3 and ratio·3.
func checkContains(t *testing.T, name string, n, d Error, truth, errN, errD, within float64) {
	t.Helper()
	for _, people := range []float64{3, 1e5} {
		numerator, denominator := truth*people+errN, people+errD
		lo, hi, err := RatioInterval(numerator, denominator, n, d, 0.95, 0, 500)
		if err != nil {
			t.Fatal(err)
		}
		contains, e := lo <= truth && truth <= hi, math.Abs(errN-truth*errD)
		if e < within*(1-1e-9) && !contains {
			t.Errorf("%s, %v people: [%v, %v] doesn't contain it, but the error is %v of %v", name, people, lo, hi, e, within)
		}
		q := ratio{numerator, denominator, n, d, n.spread(), d.spread(), 1 - 0.95}
		if contains && (lo > 0 && q.kept(lo) || hi < 500 && q.kept(hi)) {
			t.Errorf("%s, %v people: [%v, %v] ends within what is kept", name, people, lo, hi)
		}
		// With few people what is kept may be on both sides of what isn't; at an end, nothing may be kept at all.
		inside := numerator > within && numerator < 500*denominator-within
		if people > 1000 && inside && e > within*1.005+1e-6 && contains {
			t.Errorf("%s, %v people: [%v, %v] contains it, but the error is %v of %v", name, people, lo, hi, e, within)
		}
	}
}

func simulateOne(e Error, scale float64, random *rand.Rand) (sum float64) {
	for range e.Draws {
		if e.Noise.Mechanism == Laplace {
			sum += math.Round(scale * random.ExpFloat64() * float64(1-2*random.IntN(2)))
		} else {
			sum += math.Round(scale * random.NormFloat64())
		}
	}
	return sum + e.Std*random.NormFloat64()
}

func scaleOf(n Noise) float64 {
	if n.Mechanism == Gaussian {
		return n.sigma()
	}
	return n.scale()
}

// chernoff bounds the probability that a share of so many trials is as far from p as this, on the same side.
func chernoff(share, p float64, trials int) float64 {
	divergence := 0.
	if share > 0 {
		divergence += share * math.Log(share/p)
	}
	if share < 1 {
		divergence += (1 - share) * math.Log((1-share)/(1-p))
	}
	return math.Exp(-float64(trials) * divergence)
}
