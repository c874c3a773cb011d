// Package ids turns what a company calls a customer into the 16 bytes by which all companies know that person.
//
// An id as a file has it is first normalised, so that spelling does not make two people of one, then hashed under its
// type. Two parties that declare the same type give one person equal ids, and an id of one type never equals one of
// another. The rules of each type stand at its [Type]; testdata/vectors.json has a table of examples with the reason of
// each, for other implementations to be checked against.
//
// An [ID] is not a secret: whoever can list the possible ids can hash them all. It never leaves the party that made it.
package ids

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/canon"
)

// Type says what a party's ids are, and so how they are normalised.
type Type string

const (
	// Opaque ids are compared byte for byte: no trimming, no folding. One that is empty or only blanks is nobody.
	Opaque Type = "opaque"
	// Email ids are addresses: composed (NFC), trimmed of blanks, in lower case. Nothing else is done to them: dots and tags
	// ("+news") are kept, but for the domains of [Rules], and so is the spelling of international domains. See
	// [Normalizer.Normalize] for what is nobody.
	Email Type = "email"
	// Phone ids are numbers, written in E.164 ("+493012345678"). What has no possible length in its country, and what has
	// an extension, is nobody.
	Phone Type = "phone"
)

// ID identifies a customer: the first 16 bytes of [canon.Hash] under the domain "sotto/v1/id" of
// struct{Type, Value string}, where Value is the normalised id.
type ID [16]byte

const domain = "sotto/v1/id"

// Normalizer normalises and hashes the ids of one party. It is a plain value, safe for concurrent use.
type Normalizer struct {
	Type Type
	// Country is where phone numbers without a +prefix are from (ISO 3166 alpha-2, "DE"). Empty: they are nobody.
	// It must be empty for other types.
	Country string
	// Rules say what domains ignore in addresses. Nil, for none, for other types.
	Rules *Rules
}

// Check returns an error if the type is unknown, the country is or does not belong to phone numbers, or the rules do not
// belong to addresses.
func (n Normalizer) Check() error {
	if n.Rules != nil && n.Type != Email {
		return fmt.Errorf("rules for domains are for ids of type %q, ids here are of type %q", Email, n.Type)
	}
	switch n.Type {
	case Opaque, Email:
		if n.Country != "" {
			return fmt.Errorf("country %q is for phone numbers, ids here are of type %q", n.Country, n.Type)
		}
		return nil
	case Phone:
		return checkCountry(n.Country)
	default:
		return fmt.Errorf("identity type %q is not one of %q, %q, %q", n.Type, Opaque, Email, Phone)
	}
}

// Normalize returns the one spelling of raw that all others of the same person have too, and false if raw is nobody:
// empty, only blanks, not UTF-8, or malformed. An e-mail address is malformed unless it is one non-empty local part and
// one non-empty domain around a single "@", with no blank inside, and something is left of its local part when what its
// domain ignores is gone. Blanks are white space (Unicode White_Space),
// control characters and invisible format characters (zero-width space, byte order mark, directional marks).
//
// Normalizing what was normalised changes nothing, except for phone numbers that a country's own rules rewrite again.
func (n Normalizer) Normalize(raw string) (string, bool) {
	value, ok := n.appendNormal(nil, raw)
	return string(value), ok
}

// ID returns the id of the person that raw names, and false if raw is nobody. It keeps no reference to raw.
func (n Normalizer) ID(raw string) (ID, bool) {
	// Addresses of up to about 100 bytes, that is all of them, cost no allocation.
	var buffer [160]byte
	b := append(buffer[:0], n.prefix()...)
	start := len(b) + 4
	b, ok := n.appendNormal(b[:start], raw)
	if !ok {
		return ID{}, false
	}
	binary.BigEndian.PutUint32(b[start-4:], uint32(len(b)-start))
	sum := sha256.Sum256(b)
	return ID(sum[:16]), true
}

// The canonical encodings of domain and type, up to the length of the value.
var (
	opaquePrefix = prefixOf(Opaque)
	emailPrefix  = prefixOf(Email)
	phonePrefix  = prefixOf(Phone)
)

func prefixOf(t Type) []byte {
	encoded := canon.Encode(domain, struct{ Type, Value string }{string(t), ""})
	return encoded[:len(encoded)-4]
}

func (n Normalizer) prefix() []byte {
	switch n.Type {
	case Email:
		return emailPrefix
	case Phone:
		return phonePrefix
	default:
		return opaquePrefix
	}
}

func (n Normalizer) appendNormal(out []byte, raw string) ([]byte, bool) {
	switch n.Type {
	case Opaque:
		if !utf8.ValidString(raw) || strings.TrimFunc(raw, isBlank) == "" {
			return nil, false
		}
		return append(out, raw...), true
	case Email:
		start := len(out)
		out, ok := appendEmail(out, raw)
		if !ok || n.Rules == nil {
			return out, ok
		}
		return n.Rules.reduce(out, start)
	case Phone:
		return appendPhone(out, raw, n.Country)
	default:
		return nil, false
	}
}

// isBlank tells characters that leave no mark on a page: copied along by accident, never part of a name.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
