package keyholder

import (
	"crypto/sha256"
	"math/big"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

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

// Release opens every cell to the analyst (step 4): for each the scalar [Σ coef·s_i·c1]_0 + flooding + noise, sealed
// all together. next returns the c1 of the next result, chain by chain, as the last hops signed them; handOvers come from
// CheckHandOvers. The session's secrets are erased in any case, and may be at any time while next is waited for. What comes
// out is for [Session.Sign]; a party stores it durably before it shows it to anybody.
func (s *Session) Release(handOvers []protocol.HandOver, next func() ([]byte, error)) (sealed []byte, body *protocol.Release, err error) {
	if err := s.beginRelease(); err != nil {
		return nil, nil, err
	}
	defer s.Erase()
	scalars := make([]*big.Int, s.Plan.Cells)
	for cell := range scalars {
		scalars[cell] = new(big.Int)
	}
	hop := -1
	for c := range s.Plan.Chains {
		chain := &s.Plan.Chains[c]
		hop += len(chain.Hops)
		for i, signed := range handOvers[hop].Results {
			c1, err := next()
			if err != nil {
				return nil, nil, err
			}
			if sha256.Sum256(c1) != signed.C1 {
				return nil, nil, fault.New(fault.Protocol, "result %d is not the one that %s signed", i, handOvers[hop].Party)
			}
			opened, err := s.open(c1, chain.Used(i))
			if err != nil {
				return nil, nil, fault.New(fault.Protocol, "release result %d", i).Wrap(err)
			}
			for lane, scalar := range opened {
				for _, target := range chain.Into[chain.Result(i, lane)] {
					scaled := new(big.Int).Mul(scalar, big.NewInt(target.Coefficient))
					scalars[target.Cell].Add(scalars[target.Cell], scaled)
				}
			}
		}
	}
	if sealed, err = s.sealScalars(scalars); err != nil {
		return nil, nil, err
	}
	body = &protocol.Release{
		Transcript: s.Transcript, KeyHolder: s.name, Commitments: s.setHash, HandOvers: protocol.HandOversHash(handOvers),
		Sealed: sha256.Sum256(sealed),
	}
	charge := s.Plan.Charge(s.name)
	body.MicroEpsilon, body.AttoDelta, body.Cells = charge.MicroEpsilon, charge.AttoDelta, charge.Cells
	return sealed, body, nil
}

// Sign makes a release of what Release returned.
func (s *Session) Sign(sealed []byte, body *protocol.Release) *sottov1.SealedRelease {
	return &sottov1.SealedRelease{KeyHolder: s.name, Sealed: sealed, Release: protocol.Sign(s.key, body)}
}

func (s *Session) beginRelease() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.advance(agreed, released)
}

// open opens some lanes of one c1, with nothing yet to hide them.
func (s *Session) open(c1 []byte, lanes int) ([]*big.Int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.share == nil {
		return nil, errEnded
	}
	return s.share.Scalars(c1, lanes)
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
			scalar.Add(scalar, s.Plan.Params.Encode(s.noise[cell]))
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
