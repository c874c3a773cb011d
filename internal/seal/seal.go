// Package seal encrypts answers to the analyst: HPKE (RFC 9180, base mode) with MLKEM768-X25519 (X-Wing,
// draft-ietf-hpke-pq), HKDF-SHA256 and AES-256-GCM, so that what is recorded today stays unreadable. HPKE authenticates
// nobody: whoever seals also signs.
package seal

import (
	"crypto/hpke"
	"fmt"

	"github.com/sotto-dev/sotto/internal/canon"
)

// Context is what a sealed message belongs to. It is the associated data, so that a message opens in no other place.
type Context struct {
	Transcript [32]byte
	KeyHolder  string
	Cells      int64
}

func (c Context) encode() []byte { return canon.Encode("sotto/v1/seal", c) }

// Key is an analyst's key pair for the answer to one question.
type Key struct{ private hpke.PrivateKey }

// NewKey draws a key pair.
func NewKey() (*Key, error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("draw sealing key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey reads what Bytes returned.
func ParseKey(b []byte) (*Key, error) {
	private, err := hpke.MLKEM768X25519().NewPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	return &Key{private}, nil
}

// Bytes returns the private key, to be kept as secret as the answer.
func (k *Key) Bytes() ([]byte, error) { return k.private.Bytes() }

// Public returns the encoding of the public key.
func (k *Key) Public() []byte { return k.private.PublicKey().Bytes() }

// CheckRecipient tells whether b is a well-formed public key to seal to: the right length, every coefficient of the
// ML-KEM part reduced (FIPS 203, section 7.2), and an X25519 part with which a shared secret can be agreed on at all,
// which rules out points of small order.
func CheckRecipient(b []byte) error {
	public, err := hpke.MLKEM768X25519().NewPublicKey(b)
	if err != nil {
		return fmt.Errorf("recipient key: %w", err)
	}
	if _, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), nil, nil); err != nil {
		return fmt.Errorf("recipient key: %w", err)
	}
	return nil
}

// encapsulated is the length of the KEM's part of a sealed message: 1088 bytes of ML-KEM-768, 32 of X25519.
const encapsulated = 1088 + 32

var info = []byte("sotto/v1/seal")

// To seals a message to a recipient: the encapsulated key, then the ciphertext.
func To(recipient []byte, context Context, message []byte) ([]byte, error) {
	public, err := hpke.MLKEM768X25519().NewPublicKey(recipient)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	enc, sender, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sealed, err := sender.Seal(context.encode(), message)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append(enc, sealed...), nil
}

// Open opens a message that was sealed to k in that context.
func (k *Key) Open(context Context, sealed []byte) ([]byte, error) {
	if len(sealed) < encapsulated {
		return nil, fmt.Errorf("open what %s sealed: %d bytes, at least %d", context.KeyHolder, len(sealed), encapsulated)
	}
	recipient, err := hpke.NewRecipient(sealed[:encapsulated], k.private, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, fmt.Errorf("open what %s sealed: %w", context.KeyHolder, err)
	}
	message, err := recipient.Open(context.encode(), sealed[encapsulated:])
	if err != nil {
		return nil, fmt.Errorf("open what %s sealed: wrong key or altered: %w", context.KeyHolder, err)
	}
	return message, nil
}
