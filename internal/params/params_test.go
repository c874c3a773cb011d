package params

import (
	"errors"
	"math"
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

// needs draws questions across the range of what can be asked; without products there are no vectors.
func needs(t *rapid.T) Need {
	need := Need{
		Products:    rapid.IntRange(0, 4).Draw(t, "products"),
		Largest:     rapid.Uint64Range(1, 1<<21).Draw(t, "largest"),
		KeyHolders:  rapid.IntRange(2, 8).Draw(t, "key-holders"),
		Coefficient: rapid.Uint64Range(1, 16).Draw(t, "coefficient"),
	}
	if need.Products > 0 {
		need.Slots = uint64(1) << rapid.IntRange(20, 26).Draw(t, "log slots")
	}
	return need
}

// Whatever is chosen carries the answer and the bound; a need that is larger in any respect never gets less room, nor a bound
// that is lower.
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
		more := need
		switch rapid.IntRange(0, 4).Draw(t, "more of") {
		case 0:
			if more.Products++; more.Slots == 0 {
				more.Slots = 1 << 20
			}
		case 1:
			more.Slots *= 2
		case 2:
			more.Largest *= 2
		case 3:
			more.KeyHolders++
		case 4:
			more.Coefficient *= 3
		}
		if s.NoiseBound(more).Cmp(s.NoiseBound(need)) < 0 || s.RemainderBound(more).Cmp(s.RemainderBound(need)) < 0 {
			t.Fatalf("the bound of %+v is below that of %+v", more, need)
		}
		if larger, err := Choose(more); err == nil && larger.Modulus().Cmp(s.Modulus()) < 0 {
			t.Fatalf("%+v gets less room than %+v", more, need)
		}
	})
}

// What is no question of this engine is refused: products of no vectors, vectors without a product, nobody to hold keys.
func TestNeedsThatMakeNoSense(t *testing.T) {
	good := Need{Products: 1, Slots: 1 << 20, Largest: 5, KeyHolders: 3, Coefficient: 1}
	for name, change := range map[string]func(*Need){
		"products below 0": func(n *Need) { n.Products = -1 },
		"no slots":         func(n *Need) { n.Slots = 0 },
		"no products":      func(n *Need) { n.Products = 0 },
		"one key-holder":   func(n *Need) { n.KeyHolders = 1 },
		"no coefficient":   func(n *Need) { n.Coefficient = 0 },
	} {
		need := good
		change(&need)
		if s, err := Choose(need); err == nil {
			t.Errorf("%s: chose %+v", name, s)
		}
	}
	if _, err := Choose(good); err != nil {
		t.Error(err)
	}
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

// Without products nothing stretches the noise of a fresh encryption: 9.5·3.2·√(1 + 4·2^13·3/3)·8 = 44024.574, times Σ|coef|.
// The first row has room for it, and twice as many key-holders' flooding.
func TestNoiseBoundWithoutProducts(t *testing.T) {
	need := Need{Largest: 1000, KeyHolders: 3, Coefficient: 1}
	s, err := Choose(need)
	if err != nil || s.LogN != 13 || len(s.Q) != 2 || s.T != plaintextModuli[0] {
		t.Fatalf("chose %+v, %v", s, err)
	}
	for _, coefficient := range []uint64{1, 7} {
		need.Coefficient = coefficient
		if b, _ := s.NoiseBound(need).Float64(); math.Abs(b-44024.574*float64(coefficient)) > 0.01 {
			t.Errorf("coefficient %d: B is %v", coefficient, b)
		}
	}
	need.Largest = 1 << 50
	if _, err := Choose(need); err == nil || strings.Contains(err.Error(), "2^-1") {
		t.Errorf("an answer of 50 bits: error is %v", err)
	}
}

// A polynomial's residues are packed to the bit length of their primes: two of 50 bits, 2^13 of each.
func TestPolyBytes(t *testing.T) {
	for i, want := range map[int]uint64{0: 2 * 50 * 8192 / 8, 3: 3 * 45 * 8192 / 8, 9: 5 * 50 * 16384 / 8} {
		if got := rows[i].PolyBytes(); got != want {
			t.Errorf("row %d: %d bytes, want %d", i, got, want)
		}
	}
}

// Any answer in range comes back through encoding and decoding, under any noise within the bound, and noise beyond it
// is reported rather than decoded to a wrong number.
func TestDecode(t *testing.T) {
	met := rapid.Custom(needs).Filter(func(n Need) bool {
		_, err := Choose(n)
		return err == nil
	})
	rapid.Check(t, func(t *rapid.T) {
		need := met.Draw(t, "need")
		s, err := Choose(need)
		if err != nil {
			t.Fatal(err)
		}
		z := rapid.Int64Range(-int64(s.T/2), int64(s.T/2)).Draw(t, "answer")
		limit, _ := s.RemainderBound(need).Int(nil)
		e := new(big.Int).Quo(limit, big.NewInt(rapid.Int64Range(2, 1<<40).Draw(t, "noise divisor")))
		if rapid.Bool().Draw(t, "negative") {
			e.Neg(e)
		}
		sum := new(big.Int).Add(s.Encode(z), e)
		got, err := s.Decode(sum, need)
		if err != nil || got != z {
			t.Fatalf("decoded %d, %v, want %d", got, err, z)
		}
		sum.Add(s.Encode(z), limit.Add(limit, big.NewInt(1<<10)))
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
