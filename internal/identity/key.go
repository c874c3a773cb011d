package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/internal/canon"
)

// ErrSignature is wrapped by every error of [Verify].
var ErrSignature = errors.New("signature does not verify")

// signatureDomain separates what a node signs as a protocol message from everything else that its key could sign,
// the TLS handshake included (RFC 8446, section 4.4.3, starts with 64 spaces).
const signatureDomain = "sotto/v1/signature"

// SignatureSize is the length in bytes of what [Key.Sign] returns.
const SignatureSize = ed25519.SignatureSize

// Key is a node's private key with its certificate. It is safe for concurrent use, and does not print its secret.
type Key struct {
	private     ed25519.PrivateKey
	certificate *x509.Certificate // self-signed, of this very key
}

// Generate returns a new key, with a certificate, that lives in memory only; its name is empty.
func Generate() (*Key, error) { return generate("", time.Now()) }

func generate(name string, now time.Time) (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate identity key: %w", err)
	}
	return certified(private, name, now)
}

// Public returns the key that an agreement pins for this node.
func (k *Key) Public() PublicKey { return PublicKey(k.private.Public().(ed25519.PublicKey)) }

// Name returns the node's name as its certificate has it. What others call the node, the agreement says.
func (k *Key) Name() string { return k.certificate.Subject.CommonName }

// String returns the name and the public key.
func (k *Key) String() string { return fmt.Sprintf("identity %q %s", k.Name(), k.Public()) }

// GoString is [Key.String], so that no verb prints the secret.
func (k *Key) GoString() string { return k.String() }

// signed is what an Ed25519 signature is over: the domain of the value and its canonical encoding.
type signed struct {
	Domain string
	Body   []byte
}

func signedBytes(domain string, value any) []byte {
	return canon.Encode(signatureDomain, signed{Domain: domain, Body: canon.Encode(domain, value)})
}

// Sign returns the 64-byte Ed25519 signature (RFC 8032, deterministic) over
//
//	canon.Encode("sotto/v1/signature", {Domain: domain, Body: canon.Encode(domain, value)})
//
// It panics on a value that canon cannot encode, as canon.Encode does.
func (k *Key) Sign(domain string, value any) []byte {
	return ed25519.Sign(k.private, signedBytes(domain, value))
}

// Verify checks a signature by [Key.Sign]. Every error wraps [ErrSignature]. It does not ask whether pub is a member: pub
// must come from the agreement, never from the message.
func Verify(pub PublicKey, domain string, value any, signature []byte) error {
	if len(signature) != SignatureSize {
		return fmt.Errorf("%w: %s by %s: %d bytes, must be %d", ErrSignature, domain, pub, len(signature), SignatureSize)
	}
	if !ed25519.Verify(pub[:], signedBytes(domain, value), signature) {
		return fmt.Errorf("%w: %s by %s", ErrSignature, domain, pub)
	}
	return nil
}
