package dp

import (
	"fmt"
	"math"
	"math/bits"
)

// HashedSensitivity returns how far one person, present or absent at all parties together, can move the vector of cells
// of one product of the hashed layout, in L1.
//
// parties is the number N of vectors in the product, clip the largest magnitude c of a slot, and split the number g of
// parties whose vector is divided among cells (group-by); those keep, per slot, at most c ids over all their cells
// together, the same at all parties. All are at least 1, but split is 0 to parties.
//
// Without a split party a person moves one slot of each vector by one: c^N − (c−1)^N at most, which is attained. With
// some, a person who enters a split party's slot may push another one out, so that its cells change by 2 together; no
// slot's cells ever sum to more than c: min(2·c^N, (N+g)·c^(N−1)).
//
// An error names the argument that breaks a rule, or says that the result is too large for an int64.
func HashedSensitivity(parties, split, clip int) (int64, error) {
	switch {
	case parties < 1:
		return 0, fmt.Errorf("sensitivity: number of parties is %d, must be at least 1", parties)
	case split < 0 || split > parties:
		return 0, fmt.Errorf("sensitivity: number of split parties is %d, must be 0 to the number of parties, %d",
			split, parties)
	case clip < 1:
		return 0, fmt.Errorf("sensitivity: clip is %d, must be at least 1", clip)
	}
	bound, fits := hashedBound(uint64(parties), uint64(split), uint64(clip))
	if !fits || bound > math.MaxInt64 {
		return 0, fmt.Errorf("sensitivity: %d parties with clip %d give more than an int64 holds", parties, clip)
	}
	return int64(bound), nil
}

// hashedBound is the formula of [HashedSensitivity], and whether it fits.
func hashedBound(parties, split, clip uint64) (uint64, bool) {
	if split == 0 {
		full, fits := power(clip, parties)
		less, _ := power(clip-1, parties) // fits if the larger one does
		return full - less, fits
	}
	weight, factors := parties+split, parties-1
	if 2*clip < weight {
		weight, factors = 2, parties
	}
	rest, fits := power(clip, factors)
	high, bound := bits.Mul64(rest, weight)
	return bound, fits && high == 0
}

// power returns base^exponent, and whether it fits.
func power(base, exponent uint64) (uint64, bool) {
	if base < 2 && exponent > 0 {
		return base, true
	}
	result := uint64(1)
	for range exponent { // ends after 64 rounds at most, for base >= 2
		high, product := bits.Mul64(result, base)
		if high != 0 {
			return 0, false
		}
		result = product
	}
	return result, true
}

// FloodDelta returns the δ that a release of that many cells (at least 1) is charged for what the key-holders' flooding
// noise, 2⁴⁰ times the ciphertext's own, leaves visible of it: (1+e^ε)·√cells·2⁻⁴¹, with ε of the whole release.
//
// Two Gaussians a 2⁻⁴⁰th of σ apart differ by less than 2⁻⁴¹ in total variation, √cells times as much for a vector.
func FloodDelta(epsilon float64, cells int) float64 {
	return (1 + math.Exp(epsilon)) * math.Sqrt(float64(cells)) * 0x1p-41
}
