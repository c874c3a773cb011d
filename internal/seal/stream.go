package seal

import (
	"crypto/hpke"
	"fmt"
)

// streamInfo separates streams from single messages.
var streamInfo = []byte("sotto/v1/seal-stream")

// Encapsulated is the length, in bytes, of what begins a stream.
const Encapsulated = encapsulated

// Overhead is how many bytes a sealed message is longer than the message: the tag of AES-GCM (RFC 9180, section 7.3).
const Overhead = 16

// Sender seals the messages of a stream, in order. It is not safe for concurrent use.
type Sender struct{ sender *hpke.Sender }

// NewSender begins a stream to a recipient, and returns what the recipient needs to open it, of [Encapsulated] bytes. The stream
// opens only where the context is the same. The key and the numbering of messages are those of one HPKE context (RFC 9180,
// section 5.2), so that a message opens only in its place. A stream does not say how many messages it has: who opens it must know,
// or it may be cut at its end.
func NewSender(recipient, context []byte) (*Sender, []byte, error) {
	public, err := hpke.MLKEM768X25519().NewPublicKey(recipient)
	if err != nil {
		return nil, nil, fmt.Errorf("seal a stream: %w", err)
	}
	begin, sender, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.AES256GCM(), infoOf(context))
	if err != nil {
		return nil, nil, fmt.Errorf("seal a stream: %w", err)
	}
	return &Sender{sender}, begin, nil
}

// Seal returns the next message, sealed.
func (s *Sender) Seal(message []byte) ([]byte, error) {
	sealed, err := s.sender.Seal(nil, message)
	if err != nil {
		return nil, fmt.Errorf("seal a stream: %w", err)
	}
	return sealed, nil
}

// Receiver opens the messages of a stream, in order. It is not safe for concurrent use.
type Receiver struct{ recipient *hpke.Recipient }

// NewReceiver begins to open a stream that was sealed to k in that context.
func (k *Key) NewReceiver(begin, context []byte) (*Receiver, error) {
	if len(begin) != Encapsulated {
		return nil, fmt.Errorf("open a stream: it begins with %d bytes, must be %d", len(begin), Encapsulated)
	}
	recipient, err := hpke.NewRecipient(begin, k.private, hpke.HKDFSHA256(), hpke.AES256GCM(), infoOf(context))
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	return &Receiver{recipient}, nil
}

// Open returns the next message. One that was altered, repeated, left out, or sealed to somebody else is an error.
func (r *Receiver) Open(sealed []byte) ([]byte, error) {
	message, err := r.recipient.Open(nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("open a stream: a message is altered, out of order, or sealed to another key: %w", err)
	}
	return message, nil
}

func infoOf(context []byte) []byte { return append(append([]byte{}, streamInfo...), context...) }
