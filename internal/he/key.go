package he

import (
	"crypto/sha3"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// Share is one key-holder's part of the joint key of one session: for every lane s_i, uniform ternary, and
// b_i = −a·s_i + e_i. The joint secrets Σ s_i never exist anywhere.
type Share struct {
	ring    *Ring
	secrets []ring.Poly // by lane: transformed, Montgomery form; none once erased
	public  []byte
}

// NewShare draws a share of that many lanes, at least 1, for the session with that transcript hash, from which the common
// polynomial a is expanded.
func (r *Ring) NewShare(transcript [32]byte, lanes int) (*Share, error) {
	random := newSampler()
	defer random.erase()
	small := make([]int8, r.set.N())
	defer clear(small)
	a := r.common(transcript)
	share := &Share{ring: r}
	for range lanes {
		if err := random.ternary(small); err != nil {
			return nil, fmt.Errorf("draw key share: %w", err)
		}
		secret := r.q.NewPoly()
		r.spread(small, secret)
		r.q.NTT(secret, secret)
		r.q.MForm(secret, secret)
		share.secrets = append(share.secrets, secret)

		if err := random.gaussian(small); err != nil {
			return nil, fmt.Errorf("draw key share: %w", err)
		}
		b := r.q.NewPoly()
		r.spread(small, b)
		r.q.NTT(b, b)
		r.q.MulCoeffsMontgomeryThenSub(a, secret, b)
		share.public = r.appendPoly(share.public, b)
	}
	return share, nil
}

// Public returns the encodings of all b_i, lane by lane. The caller must not change it.
func (s *Share) Public() []byte { return s.public }

// Erase overwrites the secrets. A share that is erased opens nothing any more.
func (s *Share) Erase() {
	for _, secret := range s.secrets {
		secret.Zero()
	}
	s.secrets = nil
}

// Scalars returns [s_i·c1]_0 in [0, Q) for an encoded c1 and each of its first lanes: this key-holder's part in opening their
// constant coefficients, without any noise or flooding, so it must not leave the machine like this. The error wraps
// [ErrMalformed], or says that the share has not so many lanes.
func (s *Share) Scalars(c1 []byte, lanes int) ([]*big.Int, error) {
	if lanes > len(s.secrets) {
		return nil, fmt.Errorf("open %d lanes with a key share that has %d, or was erased", lanes, len(s.secrets))
	}
	in, product := s.ring.q.NewPoly(), s.ring.q.NewPoly()
	if err := s.ring.readPoly(c1, in); err != nil {
		return nil, err
	}
	scalars := make([]*big.Int, lanes)
	for i := range scalars {
		s.ring.q.MulCoeffsMontgomery(in, s.secrets[i], product)
		scalars[i] = s.ring.constantTerm(product)
	}
	return scalars, nil
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
	a    ring.Poly   // the common one: transformed, Montgomery form
	b    []ring.Poly // by lane: Σ b_i, likewise
	sum  []byte
}

// JoinKey adds up the encoded shares of all key-holders, each of that many lanes; the error wraps [ErrMalformed] and names
// the index.
func (r *Ring) JoinKey(transcript [32]byte, shares [][]byte, lanes int) (*PublicKey, error) {
	k := &PublicKey{ring: r, a: r.common(transcript)}
	for range lanes {
		k.b = append(k.b, r.q.NewPoly())
	}
	one := r.q.NewPoly()
	for i, encoded := range shares {
		if len(encoded) != lanes*r.polyBytes {
			return nil, fmt.Errorf("add up public key: share %d: %w: %d bytes, must be %d", i, ErrMalformed, len(encoded), lanes*r.polyBytes)
		}
		for lane := range lanes {
			if err := r.readPoly(encoded[lane*r.polyBytes:(lane+1)*r.polyBytes], one); err != nil {
				return nil, fmt.Errorf("add up public key: share %d: %w", i, err)
			}
			r.q.Add(k.b[lane], one, k.b[lane])
		}
	}
	r.q.MForm(k.a, k.a)
	for _, b := range k.b {
		k.sum = r.appendPoly(k.sum, b)
		r.q.MForm(b, b)
	}
	return k, nil
}

// Sum returns the encoding of Σ b_i, which together with the transcript is the key. The caller must not change it.
func (k *PublicKey) Sum() []byte { return k.sum }
