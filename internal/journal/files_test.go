package journal_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/journal"
)

// long is whether the long variants of the tests are wanted.
var long = os.Getenv("SOTTO_LONG") != ""

const kind = "audit"

// fataler is a test of any kind.
type fataler interface {
	Helper()
	Fatal(...any)
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create returns the path of a new journal with so many records.
func create(t *testing.T, records int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.db")
	must(t, journal.Create(path, kind))
	j := open(t, path)
	for n := range records {
		must(t, j.Append(record(n)))
	}
	must(t, j.Close())
	return path
}

func open(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path, kind)
	must(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// record returns the record of row n+1 that create writes.
func record(n int) []byte { return fmt.Appendf(nil, "record %04d of those that a test has written", n) }

// contents are all records, in their order.
func contents(t fataler, j *journal.Journal) (records []string) {
	t.Helper()
	must(t, j.Each(func(row int64, record []byte) error {
		if records = append(records, string(record)); int(row) != len(records) {
			return fmt.Errorf("row %d came after %d rows", row, len(records)-1)
		}
		return nil
	}))
	return records
}

// raw opens the file as any SQLite does.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String())
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// change runs statements in a journal that nobody has open, past the triggers that keep it as it is.
func change(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, s := range append([]string{"DROP TRIGGER IF EXISTS rows_update", "DROP TRIGGER IF EXISTS rows_delete"}, statements...) {
		_, err := db.Exec(s)
		must(t, err)
	}
	must(t, db.Close())
}

// files are the contents of a journal's files, by what follows its name. SQLite's shared memory is not one of them: it is
// made anew after a crash.
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

// put makes these the files of a journal that nobody has open.
func (f files) put(t fataler, path string) {
	t.Helper()
	for _, suffix := range append([]string{"-shm"}, suffixes...) {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for suffix, content := range f {
		must(t, os.WriteFile(path+suffix, content, 0o600))
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
