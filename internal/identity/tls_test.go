package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/peer"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

// outcome is what each side of a connection ended with, and the client's view of it.
type outcome struct {
	server, client error
	state          tls.ConnectionState
}

// connect makes one connection over loopback and says one byte each way.
func connect(t *testing.T, server, client *tls.Config) outcome {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			served <- err
			return
		}
		defer raw.Close()
		served <- exchange(tls.Server(raw, server))
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn := tls.Client(raw, client)
	clientErr := exchange(conn)
	raw.Close()
	return outcome{server: <-served, client: clientErr, state: conn.ConnectionState()}
}

func exchange(conn *tls.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if err := conn.Handshake(); err != nil {
		return err
	}
	// In TLS 1.3 the client is done before the server has seen its certificate: only a read tells.
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	return err
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

// Two nodes that pin each other's keys talk, over TLS 1.3 and the hybrid key exchange: recorded traffic stays unreadable for
// a quantum computer. No ticket is issued, so that each connection is checked anew.
func TestPinnedPeersConnect(t *testing.T) {
	server, client := newKey(t), newKey(t)
	serverTLS, clientTLS := server.ServerTLS(only(client)), client.ClientTLS(server.Public())
	clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 2 {
		got := connect(t, serverTLS, clientTLS)
		if got.server != nil || got.client != nil {
			t.Fatalf("server: %v, client: %v", got.server, got.client)
		}
		if state := got.state; state.Version != tls.VersionTLS13 || state.CurveID != tls.X25519MLKEM768 || state.DidResume {
			t.Fatalf("connection is %s, %s, resumed: %v", tls.VersionName(state.Version), state.CurveID, state.DidResume)
		}
	}
}

// A node that the agreement does not name is turned away at the handshake, and the operator reads which key it presented.
func TestUnpinnedKeysAreRefused(t *testing.T) {
	server, client, stranger := newKey(t), newKey(t), newKey(t)
	expect := func(err error, presented *identity.Key) {
		t.Helper()
		if !fault.IsKind(err, fault.NotMember) || !strings.Contains(err.Error(), presented.Public().String()) ||
			!strings.Contains(err.Error(), "not in the agreement") {
			t.Errorf("error is %v, want that key %s is not in the agreement", err, presented.Public())
		}
	}
	got := connect(t, server.ServerTLS(only(client)), stranger.ClientTLS(server.Public()))
	expect(got.server, stranger)
	if got.client == nil {
		t.Error("the refused client got an answer")
	}
	got = connect(t, stranger.ServerTLS(only(client)), client.ClientTLS(server.Public()))
	expect(got.client, stranger)
	if got.server == nil {
		t.Error("the refused server got a client")
	}
}

// A pinned key alone is not enough: its certificate must be valid today, at both ends.
func TestCertificateDates(t *testing.T) {
	now := time.Now()
	good := newKey(t)
	for name, bad := range map[string]*identity.Key{
		"expired on":      identity.GenerateFor(now.Add(-2*time.Hour), now.Add(-time.Hour)),
		"valid only from": identity.GenerateFor(now.Add(time.Hour), now.Add(2*time.Hour)),
	} {
		asServer := connect(t, bad.ServerTLS(only(good)), good.ClientTLS(bad.Public())).client
		asClient := connect(t, good.ServerTLS(only(bad)), bad.ClientTLS(good.Public())).server
		for _, err := range []error{asServer, asClient} {
			if !fault.IsKind(err, fault.Expired) || !strings.Contains(err.Error(), name) {
				t.Errorf("error is %v, want fault.Expired with %q", err, name)
			}
		}
	}
}

// Nothing older than TLS 1.3 is spoken, whatever the other side offers: 1.2 shows certificates in the clear and has no
// hybrid key exchange.
func TestNoTLS12(t *testing.T) {
	server, client := newKey(t), newKey(t)
	old := client.ClientTLS(server.Public())
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if got := connect(t, server.ServerTLS(only(client)), old); got.server == nil || got.client == nil {
		t.Errorf("a TLS 1.2 client was served: %v, %v", got.server, got.client)
	}
	old = server.ServerTLS(only(client))
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if got := connect(t, old, client.ClientTLS(server.Public())); got.server == nil || got.client == nil {
		t.Errorf("a TLS 1.2 server was used: %v, %v", got.server, got.client)
	}
}

// A client without a certificate, with a chain of two, or with a key of another algorithm is nobody, even where every key is
// allowed.
func TestOddCertificatesAreRefused(t *testing.T) {
	server, client := newKey(t), newKey(t)
	everyone := server.ServerTLS(func(identity.PublicKey) bool { return true })

	none := client.ClientTLS(server.Public())
	none.Certificates = nil
	none.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return new(tls.Certificate), nil }
	if err := connect(t, everyone, none).server; err == nil {
		t.Error("a client without a certificate was served")
	}

	two := client.ClientTLS(server.Public())
	chain := two.Certificates[0]
	chain.Certificate = append(chain.Certificate[:1:1], chain.Certificate[0])
	two.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &chain, nil }
	if err := connect(t, everyone, two).server; !fault.IsKind(err, fault.Protocol) {
		t.Errorf("two certificates: error is %v, want fault.Protocol", err)
	}

	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	ecdsaTLS := client.ClientTLS(server.Public())
	other := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	ecdsaTLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &other, nil }
	if err := connect(t, everyone, ecdsaTLS).server; !fault.IsKind(err, fault.Protocol) {
		t.Errorf("an ECDSA certificate: error is %v, want fault.Protocol", err)
	}
}

// Copying a member's certificate off the wire is no use without its key.
func TestStolenCertificateIsRefused(t *testing.T) {
	server, client, thief := newKey(t), newKey(t), newKey(t)
	stolen := thief.ClientTLS(server.Public())
	mixed := tls.Certificate{
		Certificate: client.ClientTLS(server.Public()).Certificates[0].Certificate,
		PrivateKey:  stolen.Certificates[0].PrivateKey,
	}
	stolen.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mixed, nil }
	if err := connect(t, server.ServerTLS(only(client)), stolen).server; err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("error is %v, want one about the signature", err)
	}
}

// A context that does not come from a pinned connection has no peer; handlers must not take that for a zero key.
func TestPeerKeyWithoutPeer(t *testing.T) {
	for _, ctx := range []context.Context{context.Background(), peer.NewContext(context.Background(), &peer.Peer{})} {
		if _, err := identity.PeerKey(ctx); !errors.Is(err, identity.ErrNoPeer) {
			t.Errorf("error is %v, want ErrNoPeer", err)
		}
	}
}
