// Package keyholder is what every key-holder does in a session, party and coordinator alike: commit to a key share, open
// it, add up the joint key, and release scalars. One file per step of protocol.md. It knows nothing of the network, of
// customers or of budgets: what a party does on top is in package party.
package keyholder

import (
	"sync"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// step is how far a session is. A call out of order kills it.
type step int

const (
	prepared step = iota
	opened
	agreed
	released
	dead
)

// Session is one key-holder's part in one session. Its secrets exist only in memory and are erased when it ends, in
// whatever way it ends. Safe for concurrent use.
type Session struct {
	Plan       *query.Plan
	Transcript [32]byte

	agreement *agreement.Agreement
	name      string
	key       *identity.Key
	ring      *he.Ring

	mu          sync.Mutex // guards all below
	step        step
	nonce       [32]byte
	share       *he.Share
	noise       []int64 // per cell; nil if this key-holder draws none
	commitment  *sottov1.Signed
	commitments []protocol.Commitment
	setHash     [32]byte
	public      *he.PublicKey
	publicHash  [32]byte
	salt        [32]byte
}

// Prepare begins a session (step 1): it draws all that will ever be drawn for it, the key share and the noise of every
// cell, and commits to the share. The caller has checked the query and reserved its price.
func Prepare(plan *query.Plan, session [16]byte, a *agreement.Agreement, name string, key *identity.Key) (*Session, error) {
	ring, err := he.NewRing(plan.Params)
	if err != nil {
		return nil, fault.New(fault.Internal, "prepare").Wrap(err)
	}
	s := &Session{
		Plan: plan, Transcript: plan.Transcript(session), agreement: a, name: name, key: key, ring: ring, nonce: protocol.NewNonce(),
	}
	if plan.DrawsNoise(name) {
		if s.noise, err = plan.Noise.Draw(plan.Cells); err != nil {
			return nil, fault.New(fault.Internal, "draw noise").Wrap(err)
		}
	}
	if s.share, err = ring.NewShare(s.Transcript, plan.Lanes()); err != nil {
		return nil, fault.New(fault.Internal, "prepare").Wrap(err)
	}
	s.commitment = protocol.Sign(key, &protocol.Commitment{
		Transcript: s.Transcript,
		KeyHolder:  name,
		Hash:       protocol.CommitmentHash(s.Transcript, name, s.share.Public(), s.nonce),
	})
	return s, nil
}

// Commitment returns the signed commitment, the same bytes each time.
func (s *Session) Commitment() *sottov1.Signed { return s.commitment }

// Ring returns the tables of the session's parameters.
func (s *Session) Ring() *he.Ring { return s.ring }

// advance moves from one step to the next; from any other it kills the session.
func (s *Session) advance(from, to step) error {
	if s.step != from {
		s.erase()
		return fault.New(fault.Protocol, "a step of the session came out of order or twice; the session is dead")
	}
	s.step = to
	return nil
}

// fail kills the session and returns err.
func (s *Session) fail(err error) error {
	s.erase()
	return err
}

// Erase ends the session and overwrites its secrets. It may be called at any time, any number of times.
func (s *Session) Erase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *Session) erase() {
	if s.step != released {
		s.step = dead
	}
	if s.share != nil {
		s.share.Erase()
		s.share = nil
	}
	clear(s.noise)
	s.noise = nil
	clear(s.salt[:])
	clear(s.nonce[:])
}
