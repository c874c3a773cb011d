package he

import (
	"crypto/rand"
	"math/big"
)

// Flood draws an integer from the discrete Gaussian with standard deviation sigma, exactly: no floating point, so its
// resolution does not end where the mantissa does. This is the rejection sampler of Canonne, Kamath and Steinke, "The
// Discrete Gaussian for Differential Privacy" (2020), algorithms 1–3, with t = sigma + 1 for the discrete Laplace
// proposal; some two proposals are needed per draw. sigma must be ≥ 1.
func Flood(sigma *big.Int) *big.Int {
	t := new(big.Int).Add(sigma, one)
	variance := new(big.Int).Mul(sigma, sigma)
	denominator := new(big.Int).Mul(variance, t)
	denominator.Mul(denominator, t).Lsh(denominator, 1) // 2·σ²·t²
	for {
		y := laplace(t)
		// Accept with probability exp(−(|y| − σ²/t)²/(2σ²)) = exp(−(|y|·t − σ²)²/(2σ²t²)).
		gap := new(big.Int).Abs(y)
		gap.Mul(gap, t).Sub(gap, variance)
		if bernoulliExp(gap.Mul(gap, gap), denominator) {
			return y
		}
	}
}

// laplace draws from the discrete Laplace distribution of integer scale t, P(y) ∝ exp(−|y|/t).
func laplace(t *big.Int) *big.Int {
	for {
		u := uniform(t)
		if !bernoulliExp(u, t) {
			continue
		}
		v := int64(0)
		for bernoulliExpUnit(one, one) {
			v++
		}
		x := new(big.Int).Mul(t, big.NewInt(v))
		x.Add(x, u)
		if uniform(two).Sign() == 0 {
			return x
		}
		if x.Sign() != 0 { // −0 would be drawn twice
			return x.Neg(x)
		}
	}
}

var (
	one = big.NewInt(1)
	two = big.NewInt(2)
)

// bernoulliExp is true with probability exp(−x/y), for x ≥ 0 and y > 0.
func bernoulliExp(x, y *big.Int) bool {
	whole, rest := new(big.Int).QuoRem(x, y, new(big.Int))
	for ; whole.Sign() > 0; whole.Sub(whole, one) {
		if !bernoulliExpUnit(one, one) {
			return false
		}
	}
	return bernoulliExpUnit(rest, y)
}

// bernoulliExpUnit is true with probability exp(−x/y), for 0 ≤ x ≤ y: the number of successes of Bernoulli(x/(y·k)),
// k = 1, 2, …, before the first failure is even.
func bernoulliExpUnit(x, y *big.Int) bool {
	scaled := new(big.Int)
	for k := int64(1); ; k++ {
		scaled.Mul(y, big.NewInt(k))
		if uniform(scaled).Cmp(x) >= 0 {
			return k%2 == 1
		}
	}
}

// uniform draws from [0, limit). crypto/rand never fails: since Go 1.24 the process stops if the system has no
// randomness.
func uniform(limit *big.Int) *big.Int {
	x, err := rand.Int(rand.Reader, limit)
	if err != nil {
		panic("he: no randomness")
	}
	return x
}
