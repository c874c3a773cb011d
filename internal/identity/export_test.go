package identity

import (
	"crypto/ed25519"
	"time"
)

// FromSeed returns the key of an RFC 8032 seed, for golden vectors.
func FromSeed(seed [32]byte, name string) *Key {
	key, err := certified(ed25519.NewKeyFromSeed(seed[:]), name, time.Now())
	if err != nil {
		panic(err)
	}
	return key
}

// GenerateFor returns a key whose certificate has these dates.
func GenerateFor(notBefore, notAfter time.Time) *Key {
	key, err := Generate()
	if err == nil {
		key, err = certifiedFor(key.private, "test", notBefore, notAfter)
	}
	if err != nil {
		panic(err)
	}
	return key
}

// SmallOrder is the list that PublicKey.Check refuses.
var SmallOrder = smallOrder[:]
