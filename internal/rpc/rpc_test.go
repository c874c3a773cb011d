package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
)

// service carries the tests over the health service's two methods, one of each kind.
type service struct {
	healthpb.UnimplementedHealthServer
	handle func(ctx context.Context) error
}

func (s *service) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{}, s.handle(ctx)
}

func (s *service) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	if err := stream.Send(&healthpb.HealthCheckResponse{}); err != nil {
		return err
	}
	return s.handle(stream.Context())
}

// logBuffer gathers log lines of many goroutines.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines returns the log lines with this message.
func (b *logBuffer) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(b.String()) {
		var parsed map[string]any
		if err := json.Unmarshal([]byte(line), &parsed); err != nil {
			t.Fatal(err)
		}
		if parsed["msg"] == message {
			found = append(found, parsed)
		}
	}
	return found
}

func newKey(t *testing.T) *identity.Key {
	t.Helper()
	key, err := identity.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func only(key *identity.Key) func(identity.PublicKey) bool {
	return func(other identity.PublicKey) bool { return other == key.Public() }
}

// serve starts a server with what handle does for both methods, until the test ends.
func serve(t *testing.T, credentials func(*slog.Logger) grpc.ServerOption, handle func(context.Context) error) (string, *logBuffer) {
	t.Helper()
	logs := &logBuffer{}
	logger := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := grpc.NewServer(append(rpc.ServerOptions(logger), credentials(logger))...)
	healthpb.RegisterHealthServer(server, &service{handle: handle})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), logs
}

func dial(t *testing.T, address string, credentials grpc.DialOption) healthpb.HealthClient {
	t.Helper()
	conn, err := grpc.NewClient(address, append(rpc.DialOptions(), credentials)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func start(t *testing.T, handle func(context.Context) error) (healthpb.HealthClient, *identity.Key, *logBuffer) {
	t.Helper()
	server, client := newKey(t), newKey(t)
	address, logs := serve(t, func(logger *slog.Logger) grpc.ServerOption {
		return rpc.ServerCredentials(server.ServerTLS(only(client)), logger)
	}, handle)
	return dial(t, address, rpc.ClientCredentials(client.ClientTLS(server.Public()))), client, logs
}

// call makes the unary call.
func call(t *testing.T, client healthpb.HealthClient) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

// watch makes the streaming call and reads it to its end.
func watch(t *testing.T, client healthpb.HealthClient) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	for err == nil {
		_, err = stream.Recv()
	}
	return err
}

// A fault that a handler returns is what the caller gets, over a real connection, unary and streaming; io.EOF stays the
// regular end of a stream.
func TestFaultsCrossTheWire(t *testing.T) {
	var next error
	client, _, _ := start(t, func(context.Context) error { return next })
	if err := call(t, client); err != nil {
		t.Errorf("call: %v", err)
	}
	if err := watch(t, client); !errors.Is(err, io.EOF) {
		t.Errorf("stream ended with %v, want io.EOF", err)
	}
	next = fault.New(fault.Budget, "epsilon 2: only 1.5 is left").WithParty("bank").WithHint("wait").Wrap(errors.New("row 7"))
	want := fault.Error{Kind: fault.Budget, Party: "bank", Message: "epsilon 2: only 1.5 is left", Hint: "wait"}
	for name, err := range map[string]error{"call": call(t, client), "stream": watch(t, client)} {
		var got *fault.Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s: got %#v, want %#v", name, err, want)
		}
	}
}

// An untyped error stays at home: the caller reads "internal error", the node's own log has the words.
func TestInternalErrorsStayHome(t *testing.T) {
	client, _, logs := start(t, func(context.Context) error { return errors.New("disk is full") })
	for name, err := range map[string]error{"call": call(t, client), "stream": watch(t, client)} {
		if !fault.IsKind(err, fault.Internal) || strings.Contains(err.Error(), "disk") {
			t.Errorf("%s: error is %v, want an internal error without words", name, err)
		}
	}
	lines := logs.lines(t, "request")
	if len(lines) != 2 || lines[0]["level"] != "ERROR" || !strings.Contains(lines[0]["error"].(string), "disk is full") {
		t.Errorf("log is %v", lines)
	}
}

// A panic ends its request and no other. Neither the caller nor the log gets to see what the panic was about: it can be a
// customer's row. The log says where.
func TestPanicsTellNothing(t *testing.T) {
	const secret = "jon@example.com"
	client, _, logs := start(t, func(context.Context) error { panic(secret) })
	for name, err := range map[string]error{"call": call(t, client), "stream": watch(t, client)} {
		if !fault.IsKind(err, fault.Internal) || strings.Contains(err.Error(), "jon") || strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: error is %v, want an internal error without words", name, err)
		}
	}
	if strings.Contains(logs.String(), "jon") {
		t.Errorf("the log has the panic's value: %s", logs.String())
	}
	lines := logs.lines(t, "panic in a request")
	if len(lines) != 2 || lines[0]["type"] != "string" {
		t.Fatalf("log is %v", lines)
	}
	stack, _ := lines[0]["stack"].([]any)
	if len(stack) == 0 || !strings.Contains(stack[0].(string), "TestPanicsTellNothing") {
		t.Errorf("the stack does not start where it happened: %v", stack)
	}
	if requests := logs.lines(t, "request"); len(requests) != 2 || requests[1]["kind"] != "internal" {
		t.Errorf("log is %v", requests)
	}
}

// One line per request says who called what, how it ended and how long it took, with what the handler added.
func TestRequestLog(t *testing.T) {
	next := error(nil)
	client, key, logs := start(t, func(ctx context.Context) error {
		caller, err := identity.PeerKey(ctx)
		if err != nil {
			return err
		}
		rpc.Annotate(ctx, slog.String("session", "s1"), slog.Bool("pinned", caller != identity.PublicKey{}))
		return next
	})
	_, _ = call(t, client), watch(t, client)
	next = fault.New(fault.Limit, "too much")
	_ = call(t, client)
	lines := logs.lines(t, "request")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3: %v", len(lines), lines)
	}
	for i, want := range []struct{ method, kind, level string }{
		{"/grpc.health.v1.Health/Check", "ok", "DEBUG"},
		{"/grpc.health.v1.Health/Watch", "ok", "DEBUG"},
		{"/grpc.health.v1.Health/Check", "limit", "WARN"},
	} {
		line := lines[i]
		if line["method"] != want.method || line["kind"] != want.kind || line["level"] != want.level ||
			line["peer"] != key.Public().Short() || line["session"] != "s1" || line["pinned"] != true || line["seconds"] == nil {
			t.Errorf("line is %v, want %v", line, want)
		}
	}
	if lines[2]["error"] != "too much" {
		t.Errorf("line is %v, without the error", lines[2])
	}
	rpc.Annotate(context.Background(), slog.String("outside", "of a request")) // does nothing
}

// A message above the limit is refused by the receiver before it takes memory, and the caller learns why.
func TestMessageLimit(t *testing.T) {
	client, _, _ := start(t, func(context.Context) error { return nil })
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: strings.Repeat("x", rpc.MaxMessage)})
	if !fault.IsKind(err, fault.Protocol) || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("error is %v, want fault.Protocol", err)
	}
	if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: strings.Repeat("x", rpc.MaxMessage-64)}); err != nil {
		t.Errorf("just below the limit: %v", err)
	}
}
