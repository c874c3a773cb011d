// Package params chooses the encryption parameters of a question and does the arithmetic modulo Q that needs no
// lattice library: encoding a noise draw, opening an answer. Everybody derives the same parameters from the signed
// question; nothing here is ever taken from the wire.
package params

import (
	"fmt"
	"math/big"
	"math/bits"
)

// Set is one choice of parameters for the ring Z_Q[X]/(X^n+1) with plaintexts modulo T.
// It is comparable in meaning by its encoding with package canon.
type Set struct {
	LogN uint32   // n = 2^LogN slots per block
	Q    []uint64 // primes, 1 mod 2n; the ciphertext modulus is their product
	T    uint64   // plaintext modulus: a prime, 1 mod 2n
}

// Need is what a question asks of the parameters.
type Need struct {
	Products    int    // plaintext multiplications of the longest chain (its length less one), ≥ 0
	Slots       uint64 // length of the vectors; 0 without products
	Largest     uint64 // bound on the absolute value of an answer, noise of all key-holders included
	KeyHolders  int    // parties and coordinator, ≥ 2
	Coefficient uint64 // Σ|coef| over the results that are added up to one cell, ≥ 1
}

// SigmaFresh and Ternary fix the distributions: errors are Gaussian with this standard deviation (cut at 6σ), secret
// shares uniform on {-1, 0, 1}, as in the tables that rows is taken from.
const SigmaFresh = 3.2

// floodBits is the distance, in bits, between what flooding hides and its standard deviation.
const floodBits = 40

// rows lists rings by growing log2 Q. All stay within the 128-bit classical security bound for uniform ternary
// secrets and σ = 3.2 of the Homomorphic Encryption Standard (Albrecht et al. 2018, table 1): log2 Q ≤ 218 for
// n = 2^13, ≤ 438 for n = 2^14. Each Q is made of the largest primes of one size that are 1 mod 2n.
var rows = []Set{
	{LogN: 13, Q: []uint64{0x3ffffffffc001, 0x3fffffffcc001}},
	{LogN: 13, Q: []uint64{0x7ffffffffb4001, 0x7fffffffeac001}},
	{LogN: 13, Q: []uint64{0xfffffffffffc001, 0xffffffffffe8001}},
	{LogN: 13, Q: []uint64{0x1ffffff8c001, 0x1ffffff5c001, 0x1ffffff18001}},
	{LogN: 13, Q: []uint64{0x3ffffffffc001, 0x3fffffffcc001, 0x3ffffffef4001}},
	{LogN: 13, Q: []uint64{0x7ffffffffb4001, 0x7fffffffeac001, 0x7fffffffe90001}},
	{LogN: 13, Q: []uint64{0xfffffffffffc001, 0xffffffffffe8001, 0xffffffffffd8001}},
	{LogN: 13, Q: []uint64{0x3ffffffffc001, 0x3fffffffcc001, 0x3ffffffef4001, 0x3ffffffe94001}},
	{LogN: 13, Q: []uint64{0x3fffffffef8001, 0x3fffffffeb8001, 0x3fffffffe7c001, 0x3fffffffe64001}},
	{LogN: 14, Q: []uint64{0x3ffffffdf0001, 0x3ffffffd48001, 0x3ffffffd20001, 0x3ffffffd18001, 0x3ffffffcd0001}},
	{LogN: 14, Q: []uint64{0x7fffffffe90001, 0x7fffffffd58001, 0x7fffffffbf0001, 0x7fffffffbd0001, 0x7fffffffba0001}},
	{LogN: 14, Q: []uint64{0xffffffffffe8001, 0xffffffffffd8001, 0xffffffffffc0001, 0xffffffffff28001, 0xfffffffffe38001}},
	{LogN: 14, Q: []uint64{0x7fffffffe90001, 0x7fffffffd58001, 0x7fffffffbf0001, 0x7fffffffbd0001, 0x7fffffffba0001, 0x7fffffffb58001}},
	{LogN: 14, Q: []uint64{0xffffffffffe8001, 0xffffffffffd8001, 0xffffffffffc0001, 0xffffffffff28001, 0xfffffffffe38001, 0xfffffffff9b8001}},
	{LogN: 14, Q: []uint64{0xfffffffff78001, 0xfffffffff70001, 0xfffffffff00001, 0xffffffffeb0001, 0xffffffffe68001, 0xffffffffd80001, 0xffffffffd20001}},
	{LogN: 14, Q: []uint64{0x3fffffffef8001, 0x3fffffffeb8001, 0x3fffffffe38001, 0x3fffffffdd8001, 0x3fffffffd78001, 0x3fffffffd60001, 0x3fffffffca0001, 0x3fffffffaf8001}},
}

// plaintextModuli are the largest primes of 18, 20, 21, … 42 bits that are 1 mod 2^15; there is none of 19 bits.
var plaintextModuli = []uint64{
	0x28001, 0xc0001, 0x1b0001, 0x390001, 0x7e0001, 0xfd0001, 0x1fc0001, 0x3ff0001, 0x7fa8001, 0xfff0001, 0x1ffc8001,
	0x3ffe8001, 0x7ffe0001, 0xfff88001, 0x1fff90001, 0x3fffd0001, 0x7fffb0001, 0xffff00001, 0x1ffffe0001, 0x3ffff48001,
	0x7ffffb0001, 0xffffe80001, 0x1ffffff0001, 0x3fffffa8001,
}

