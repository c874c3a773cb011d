package party

import (
	"context"

	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Open is step 2: the key share is revealed once all have committed.
func (n *Node) Open(_ context.Context, r *sottov1.OpenRequest) (*sottov1.OpenResponse, error) {
	s, err := n.find(r.GetSession())
	if err != nil {
		return nil, err
	}
	n.trace("open: received")
	opening, err := s.Open(r.GetCommitments())
	if err != nil {
		return nil, n.abort(s, err)
	}
	n.trace("open: revealed")
	return &sottov1.OpenResponse{Opening: opening}, nil
}

// Agree ends step 2: all openings are checked and the joint key is added up here.
func (n *Node) Agree(_ context.Context, r *sottov1.AgreeRequest) (*sottov1.AgreeResponse, error) {
	s, err := n.find(r.GetSession())
	if err != nil {
		return nil, err
	}
	n.trace("agree: received")
	approval, err := s.Session.Agree(r.GetOpenings())
	if err != nil {
		return nil, n.abort(s, err)
	}
	n.trace("agree: approved")
	return &sottov1.AgreeResponse{Approval: approval}, nil
}
