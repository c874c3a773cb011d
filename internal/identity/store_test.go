package identity_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

func create(t *testing.T) (dir string, key *identity.Key) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "company", "identity")
	key, err := identity.Create(dir, "bank")
	if err != nil {
		t.Fatal(err)
	}
	return dir, key
}

// A stored identity is the same one when it is opened again, and its files are closed to others and complete: no drafts.
func TestCreateAndOpen(t *testing.T) {
	dir, key := create(t)
	opened, err := identity.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Public() != key.Public() || opened.Name() != "bank" {
		t.Errorf("opened %v, want %v", opened, key)
	}
	if err := identity.Verify(key.Public(), domain, statement{}, opened.Sign(domain, statement{})); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, "identity.key": 0o600, "identity.crt": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", name, info.Mode().Perm(), want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%d files in the directory, want 2 (%v)", len(entries), err)
	}
}

// An identity is never overwritten, not even half of one: losing a key means a new agreement for everybody.
func TestCreateOverwritesNothing(t *testing.T) {
	for _, gone := range []string{"", "identity.key", "identity.crt"} {
		dir, _ := create(t)
		if gone != "" {
			if err := os.Remove(filepath.Join(dir, gone)); err != nil {
				t.Fatal(err)
			}
		}
		before := contents(t, dir)
		if _, err := identity.Create(dir, "bank"); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("without %q: error is %v, want fault.Invalid", gone, err)
		}
		if after := contents(t, dir); after != before {
			t.Errorf("without %q: the directory changed", gone)
		}
	}
	if _, err := identity.Create(t.TempDir(), "Not A Name"); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("bad name: error is %v, want fault.Invalid", err)
	}
}

func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(entry.Name() + "\n" + string(text))
	}
	return all.String()
}

// What is wrong with an identity on the disk is said in words that tell the operator what to do, and never with the secret.
func TestOpenErrors(t *testing.T) {
	remove := func(file string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, file))) }
	}
	write := func(file string, text []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { check(t, os.WriteFile(filepath.Join(dir, file), text, 0o600)) }
	}
	mode := func(mode fs.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) { check(t, os.Chmod(filepath.Join(dir, "identity.key"), mode)) }
	}
	otherDir, _ := create(t)
	otherCertificate, err := os.ReadFile(filepath.Join(otherDir, "identity.crt"))
	check(t, err)
	otherKey, err := os.ReadFile(filepath.Join(otherDir, "identity.key"))
	check(t, err)

	for name, c := range map[string]struct {
		damage func(*testing.T, string)
		kind   fault.Kind
		says   string
	}{
		"no key":              {remove("identity.key"), fault.NotFound, "no identity"},
		"no certificate":      {remove("identity.crt"), fault.Invalid, "is missing next to"},
		"group may read":      {mode(0o640), fault.Invalid, "mode 0640"},
		"world may read":      {mode(0o604), fault.Invalid, "mode 0604"},
		"world may write":     {mode(0o602), fault.Invalid, "mode 0602"},
		"another certificate": {write("identity.crt", otherCertificate), fault.Invalid, "is for key"},
		"another key":         {write("identity.key", otherKey), fault.Invalid, "is for key"},
		"empty key":           {write("identity.key", nil), fault.Invalid, "one PEM block"},
		"two keys":            {write("identity.key", bytes.Repeat(otherKey, 2)), fault.Invalid, "one PEM block"},
		"damaged key":         {write("identity.key", block("PRIVATE KEY", []byte("x"))), fault.Invalid, "PKCS#8"},
		"ECDSA key":           {write("identity.key", ecdsaKey(t)), fault.Invalid, "must be Ed25519"},
		"damaged certificate": {write("identity.crt", block("CERTIFICATE", []byte("x"))), fault.Invalid, "X.509"},
		"key in place of certificate": {
			write("identity.crt", otherKey), fault.Invalid, "one PEM block",
		},
		"huge key": {write("identity.key", make([]byte, 1<<20)), fault.Invalid, "at most"},
		"certificate is a directory": {func(t *testing.T, dir string) {
			remove("identity.crt")(t, dir)
			check(t, os.Mkdir(filepath.Join(dir, "identity.crt"), 0o700))
		}, fault.Invalid, "regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := create(t)
			c.damage(t, dir)
			_, err := identity.Open(dir)
			if !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error is %v, want fault.%s with %q", err, c.kind, c.says)
			}
			if c.kind == fault.NotFound {
				if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fault.From(err).Hint, "sotto keys new") {
					t.Errorf("error is %#v, want fs.ErrNotExist and a hint", err)
				}
			}
		})
	}
}

// An identity whose certificate has run out is refused at the start, not by each peer in turn.
func TestOpenExpired(t *testing.T) {
	expired := identity.GenerateFor(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	pair := expired.ClientTLS(expired.Public()).Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "identity.key"), block("PRIVATE KEY", der), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "identity.crt"), block("CERTIFICATE", pair.Certificate[0]), 0o644))
	if _, err := identity.Open(dir); !fault.IsKind(err, fault.Expired) || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("error is %v, want fault.Expired", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func block(blockType string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})
}

func ecdsaKey(t *testing.T) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	return block("PRIVATE KEY", der)
}
