package params

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The table is regenerated: each Q is made of the largest primes of its size that are 1 mod 2n, within the 128-bit
// security bound, and each t is the largest prime of its size that is 1 mod 2^15, below every prime of Q.
func TestTableIsAsGenerated(t *testing.T) {
	largest := func(bits int, step uint64, count int) []uint64 {
		var primes []uint64
		for x := uint64(1)<<bits - step + 1; len(primes) < count; x -= step {
			if new(big.Int).SetUint64(x).ProbablyPrime(32) {
				primes = append(primes, x)
			}
		}
		return primes
	}
	maxLogQ := map[uint32]int{13: 218, 14: 438}
	for i, row := range rows {
		size := new(big.Int).SetUint64(row.Q[0]).BitLen()
		want := largest(size, 2<<row.LogN, len(row.Q))
		for j := range want {
			if row.Q[j] != want[j] {
				t.Errorf("row %d prime %d is %#x, want %#x", i, j, row.Q[j], want[j])
			}
		}
		if got := row.Modulus().BitLen(); got > maxLogQ[row.LogN] {
			t.Errorf("row %d has log2 Q = %d, secure up to %d", i, got, maxLogQ[row.LogN])
		}
		if i > 0 && row.Modulus().Cmp(rows[i-1].Modulus()) <= 0 {
			t.Errorf("row %d is not larger than the one before", i)
		}
	}
	for i, modulus := range plaintextModuli {
		if want := largest(i+19, 1<<15, 1)[0]; i > 0 && modulus != want {
			t.Errorf("plaintext modulus %d is %#x, want %#x", i, modulus, want)
		}
	}
}

// needs draws questions across the range of what can be asked.
func needs(t *rapid.T) Need {
	return Need{
		Products:    rapid.IntRange(1, 4).Draw(t, "products"),
		Slots:       uint64(1) << rapid.IntRange(20, 26).Draw(t, "log slots"),
		Largest:     rapid.Uint64Range(1, 1<<21).Draw(t, "largest"),
		KeyHolders:  rapid.IntRange(2, 8).Draw(t, "key-holders"),
		Coefficient: rapid.Uint64Range(1, 16).Draw(t, "coefficient"),
	}
}

// Whatever is chosen carries the answer and the bound; a need that is larger in any respect never gets less room.
func TestChosenRowHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need := needs(t)
		s, err := Choose(need)
		if err != nil {
			return
		}
		if s.T/2 <= need.Largest || !s.fits(need) {
			t.Fatalf("row %+v does not carry %+v", s, need)
		}
	})
}

// Two to five parties with a million customers each fit the table; what does not fit is refused in words.
func TestRange(t *testing.T) {
	for parties := 2; parties <= 5; parties++ {
		need := Need{Products: parties - 1, Slots: 1 << 22, Largest: 1 << 21, KeyHolders: parties + 1, Coefficient: 1}
		if _, err := Choose(need); err != nil {
			t.Errorf("%d parties: %v", parties, err)
		}
	}
	_, err := Choose(Need{Products: 12, Slots: 1 << 22, Largest: 1 << 30, KeyHolders: 13, Coefficient: 1})
	if err == nil || !strings.Contains(err.Error(), "fewer parties") {
		t.Errorf("twelve products: error is %v, want one that says what to do", err)
	}
}

// The figures of the prototype in protocol.md: for two parties, 2^26 and 1024 blocks, B lies above the measured 2^46.
func TestNoiseBoundGolden(t *testing.T) {
	s := Set{LogN: 13, Q: rows[2].Q, T: 0x3ff0001}
	b := s.NoiseBound(Need{Products: 1, Slots: 1 << 23, Largest: 1, KeyHolders: 3, Coefficient: 1})
	if exponent := b.MantExp(nil); exponent != 52 {
		t.Fatalf("log2 B is %d, want 52", exponent)
	}
}

// Any answer in range comes back through encoding and decoding, under any noise within the bound, and noise beyond it
// is reported rather than decoded to a wrong number.
func TestDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need := needs(t)
		s, err := Choose(need)
		if err != nil {
			t.Skip("no row")
		}
		z := rapid.Int64Range(-int64(s.T/2), int64(s.T/2)).Draw(t, "answer")
		limit, _ := s.RemainderBound(need).Int(nil)
		e := new(big.Int).Quo(limit, big.NewInt(rapid.Int64Range(2, 1<<40).Draw(t, "noise divisor")))
		if rapid.Bool().Draw(t, "negative") {
			e.Neg(e)
		}
		sum := new(big.Int).Add(s.EncodeNoise(z), e)
		got, err := s.Decode(sum, need)
		if err != nil || got != z {
			t.Fatalf("decoded %d, %v, want %d", got, err, z)
		}
		sum.Add(s.EncodeNoise(z), limit.Add(limit, big.NewInt(1<<10)))
		if _, err = s.Decode(sum, need); !errors.Is(err, ErrRemainder) && s.Modulus().BitLen() > limit.BitLen()+2 {
			t.Fatalf("noise beyond the bound: error is %v", err)
		}
	})
}

// Scalars off the wire have exactly one length and lie below Q.
func TestScalarEncoding(t *testing.T) {
	s := Set{LogN: 13, Q: rows[0].Q, T: plaintextModuli[3]}
	x := new(big.Int).Sub(s.Modulus(), big.NewInt(1))
	encoded := s.AppendScalar(nil, x)
	if back, err := s.ParseScalar(encoded); err != nil || back.Cmp(x) != 0 {
		t.Fatalf("round trip gives %v, %v", back, err)
	}
	tooLarge := s.Modulus().FillBytes(make([]byte, s.ScalarBytes()))
	for _, bad := range [][]byte{nil, encoded[1:], append(encoded, 0), tooLarge} {
		if _, err := s.ParseScalar(bad); err == nil {
			t.Errorf("accepted %d bytes %x", len(bad), bad)
		}
	}
}
