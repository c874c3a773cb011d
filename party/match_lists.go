package party

import (
	"context"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// MatchSend hands on a list, once.
func (n *Node) MatchSend(r *sottov1.MatchSendRequest, stream grpc.ServerStreamingServer[sottov1.ListPart]) error {
	s, err := n.findMatching(r.GetSession())
	if err != nil {
		return err
	}
	ctx, stop := s.during(stream.Context())
	defer stop()
	err = s.Send(protocol.ParseListID(r.GetList()), func(part *sottov1.ListPart) error {
		_, err := until(ctx, func() (struct{}, error) { return struct{}{}, stream.Send(part) })
		n.trace("match: part sent")
		return err
	})
	if err != nil {
		return n.abortMatching(s, err)
	}
	n.trace("match: list sent")
	return nil
}

// MatchReceive takes a list in, once, and does this party's work on it.
func (n *Node) MatchReceive(stream grpc.BidiStreamingServer[sottov1.MatchReceiveRequest, sottov1.MatchReceiveResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return fault.New(fault.Protocol, "receiving a list does not begin with a start")
	}
	s, err := n.findMatching(start.GetSession())
	if err != nil {
		return err
	}
	ctx, stop := s.during(stream.Context())
	defer stop()
	next := func() (*sottov1.ListPart, error) {
		m, err := until(ctx, stream.Recv)
		if err != nil {
			return nil, err
		}
		n.trace("match: part received")
		part, ok := m.GetMessage().(*sottov1.MatchReceiveRequest_Part)
		if !ok {
			return nil, fault.New(fault.Protocol, "there is a message among the parts of a list that is none")
		}
		return part.Part, nil
	}
	worked := func(points int64) error {
		_, err := until(ctx, func() (struct{}, error) {
			return struct{}{}, stream.Send(&sottov1.MatchReceiveResponse{Worked: points})
		})
		return err
	}
	if err := s.Receive(start, next, worked); err != nil {
		return n.abortMatching(s, err)
	}
	n.trace("match: list received")
	return nil
}

// during returns a context that ends with a stream or with the matching.
func (s *matchSession) during(stream context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(stream)
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
