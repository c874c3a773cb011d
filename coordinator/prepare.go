package coordinator

import (
	"context"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/keyholder"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// prepare is step 1: everybody checks, reserves and commits, the coordinator too.
func (s *session) prepare(ctx context.Context) error {
	var err error
	if s.own, err = keyholder.Prepare(s.plan, s.id, s.Agreement, agreement.CoordinatorName, s.Key); err != nil {
		return at(agreement.CoordinatorName, err)
	}
	s.commitments[s.self()] = s.own.Commitment()
	return s.each(ctx, func(ctx context.Context, i int, party sottov1.PartyClient) error {
		last, err := s.Store.LastRelease(ctx, s.plan.KeyHolders[i])
		if err != nil {
			return err
		}
		r, err := party.Prepare(ctx, &sottov1.PrepareRequest{Session: s.id[:], Query: s.signed, LastRelease: last})
		s.commitments[i] = r.GetCommitment()
		return err
	})
}

// open is step 2: shares are revealed, everybody adds up the joint key and says which one it has.
func (s *session) open(ctx context.Context) error {
	var err error
	if s.openings[s.self()], err = s.own.Open(s.commitments); err != nil {
		return at(agreement.CoordinatorName, err)
	}
	if err = s.each(ctx, func(ctx context.Context, i int, party sottov1.PartyClient) error {
		r, err := party.Open(ctx, &sottov1.OpenRequest{Session: s.id[:], Commitments: s.commitments})
		s.openings[i] = r.GetOpening()
		return err
	}); err != nil {
		return err
	}
	if s.approvals[s.self()], err = s.own.Agree(s.openings); err != nil {
		return at(agreement.CoordinatorName, err)
	}
	return s.each(ctx, func(ctx context.Context, i int, party sottov1.PartyClient) error {
		r, err := party.Agree(ctx, &sottov1.AgreeRequest{Session: s.id[:], Openings: s.openings})
		s.approvals[i] = r.GetApproval()
		return err
	})
}
