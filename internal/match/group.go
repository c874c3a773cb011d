// Package match is the arithmetic of the private matching (protocol.md, "Matching"): the group, lists of its points,
// what a party keeps secret, its dummies, and the spine. It does no input or output but the reading of crypto/rand, and
// knows neither parties nor the coordinator; whoever drives it moves the lists, signs them and seals them.
//
// The group is ristretto255 (RFC 9496): prime order, 32-byte encodings, exactly one for each element. Decoding, multiplying
// and encoding one point took 57 µs of one core with github.com/gtank/ristretto255, and as long (0.9 to 1.1 times) with
// P-256, in the assembly of filippo.io/nistec; in this package, in the same runs, 0.93 times as long, and 0.7 times for each
// of two multiples of one point. What makes the difference is that a whole list is raised to one exponent: encodings share
// their inversions and need no square root ([Exponent]), and two multiples of a point share their doublings ([RaiseTwo]).
// That takes coordinates, which packages of ristretto255 rightly hide. So this package has its own point arithmetic, over
// the field arithmetic of filippo.io/edwards25519 (the Go standard library's, as a module); its tests compare it with
// github.com/gtank/ristretto255.
//
// Nothing here branches on a secret or uses one as an address. A neighbour on the same processor would otherwise see the same
// digits a hundred thousand times over. (Windows of variable time would save about an eighth, by counting operations.)
package match

import (
	"crypto/rand"
	"fmt"

	"filippo.io/edwards25519"
)

// PointSize is the length of an encoded point.
const PointSize = 32

// Point is the canonical encoding of an element of the group. One that came from elsewhere may be any 32 bytes; [Raise]
// and [Check] refuse what is none, and the identity.
type Point [PointSize]byte

// Exponent is a secret, non-zero number modulo the order of the group. It prints as nothing but its name. The zero value
// stands for one that was forgotten.
type Exponent struct {
	// Half of it, modulo the order, as Σ digits[i]·16^i with digits of −8…8; for doubles are cheaper to encode.
	digits [64]int8
}

// Format writes "match.Exponent" whatever the verb.
func (*Exponent) Format(s fmt.State, _ rune) { fmt.Fprint(s, "match.Exponent") }

// forget erases it.
func (e *Exponent) forget() { clear(e.digits[:]) }

func (e *Exponent) forgotten() bool { return e.digits == [64]int8{} }

var half = func() *edwards25519.Scalar {
	two := make([]byte, 32)
	two[0] = 2
	s, err := edwards25519.NewScalar().SetCanonicalBytes(two)
	if err != nil {
		panic(err)
	}
	return s.Invert(s)
}()

// set makes e stand for s, which must not be 0.
func (e *Exponent) set(s *edwards25519.Scalar) {
	halved := edwards25519.NewScalar().Multiply(s, half)
	bytes := halved.Bytes()
	defer clear(bytes)
	defer erase(halved)
	for i, b := range bytes {
		e.digits[2*i] = int8(b & 15)
		e.digits[2*i+1] = int8(b >> 4)
	}
	// From 0…15 to −8…7, the last one to 0…2: the order is below 2^253.
	for i := range 63 {
		carry := (e.digits[i] + 8) >> 4
		e.digits[i] -= carry << 4
		e.digits[i+1] += carry
	}
}

func erase(s *edwards25519.Scalar) { s.Set(edwards25519.NewScalar()) }

// randomScalar returns a fresh scalar, uniform but for a bias below 2^−250, and not 0.
func randomScalar() *edwards25519.Scalar {
	for {
		var b [64]byte
		rand.Read(b[:]) // never fails: the process stops if the system has no randomness
		s, err := edwards25519.NewScalar().SetUniformBytes(b[:])
		clear(b[:])
		if err == nil && s.Equal(edwards25519.NewScalar()) == 0 {
			return s
		}
	}
}
