package party

import (
	"context"
	"log/slog"
	"net"

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
	allowed := func(key identity.PublicKey) bool { return o.Agreement.IsCoordinator(key) || key == o.Key.Public() }
	return rpc.Serve(ctx, listener, o.Key.ServerTLS(allowed), logger, node.Register, node.Close)
}
