package rpc

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

// requestLine gathers what one request's log line says.
type requestLine struct {
	method string
	begun  time.Time

	mu    sync.Mutex
	attrs []slog.Attr // by Annotate; guarded by mu
}

type requestLineKey struct{}

// Annotate adds attributes, such as the session or the party, to the log line of the request that ctx belongs to. It is
// safe for concurrent use, and does nothing outside of a request or after its end. Like everything that is logged, the
// attributes MUST NOT hold a customer's value or an exact count.
func Annotate(ctx context.Context, attrs ...slog.Attr) {
	line, ok := ctx.Value(requestLineKey{}).(*requestLine)
	if !ok {
		return
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	line.attrs = append(line.attrs, attrs...)
}

func begin(method string) *requestLine { return &requestLine{method: method, begun: time.Now()} }

func (l *requestLine) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestLineKey{}, l)
}

// end writes the line. Successes are of level info (debug for health checks and reflection, which come by the minute),
// failures of level warn, internal errors, whose text no peer reads, of level error.
func (l *requestLine) end(ctx context.Context, logger *slog.Logger, err error) {
	level, kind := slog.LevelInfo, "ok"
	if strings.HasPrefix(l.method, "/grpc.") {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{slog.String("method", l.method), slog.String("peer", peerName(ctx))}
	l.mu.Lock()
	attrs = append(attrs, l.attrs...)
	l.mu.Unlock()
	if err != nil {
		failure := fault.From(err)
		kind, level = string(failure.Kind), slog.LevelWarn
		switch failure.Kind {
		case fault.Internal:
			level = slog.LevelError
		case fault.Cancelled:
			level = slog.LevelInfo
		}
		attrs = append(attrs, slog.String("error", cut(failure.Error())))
	}
	attrs = append(attrs, slog.String("kind", kind), slog.Float64("seconds", time.Since(l.begun).Seconds()))
	// Not with the request's own context: it may have ended, and handlers may drop lines of ended contexts.
	logger.LogAttrs(context.WithoutCancel(ctx), level, "request", attrs...)
}

// peerName returns the first characters of the caller's key, "none" for a caller without one.
func peerName(ctx context.Context) string {
	key, err := identity.PeerKey(ctx)
	if err != nil {
		return "none"
	}
	return key.Short()
}

// cut bounds a line, of which a peer may have chosen the words.
func cut(text string) string {
	const most = 2000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
