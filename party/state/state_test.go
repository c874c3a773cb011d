package state_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/vault"
)

func key(t *testing.T, path string) *vault.Vault {
	t.Helper()
	if err := vault.NewKeyFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	v, err := vault.OpenKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A state is made as a whole, never over another one, and is its owner's alone.
func TestCreate(t *testing.T) {
	parent := t.TempDir()
	folder, keyFile := filepath.Join(parent, "node", "state"), filepath.Join(parent, "key")
	if err := state.Create(folder, key(t, keyFile)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, error %v; its mode must be 0700", info, err)
	}
	if err := state.Create(folder, key(t, keyFile)); !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("made over another one: error is %v", err)
	}
	beside, err := os.ReadDir(filepath.Dir(folder))
	if err != nil || len(beside) != 1 {
		t.Errorf("beside the state there are %v, error %v", beside, err)
	}
	s, err := state.Open(folder, key(t, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(folder, key(t, keyFile)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: error is %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A state from before there were matchings gets the folder for them, empty and its owner's alone, and opens as it was.
func TestOpenOlder(t *testing.T) {
	folder, keyFile := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "key")
	if err := state.Create(folder, key(t, keyFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(state.Matches(folder)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := state.Open(folder, key(t, keyFile))
		if err != nil {
			t.Fatal(err)
		}
		if all := s.Matches.All(); all != nil {
			t.Errorf("there are matchings %v", all)
		}
		if info, err := os.Stat(state.Matches(folder)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the folder is %v, error %v; its mode must be 0700", info, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A state of which a part is missing, or that is sealed under another key, is not opened, and nothing is made in its place.
func TestOpenRefuses(t *testing.T) {
	for _, part := range []func(string) string{state.Ledger, state.Audit, state.Subjects, state.Members} {
		parent := t.TempDir()
		folder, keyFile := filepath.Join(parent, "state"), filepath.Join(parent, "key")
		if err := state.Create(folder, key(t, keyFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(folder, key(t, filepath.Join(parent, "other"))); !errors.Is(err, vault.ErrOtherKey) {
			t.Errorf("under another key: error is %v", err)
		}
		if err := os.RemoveAll(part(folder)); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(folder, key(t, keyFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: error is %v", filepath.Base(part(folder)), err)
		}
		if _, err := os.Stat(part(folder)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made anew", filepath.Base(part(folder)))
		}
	}
	if _, err := state.Open(filepath.Join(t.TempDir(), "none"), key(t, filepath.Join(t.TempDir(), "key"))); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("of no folder: error is %v", err)
	}
}
