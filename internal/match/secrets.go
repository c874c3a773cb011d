package match

import (
	"fmt"

	"filippo.io/edwards25519"
)

// Secrets are what one party keeps to itself in one matching. They are drawn afresh for each, and erased at its end, in
// whatever way it ends: two matchings with the same secrets would show who was there both times.
type Secrets struct {
	Token Exponent // a: makes an id's hash a token, pass A
	Slot  Exponent // k: makes a point of pass A one of the spine, pass C
	Turn  Exponent // k/a: makes a token a point of the spine, passes B and C
}

// NewSecrets draws secrets from crypto/rand.
func NewSecrets() *Secrets {
	a, k := randomScalar(), randomScalar()
	turn := edwards25519.NewScalar().Invert(a)
	turn.Multiply(turn, k)
	s := &Secrets{}
	s.Token.set(a)
	s.Slot.set(k)
	s.Turn.set(turn)
	for _, scalar := range []*edwards25519.Scalar{a, k, turn} {
		erase(scalar)
	}
	return s
}

// Forget overwrites the secrets. Nothing may be using them; whatever is asked of them afterwards is an error.
func (s *Secrets) Forget() {
	s.Token.forget()
	s.Slot.forget()
	s.Turn.forget()
}

// Format writes "match.Secrets" whatever the verb.
func (*Secrets) Format(s fmt.State, _ rune) { fmt.Fprint(s, "match.Secrets") }
