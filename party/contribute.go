package party

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

type contributeStream = grpc.BidiStreamingServer[sottov1.ContributeRequest, sottov1.ContributeResponse]

// Contribute is step 3: this party's hop in one chain, once per chain; a second call kills the session.
func (n *Node) Contribute(stream contributeStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return fault.New(fault.Protocol, "contribute does not begin with a start")
	}
	s, err := n.find(start.GetSession())
	if err != nil {
		return err
	}
	h, err := n.begin(s, start)
	if err != nil {
		return n.abort(s, err)
	}
	// The stream ends with the session, and the session with the stream: no hop is ever tried twice.
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if err := h.run(ctx, stream); err != nil {
		return n.abort(s, err)
	}
	return nil
}

// abort ends a session that failed, and returns why it did: what ended it first, if it had ended already.
func (n *Node) abort(s *session, err error) error {
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	if ended := n.end(s, err); ended != nil {
		return fault.From(err).Wrap(errors.Join(err, ended))
	}
	return err
}
