package match

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"github.com/gtank/ristretto255"
)

// Raising is what an independent implementation of ristretto255 computes, whatever the exponent and the number of points
// (batches end anywhere), by one exponent and by two at once.
func TestRaiseAgreesWithRistretto255(t *testing.T) {
	for _, n := range []int{0, 1, 2, batch - 1, batch, batch + 1, 3*batch + 5} {
		points, elements := randomPoints(t, n)
		one, s1 := randomExponent(t)
		two, s2 := randomExponent(t)
		want := func(s *ristretto255.Scalar) Points {
			var out Points
			for _, e := range elements {
				out = append(out, Point(ristretto255.NewIdentityElement().ScalarMult(s, e).Bytes()))
			}
			return out
		}
		single, err := Raise(nil, points, one)
		must(t, err)
		first, second, err := RaiseTwo(points, one, two)
		must(t, err)
		same(t, single, want(s1))
		same(t, first, want(s1))
		same(t, second, want(s2))
		inPlace, err := Raise(points, points, two)
		must(t, err)
		same(t, inPlace, want(s2))
	}
}

// Exponents at the ends of the range and of the digits are like all others.
func TestRaiseAtTheEnds(t *testing.T) {
	points, elements := randomPoints(t, 1)
	order, _ := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	order[0]-- // −1 modulo the order
	ends := [][]byte{order, bytes.Repeat([]byte{0x88}, 31), bytes.Repeat([]byte{0x77}, 31), {1}, {2}, {16}, {0xf0, 0xff, 0xff}}
	other, _ := randomExponent(t)
	for _, end := range ends {
		encoded := append(end, make([]byte, 32-len(end))...)
		e := &Exponent{}
		inner, err := edwards25519.NewScalar().SetCanonicalBytes(encoded)
		must(t, err)
		e.set(inner)
		s, err := ristretto255.NewScalar().SetCanonicalBytes(encoded)
		must(t, err)
		want := Points{Point(ristretto255.NewIdentityElement().ScalarMult(s, elements[0]).Bytes())}
		got, err := Raise(nil, points, e)
		must(t, err)
		same(t, got, want)
		_, got, err = RaiseTwo(points, other, e)
		must(t, err)
		same(t, got, want)
	}
}

// What RFC 9496, appendix A.3, says must be refused, is; so is the identity; whatever place of a list it stands at.
func TestMalformedPointsAreRefused(t *testing.T) {
	bad := []string{
		strings.Repeat("00", 32), // the identity
		// Non-canonical field encodings.
		"00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		// Negative field elements.
		"0100000000000000000000000000000000000000000000000000000000000000",
		"01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
		"c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
		"c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
		"47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
		"f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
		"87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
		// Non-square x².
		"26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
		"4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
		"de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
		"bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
		"2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
		"f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
		"8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
		"2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
		// Negative xy.
		"3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
		"a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
		"d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
		"8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
		"32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
		"227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
		"5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
		"445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
		// y = 0.
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	}
	e, _ := randomExponent(t)
	good, _ := randomPoints(t, batch+30)
	must(t, Check(good))
	for i, text := range bad {
		encoded, err := hex.DecodeString(text)
		must(t, err)
		points := slices.Clone(good)
		points[i*7%len(points)] = Point(encoded)
		if _, err := Raise(nil, points, e); err == nil {
			t.Errorf("%s: raised", text)
		}
		if _, _, err := RaiseTwo(points, e, e); err == nil {
			t.Errorf("%s: raised twice", text)
		}
		if err := Check(points); err == nil {
			t.Errorf("%s: checked", text)
		}
	}
}

// Secrets cancel: a token turned is a slot's point. No verb prints them, and once forgotten they raise nothing.
func TestSecrets(t *testing.T) {
	points, _ := randomPoints(t, 3)
	s := NewSecrets()
	tokens, slots, err := RaiseTwo(points, &s.Token, &s.Slot)
	must(t, err)
	turned, err := Raise(nil, tokens, &s.Turn)
	must(t, err)
	same(t, turned, slots)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, value := range []any{s, &s.Token} {
			if text := fmt.Sprintf(verb, value); text != "match.Secrets" && text != "match.Exponent" {
				t.Errorf("%s prints %q", verb, text)
			}
		}
	}
	s.Forget()
	if *s != (Secrets{}) {
		t.Error("something is left of forgotten secrets")
	}
	if _, err := Raise(nil, points, &s.Token); err == nil {
		t.Error("a forgotten secret raises")
	}
	if _, _, err := RaiseTwo(points, &NewSecrets().Token, &s.Slot); err == nil {
		t.Error("a forgotten secret raises")
	}
}

// An input that decodes is one that another implementation takes, the identity apart, and stays what it is when it is
// raised to 1.
func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(ristretto255.NewGeneratorElement().Bytes())
	one := &Exponent{}
	scalar, _ := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	one.set(scalar)
	f.Fuzz(func(t *testing.T, b []byte) {
		points, err := ParsePoints(b)
		if len(b)%PointSize != 0 {
			if err == nil {
				t.Fatal("parsed a part of a point")
			}
			return
		}
		good := true
		for i := range points {
			e, err := ristretto255.NewIdentityElement().SetCanonicalBytes(points[i][:])
			good = good && err == nil && e.Equal(ristretto255.NewIdentityElement()) == 0
		}
		raised, err := Raise(nil, points, one)
		if (err == nil) != good {
			t.Fatalf("raised: %v, should be: %v", err == nil, good)
		}
		if good {
			same(t, raised, points)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t testing.TB, got, want Points) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d points, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("point %d is %x, want %x", i, got[i], want[i])
		}
	}
}

func randomPoints(t testing.TB, n int) (Points, []*ristretto255.Element) {
	t.Helper()
	points := make(Points, n)
	elements := make([]*ristretto255.Element, n)
	for i := range points {
		var b [64]byte
		rand.Read(b[:])
		e, err := ristretto255.NewIdentityElement().SetUniformBytes(b[:])
		must(t, err)
		points[i], elements[i] = Point(e.Bytes()), e
	}
	return points, elements
}

func randomExponent(t testing.TB) (*Exponent, *ristretto255.Scalar) {
	t.Helper()
	inner := randomScalar()
	s, err := ristretto255.NewScalar().SetCanonicalBytes(inner.Bytes())
	must(t, err)
	e := &Exponent{}
	e.set(inner)
	return e, s
}
