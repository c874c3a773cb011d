package he

import (
	"crypto/rand"
	"crypto/sha3"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/ring"
)

// Share is one key-holder's part of the joint key of one session: s_i, uniform ternary, and b_i = −a·s_i + e_i.
// The joint secret Σ s_i never exists anywhere.
type Share struct {
	ring   *Ring
	secret ring.Poly // transformed, Montgomery form; nil rows once erased
	public []byte
}

// NewShare draws a share for the session with that transcript hash, from which the common polynomial a is expanded.
func (r *Ring) NewShare(transcript [32]byte) (*Share, error) {
	ternary, err := ring.NewTernarySampler(rand.Reader, r.q, rlwe.DefaultXs, false)
	if err != nil {
		return nil, fmt.Errorf("draw key share: %w", err)
	}
	secret := ternary.ReadNew()
	r.q.NTT(secret, secret)
	r.q.MForm(secret, secret)

	b := ring.NewGaussianSampler(rand.Reader, r.q, rlwe.DefaultXe, false).ReadNew()
	r.q.NTT(b, b)
	r.q.MulCoeffsMontgomeryThenSub(r.common(transcript), secret, b)
	return &Share{ring: r, secret: secret, public: r.appendPoly(nil, b)}, nil
}

// Public returns the encoding of b_i. The caller must not change it.
func (s *Share) Public() []byte { return s.public }

// Erase overwrites the secret. A share that is erased opens nothing any more.
func (s *Share) Erase() {
	s.secret.Zero()
	s.secret = ring.Poly{}
}

// Scalar returns [s_i·c1]_0 in [0, Q) for an encoded c1: this key-holder's part in opening the constant coefficient,
// without any noise or flooding, so it must not leave the machine like this. The error wraps [ErrMalformed].
func (s *Share) Scalar(c1 []byte) (*big.Int, error) {
	if s.secret.Coeffs == nil {
		return nil, fmt.Errorf("open with an erased key share")
	}
	product := s.ring.q.NewPoly()
	if err := s.ring.readPoly(c1, product); err != nil {
		return nil, err
	}
	s.ring.q.MulCoeffsMontgomery(product, s.secret, product)
	return s.ring.constantTerm(product), nil
}

// common expands a, uniform modulo Q, from the transcript hash: per prime, in the order of Q, SHAKE256 of
// "sotto/v1/common" ‖ transcript ‖ index (4 bytes) is cut into 8-byte big-endian words, reduced to the prime's bit
// length, and words that are not below the prime are rejected. The words are the values at the roots of unity.
func (r *Ring) common(transcript [32]byte) ring.Poly {
	a := r.q.NewPoly()
	var buffer [1024]byte
	for i, s := range r.q.SubRings {
		xof := sha3.NewSHAKE256()
		xof.Write([]byte("sotto/v1/common"))
		xof.Write(transcript[:])
		xof.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		row := a.Coeffs[i]
		for filled := 0; filled < len(row); {
			xof.Read(buffer[:])
			for at := 0; at < len(buffer) && filled < len(row); at += 8 {
				if x := binary.BigEndian.Uint64(buffer[at:]) & s.Mask; x < s.Modulus {
					row[filled] = x
					filled++
				}
			}
		}
	}
	return a
}

// PublicKey is the joint public key of one session, added up by its user itself.
type PublicKey struct {
	ring *Ring
	key  *rlwe.PublicKey
	sum  []byte
}

// JoinKey adds up the encoded shares b_i of all key-holders; the error wraps [ErrMalformed] and names the index.
func (r *Ring) JoinKey(transcript [32]byte, shares [][]byte) (*PublicKey, error) {
	key := rlwe.NewPublicKey(r.rlwe)
	b, one := key.Value[0].Q, r.q.NewPoly()
	for i, encoded := range shares {
		if err := r.readPoly(encoded, one); err != nil {
			return nil, fmt.Errorf("add up public key: share %d: %w", i, err)
		}
		r.q.Add(b, one, b)
	}
	sum := r.appendPoly(nil, b)
	r.q.MForm(b, b)
	r.q.MForm(r.common(transcript), key.Value[1].Q)
	return &PublicKey{ring: r, key: key, sum: sum}, nil
}

// Sum returns the encoding of Σ b_i, which together with the transcript is the key. The caller must not change it.
func (k *PublicKey) Sum() []byte { return k.sum }
