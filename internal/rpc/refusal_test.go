package rpc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
)

func nothing(context.Context) error { return nil }

// A client that the agreement does not name is refused before any handler runs. It learns that it was its key, every
// time, though the connection closes on it; and the server's operator reads which key it was.
func TestUnpinnedClient(t *testing.T) {
	server, client, stranger := newKey(t), newKey(t), newKey(t)
	address, logs := serve(t, func(logger *slog.Logger) grpc.ServerOption {
		return rpc.ServerCredentials(server.ServerTLS(only(client)), logger)
	}, func(context.Context) error {
		t.Error("a handler ran for a stranger")
		return nil
	})
	const tries = 20
	for range tries {
		err := call(t, dial(t, address, rpc.ClientCredentials(stranger.ClientTLS(server.Public()))))
		if !fault.IsKind(err, fault.NotMember) || fault.From(err).Hint == "" {
			t.Fatalf("error is %v, want fault.NotMember with a hint", err)
		}
	}
	lines := logs.lines(t, "connection refused")
	if len(lines) == 0 {
		t.Fatal("the refusal is not in the log")
	}
	text := lines[0]["error"].(string)
	if !strings.Contains(text, stranger.Public().String()) || !strings.Contains(text, "not in the agreement") {
		t.Errorf("log says %q", text)
	}
}

// A client does not talk to a server with another key than the agreement's, and says which key it met.
func TestUnpinnedServer(t *testing.T) {
	client, expected, impostor := newKey(t), newKey(t), newKey(t)
	address, _ := serve(t, func(logger *slog.Logger) grpc.ServerOption {
		return rpc.ServerCredentials(impostor.ServerTLS(only(client)), logger)
	}, nothing)
	err := call(t, dial(t, address, rpc.ClientCredentials(client.ClientTLS(expected.Public()))))
	if !fault.IsKind(err, fault.NotMember) || !strings.Contains(err.Error(), impostor.Public().String()) ||
		!strings.HasSuffix(err.Error(), expected.Public().String()+")") {
		t.Errorf("error is %v, want fault.NotMember with both keys", err)
	}
}

// A server with the right key and a certificate that has run out is named as such, not as unreachable.
func TestExpiredServer(t *testing.T) {
	client := newKey(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serve(t, func(logger *slog.Logger) grpc.ServerOption {
		return rpc.ServerCredentials(&tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		}, logger)
	}, nothing)
	err = call(t, dial(t, address, rpc.ClientCredentials(client.ClientTLS(identity.PublicKey(public)))))
	if !fault.IsKind(err, fault.Expired) || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("error is %v, want fault.Expired", err)
	}
}

// A node that is not there is unavailable at once; nobody waits for a time-out.
func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	err = call(t, dial(t, address, rpc.ClientCredentials(key.ClientTLS(key.Public()))))
	if !fault.IsKind(err, fault.Unavailable) || !strings.HasPrefix(err.Error(), "cannot connect: dial") {
		t.Errorf("error is %v, want fault.Unavailable", err)
	}
}

// A caller who gives up gets a cancellation, and so does the handler that still works for it.
func TestCancel(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	client, _, _ := start(t, func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, err := client.Check(ctx, nil)
	if !fault.IsKind(err, fault.Cancelled) {
		t.Errorf("error is %v, want fault.Cancelled", err)
	}
	if err := <-ended; !fault.IsKind(err, fault.Cancelled) {
		t.Errorf("the handler's context ended with %v", err)
	}
}
