package match

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/sotto-dev/sotto/internal/canon"
)

// Digest hashes a list while it passes: SHA-256 of [canon.Encode] under "sotto/v1/match/list" of struct{Points [][32]byte}.
// Nothing but the points in their order is in it, so that the same list has the same digest in every pass.
type Digest struct {
	hash hash.Hash
	left int
}

// NewDigest starts the digest of a list that is announced to have that many points: 0…[MaxPoints], or [ErrCount].
func NewDigest(count int) (*Digest, error) {
	if count < 0 || count > MaxPoints {
		return nil, ErrCount
	}
	h := sha256.New()
	prefix := canon.Encode("sotto/v1/match/list", struct{ Points []byte }{})
	h.Write(prefix[:len(prefix)-4])
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(count)))
	return &Digest{h, count}, nil
}

// Add takes the next chunk. More points than were announced are an [ErrCount].
func (d *Digest) Add(chunk Points) error {
	if d.left -= len(chunk); d.left < 0 {
		return ErrCount
	}
	for i := range chunk {
		d.hash.Write(chunk[i][:])
	}
	return nil
}

// Sum returns the digest. Fewer points than were announced are an [ErrCount].
func (d *Digest) Sum() ([32]byte, error) {
	if d.left != 0 {
		return [32]byte{}, ErrCount
	}
	return [32]byte(d.hash.Sum(nil)), nil
}

// Digest returns the digest of a whole list.
func (p Points) Digest() ([32]byte, error) {
	d, err := NewDigest(len(p))
	if err != nil {
		return [32]byte{}, err
	}
	if err := d.Add(p); err != nil {
		return [32]byte{}, err
	}
	return d.Sum()
}
