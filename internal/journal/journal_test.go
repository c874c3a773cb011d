package journal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/journal"
)

// What was appended comes back, byte for byte and in its order, at once and after the journal was opened anew; up to the
// largest record, and no larger.
func TestRecordsComeBack(t *testing.T) {
	path := create(t, 0)
	j := open(t, path)
	large := bytes.Repeat([]byte{0, 0xff, '\''}, journal.MaxRecord/3+1)[:journal.MaxRecord]
	must(t, j.Append())
	must(t, j.Append([]byte("first")))
	must(t, j.Append(nil, []byte{}, []byte("second"), large))
	must(t, j.Append([]byte("last")))
	if err := j.Append([]byte("not alone"), make([]byte, journal.MaxRecord+1)); !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "at most 16777216") {
		t.Errorf("too large: error is %v", err)
	}
	must(t, j.Append(large)) // which a refusal does not prevent
	want := []string{"first", "", "", "second", string(large), "last", string(large)}
	head := j.Head()
	for _, when := range []string{"at once", "reopened"} {
		got := contents(t, j)
		if len(got) != len(want) || j.Head() != head || head.Rows != int64(len(want)) {
			t.Fatalf("%s: %d records, head %v; want %d and %v", when, len(got), j.Head(), len(want), head)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: record %d has %d bytes and is not what was appended", when, i+1, len(got[i]))
			}
		}
		must(t, j.Close())
		j = open(t, path)
	}
}

// The chain can be recomputed by anybody from the rows, in any language: SHA-256 over the domain, the kind, the hash of the
// row before and the record, with texts and records after their length in 4 bytes.
func TestChainFromRows(t *testing.T) {
	path := create(t, 4)
	hashed := func(domain string, parts ...[]byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(domain)))
		sum := sha256.Sum256(bytes.Join(append([][]byte{append(b, domain...)}, parts...), nil))
		return sum[:]
	}
	measured := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	db := raw(t, path)
	previous := make([]byte, 32)
	for n := range 4 {
		var content, hash []byte
		must(t, db.QueryRow("SELECT record, hash FROM rows WHERE seq = ?", n+1).Scan(&content, &hash))
		previous = hashed("sotto/v1/journal-row", measured([]byte("audit")), previous, measured(content))
		if !bytes.Equal(hash, previous) || !bytes.Equal(content, record(n)) {
			t.Errorf("row %d has hash %x, want %x", n+1, hash, previous)
		}
	}
	at := binary.BigEndian.AppendUint64(nil, 4) // the head file holds rows, hash, and the hash of both
	if want := append(append(at, previous...), hashed("sotto/v1/audit-head", at, previous)...); !bytes.Contains(take(t, path)["-head"], want) {
		t.Errorf("the head file does not hold %x", want)
	}
	if head := open(t, path).Head(); head.Rows != 4 || !bytes.Equal(head.Hash[:], previous) {
		t.Errorf("head is %v", head)
	}
}

