package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/sotto-dev/sotto/internal/fault"
)

// ServerOptions returns the limits and interceptors of a server that logs to logger. The interceptors are, from the
// outside in: error conversion ([fault.ToStatus]), the request log, recovery from panics. The caller adds
// [ServerCredentials]; interceptors that the caller chains run within these.
//
// Recovery MUST NOT be relied upon by a goroutine that a handler starts: only the handler's own is covered.
func ServerOptions(logger *slog.Logger) []grpc.ServerOption {
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, value any) error {
		return recoverPanic(ctx, logger, value)
	})
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			convertUnary, logUnary(logger), recovery.UnaryServerInterceptor(recovered)),
		grpc.ChainStreamInterceptor(
			convertStream, logStream(logger), recovery.StreamServerInterceptor(recovered)),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingEvery}),
	}
}

func convertUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	reply, err := handler(ctx, request)
	if err != nil {
		return nil, fault.ToStatus(err)
	}
	return reply, nil
}

func convertStream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return fault.ToStatus(handler(server, stream))
}

func logUnary(logger *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		line := begin(info.FullMethod)
		ctx = line.within(ctx)
		reply, err := handler(ctx, request)
		line.end(ctx, logger, err)
		return reply, err
	}
}

func logStream(logger *slog.Logger) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		line := begin(info.FullMethod)
		wrapped := middleware.WrapServerStream(stream)
		wrapped.WrappedContext = line.within(stream.Context())
		err := handler(server, wrapped)
		line.end(wrapped.WrappedContext, logger, err)
		return err
	}
}

// recoverPanic logs where a handler panicked and the type of what it panicked with. Neither the value nor the arguments
// in a stack dump are logged: both can hold what belongs to a customer.
func recoverPanic(ctx context.Context, logger *slog.Logger, value any) error {
	logger.LogAttrs(ctx, slog.LevelError, "panic in a request",
		slog.String("type", fmt.Sprintf("%T", value)), slog.Any("stack", stack()))
	return fault.New(fault.Internal, "panic in a request")
}

// stack returns the functions from the one that panicked outwards, with file and line.
func stack() []string {
	const deepest = 48
	callers := make([]uintptr, deepest)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	var lines []string
	panicked := false
	for {
		frame, more := frames.Next()
		if panicked {
			lines = append(lines, fmt.Sprintf("%s %s:%d", frame.Function, frame.File, frame.Line))
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
		if !more {
			return lines
		}
	}
}
