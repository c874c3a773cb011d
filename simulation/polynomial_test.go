package simulation

import (
	"math/big"
	"math/bits"

	"github.com/sotto-dev/sotto/internal/params"
)

// An attacker's own reading of the wire format, from its description: per prime of Q, n residues of the prime's bit
// length, most significant bit first.

func polynomialBytes(set params.Set) int {
	length := 0
	for _, q := range set.Q {
		length += bits.Len64(q) * set.N() / 8
	}
	return length
}

// residues unpacks one polynomial.
func residues(set params.Set, encoded []byte) [][]uint64 {
	var rows [][]uint64
	at := 0
	for _, q := range set.Q {
		row := make([]uint64, set.N())
		for i := range row {
			for range bits.Len64(q) {
				row[i] = row[i]<<1 | uint64(encoded[at/8]>>(7-at%8)&1)
				at++
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// packed is the inverse of residues.
func packed(set params.Set, rows [][]uint64) []byte {
	var out []byte
	have := 0
	for j, q := range set.Q {
		for _, x := range rows[j] {
			for bit := bits.Len64(q) - 1; bit >= 0; bit-- {
				if have%8 == 0 {
					out = append(out, 0)
				}
				out[have/8] |= byte(x>>bit&1) << (7 - have%8)
				have++
			}
		}
	}
	return out
}

// combine applies f to the residues of polynomials, prime by prime.
func combine(set params.Set, f func(q uint64, x []uint64) uint64, encoded ...[]byte) []byte {
	var all [][][]uint64
	for _, e := range encoded {
		all = append(all, residues(set, e))
	}
	x := make([]uint64, len(all))
	for j, q := range set.Q {
		for i := range set.N() {
			for k := range all {
				x[k] = all[k][j][i]
			}
			all[0][j][i] = f(q, x)
		}
	}
	return packed(set, all[0])
}

// minus subtracts all other polynomials from the first.
func minus(set params.Set, encoded ...[]byte) []byte {
	return combine(set, func(q uint64, x []uint64) uint64 {
		sum := x[0]
		for _, y := range x[1:] {
			sum = (sum + q - y) % q
		}
		return sum
	}, encoded...)
}

// quotient divides b by a, value by value: what v would be if b were a·v.
func quotient(q, a, b uint64) uint64 {
	inverse := new(big.Int).ModInverse(new(big.Int).SetUint64(a), new(big.Int).SetUint64(q))
	if inverse == nil {
		return 0
	}
	high, low := bits.Mul64(inverse.Uint64(), b)
	_, rest := bits.Div64(high, low, q)
	return rest
}
