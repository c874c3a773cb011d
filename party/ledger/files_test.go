package ledger_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/sotto-dev/sotto/party/ledger"
)

// fataler is a test of any kind.
type fataler interface {
	Helper()
	Fatal(...any)
}

// files are the contents of a ledger's files, by what follows the ledger's name. SQLite's shared memory is not one of them: it
// is made anew after a crash.
type files map[string][]byte

var suffixes = []string{"", "-wal", "-head"}

// take returns the files as they are at this moment.
func take(t fataler, path string) files {
	t.Helper()
	f := files{}
	for _, suffix := range suffixes {
		content, err := os.ReadFile(path + suffix)
		if err == nil {
			f[suffix] = content
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return f
}

// put makes these the files of a ledger that nobody has open.
func (f files) put(t fataler, path string) {
	t.Helper()
	for _, suffix := range append([]string{"-shm"}, suffixes...) {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for suffix, content := range f {
		if err := os.WriteFile(path+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// with returns the files with one of them changed; nil removes it.
func (f files) with(suffix string, content []byte) files {
	changed := maps.Clone(f)
	changed[suffix] = content
	if content == nil {
		delete(changed, suffix)
	}
	return changed
}

// flipped returns the content with one bit changed.
func flipped(content []byte, bit int) []byte {
	changed := slices.Clone(content)
	changed[bit/8] ^= 1 << (bit % 8)
	return changed
}

// try opens a ledger of these files. It returns the error, or nil and what the ledger holds.
func (f files) try(t fataler, path string) (*ledger.Ledger, error) {
	t.Helper()
	f.put(t, path)
	return ledger.Open(path)
}
