package keyholder

import (
	"bytes"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Open reveals the key share (step 2), once, when every key-holder has committed: exactly one commitment each, signed
// for this very transcript, this key-holder's own unchanged.
func (s *Session) Open(commitments []*sottov1.Signed) (*sottov1.Opening, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.advance(prepared, opened); err != nil {
		return nil, err
	}
	holders := s.Plan.KeyHolders
	if len(commitments) != len(holders) {
		return nil, s.fail(fault.New(fault.Protocol, "there are %d commitments, must be one per key-holder, %d", len(commitments), len(holders)))
	}
	for i, name := range holders {
		holder, _ := s.agreement.KeyHolder(name)
		var c protocol.Commitment
		if err := protocol.Verify(commitments[i], holder.Key, name, &c); err != nil {
			return nil, s.fail(err)
		}
		if c.Transcript != s.Transcript || c.KeyHolder != name {
			return nil, s.fail(fault.New(fault.Protocol, "commitment of %s is of another session", name))
		}
		if name == s.name && !bytes.Equal(commitments[i].GetBody(), s.commitment.GetBody()) {
			return nil, s.fail(fault.New(fault.Protocol, "the commitment shown as %s's own is not the one it made", name))
		}
		s.commitments = append(s.commitments, c)
	}
	s.setHash = protocol.CommitmentsHash(s.commitments)
	return &sottov1.Opening{Share: s.share.Public(), Nonce: bytes.Clone(s.nonce[:])}, nil
}

// Agree checks that every opening is what was committed to, adds up the joint public key, and signs its hash.
func (s *Session) Agree(openings []*sottov1.Opening) (*sottov1.Signed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.advance(opened, agreed); err != nil {
		return nil, err
	}
	if len(openings) != len(s.commitments) {
		return nil, s.fail(fault.New(fault.Protocol, "there are %d openings, must be %d", len(openings), len(s.commitments)))
	}
	shares := make([][]byte, len(openings))
	nonces := make([][32]byte, len(openings))
	for i, o := range openings {
		c := s.commitments[i]
		if len(o.GetNonce()) != 32 || len(o.GetShare()) != s.ring.PolyBytes()*s.Plan.Lanes() {
			return nil, s.fail(fault.New(fault.Protocol, "opening of %s has the wrong length", c.KeyHolder))
		}
		shares[i], nonces[i] = o.Share, [32]byte(o.Nonce)
		if protocol.CommitmentHash(s.Transcript, c.KeyHolder, shares[i], nonces[i]) != c.Hash {
			return nil, s.fail(fault.New(fault.Protocol, "opening of %s is not what it committed to", c.KeyHolder))
		}
	}
	public, err := s.ring.JoinKey(s.Transcript, shares, s.Plan.Lanes())
	if err != nil {
		return nil, s.fail(fault.New(fault.Protocol, "add up the joint key").Wrap(err))
	}
	s.public = public
	s.publicHash = protocol.PublicKeyHash(s.Transcript, public.Sum())
	s.salt = protocol.Salt(s.Transcript, nonces)
	return protocol.Sign(s.key, &protocol.KeyApproval{
		Transcript: s.Transcript, KeyHolder: s.name, Commitments: s.setHash, PublicKey: s.publicHash,
	}), nil
}

// Joint is what a party encrypts with, once everybody has approved of the same key.
type Joint struct {
	Key        *he.PublicKey
	PublicHash [32]byte
	Salt       [32]byte
}

// Joint returns the joint key if every key-holder has signed that it holds the same one, over the same commitments.
// It may be called once per chain; an approval that is missing or differs kills the session.
func (s *Session) Joint(approvals []*sottov1.Signed) (*Joint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.advance(agreed, agreed); err != nil {
		return nil, err
	}
	holders := s.Plan.KeyHolders
	if len(approvals) != len(holders) {
		return nil, s.fail(fault.New(fault.Protocol, "there are %d key approvals, must be %d", len(approvals), len(holders)))
	}
	for i, name := range holders {
		holder, _ := s.agreement.KeyHolder(name)
		var got protocol.KeyApproval
		if err := protocol.Verify(approvals[i], holder.Key, name, &got); err != nil {
			return nil, s.fail(err)
		}
		if got != (protocol.KeyApproval{Transcript: s.Transcript, KeyHolder: name, Commitments: s.setHash, PublicKey: s.publicHash}) {
			return nil, s.fail(fault.New(fault.Protocol, "%s approved of another joint key", name))
		}
	}
	return &Joint{Key: s.public, PublicHash: s.publicHash, Salt: s.salt}, nil
}
