package party

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/party/state"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Serve runs a party's node on listener, which it closes, until ctx ends. Only the coordinator that the agreement pins,
// and the owner's own key (for health checks), may connect. The owner and the administrators reach it on the socket in its state.
func Serve(ctx context.Context, o Options, listener net.Listener) error {
	node, err := New(ctx, o)
	if err != nil {
		_ = listener.Close()
		return err
	}
	return node.Serve(ctx, listener)
}

// Serve is the function of that name for a node at hand. The options come after those that every server has.
func (n *Node) Serve(ctx context.Context, listener net.Listener, options ...grpc.ServerOption) error {
	socket, err := listenOwner(state.Socket(n.state.Folder))
	if err != nil {
		_ = listener.Close()
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	var all errgroup.Group
	all.Go(func() error {
		defer stop()
		allowed := func(key identity.PublicKey) bool { return n.agreement.IsCoordinator(key) || key == n.key.Public() }
		return rpc.Serve(serving, listener, n.key.ServerTLS(allowed), n.logger, n.Register, n.Close,
			append(options, grpc.StatsHandler(connections{n}))...)
	})
	all.Go(func() error {
		defer stop()
		allowed := func(key identity.PublicKey) bool {
			_, administrator := n.config.Administrator(key)
			return administrator || key == n.key.Public()
		}
		register := func(r grpc.ServiceRegistrar) { sottov1.RegisterOwnerServer(r, &owner{Node: n}) }
		return rpc.Serve(serving, socket, n.key.ServerTLS(allowed), n.logger, register, func() {})
	})
	all.Go(func() error {
		n.keep(serving)
		return nil
	})
	return errors.Join(all.Wait(), n.stopped())
}

// listenOwner listens on a socket in a folder that is the node's alone. One that a node has left behind is replaced: that no
// other node is running, the state's lock has shown.
func listenOwner(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Unavailable, "listen for the owner").Wrap(err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "listen for the owner").Wrap(err).
			WithHint("the path of a socket can have some 100 bytes; a shorter --state helps")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fault.New(fault.Unavailable, "listen for the owner").Wrap(errors.Join(err, listener.Close()))
	}
	return listener, nil
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
		c.node.endWhere(func(connection any) bool { return connection == ctx.Value(connectionKey{}) },
			fault.New(fault.Unavailable, "the connection to the coordinator broke"))
	}
}

func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (connections) HandleRPC(context.Context, stats.RPCStats)                       {}
