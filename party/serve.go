package party

import (
	"context"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
)

// Serve runs a party's node on listener, which it closes, until ctx ends. Only the coordinator that the agreement pins,
// and the owner's own key (for health checks), may connect.
func Serve(ctx context.Context, o Options, listener net.Listener, logger *slog.Logger) error {
	node, err := New(o)
	if err != nil {
		_ = listener.Close()
		return err
	}
	return node.Serve(ctx, listener, logger)
}

// Serve is the function of that name for a node at hand. The options come after those that every server has.
func (n *Node) Serve(ctx context.Context, listener net.Listener, logger *slog.Logger, options ...grpc.ServerOption) error {
	allowed := func(key identity.PublicKey) bool { return n.agreement.IsCoordinator(key) || key == n.key.Public() }
	return rpc.Serve(ctx, listener, n.key.ServerTLS(allowed), logger, n.Register, n.Close,
		append(options, grpc.StatsHandler(connections{n}))...)
}

// connections ends the sessions of a connection with it: a coordinator that is gone can't forget them itself, and no
// secret should outlive what it is for.
type connections struct{ node *Node }

type connectionKey struct{}

func (connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(byte)) // tells connections apart by its address
}

func (c connections) HandleConn(ctx context.Context, event stats.ConnStats) {
	if _, ended := event.(*stats.ConnEnd); ended {
		c.node.endWhere(func(s *session) bool { return s.connection == ctx.Value(connectionKey{}) },
			fault.New(fault.Unavailable, "the connection to the coordinator broke"))
	}
}

func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (connections) HandleRPC(context.Context, stats.RPCStats)                       {}
