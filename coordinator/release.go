package coordinator

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// release is step 4: every key-holder opens all cells to the analyst. The coordinator is one of them: its noise is in its
// scalars, and it has never seen what it is added to.
func (s *session) release(ctx context.Context) error {
	handOvers, err := s.own.CheckHandOvers(s.handOvers, nil)
	if err != nil {
		return at(agreement.CoordinatorName, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		at := -1
		next := func() ([]byte, error) {
			at++
			return s.results[at], ctx.Err()
		}
		sealed, body, err := s.own.Release(handOvers, next)
		if err != nil {
			return fault.From(err).WithParty(agreement.CoordinatorName)
		}
		s.releases[s.self()] = s.own.Sign(sealed, body)
		return nil
	})
	g.Go(func() error {
		return s.each(ctx, func(ctx context.Context, i int, party sottov1.PartyClient) error {
			release, err := s.releaseAt(ctx, party)
			if err != nil {
				return err
			}
			s.releases[i] = release
			return s.remember(s.plan.KeyHolders[i], release.GetRelease())
		})
	})
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = protocol.VerifyReleases(s.releases, s.plan, s.Agreement, s.own.Transcript, handOvers)
	return err
}

// remember keeps what a party says of its ledger, however the question or matching ends, to show it when the party's ledger is
// older.
func (n *Node) remember(party string, release *sottov1.Signed) error {
	holder, _ := n.Agreement.KeyHolder(party)
	var body protocol.Release
	if err := protocol.Verify(release, holder.Key, party, &body); err != nil {
		return err
	}
	return n.Store.Released(party, body.LedgerRows, release)
}

func (s *session) releaseAt(ctx context.Context, party sottov1.PartyClient) (*sottov1.SealedRelease, error) {
	stream, err := party.Release(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_Start{Start: &sottov1.ReleaseStart{
		Session: s.id[:], HandOvers: s.handOvers,
	}}})
	for _, c1 := range s.results {
		if err != nil {
			break
		}
		err = stream.Send(&sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_C1{C1: c1}})
	}
	if err != nil && !errors.Is(err, io.EOF) { // after an EOF, receiving says why
		return nil, err
	}
	response, err := stream.CloseAndRecv()
	return response.GetRelease(), err
}
