package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/sotto-dev/sotto/internal/fault"
)

// DialOptions returns the limits and interceptors of a client. The caller adds [ClientCredentials]. A call to a node that
// cannot be reached fails after one attempt to connect, and at once until the next attempt is due (backoffMax at most);
// it is the caller who knows whether waiting makes sense.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(typedUnary),
		grpc.WithChainStreamInterceptor(typedStream),
		grpc.WithDefaultCallOptions(
			grpc.WaitForReady(false), grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffBase, Multiplier: 1.6, Jitter: 0.2, MaxDelay: backoffMax},
			MinConnectTimeout: connectTimeout,
		}),
		// DNS could otherwise tell this client to retry, and how.
		grpc.WithDisableServiceConfig(),
	}
}

// typed returns err as a fault, but for nil and the regular end of a stream.
func typed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fault.From(err)
}

func typedUnary(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	return typed(invoke(ctx, method, request, reply, conn, options...))
}

func typedStream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, typed(err)
	}
	return &typedClientStream{stream}, nil
}

type typedClientStream struct{ grpc.ClientStream }

func (s *typedClientStream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, typed(err)
}

func (s *typedClientStream) CloseSend() error          { return typed(s.ClientStream.CloseSend()) }
func (s *typedClientStream) SendMsg(message any) error { return typed(s.ClientStream.SendMsg(message)) }

func (s *typedClientStream) RecvMsg(message any) error { return typed(s.ClientStream.RecvMsg(message)) }