// Each shows the journal as it was when it was called, ends when it is told to, and keeps nobody from appending, not even who
// it calls.
func TestEach(t *testing.T) {
	j := open(t, create(t, 3))
	rows := 0
	must(t, j.Each(func(row int64, content []byte) error {
		rows++
		content[0] = 'X' // it is f's
		return j.Append([]byte("meanwhile"))
	}))
	if rows != 3 || j.Head().Rows != 6 {
		t.Errorf("%d rows of %d, want 3 of 6", rows, j.Head().Rows)
	}
	enough := errors.New("enough")
	if err := j.Each(func(row int64, content []byte) error {
		if row == 2 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
	if got := contents(t, j); got[0] != string(record(0)) || got[5] != "meanwhile" {
		t.Errorf("rows are %q", got)
	}
	must(t, j.Close())
	for what, err := range map[string]error{"append": j.Append([]byte("late")), "each": j.Each(func(int64, []byte) error { return nil })} {
		if !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s after closing: error is %v", what, err)
		}
	}
}

// A journal is never made by accident nor replaced; what is missing says what to do.
func TestCreateAndOpenRefusals(t *testing.T) {
	path := create(t, 2)
	before := take(t, path)
	if err := journal.Create(path, kind); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("created over another: %v", err)
	}
	for suffix, content := range take(t, path) {
		if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 || !bytes.Equal(content, before[suffix]) {
			t.Errorf("audit.db%s: changed, or mode is %v (%v), want 0600", suffix, info.Mode(), err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none.db")
	for what, open := range openers {
		if _, err := open(missing, kind); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "restore it") {
			t.Errorf("%s, missing: error is %v", what, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(missing)); len(left) != 0 {
		t.Errorf("opening made %v", left)
	}
	must(t, os.WriteFile(missing+"-head", before["-head"], 0o600)) // somebody has lost what belongs to it
	if err := journal.Create(missing, kind); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "none.db-head") {
		t.Errorf("created beside the head of another: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(missing)); len(left) != 1 {
		t.Errorf("what could not be made left %v", left)
	}
	for what, open := range openers {
		if _, err := open(path, "subjects"); err == nil {
			t.Errorf("%s: a journal of one kind was opened as another", what)
		}
		before.with("-head", []byte{}).put(t, path) // even where only the rows tell
		if _, err := open(path, "subjects"); err == nil || !strings.Contains(err.Error(), "row 1 is not what was written") {
			t.Errorf("%s: opened as another kind: error is %v", what, err)
		}
		before.put(t, path)
	}
}

var openers = map[string]func(path, kind string) (*journal.Journal, error){"open": journal.Open, "read": journal.OpenReadOnly}

// One process at a time writes, by whatever name it calls the file. Who only reads sees what is there, changes nothing and is
// not kept out.
func TestExclusive(t *testing.T) {
	path := create(t, 2)
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(path, link))
	j := open(t, path)
	must(t, j.Append([]byte("third")))
	for _, name := range []string{path, link} {
		if _, err := journal.Open(name, kind); err == nil || !strings.Contains(err.Error(), "another process has it open") {
			t.Errorf("opened a second time: error is %v", err)
		}
	}
	reader, err := journal.OpenReadOnly(link, kind)
	must(t, err)
	must(t, j.Append([]byte("fourth"))) // not held up
	if got := contents(t, reader); len(got) != 3 || got[2] != "third" || reader.Head().Rows != 3 {
		t.Errorf("read: %q", got)
	}
	if err := reader.Append([]byte("reader's")); !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "opened to be read") {
		t.Errorf("append to what is only read: error is %v", err)
	}
	must(t, reader.Close())
	must(t, j.Close())

	before := take(t, path) // nobody has it open: reading leaves nothing behind
	reader, err = journal.OpenReadOnly(path, kind)
	must(t, err)
	if got := contents(t, reader); len(got) != 4 {
		t.Errorf("read: %q", got)
	}
	must(t, reader.Close())
	if left, _ := filepath.Glob(path + "*"); len(left) != 2 {
		t.Errorf("reading left %v", left)
	}
	for suffix, content := range take(t, path) {
		if !bytes.Equal(content, before[suffix]) {
			t.Errorf("reading changed audit.db%s", suffix)
		}
	}
}

// The lock ends with the journal, even if a process that was just then started has inherited it.
func TestInheritedLock(t *testing.T) {
	path := create(t, 0)
	j := open(t, path)
	inherited, err := j.InheritLock()
	must(t, err)
	defer inherited.Close()
	if _, err := journal.Open(path, kind); err == nil {
		t.Error("opened twice")
	}
	must(t, j.Close())
	must(t, open(t, path).Close())
}

// Nobody changes a journal by accident: the file itself refuses.
func TestTableOnlyGrows(t *testing.T) {
	db := raw(t, create(t, 3))
	for _, statement := range []string{"UPDATE rows SET record = x''", "DELETE FROM rows"} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "a journal only grows") {
			t.Errorf("%s: error is %v", statement, err)
		}
	}
}
