package layout

import (
	"fmt"
	"math"
	"math/bits"
)

// Precisions are the hashed layout's sizes: slots per person of the largest party, at least. More slots mean fewer
// collisions and more bytes.
var Precisions = map[string]int64{"low": 4, "medium": 16, "high": 64}

const (
	minLogSlots = 20
	maxLogSlots = 26
)

// LogSlots returns log2 of the length m of the vectors: the smallest power of two that has Precisions[precision] slots
// per person of the largest party, and at least 2^20.
func LogSlots(precision string, largest int64) (int, error) {
	perPerson, ok := Precisions[precision]
	if !ok {
		return 0, fmt.Errorf("precision %q is not one of low, medium, high", precision)
	}
	if largest < 1 || largest > 1<<maxLogSlots {
		return 0, fmt.Errorf("a party of up to %d customers is out of range for the hashed layout (1 to %d)", largest, 1<<maxLogSlots)
	}
	size := max(minLogSlots, bits.Len64(uint64(largest*perPerson-1)))
	if size > maxLogSlots {
		return 0, fmt.Errorf("up to %d customers at precision %s need 2^%d slots, more than 2^%d: ask with a lower precision",
			largest, precision, size, maxLogSlots)
	}
	return size, nil
}

// Clip returns the bound c on a slot by the load of the largest party: 1 up to a load of 1/512, 2 up to 1/16, 3 up to 1/4.
// At each of these it is the smallest for which [ClipBias] is below 0.1 %. Comparing integers, all parties agree on it.
func Clip(largest int64, logSlots int) (int, error) {
	for clip, perPerson := range []int64{512, 16, 4} {
		if largest*perPerson <= 1<<logSlots {
			return clip + 1, nil
		}
	}
	return 0, fmt.Errorf("a load of %d customers on 2^%d slots is above 1/4", largest, logSlots)
}

// ClipBias returns the share of a person's value that a party's vector loses on average to the clip c, at a given load
// λ = people per slot, with the others in the slot Poisson distributed: the larger of what clipping a sum of signs and
// what keeping the c people of lowest rank loses. In [0, 1].
func ClipBias(load float64, clip int) float64 {
	var summed, ranked float64
	others := math.Exp(-load) // P(k others in the slot)
	for k := range 64 {
		if k > 0 {
			others *= load / float64(k)
		}
		// A sum of k other signs is k − 2j with probability C(k, j)/2^k.
		choose := math.Exp2(-float64(k))
		var kept float64
		for j := range k + 1 {
			if j > 0 {
				choose *= float64(k-j+1) / float64(j)
			}
			sum := float64(1 + k - 2*j)
			kept += choose * max(-float64(clip), min(float64(clip), sum))
		}
		summed += others * (1 - kept)
		if k >= clip {
			ranked += others * float64(k+1-clip) / float64(k+1)
		}
	}
	return max(summed, ranked)
}

// StandardError returns the standard deviation, in people, of a hashed answer on account of collisions. sizes are
// bounds on each party's people (agreed, never true sizes), overlap is the answer or an estimate of it, ≥ 0.
//
// The answer is a sum over tuples of people, one per party, that share a slot. Its variance has one term per way to
// divide the parties into d ≥ 2 sets such that each set sees one person: (product of the sets' overlaps)/m^(d−1); and,
// since exchanging two people of the overlap between two sets gives the same product of signs, (2^(N−1) − 1)·I²/m more.
// For two parties that is (|A||B| + I²)/m. Overlaps of some but not all parties are bounded by the smallest of them.
//
// Of a sum of amounts the standard deviation is at most scale times as much, with the overlap |sum|/scale: for two parties
// it is exactly (Σ_A amount²·|B| + sum²)/m.
func StandardError(sizes []float64, overlap float64, logSlots int) float64 {
	slots := math.Exp2(float64(logSlots))
	variance := (math.Exp2(float64(len(sizes)-1)) - 1) * overlap * overlap / slots
	var divide func(i int, sets []float64)
	divide = func(i int, sets []float64) {
		if i == len(sizes) {
			if len(sets) < 2 {
				return
			}
			term := slots
			for _, size := range sets {
				term *= size / slots
			}
			variance += term
			return
		}
		for j, size := range sets {
			sets[j] = min(size, sizes[i])
			divide(i+1, sets)
			sets[j] = size
		}
		divide(i+1, append(sets, sizes[i]))
	}
	divide(0, make([]float64, 0, len(sizes)))
	return math.Sqrt(variance)
}
