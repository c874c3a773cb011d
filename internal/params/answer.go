package params

import (
	"errors"
	"fmt"
	"math/big"
)

// ErrRemainder says that an opened number is further from a plaintext than honest noise can be.
var ErrRemainder = errors.New("remainder exceeds the noise bound")

// Encode maps an integer z to the scalar that adds z to an opened answer: (z·n⁻¹ mod t)·t⁻¹ mod Q.
// The factor n⁻¹ is there because an answer is n times the constant coefficient that is opened.
func (s Set) Encode(z int64) *big.Int {
	t := new(big.Int).SetUint64(s.T)
	q := s.Modulus()
	x := new(big.Int).ModInverse(big.NewInt(int64(s.N())), t)
	x.Mul(x, big.NewInt(z)).Mod(x, t)
	x.Mul(x, new(big.Int).ModInverse(t, q))
	return x.Mod(x, q)
}

// Decode opens one answer from the sum modulo Q of all key-holders' scalars and of [c0]_0, and returns it in
// (−t/2, t/2]. The error wraps [ErrRemainder] when the sum is not within the bound for the need of any plaintext.
func (s Set) Decode(sum *big.Int, need Need) (int64, error) {
	t := new(big.Int).SetUint64(s.T)
	q := s.Modulus()
	// sum = t⁻¹·m + e mod Q, so t·sum = m + t·e as long as that is below Q/2 in absolute value.
	x := new(big.Int).Mul(sum, t)
	x = centre(x, q)
	m := centre(new(big.Int).Set(x), t)
	e := x.Sub(x, m)
	e.Quo(e, t).Abs(e)
	if limit, _ := s.RemainderBound(need).Int(nil); e.Cmp(limit) > 0 {
		return 0, fmt.Errorf("open answer: %w (%d bits, at most %d)", ErrRemainder, e.BitLen(), limit.BitLen())
	}
	m.Mul(m, big.NewInt(int64(s.N())))
	return centre(m, t).Int64(), nil
}

// ParseScalar reads a scalar of exactly ScalarBytes bytes that is below Q.
func (s Set) ParseScalar(encoded []byte) (*big.Int, error) {
	if len(encoded) != s.ScalarBytes() {
		return nil, fmt.Errorf("read scalar: %d bytes, must be %d", len(encoded), s.ScalarBytes())
	}
	x := new(big.Int).SetBytes(encoded)
	if x.Cmp(s.Modulus()) >= 0 {
		return nil, errors.New("read scalar: not below the modulus")
	}
	return x, nil
}

// AppendScalar appends the encoding of x mod Q to dst.
func (s Set) AppendScalar(dst []byte, x *big.Int) []byte {
	encoded := make([]byte, s.ScalarBytes())
	new(big.Int).Mod(x, s.Modulus()).FillBytes(encoded)
	return append(dst, encoded...)
}

// centre reduces x modulo an odd q into [−(q−1)/2, (q−1)/2], in place.
func centre(x, q *big.Int) *big.Int {
	x.Mod(x, q)
	if half := new(big.Int).Rsh(q, 1); x.Cmp(half) > 0 {
		x.Sub(x, q)
	}
	return x
}
