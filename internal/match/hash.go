package match

import (
	"crypto/sha512"
	"crypto/subtle"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/ids"
)

// hashTag is the domain separation tag of RFC 9380, section 3.1, with the name of the suite (appendix B).
const hashTag = "sotto/v1/match-with-ristretto255_XMD:SHA-512_R255MAP_RO_"

// Names under which what is hashed to the group is encoded.
const (
	idDomain    = "sotto/v1/match/id"
	dummyDomain = "sotto/v1/match/dummy"
)

// hasher hashes 16-byte names to the group: hash_to_ristretto255 of RFC 9380, appendix B, of [canon.Encode] under a domain
// of struct{Matching [32]byte; Name [16]byte}. Not safe for concurrent use.
//
// The matching is part of what is hashed, though fresh secrets alone make the points of two matchings unrelated. It costs
// nothing, for nothing about a hash is worth keeping, and should a secret ever be used twice, by a copied machine or a
// bad source of randomness, two matchings still have not one point in common. Dummies have a domain of their own: no
// person's id is ever a dummy.
type hasher struct {
	message []byte // its last 16 bytes are the name
}

func newHasher(domain string, matching [32]byte) *hasher {
	return &hasher{canon.Encode(domain, struct {
		Matching [32]byte
		Name     [16]byte
	}{Matching: matching})}
}

func (h *hasher) hash(p *extended, name ids.ID) {
	copy(h.message[len(h.message)-len(name):], name[:])
	hashToGroup(p, h.message, hashTag)
}

// hashToGroup is hash_to_ristretto255 of RFC 9380, appendix B.
func hashToGroup(p *extended, message []byte, tag string) {
	var bytes [64]byte
	expand(bytes[:], message, tag)
	p.uniform(&bytes)
}

// expand fills out as expand_message_xmd of RFC 9380, section 5.3.1, does with SHA-512. out has at most 255·64 bytes, a tag
// at most 255.
func expand(out, message []byte, tag string) {
	var zeros [sha512.BlockSize]byte
	var first, block [sha512.Size]byte
	h := sha512.New()
	h.Write(zeros[:])
	h.Write(message)
	h.Write([]byte{byte(len(out) >> 8), byte(len(out)), 0})
	h.Write([]byte(tag))
	h.Write([]byte{byte(len(tag))})
	h.Sum(first[:0])
	for i := byte(1); len(out) > 0; i++ {
		subtle.XORBytes(block[:], block[:], first[:])
		h.Reset()
		h.Write(block[:])
		h.Write([]byte{i})
		h.Write([]byte(tag))
		h.Write([]byte{byte(len(tag))})
		h.Sum(block[:0])
		out = out[copy(out, block[:]):]
	}
}
