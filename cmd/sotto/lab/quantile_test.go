package lab_test

import (
	"math"
	"math/rand/v2"
	"testing"
)

// errorParts is what separates a released number from the truth, or two of them: the first less second times the other.
type errorParts struct {
	draws   float64
	scale   float64 // of the Laplace distribution that each draw is of, before it is rounded to an integer
	hashing float64 // variance by collisions
	bias    float64 // bound on what clipping takes away

	second, secondHashing float64 // the other number has as many draws of the same noise
}

func (e errorParts) std() float64 { return math.Sqrt(e.draws*laplaceVariance(e.scale) + e.hashing) }

// laplaceVariance returns the variance of Laplace noise of that scale, rounded to integers: E X² = Σ (2k−1)·P(|X| ≥ k).
func laplaceVariance(scale float64) float64 {
	variance := 0.
	for k := 1.; k < 50*scale+50; k++ {
		variance += (2*k - 1) * math.Exp(-(k-0.5)/scale)
	}
	return variance
}

// laplaceCharacteristic returns E cos(tX) of that noise: with q = exp(−1/scale), P(X = k) is (1/√q − √q)/2·q^|k| but for
// P(X = 0) = 1 − √q, and the series over k is geometric.
func laplaceCharacteristic(scale, t float64) float64 {
	q := math.Exp(-1 / scale)
	return 1 - math.Sqrt(q) + (1/math.Sqrt(q)-math.Sqrt(q))*(q*math.Cos(t)-q*q)/(1-2*q*math.Cos(t)+q*q)
}

// quantile returns the w for which the error, its bias left out, is at most w in magnitude with that probability; if it is
// an integer, the smallest with that probability or more. Its distribution is found by inverting the characteristic
// function (Gil-Pelaez 1951), which is known exactly: none of what package dp does to get there is used.
func (e errorParts) quantile(confidence float64) float64 {
	variance := e.hashing + e.second*e.second*e.secondHashing
	if variance == 0 && e.second != 0 { // no integer, and of no density: smoothed, by too little to matter
		variance = 1e-3 * e.draws * laplaceVariance(e.scale)
	}
	const steps = 4000
	reach := math.Pi // of an integer, the characteristic function has this period
	if variance > 0 {
		reach = min(9/math.Sqrt(variance), 40/e.std())
	}
	var at, weight [steps]float64 // midpoint rule
	for i := range steps {
		t := (float64(i) + 0.5) / steps * reach
		phi := math.Pow(laplaceCharacteristic(e.scale, t)*laplaceCharacteristic(e.scale, e.second*t), e.draws) * math.Exp(-variance*t*t/2)
		at[i], weight[i] = t, phi*reach/steps/math.Pi
		if variance > 0 {
			weight[i] *= 2 / t
		} else {
			weight[i] /= math.Sin(t / 2)
		}
	}
	within := func(w float64) float64 { // P(|error| ≤ w)
		if variance == 0 {
			w = math.Floor(w) + 0.5
		}
		sum := 0.
		for i := range steps {
			sum += math.Sin(w*at[i]) * weight[i]
		}
		return sum
	}
	low, high := 0., 1.
	for within(high) < confidence {
		low, high = high, 2*high
	}
	for high-low > 1e-3 {
		if middle := (low + high) / 2; within(middle) < confidence {
			low = middle
		} else {
			high = middle
		}
	}
	if variance == 0 {
		return math.Floor(high)
	}
	return high
}

// The yardstick is true: quantiles are those of a simulation. Each of 8 checks is of a binomial number of 200 000 draws and
// allows 6 of its standard deviations: false alarms at a rate of 8·2·10⁻⁹, the quantile's own rounding included.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	laplace := func(scale float64) float64 {
		x := random.ExpFloat64() * scale
		if random.Uint32()&1 == 0 {
			x = -x
		}
		return math.Round(x)
	}
	for _, e := range []errorParts{
		{draws: 3, scale: 0.5},
		{draws: 4, scale: 7.9, hashing: 90},
		{draws: 3, scale: 36, hashing: 1600, second: 0.4, secondHashing: 900},
		{draws: 4, scale: 12, second: 0.7},
	} {
		for _, confidence := range []float64{0.95, 0.999} {
			w := e.quantile(confidence)
			const n = 200_000
			beyond, before := 0, 0
			for range n {
				x := random.NormFloat64() * math.Sqrt(e.hashing+e.second*e.second*e.secondHashing)
				for range int(e.draws) {
					x += laplace(e.scale)
					if e.second > 0 {
						x += e.second * laplace(e.scale)
					}
				}
				if math.Abs(x) > w {
					beyond++
				}
				if math.Abs(x) >= w {
					before++
				}
			}
			slack := 6*math.Sqrt(n*confidence*(1-confidence)) + 1
			if want := n * (1 - confidence); float64(beyond) > want+slack || float64(before) < want-slack {
				t.Errorf("%+v: %d of %d are beyond the %v quantile, %v", e, beyond, n, confidence, w)
			}
		}
	}
}
