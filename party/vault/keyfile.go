package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
)

// maxKeyText is more than any key's text has; a longer file is none.
const maxKeyText = 256

// NewKeyFile makes a random key and stores it as a line of base64 (RFC 4648, section 4) that only its owner may read. If a file
// is there, the error is of fault.Invalid and wraps fs.ErrExist: a key that is overwritten is data that is lost. A crash leaves a whole key or none.
func NewKeyFile(path string) error {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, draft) // mode 0600 from the start
	if err != nil {
		return fmt.Errorf("create data key: %w", err)
	}
	defer os.Remove(file.Name())
	var key [KeySize]byte
	rand.Read(key[:]) // never fails
	text := append(base64.StdEncoding.AppendEncode(nil, key[:]), '\n')
	defer clear(key[:])
	defer clear(text)
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Link(file.Name(), path) // which, unlike a rename, replaces nothing
	}
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Invalid, "create data key %s: keys are never overwritten", path).Wrap(fs.ErrExist).
			WithHint("choose another name; what was sealed under the key that is there can be opened with no other")
	}
	if err == nil {
		err = sqlite.SyncFolder(folder)
	}
	if err != nil {
		return fmt.Errorf("create data key: %w", err)
	}
	return nil
}

// OpenKeyFile returns the vault under the key in a file made by NewKeyFile. Errors are faults: NotFound if there is none,
// Invalid if others than its owner may use it, or if it holds anything but one key. No error quotes what it holds.
func OpenKeyFile(path string) (*Vault, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no data key at %s", path).Wrap(err).
			WithHint("restore it from its backup; for a new node make one with 'sotto party init'")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "open data key").Wrap(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fault.New(fault.Invalid, "open data key").Wrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "data key %s: must be a regular file", path)
	}
	// Windows has no such mode bits.
	if exposed := info.Mode().Perm() & 0o077; exposed != 0 && runtime.GOOS != "windows" {
		return nil, fault.New(fault.Invalid, "data key %s has mode %04o: others than its owner may use it, must be 0600 or less",
			path, info.Mode().Perm()).WithHint("if nobody else has read it, run 'chmod 600 " + path + "'")
	}
	text := make([]byte, maxKeyText+1)
	defer clear(text)
	n, err := io.ReadFull(file, text)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "read data key %s", path).Wrap(err)
	}
	v, err := fromText(text[:n])
	if err != nil {
		return nil, fault.New(fault.Invalid, "data key %s", path).Wrap(err)
	}
	return v, nil
}

// FromText returns the vault under a key that is given as text, such as an environment variable's: the base64 of 32 bytes,
// white space around it allowed. Errors are of fault.Invalid and do not quote it.
func FromText(text string) (*Vault, error) {
	copied := []byte(text)
	defer clear(copied)
	v, err := fromText(copied)
	if err != nil {
		return nil, fault.New(fault.Invalid, "data key").Wrap(err)
	}
	return v, nil
}

func fromText(text []byte) (*Vault, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("must be the base64 of %d bytes and nothing else, is longer", KeySize)
	}
	text = bytes.TrimSpace(text)
	key := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	defer clear(key)
	n, err := base64.StdEncoding.Strict().Decode(key, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") { // within which the decoder allows them
		return nil, fmt.Errorf("must be the base64 of %d bytes, is not base64", KeySize) // err's words would tell where
	}
	if n != KeySize {
		return nil, fmt.Errorf("must be the base64 of %d bytes, is that of %d", KeySize, n)
	}
	return newVault(key[:n])
}
