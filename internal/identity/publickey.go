// Package identity says who a node is: one Ed25519 key per node (RFC 8032), which signs what the node says and proves
// its end of every TLS connection. An agreement names the keys of all members; there is no certificate authority.
package identity

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
)

const keyPrefix = "ed25519:"

// PublicKey is a node's Ed25519 public key, the thing that an agreement pins. It is its own fingerprint.
type PublicKey [32]byte

// ParsePublicKey reads the one text that [PublicKey.String] writes for a key, and refuses keys that [PublicKey.Check]
// refuses. Errors are of kind fault.Invalid.
func ParsePublicKey(s string) (PublicKey, error) {
	var key PublicKey
	encoded, found := strings.CutPrefix(s, keyPrefix)
	if !found || len(encoded) != base64.RawURLEncoding.EncodedLen(len(key)) {
		return PublicKey{}, fault.New(fault.Invalid,
			"public key %s: must be %q and 43 characters of unpadded URL-safe base64", quoted(s), keyPrefix)
	}
	// Strict: a last character with stray bits would be a second text for the same key. The decoder skips line ends.
	n, err := base64.RawURLEncoding.Strict().Decode(key[:], []byte(encoded))
	if err != nil || n != len(key) {
		return PublicKey{}, fault.New(fault.Invalid, "public key %s: not unpadded URL-safe base64 of 32 bytes", quoted(s))
	}
	if err := key.Check(); err != nil {
		return PublicKey{}, err
	}
	return key, nil
}

// String returns "ed25519:" and the key in unpadded URL-safe base64 (RFC 4648, section 5): 51 characters.
func (p PublicKey) String() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(p[:]) }

// Short returns the first 8 characters of the key's base64, enough to tell members apart in a log. Never compare by it.
func (p PublicKey) Short() string { return base64.RawURLEncoding.EncodeToString(p[:6]) }

// MarshalText writes the key as [PublicKey.String] does.
func (p PublicKey) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a key as [ParsePublicKey] does.
func (p *PublicKey) UnmarshalText(text []byte) error {
	key, err := ParsePublicKey(string(text))
	if err != nil {
		return err
	}
	*p = key
	return nil
}

// Check refuses the zero key, which is what a forgotten one looks like, and the other encodings of points of small order,
// under which anybody can sign: Ed25519 verification as in RFC 8032 does not rule them out.
func (p PublicKey) Check() error {
	if p == (PublicKey{}) {
		return fault.New(fault.Invalid, "public key missing")
	}
	p[31] &= 0x7f // the sign of x
	for _, weak := range smallOrder {
		if p == weak {
			return fault.New(fault.Invalid, "public key %s: a point of small order, under which anybody can sign", p)
		}
	}
	return nil
}

// smallOrder lists the y coordinates of the eight points whose order divides 8, little-endian, with those that also have
// an encoding at or above p = 2^255 − 19 (the same list is in libsodium's ge25519_has_small_order).
var smallOrder = [...]PublicKey{
	{},                       // order 4
	{1},                      // order 1
	almostPrime(0xec),        // p − 1: order 2
	almostPrime(0xed),        // p, that is 0
	almostPrime(0xee),        // p + 1, that is 1
	PublicKey(orderEightLow), // order 8
	PublicKey(orderEightHigh),
}

var orderEightLow = [32]byte{
	0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
	0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
}

var orderEightHigh = [32]byte{
	0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
	0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
}

// almostPrime returns the little-endian number whose lowest byte is low, near p.
func almostPrime(low byte) PublicKey {
	var y PublicKey
	for i := range y {
		y[i] = 0xff
	}
	y[0], y[31] = low, 0x7f
	return y
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CheckName refuses what cannot name a node: a name is a lower-case letter and up to 62 lower-case letters, digits and
// underscores. The error is of kind fault.Invalid.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fault.New(fault.Invalid,
			"name %s: must be a lower-case letter and up to 62 lower-case letters, digits and underscores", quoted(name))
	}
	return nil
}

// quoted returns s for an error message, cut if it is longer than anything that was meant.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%q", s)
}
