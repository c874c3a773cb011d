package sample

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"

	"github.com/sotto-dev/sotto/internal/canon"
)

// stream is an endless, reproducible sequence of choices: AES-256 in counter mode under a key hashed from a seed and a
// label. Equal seeds and labels give equal choices on every platform; it is no source of secrets.
type stream struct {
	ctr  cipher.Stream
	buf  [4096]byte
	next int // index of the first unused byte of buf
}

func newStream(seed, label string) *stream {
	key := canon.Hash("sotto/sample/stream", struct{ Seed, Label string }{seed, label})
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("sample: " + err.Error()) // 32 bytes are a valid key
	}
	s := &stream{ctr: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
	s.next = len(s.buf)
	return s
}

// Uint64 returns 64 uniform bits.
func (s *stream) Uint64() uint64 {
	if s.next == len(s.buf) {
		clear(s.buf[:])
		s.ctr.XORKeyStream(s.buf[:], s.buf[:])
		s.next = 0
	}
	v := binary.BigEndian.Uint64(s.buf[s.next:])
	s.next += 8
	return v
}

// IntN returns a uniform integer in [0, n), without bias (Lemire, "Fast Random Integer Generation in an Interval",
// 2019). It panics if n < 1.
func (s *stream) IntN(n int) int {
	if n < 1 {
		panic("sample: IntN of a range below 1")
	}
	high, low := bits.Mul64(s.Uint64(), uint64(n))
	if low < uint64(n) {
		for reject := -uint64(n) % uint64(n); low < reject; {
			high, low = bits.Mul64(s.Uint64(), uint64(n))
		}
	}
	return int(high)
}

// Float64 returns a uniform multiple of 2^-53 in [0, 1).
func (s *stream) Float64() float64 { return float64(s.Uint64()>>11) * 0x1p-53 }

// Chance is true with the given probability.
func (s *stream) Chance(probability float64) bool { return s.Float64() < probability }

// Near returns center plus or minus up to spread, each integer equally likely.
func (s *stream) Near(center, spread int) int { return center - spread + s.IntN(2*spread+1) }

// Weighted returns an index of weights, each in proportion to its weight. The sum of the weights is positive.
func (s *stream) Weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := s.IntN(sum)
	for i, w := range weights {
		if at < w {
			return i
		}
		at -= w
	}
	panic("sample: unreachable: the draw is below the sum of the weights")
}

// pick returns one of the choices, each equally likely.
func pick[T any](s *stream, choices []T) T { return choices[s.IntN(len(choices))] }

// shuffle puts items into a uniformly random order (Fisher and Yates).
func shuffle[T any](s *stream, items []T) {
	for i := len(items) - 1; i > 0; i-- {
		j := s.IntN(i + 1)
		items[i], items[j] = items[j], items[i]
	}
}
