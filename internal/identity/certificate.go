package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
)

const (
	validYears = 10
	// clockSkew is how far the certificate's start lies in the past, for peers whose clocks are behind.
	clockSkew = time.Hour
)

// certified returns the key with a new self-signed certificate, valid from an hour before now for ten years.
func certified(private ed25519.PrivateKey, name string, now time.Time) (*Key, error) {
	return certifiedFor(private, name, now.Add(-clockSkew), now.AddDate(validYears, 0, 0))
}

func certifiedFor(private ed25519.PrivateKey, name string, notBefore, notAfter time.Time) (*Key, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw certificate serial number: %w", err)
	}
	// No subject alternative names: peers check the key, whatever address they reached it at.
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("create certificate for %q: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("create certificate for %q: %w", name, err)
	}
	return &Key{private: private, certificate: certificate}, nil
}

// certificateKey returns the Ed25519 key that a certificate is about, of fault.Protocol if it is of another kind.
func certificateKey(certificate *x509.Certificate) (PublicKey, error) {
	public, ok := certificate.PublicKey.(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return PublicKey{}, fault.New(fault.Protocol,
			"the certificate has a key of type %s, must be Ed25519", certificate.PublicKeyAlgorithm)
	}
	return PublicKey(public), nil
}

// checkDates refuses a certificate that is not valid at now, of fault.Expired.
func checkDates(certificate *x509.Certificate, now time.Time) error {
	if now.Before(certificate.NotBefore) {
		return fault.New(fault.Expired, "the certificate is valid only from %s (the clock here says %s)",
			certificate.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if now.After(certificate.NotAfter) {
		return fault.New(fault.Expired, "the certificate expired on %s", certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
