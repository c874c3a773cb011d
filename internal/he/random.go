package he

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// sampler draws the small polynomials of keys and encryptions. Not safe for concurrent use.
//
// Its bytes come from AES-256 in counter mode. Every draw has a key of its own: its first 32 bytes are the key of the next
// draw and serve nothing else, so that nothing drawn before can be computed from what is in memory ("fast key erasure",
// Bernstein, "Fast-key-erasure random-number generators", 2017). The first key is from crypto/rand.
type sampler struct {
	key   [32]byte
	bytes []byte // of the last draw
}

// newSampler returns a sampler with a key of its own.
func newSampler() *sampler {
	s := &sampler{}
	rand.Read(s.key[:]) // never fails: the process stops if the system has no randomness
	return s
}

// draw returns n fresh bytes, to be used before the next call.
func (s *sampler) draw(n int) ([]byte, error) {
	block, err := aes.NewCipher(s.key[:])
	if err != nil {
		return nil, err
	}
	if n += len(s.key); cap(s.bytes) < n {
		s.erase()
		s.bytes = make([]byte, n)
	}
	s.bytes = s.bytes[:n]
	clear(s.bytes)
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(s.bytes, s.bytes)
	copy(s.key[:], s.bytes)
	return s.bytes[len(s.key):], nil
}

// erase overwrites the bytes of the last draw.
func (s *sampler) erase() { clear(s.bytes) }

// ternary fills out with independent numbers, uniform on {−1, 0, 1}, exactly: a byte below 3^5 has five uniform digits in
// base 3, and larger ones are skipped. Time and memory accesses tell which were, and nothing of the digits.
func (s *sampler) ternary(out []int8) error {
	for len(out) > 0 {
		bytes, err := s.draw(len(out)/5 + len(out)/64 + 16) // most often enough: one byte in 20 is skipped
		if err != nil {
			return err
		}
		for _, b := range bytes {
			if b >= 243 {
				continue
			}
			rest := uint32(b)
			count := min(5, len(out))
			for i := range count {
				quotient := rest * 171 >> 9 // rest/3, for all below 256
				out[i] = int8(rest-3*quotient) - 1
				rest = quotient
			}
			out = out[count:]
		}
	}
	return nil
}

// spread writes small numbers as the coefficients of p, modulo every prime of Q.
func (r *Ring) spread(small []int8, p ring.Poly) {
	for i, s := range r.q.SubRings {
		row, q := p.Coeffs[i][:len(small)], s.Modulus
		for j, x := range small {
			row[j] = residue(x, q)
		}
	}
}

// addSmall adds small numbers to row, modulo q.
func addSmall(small []int8, row []uint64, q uint64) {
	row = row[:len(small)]
	for i, x := range small {
		sum := row[i] + residue(x, q)
		row[i] = min(sum, sum-q) // sum − q wraps round to a large number when sum < q
	}
}

// residue returns x mod q without a branch on x.
func residue(x int8, q uint64) uint64 {
	return uint64(int64(x)) + q&uint64(int64(x)>>63)
}
