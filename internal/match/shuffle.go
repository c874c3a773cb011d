package match

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Shuffle puts the points in a random order, each with the same probability.
func (p Points) Shuffle() { shuffle(p) }

// shuffle is Fisher and Yates's, as Knuth has it (The Art of Computer Programming, 3.4.2, algorithm P).
func shuffle[T any](list []T) {
	var random uniform
	for i := len(list) - 1; i > 0; i-- {
		j := random.below(uint64(i + 1))
		list[i], list[j] = list[j], list[i]
	}
}

// uniform draws numbers from crypto/rand, a kilobyte at a time.
type uniform struct {
	bytes [1024]byte
	left  int
}

// below returns a uniform number of 0…n−1, n ≥ 1, without bias: Lemire, "Fast random integer generation in an interval",
// 2019.
func (u *uniform) below(n uint64) uint64 {
	high, low := bits.Mul64(u.next(), n)
	if low < n {
		for least := -n % n; low < least; {
			high, low = bits.Mul64(u.next(), n)
		}
	}
	return high
}

func (u *uniform) next() uint64 {
	if u.left == 0 {
		rand.Read(u.bytes[:])
		u.left = len(u.bytes)
	}
	u.left -= 8
	return binary.LittleEndian.Uint64(u.bytes[u.left:])
}
