package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const schema = "CREATE TABLE notes (text TEXT) STRICT; PRAGMA user_version = 7;"

func create(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notes.db")
	if err := Create(path, schema); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is made is whole and its owner's alone, or it is not there: never half a file, and never one in another's place.
func TestCreate(t *testing.T) {
	path := create(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
	if err := Create(path, schema); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: error is %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	if err := Create(other, schema+"CREATE TABLE notes (text TEXT);"); err == nil {
		t.Error("made with a schema that is none")
	}
	if left, _ := os.ReadDir(filepath.Dir(other)); len(left) != 0 {
		t.Errorf("what could not be made left %v", left)
	}
	if err := Create(other, schema); err != nil { // so that it can be tried again
		t.Error(err)
	}
}

// A commit is on the disk when it returns: the settings that make it so are on.
func TestDurableSettings(t *testing.T) {
	db, err := Open(create(t), 7)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for setting, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "fullfsync": "1"} {
		var got string
		if err := db.QueryRow("PRAGMA " + setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", setting, got, err, want)
		}
	}
}

// Nothing is opened that is missing, of another format or damaged, and nothing is made where nothing is, not even if the file
// goes away in the last moment.
func TestOpenRefusals(t *testing.T) {
	path := create(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var version *VersionError
	if _, err := Open(path, 8); !errors.As(err, &version) || *version != (VersionError{7, 8}) {
		t.Errorf("another format: error is %v", err)
	}
	missing := filepath.Join(t.TempDir(), "none.db")
	if _, err := Open(missing, 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: error is %v", err)
	}
	if _, err := OpenReadOnly(missing, 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: error is %v", err)
	}
	db, err := connect(missing, writing)
	if err != nil {
		t.Fatal(err)
	}
	if db.Ping() == nil {
		t.Error("missing: connected")
	}
	_ = db.Close()
	if left, _ := os.ReadDir(filepath.Dir(missing)); len(left) != 0 {
		t.Errorf("opening made %v", left)
	}
	if err := os.WriteFile(path, content[:4096], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 7); err == nil {
		t.Error("damaged: opened")
	}
}

// A reader sees what is committed and changes nothing, whether somebody writes at the time or nobody; a second writer is told
// that it is in the way.
func TestReadOnly(t *testing.T) {
	path := create(t)
	read := func() (texts int) {
		t.Helper()
		db, err := OpenReadOnly(path, 7)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow("SELECT count(*) FROM notes").Scan(&texts); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("INSERT INTO notes VALUES ('reader')"); err == nil || !strings.Contains(err.Error(), "readonly") {
			t.Errorf("a reader's insert: error is %v", err)
		}
		return texts
	}
	db, err := Open(path, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO notes VALUES ('first')"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO notes VALUES ('not committed')"); err != nil {
		t.Fatal(err)
	}
	if n := read(); n != 1 {
		t.Errorf("beside a writer: %d notes, want 1", n)
	}
	impatient := map[string][]string{"mode": {"rw"}, "_txlock": {"immediate"}}
	second, err := connect(path, impatient)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := second.Begin(); !Busy(err) || Busy(nil) || Busy(fs.ErrExist) {
		t.Errorf("a second writer: error is %v, want one of a busy file", err)
	}
	if err := errors.Join(tx.Commit(), second.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if n := read(); n != 2 {
		t.Errorf("after the writer: %d notes, want 2", n)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("reading left %v", left)
	}
}
