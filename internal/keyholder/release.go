package keyholder

import (
	"crypto/sha256"
	"math/big"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Charge is what a release costs at this key-holder.
type Charge struct {
	MicroEpsilon agreement.MicroEpsilon
	Delta        float64
}

// CheckHandOvers verifies all hand-overs of all chains against the plan (step 4); own are those that this key-holder
// signed itself, in the order of the plan.
func (s *Session) CheckHandOvers(signed []*sottov1.Signed, own []*sottov1.Signed) ([]protocol.HandOver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.advance(agreed, agreed); err != nil {
		return nil, err
	}
	handOvers, err := protocol.VerifyHandOvers(signed, s.Plan, s.agreement, s.Transcript, s.publicHash)
	if err != nil {
		return nil, s.fail(err)
	}
	mine := 0
	for i, h := range handOvers {
		if h.Party != s.name {
			continue
		}
		if mine >= len(own) || string(own[mine].GetBody()) != string(signed[i].GetBody()) {
			return nil, s.fail(fault.New(fault.Protocol, "a hand-over shown as %s's own is not the one it made", s.name))
		}
		mine++
	}
	return handOvers, nil
}

// Release opens every cell to the analyst (step 4): for each the scalar [s_i·Σ coef·c1]_0 + flooding + noise, sealed
// all together and signed. next returns the c1 of the next cell, chain by chain, as the last hops signed them; handOvers
// come from CheckHandOvers. The session's secrets are erased in any case, and may be at any time while next is waited for.
// The caller stores the result durably before it shows it to anybody.
func (s *Session) Release(handOvers []protocol.HandOver, next func() ([]byte, error), charge Charge) (*sottov1.SealedRelease, error) {
	if err := s.beginRelease(); err != nil {
		return nil, err
	}
	defer s.Erase()
	scalars := make([]*big.Int, s.Plan.Cells)
	for cell := range scalars {
		scalars[cell] = new(big.Int)
	}
	hop := -1
	for _, chain := range s.Plan.Chains {
		hop += len(chain.Hops)
		for cell, signed := range handOvers[hop].Cells {
			c1, err := next()
			if err != nil {
				return nil, err
			}
			if sha256.Sum256(c1) != signed.C1 {
				return nil, fault.New(fault.Protocol, "the result of cell %d is not the one that %s signed", cell, handOvers[hop].Party)
			}
			scalar, err := s.scalar(c1)
			if err != nil {
				return nil, fault.New(fault.Protocol, "release cell %d", cell).Wrap(err)
			}
			scalars[cell].Add(scalars[cell], scalar.Mul(scalar, big.NewInt(chain.Coefficient)))
		}
	}
	sealed, err := s.sealScalars(scalars)
	if err != nil {
		return nil, err
	}
	return &sottov1.SealedRelease{
		KeyHolder: s.name,
		Sealed:    sealed,
		Release: protocol.Sign(s.key, &protocol.Release{
			Transcript: s.Transcript, KeyHolder: s.name, Commitments: s.setHash, HandOvers: protocol.HandOversHash(handOvers),
			Sealed: sha256.Sum256(sealed), MicroEpsilon: int64(charge.MicroEpsilon), Delta: charge.Delta,
		}),
	}, nil
}

func (s *Session) beginRelease() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.advance(agreed, released)
}

// scalar opens one c1, with nothing yet to hide it.
func (s *Session) scalar(c1 []byte) (*big.Int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.share == nil {
		return nil, errEnded
	}
	return s.share.Scalar(c1)
}

var errEnded = fault.New(fault.Protocol, "the session ended before it was released")

// sealScalars adds flooding and noise to the scalars of all cells and seals them to the analyst. An erased session has no
// noise any more and seals nothing.
func (s *Session) sealScalars(scalars []*big.Int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.share == nil {
		return nil, errEnded
	}
	sigma := s.Plan.Params.FloodSigma(s.Plan.Need)
	var message []byte
	for cell, scalar := range scalars {
		scalar.Add(scalar, he.Flood(sigma))
		if s.noise != nil {
			scalar.Add(scalar, s.Plan.Params.EncodeNoise(s.noise[cell]))
		}
		message = s.Plan.Params.AppendScalar(message, scalar)
	}
	context := seal.Context{Transcript: s.Transcript, KeyHolder: s.name, Cells: int64(s.Plan.Cells)}
	sealed, err := seal.To(s.Plan.Query.Recipient, context, message)
	clear(message)
	if err != nil {
		return nil, fault.New(fault.Internal, "seal the release").Wrap(err)
	}
	return sealed, nil
}
