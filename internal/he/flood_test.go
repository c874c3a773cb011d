package he

import (
	"math"
	"math/big"
	"testing"
)

// Flooding has the moments of a Gaussian at a size where lattigo's sampler has run out of bits: 20 000 draws at
// σ = 2^90. Mean, variance and fourth moment are each within 5.5 of their own standard errors, and the low bits are
// even; together a false alarm has probability below 3e-7.
func TestFloodMoments(t *testing.T) {
	const draws = 20_000
	sigma := new(big.Int).Lsh(big.NewInt(1), 90)
	scale, _ := new(big.Float).SetInt(sigma).Float64()
	var sum, squares, fourths, odd float64
	for range draws {
		z := Flood(sigma)
		odd += float64(z.Bit(0))
		x, _ := new(big.Float).SetInt(z).Float64()
		x /= scale
		sum, squares, fourths = sum+x, squares+x*x, fourths+x*x*x*x
	}
	for _, m := range []struct {
		name                   string
		got, want, oneDeviates float64
	}{
		{"mean", sum / draws, 0, 1},
		{"variance", squares / draws, 1, math.Sqrt(2)},
		{"fourth moment", fourths / draws, 3, math.Sqrt(96)},
		{"share of odd numbers", odd / draws, 0.5, 0.5},
	} {
		if math.Abs(m.got-m.want) > 5.5*m.oneDeviates/math.Sqrt(draws) {
			t.Errorf("%s is %.4f, want %.4f", m.name, m.got, m.want)
		}
	}
}

// At a small σ the sampler is compared with the exact probabilities, value by value: 40 000 draws at σ = 3, each count
// within 6 of its standard deviations (13 values: a false alarm has probability below 3e-8).
func TestFloodExactDistribution(t *testing.T) {
	const draws, sigma = 40_000, 3
	counts := map[int64]float64{}
	for range draws {
		counts[Flood(big.NewInt(sigma)).Int64()]++
	}
	var total float64
	for x := -60.; x <= 60; x++ {
		total += math.Exp(-x * x / (2 * sigma * sigma))
	}
	for x := int64(-6); x <= 6; x++ {
		p := math.Exp(-float64(x*x)/(2*sigma*sigma)) / total
		if math.Abs(counts[x]-draws*p) > 6*math.Sqrt(draws*p*(1-p)) {
			t.Errorf("%d was drawn %.0f times, expected %.0f", x, counts[x], draws*p)
		}
	}
}
