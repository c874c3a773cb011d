package party

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/ledger"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Release is step 4. A session that was released before gets the stored bytes, whatever is asked.
func (n *Node) Release(stream grpc.ClientStreamingServer[sottov1.ReleaseRequest, sottov1.ReleaseResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return fault.New(fault.Protocol, "release does not begin with a start")
	}
	id, err := protocol.ParseSession(start.GetSession())
	if err != nil {
		return err
	}
	stored, err := n.stored(stream.Context(), id)
	if err != nil {
		return err
	}
	if stored != nil {
		return stream.SendAndClose(&sottov1.ReleaseResponse{Release: stored})
	}
	s, err := n.find(id[:])
	if err != nil {
		return err
	}
	release, err := n.release(s, start, stream)
	if err != nil {
		return n.abort(s, err)
	}
	if err := stream.SendAndClose(&sottov1.ReleaseResponse{Release: release}); err != nil {
		return err
	}
	n.trace("release: sent")
	return nil
}

func (n *Node) stored(ctx context.Context, id [16]byte) (*sottov1.SealedRelease, error) {
	encoded, err := n.ledger.Released(ctx, id)
	if encoded == nil || err != nil {
		return nil, err
	}
	var release sottov1.SealedRelease
	if err := proto.Unmarshal(encoded, &release); err != nil {
		return nil, fault.New(fault.Internal, "read a stored release").Wrap(err)
	}
	return &release, nil
}

// release opens all cells and stores the sealed bytes durably. Only then may they leave.
func (n *Node) release(s *session, start *sottov1.ReleaseStart, stream grpc.ClientStreamingServer[sottov1.ReleaseRequest, sottov1.ReleaseResponse]) (*sottov1.SealedRelease, error) {
	n.trace("release: received")
	handOvers, err := s.CheckHandOvers(start.GetHandOvers(), s.ownHandOvers())
	if err != nil {
		return nil, err
	}
	n.trace("release: hand-overs checked")
	next := func() ([]byte, error) {
		m, err := until(s.ctx, stream.Recv)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		c1, ok := m.GetMessage().(*sottov1.ReleaseRequest_C1)
		if !ok {
			return nil, fault.New(fault.Protocol, "the results end early: there must be one per result of every chain")
		}
		n.trace("release: result received")
		return c1.C1, nil
	}
	sealed, body, err := s.Session.Release(handOvers, next)
	if err != nil {
		return nil, err
	}
	n.trace("release: sealed")
	if err := stream.Context().Err(); err != nil { // nobody waits for it: it would be paid for and not be seen
		return nil, err
	}
	var release *sottov1.SealedRelease
	if err := n.ledger.Release(s.id, body.Sealed, func(head ledger.Head) ([]byte, error) {
		body.LedgerRows, body.LedgerHash = head.Rows, head.Hash
		release = s.Sign(sealed, body)
		return proto.Marshal(release)
	}); err != nil {
		return nil, err
	}
	n.trace("release: stored")
	entry := s.asked
	entry.Action, entry.Verdict = audit.Release, audit.Done
	if err := n.state.Audit.Record(entry); err != nil { // the ledger has it, so it may go out when it is asked for again
		return nil, err
	}
	n.trace("release: recorded")
	_ = n.end(s, nil) // there is no reservation left to give back
	return release, nil
}

func (s *session) ownHandOvers() []*sottov1.Signed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var own []*sottov1.Signed
	for chain := range s.Plan.Chains {
		if signed, ok := s.handOvers[chain]; ok {
			own = append(own, signed)
		}
	}
	return own
}
