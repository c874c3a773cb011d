package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

// gracePeriod is how long a server that stops waits for calls under way.
const gracePeriod = 10 * time.Second

// Serve answers on listener until ctx ends, then stops gracefully: it reports that it is not serving any more, calls
// drain, which should bring calls under way to an end, and waits for them, but not forever. register adds the services;
// health (grpc.health.v1) and reflection come on top. options come after those that every server has. Serve closes
// listener. It returns nil if ctx ended it.
func Serve(ctx context.Context, listener net.Listener, config *tls.Config, logger *slog.Logger,
	register func(grpc.ServiceRegistrar), drain func(), options ...grpc.ServerOption,
) error {
	options = append(append(ServerOptions(logger), ServerCredentials(config, logger)), options...)
	server := grpc.NewServer(options...)
	register(server)
	status := health.NewServer()
	healthv1.RegisterHealthServer(server, status)
	reflection.Register(server)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	logger.Info("serving", slog.String("address", listener.Addr().String()))
	select {
	case err := <-served:
		drain()
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	logger.Info("stopping")
	status.Shutdown()
	drain()
	stopped := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(gracePeriod):
		server.Stop()
	}
	<-served
	return nil
}
