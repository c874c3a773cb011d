// Package he is the encrypted block algebra: joint keys, blocks of slots encrypted under them, products with plaintext
// blocks, and the scalars by which key-holders open one coefficient. It is the only importer of lattigo, does no I/O,
// and lets no byte from the wire reach lattigo's decoders: blocks have a codec of their own, with one length and every
// residue checked.
//
// A block encrypts n integers modulo t, one per slot: its plaintext is the polynomial m(X) mod t whose values at the n
// primitive 2n-th roots of unity are the slots. Products are slot by slot, and the sum over all slots is n times the
// constant coefficient of m; that coefficient is all that is ever opened. A plaintext m is carried as t⁻¹·m mod Q.
package he

import (
	"fmt"
	"math/big"
	"sync"

	"github.com/tuneinsight/lattigo/v5/ring"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/params"
)

// Ring holds the tables for one set of parameters. Immutable; safe for concurrent use.
type Ring struct {
	set       params.Set
	q         *ring.Ring
	t         *ring.SubRing
	tInverse  []uint64   // t⁻¹ mod each prime of Q, in Montgomery form
	degree    []uint64   // n⁻¹ mod each prime of Q, in Montgomery form
	crt       []*big.Int // per prime of Q: (Q/q)·((Q/q)⁻¹ mod q)
	modulus   *big.Int
	bits      []int // bits per residue on the wire, per prime
	polyBytes int
}

var (
	ringsMutex sync.Mutex
	rings      = map[[32]byte]*Ring{} // by hash of the set; a handful of table rows, each some megabytes
)

// NewRing returns the tables for a set that params.Choose returned; they are computed once per process.
func NewRing(set params.Set) (*Ring, error) {
	id := canon.Hash("sotto/v1/params", set)
	ringsMutex.Lock()
	defer ringsMutex.Unlock()
	if r, ok := rings[id]; ok {
		return r, nil
	}
	r, err := newRing(set)
	if err != nil {
		return nil, fmt.Errorf("build ring: %w", err)
	}
	rings[id] = r
	return r, nil
}

func newRing(set params.Set) (*Ring, error) {
	q, err := ring.NewRing(set.N(), set.Q)
	if err != nil {
		return nil, err
	}
	t, err := ring.NewRing(set.N(), []uint64{set.T})
	if err != nil {
		return nil, err
	}
	r := &Ring{set: set, q: q, t: t.SubRings[0], modulus: set.Modulus()}
	for i, s := range r.q.SubRings {
		r.tInverse = append(r.tInverse, inverse(set.T, s))
		r.degree = append(r.degree, inverse(uint64(set.N()), s))
		prime := new(big.Int).SetUint64(s.Modulus)
		rest := new(big.Int).Quo(r.modulus, prime)
		r.crt = append(r.crt, new(big.Int).Mul(rest, new(big.Int).ModInverse(rest, prime)))
		r.bits = append(r.bits, prime.BitLen())
		r.polyBytes += r.rowBytes(i)
	}
	return r, nil
}

// inverse returns x⁻¹ modulo the prime of s, in Montgomery form.
func inverse(x uint64, s *ring.SubRing) uint64 {
	prime := new(big.Int).SetUint64(s.Modulus)
	inv := new(big.Int).ModInverse(new(big.Int).SetUint64(x), prime).Uint64()
	return ring.MForm(inv, s.Modulus, s.BRedConstant)
}

// Set returns the parameters.
func (r *Ring) Set() params.Set { return r.set }

// ConstantTerm returns the constant coefficient in [0, Q) of a polynomial in the form in which blocks carry it.
// That form lists the values at all 2n-th primitive roots, so the coefficient is their mean.
func (r *Ring) constantTerm(p ring.Poly) *big.Int {
	sum := new(big.Int)
	for i, s := range r.q.SubRings {
		var residue uint64
		for _, x := range p.Coeffs[i] {
			residue = ring.CRed(residue+x, s.Modulus)
		}
		residue = ring.MRed(residue, r.degree[i], s.Modulus, s.MRedConstant)
		sum.Add(sum, new(big.Int).Mul(r.crt[i], new(big.Int).SetUint64(residue)))
	}
	return sum.Mod(sum, r.modulus)
}
