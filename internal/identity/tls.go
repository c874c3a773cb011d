package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/sotto-dev/sotto/internal/fault"
)

// ServerTLS returns the configuration of a listening node: TLS 1.3 only, and a client must prove that it holds a key which
// allowed accepts (it is called once per connection, from many goroutines). No certificate authority is asked; no session
// is resumed, so that a key taken out of the agreement is out with the next connection.
func (k *Key) ServerTLS(allowed func(PublicKey) bool) *tls.Config {
	config := k.pinnedTLS("client", func(key PublicKey) error {
		if !allowed(key) {
			return fault.New(fault.NotMember, "the client presented key %s, which is not in the agreement", key)
		}
		return nil
	})
	config.ClientAuth = tls.RequireAnyClientCert // and config.VerifyConnection decides
	return config
}

// ClientTLS returns the configuration of a calling node: TLS 1.3 only, and the server must prove that it holds the key
// server. The host name is not checked; addresses may change without anybody's leave.
func (k *Key) ClientTLS(server PublicKey) *tls.Config {
	config := k.pinnedTLS("server", func(key PublicKey) error {
		if key != server {
			return fault.New(fault.NotMember,
				"the server presented key %s, which is not in the agreement for this address (that is %s)", key, server)
		}
		return nil
	})
	config.InsecureSkipVerify = true // config.VerifyConnection does all of the verifying
	return config
}

func (k *Key) pinnedTLS(role string, accept func(PublicKey) error) *tls.Config {
	own := tls.Certificate{
		Certificate: [][]byte{k.certificate.Raw}, PrivateKey: k.private, Leaf: k.certificate,
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{own},
		// Without this, a client would stay silent when a server lists authorities that it accepts.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil },
		// The hybrid with ML-KEM-768 first: what is recorded today must stay unreadable for tomorrow's quantum computers.
		// (crypto/tls prefers it whatever the order here; a test holds it to that.) X25519 alone is for clients in
		// languages whose TLS has no ML-KEM yet; a third one in the middle cannot make two nodes fall back to it, since
		// TLS 1.3 signs the whole negotiation.
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768, tls.X25519},
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPeer(state, role, time.Now(), accept)
		},
	}
}

// verifyPeer is the whole check of a peer's certificate. That the peer holds the certificate's key, the handshake proves.
func verifyPeer(state tls.ConnectionState, role string, now time.Time, accept func(PublicKey) error) error {
	if state.Version != tls.VersionTLS13 {
		return fault.New(fault.Protocol, "the %s speaks %s, must be TLS 1.3", role, tls.VersionName(state.Version))
	}
	if len(state.PeerCertificates) != 1 {
		return fault.New(fault.Protocol, "the %s presented %d certificates, must be its own and no other",
			role, len(state.PeerCertificates))
	}
	certificate := state.PeerCertificates[0]
	key, err := certificateKey(certificate)
	if err != nil {
		return err
	}
	if err := accept(key); err != nil {
		return err
	}
	if err := checkDates(certificate, now); err != nil {
		return fault.New(fault.Expired, "the %s with key %s: %s", role, key, err)
	}
	return nil
}

// ErrNoPeer is wrapped by errors of [PeerKey].
var ErrNoPeer = errors.New("no authenticated peer")

// PeerKey returns the key that the other end of a gRPC call proved, from the context of the handler that serves it.
// The error wraps [ErrNoPeer]: the connection is not one of [Key.ServerTLS].
func PeerKey(ctx context.Context) (PublicKey, error) {
	other, ok := peer.FromContext(ctx)
	if !ok {
		return PublicKey{}, fmt.Errorf("%w: the context is not that of a gRPC call", ErrNoPeer)
	}
	info, ok := other.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return PublicKey{}, fmt.Errorf("%w: the connection does not use TLS", ErrNoPeer)
	}
	if len(info.State.PeerCertificates) != 1 {
		return PublicKey{}, fmt.Errorf("%w: %d certificates, must be 1", ErrNoPeer, len(info.State.PeerCertificates))
	}
	key, err := certificateKey(info.State.PeerCertificates[0])
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrNoPeer, err)
	}
	return key, nil
}
