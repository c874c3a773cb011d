package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
)

const (
	keyFile         = "identity.key" // PKCS#8 in PEM, mode 0600
	certificateFile = "identity.crt" // X.509 in PEM

	keyType         = "PRIVATE KEY"
	certificateType = "CERTIFICATE"

	maxFileSize = 64 << 10
)

// Create makes a key and a ten-year certificate for name, and stores them in dir as identity.key and identity.crt; dir is
// made, with mode 0700, if it is missing. It overwrites nothing: if either file exists, the error is of fault.Invalid.
// When it returns nil, both files are on the disk. A crash leaves a whole identity, a certificate alone, or nothing.
func Create(dir, name string) (*Key, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	for _, file := range []string{keyFile, certificateFile} {
		if _, err := os.Lstat(filepath.Join(dir, file)); !errors.Is(err, fs.ErrNotExist) {
			return nil, occupied(dir, file, err)
		}
	}
	key, err := generate(name, time.Now())
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, fmt.Errorf("encode identity key: %w", err)
	}
	defer clear(der)
	private := pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: der})
	defer clear(private)
	public := pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: key.certificate.Raw})

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create identity: %w", err)
	}
	// The key comes last: an identity exists when its key does.
	if err := writeNew(dir, certificateFile, public, 0o644); err != nil {
		return nil, err
	}
	if err := writeNew(dir, keyFile, private, 0o600); err != nil {
		return nil, errors.Join(err, os.Remove(filepath.Join(dir, certificateFile)))
	}
	return key, nil
}

// Open reads the identity in dir. Errors are faults: NotFound if there is none, Invalid if the key may be read by others,
// or if the files are damaged or do not belong together, Expired if the certificate is not valid today.
func Open(dir string) (*Key, error) {
	private, err := openKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, certificateFile)
	certificate, err := openCertificate(path)
	if err != nil {
		return nil, err
	}
	key := &Key{private: private, certificate: certificate}
	public, err := certificateKey(certificate)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open %s", path).Wrap(err)
	}
	if public != key.Public() {
		return nil, fault.New(fault.Invalid, "%s is for key %s, but %s holds key %s",
			path, public, keyFile, key.Public()).WithHint("restore the two files from one backup")
	}
	if err := CheckName(key.Name()); err != nil {
		return nil, fault.New(fault.Invalid, "open %s", path).Wrap(err)
	}
	if err := checkDates(certificate, time.Now()); err != nil {
		return nil, fault.New(fault.Expired, "open %s", path).Wrap(err).
			WithHint("make a new identity with 'sotto keys new' and have the agreement name its key")
	}
	return key, nil
}

func openKey(path string) (ed25519.PrivateKey, error) {
	text, mode, err := readFile(path)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	// Windows has no such mode bits.
	if exposed := mode.Perm() & 0o077; exposed != 0 && runtime.GOOS != "windows" {
		return nil, fault.New(fault.Invalid, "%s has mode %04o: others than its owner may use it, must be 0600 or less",
			path, mode.Perm()).WithHint("if nobody else has read it, run 'chmod 600 " + path + "'; otherwise make a new one")
	}
	der, err := onlyBlock(path, text, keyType)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil { // the parser's words are not passed on: they could quote the secret
		return nil, fault.New(fault.Invalid, "%s: not a PKCS#8 private key", path)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s: a key of type %T, must be Ed25519", path, parsed)
	}
	return private, nil
}

func openCertificate(path string) (*x509.Certificate, error) {
	text, _, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "%s is missing next to %s", path, keyFile).Wrap(err).
			WithHint("restore it from a backup: a key works only with its own certificate")
	}
	if err != nil {
		return nil, err
	}
	der, err := onlyBlock(path, text, certificateType)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: not an X.509 certificate", path).Wrap(err)
	}
	return certificate, nil
}

// readFile returns the contents of a small regular file and its mode, both of the same opened file.
func readFile(path string) ([]byte, fs.FileMode, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fault.New(fault.NotFound, "no identity at %s", filepath.Dir(path)).Wrap(err).
			WithHint("make one with 'sotto keys new'")
	}
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "open identity").Wrap(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "open identity").Wrap(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, 0, fault.New(fault.Invalid, "%s: must be a regular file of at most %d bytes", path, maxFileSize)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize))
	if err != nil {
		return nil, 0, fault.New(fault.Invalid, "read identity").Wrap(err)
	}
	return text, info.Mode(), nil
}

// onlyBlock returns the bytes of the one PEM block that text consists of.
func onlyBlock(path string, text []byte, blockType string) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != blockType || len(rest) > 0 {
		return nil, fault.New(fault.Invalid, "%s: must be one PEM block of type %q", path, blockType)
	}
	return block.Bytes, nil
}

func occupied(dir, file string, err error) error {
	if err != nil {
		return fmt.Errorf("create identity: %w", err)
	}
	return fault.New(fault.Invalid, "create identity in %s: %s exists, and identities are never overwritten", dir, file).
		WithHint("choose another directory, or move the file away")
}

// writeNew makes the file durably, whole or not at all, and fails if it exists (a link, unlike a rename, replaces nothing).
func writeNew(dir, name string, text []byte, mode fs.FileMode) error {
	draft, err := os.CreateTemp(dir, "."+name+".*") // mode 0600 from the start
	if err != nil {
		return fmt.Errorf("create identity: %w", err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(text)
	err = errors.Join(err, draft.Chmod(mode), draft.Sync(), draft.Close())
	if err == nil {
		err = os.Link(draft.Name(), filepath.Join(dir, name))
	}
	if errors.Is(err, fs.ErrExist) {
		return occupied(dir, name, nil)
	}
	if err != nil {
		return fmt.Errorf("create identity: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return errors.Join(err, os.Remove(filepath.Join(dir, name)))
	}
	return nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // which cannot sync a directory, and needs not
		return nil
	}
	opened, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("create identity: %w", err)
	}
	defer opened.Close()
	if err := opened.Sync(); err != nil {
		return fmt.Errorf("create identity: %w", err)
	}
	return nil
}
