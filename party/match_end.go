package party

import (
	"context"
	"errors"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/audit"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// findMatching returns the matching of a session, if it is under way.
func (n *Node) findMatching(id []byte) (*matchSession, error) {
	key, err := protocol.ParseSession(id)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.matching == nil || n.matching.id != key {
		return nil, fault.New(fault.Unavailable, "the matching is not under way here: it ended, or the node was restarted").WithHint("run it again")
	}
	return n.matching, nil
}

// endMatching forgets a matching that came to nothing, for the reason why, unless it has ended already. If it is being stored, it waits
// for the end of that.
func (n *Node) endMatching(s *matchSession, why error) (err error) {
	s.ended.Do(func() { err = n.finishMatching(s, why) })
	return err
}

// finishMatching ends a matching: its streams stop, for the reason why (nil if it is stored), its secrets are erased, and its
// reservation lapses unless it was charged. It is called once.
func (n *Node) finishMatching(s *matchSession, why error) error {
	s.cancel(why)
	s.expiry.Stop()
	s.Erase()
	n.mu.Lock()
	n.matching = nil
	n.mu.Unlock()
	err := n.ledger.Lapse(s.id)
	if why == nil {
		return err
	}
	entry := s.asked
	entry.Verdict, entry.Reason = audit.Failed, fault.From(why).Message
	return errors.Join(err, n.state.Audit.Record(entry))
}

// abortMatching ends a matching that failed, and returns why it did: what ended it first, if it had ended already.
func (n *Node) abortMatching(s *matchSession, err error) error {
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	if ended := n.endMatching(s, err); ended != nil {
		return fault.From(err).Wrap(errors.Join(err, ended))
	}
	return err
}

// MatchKeep stores the slots of this party's people, and makes questions use them. Whatever would end the matching meanwhile waits.
func (n *Node) MatchKeep(_ context.Context, r *sottov1.MatchKeepRequest) (*sottov1.MatchKeepResponse, error) {
	s, err := n.findMatching(r.GetSession())
	if err != nil {
		return nil, err
	}
	err = fault.New(fault.Unavailable, "the matching has ended")
	s.ended.Do(func() {
		err = n.keepMatching(s, r.GetApprovals())
		err = errors.Join(err, n.finishMatching(s, err))
	})
	if err != nil {
		return nil, fault.From(err)
	}
	return &sottov1.MatchKeepResponse{}, nil
}
