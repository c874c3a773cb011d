package coordinator

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Connect returns a client for every party of the agreement, pinned to its key, and a function that closes them all.
// Connections are made when first used, and again when they break.
func Connect(a *agreement.Agreement, key *identity.Key) (map[string]sottov1.PartyClient, func() error, error) {
	clients := map[string]sottov1.PartyClient{}
	var conns []*grpc.ClientConn
	closeAll := func() error {
		var errs []error
		for _, c := range conns {
			errs = append(errs, c.Close())
		}
		return errors.Join(errs...)
	}
	for _, p := range a.Parties {
		conn, err := grpc.NewClient("passthrough:///"+p.Address,
			append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(p.Key)))...)
		if err != nil {
			return nil, nil, errors.Join(fault.New(fault.Invalid, "connect to %s at %s", p.Name, p.Address).Wrap(err), closeAll())
		}
		conns = append(conns, conn)
		clients[p.Name] = sottov1.NewPartyClient(conn)
	}
	return clients, closeAll, nil
}

// Serve runs a coordinator on listener, which it closes, until ctx ends. Only analysts that the agreement names, and the
// coordinator's own key (for health checks), may connect.
func Serve(ctx context.Context, o Options, listener net.Listener) error {
	node, err := New(o)
	if err != nil {
		_ = listener.Close()
		return err
	}
	return node.Serve(ctx, listener)
}

// Serve is the function of that name for a node at hand. Where the agreement has a schedule of matchings, they are run. The options come after those that every server has.
func (n *Node) Serve(ctx context.Context, listener net.Listener, options ...grpc.ServerOption) error {
	allowed := func(key identity.PublicKey) bool {
		_, analyst := n.Agreement.AnalystByKey(key)
		return analyst || key == n.Key.Public()
	}
	if n.Agreement.Matching.Every > 0 {
		n.waiting.Go(n.schedule)
	}
	return rpc.Serve(ctx, listener, n.Key.ServerTLS(allowed), n.Logger, n.Register, n.Close, options...)
}
