// Package vault is encryption at rest: what a node keeps of customers is sealed under one key that the owner holds, and
// customers' ids are kept only as keyed hashes.
//
// # Keys
//
// The master key is 32 random bytes. What is used is derived from it with HKDF-SHA256 (RFC 5869, no salt), 32 bytes each, one
// key per use, by the info string:
//
//	"sotto/v1/vault key id"     the first 8 bytes: names the key in public
//	"sotto/v1/vault records"    [Vault.Seal]
//	"sotto/v1/vault streams"    secret of the keys of streams, see [Vault.NewWriter]
//	"sotto/v1/vault hashes"     [Vault.Hash]
//
// # What is trusted
//
// Whoever has the files but not the key learns their sizes and the times at which they change, and whoever changes them is
// noticed: of what is opened, every bit is what was sealed, for that place. A whole file that is put back from an older copy, or
// removed, is not noticed here. Whoever has the key has everything: keep it on other media than the files, and not in their
// backups. A lost key is lost data.
//
// testdata/vectors.json has a key and things sealed under it, for other implementations to be checked against.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// KeySize is the length of a master key in bytes.
const KeySize = 32

const (
	keyIDInfo   = "sotto/v1/vault key id"
	recordsInfo = "sotto/v1/vault records"
	streamsInfo = "sotto/v1/vault streams"
	hashesInfo  = "sotto/v1/vault hashes"
)

var (
	// ErrOtherKey is wrapped by errors of opening what was sealed under another key.
	ErrOtherKey = errors.New("it was sealed under another key")
	// ErrAltered is wrapped by errors of opening what is not, bit for bit, what was sealed for this place.
	ErrAltered = errors.New("it is damaged, or not what belongs here")
)

// KeyID names a master key and tells nothing else of it.
type KeyID [8]byte

// String returns 16 hex digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Vault seals, opens and hashes under one key. Safe for concurrent use, but for Trace and Close.
type Vault struct {
	id      KeyID
	records cipher.AEAD // nil once closed
	streams []byte
	hashes  []byte
	step    func(point string)
}

// newVault derives the keys in use from a master key, of which it keeps nothing.
func newVault(master []byte) (*Vault, error) {
	v := &Vault{step: func(string) {}}
	var id, records []byte
	for info, key := range map[string]*[]byte{keyIDInfo: &id, recordsInfo: &records, streamsInfo: &v.streams, hashesInfo: &v.hashes} {
		derived, err := hkdf.Key(sha256.New, master, nil, info, KeySize)
		if err != nil {
			return nil, err
		}
		*key = derived
	}
	defer clear(records)
	block, err := aes.NewCipher(records)
	if err != nil {
		return nil, err
	}
	if v.records, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	v.id = KeyID(id[:len(v.id)])
	return v, nil
}

// New returns a vault under a random key that is never written anywhere: what it seals is lost when it is closed.
func New() (*Vault, error) {
	var master [KeySize]byte
	defer clear(master[:])
	rand.Read(master[:]) // never fails
	return newVault(master[:])
}

// KeyID names the key. It is public.
func (v *Vault) KeyID() KeyID { return v.id }

// String names the key and does not show it.
func (v *Vault) String() string { return "vault under key " + v.id.String() }

// GoString is [Vault.String], so that no verb prints the key.
func (v *Vault) GoString() string { return v.String() }

// Close zeroes the keys. Nothing else may run at the same time, and whatever is called afterwards panics: to seal under a zeroed
// key would be to publish. What crypto/aes has expanded of the records' key is left to the garbage collector.
func (v *Vault) Close() {
	clear(v.streams)
	clear(v.hashes)
	v.records = nil
}

func (v *Vault) mustBeOpen() {
	if v.records == nil {
		panic("vault: used after Close")
	}
}

const (
	recordVersion  = 1
	recordOverhead = 1 + len(KeyID{}) + 12 + tagSize
	tagSize        = 16
)

// Seal encrypts a record with AES-256-GCM. The context says where it belongs (such as "sotto/v1/subjects row 7"); it is
// authenticated, not stored, and only what names the same context opens it. What is returned is longer by 37 bytes:
//
//	1 byte      version, 1
//	8 bytes     key id
//	12 bytes    random nonce
//	n bytes     ciphertext, with the UTF-8 of context as associated data
//	16 bytes    tag
//
// With random nonces of 96 bits one key may seal at most 2³² records (NIST SP 800-38D, section 8.3: a nonce then repeats with
// a chance of at most 2⁻³²): one a second for 136 years. What is written in bulk goes into streams, each of which has a key of
// its own.
func (v *Vault) Seal(context string, plaintext []byte) []byte {
	v.mustBeOpen()
	sealed := make([]byte, 0, recordOverhead+len(plaintext))
	sealed = append(sealed, recordVersion)
	sealed = append(sealed, v.id[:]...)
	return v.records.Seal(sealed, nil, plaintext, []byte(context))
}

// Open returns what was sealed in that context. Errors wrap [ErrOtherKey] or [ErrAltered].
func (v *Vault) Open(context string, sealed []byte) ([]byte, error) {
	v.mustBeOpen()
	if len(sealed) < recordOverhead || sealed[0] != recordVersion {
		return nil, fmt.Errorf("open a sealed record: %w", ErrAltered)
	}
	id, body := KeyID(sealed[1:9]), sealed[9:]
	if err := v.checkKey(id); err != nil {
		return nil, fmt.Errorf("open a sealed record: %w", err)
	}
	plaintext, err := v.records.Open(nil, nil, body, []byte(context))
	if err != nil {
		return nil, fmt.Errorf("open a sealed record: %w", ErrAltered)
	}
	return plaintext, nil
}

func (v *Vault) checkKey(id KeyID) error {
	if id != v.id {
		return fmt.Errorf("%w: %s, the key given is %s", ErrOtherKey, id, v.id)
	}
	return nil
}