// Choose returns the cheapest row whose worst-case bound holds for the need, or an error in words if there is none.
func Choose(need Need) (Set, error) {
	if need.Products < 0 || need.KeyHolders < 2 || (need.Slots == 0) != (need.Products == 0) || need.Coefficient == 0 {
		return Set{}, fmt.Errorf("choose parameters: need %+v is not of an encrypted question", need)
	}
	for _, t := range plaintextModuli {
		if t/2 <= need.Largest {
			continue
		}
		for _, row := range rows {
			s := Set{LogN: row.LogN, Q: row.Q, T: t}
			if s.fits(need) {
				return s, nil
			}
		}
		break // a larger t only needs a larger Q
	}
	return Set{}, fmt.Errorf("choose parameters: no row of the table carries an answer of up to %d bits through %d products of vectors of %d slots; "+
		"ask with fewer parties, smaller bounds on customers or a larger epsilon",
		bits.Len64(need.Largest), need.Products, need.Slots)
}

// N returns the ring degree, the number of slots per block.
func (s Set) N() int { return 1 << s.LogN }

// Blocks returns how many blocks carry a vector of that many slots.
func (s Set) Blocks(slots uint64) int {
	return int((slots + uint64(s.N()) - 1) / uint64(s.N()))
}

// PolyBytes returns the length of an encoded polynomial, its residues packed to the bit length of their primes.
func (s Set) PolyBytes() uint64 {
	var total uint64
	for _, q := range s.Q {
		total += uint64((bits.Len64(q)*s.N() + 7) / 8)
	}
	return total
}

// Modulus returns Q.
func (s Set) Modulus() *big.Int {
	q := big.NewInt(1)
	for _, p := range s.Q {
		q.Mul(q, new(big.Int).SetUint64(p))
	}
	return q
}

// ScalarBytes returns the length of the encoding of an integer modulo Q: big-endian, fixed length.
func (s Set) ScalarBytes() int { return (s.Modulus().BitLen() + 7) / 8 }

// fits tells whether log2 Q ≥ 1 + log2 t + log2(9.5·√N) + 40 + log2 B (protocol.md, Parameters).
func (s Set) fits(need Need) bool {
	limit := new(big.Float).SetPrec(precision).SetInt(s.Modulus())
	total := s.RemainderBound(need)
	total.Mul(total, big.NewFloat(2*float64(s.T)))
	return limit.Cmp(total) >= 0
}

// precision of the bounds, in bits. big.Float rounds the same way on every machine, so all derive the same row.
const precision = 128

func float(x float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(x) }

func sqrt(x float64) *big.Float { return new(big.Float).SetPrec(precision).Sqrt(float(x)) }

// NoiseBound returns B: with probability at least 1 − 2⁻⁶⁴ no coefficient of the noise of an output ciphertext, before
// flooding, exceeds it, whatever the plaintexts are:
//
//	B = 9.5·σ_f·√M·n^(h−½)·(t/2)^h·2³·Σ|coef|, σ_f = 3.2·√(1 + 4nN/3)
//
// for h products over M blocks and N key-holders; without products the factor √M·n^(h−½)·(t/2)^h is 1. A fresh
// encryption under the joint key has Gaussian noise of standard deviation σ_f; multiplying by h plaintexts with coefficients up to t/2 stretches it by at most the Euclidean norm of
// their product, n^(h−½)·(t/2)^h; 9.5 standard deviations leave less than 2⁻⁶⁴; the factor 2³ covers the fresh zeroes
// added at every hop and the carries of the plaintext modulus.
func (s Set) NoiseBound(need Need) *big.Float {
	n := float64(s.N())
	b := float(9.5 * SigmaFresh * 8)
	b.Mul(b, sqrt(1+4*n*float64(need.KeyHolders)/3))
	b.Mul(b, float(float64(need.Coefficient)))
	if need.Products == 0 {
		return b
	}
	b.Mul(b, sqrt(float64(s.Blocks(need.Slots))))
	for range need.Products {
		b.Mul(b, float(n))
		b.Mul(b, float(float64(s.T)/2))
	}
	return b.Quo(b, sqrt(n))
}

// FloodSigma returns the standard deviation of each key-holder's flooding: 2⁴⁰·B, so that each alone hides the noise.
func (s Set) FloodSigma(need Need) *big.Int {
	sigma, _ := new(big.Float).SetMantExp(s.NoiseBound(need), floodBits).Int(nil)
	return sigma.Add(sigma, big.NewInt(1))
}

// RemainderBound returns what the noise of an opened answer, all flooding included, exceeds with probability at most
// 2⁻⁶⁴: 9.5·√N·2⁴⁰·B. A larger remainder is not an answer.
func (s Set) RemainderBound(need Need) *big.Float {
	b := s.NoiseBound(need)
	b.SetMantExp(b, floodBits)
	b.Mul(b, float(9.5))
	return b.Mul(b, sqrt(float64(need.KeyHolders)))
}
