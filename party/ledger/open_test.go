package ledger_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
	"github.com/sotto-dev/sotto/party/ledger"
)

// A ledger is never made by accident nor replaced, and what is not a ledger of this format is not taken for one.
func TestCreateAndOpenRefusals(t *testing.T) {
	path := create(t)
	before := take(t, path)
	if err := ledger.Create(path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("created over another: %v", err)
	}
	for suffix, content := range take(t, path) {
		if !bytes.Equal(content, before[suffix]) {
			t.Errorf("ledger.db%s changed", suffix)
		}
		if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of ledger.db%s is %v (%v), want 0600", suffix, info.Mode(), err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none.db")
	for _, open := range []func(string) (*ledger.Ledger, error){ledger.Open, ledger.OpenReadOnly} {
		if _, err := open(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "restore it") {
			t.Errorf("missing: error is %v", err)
		}
		if _, err := open(t.TempDir()); err == nil {
			t.Error("a folder was opened as a ledger")
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(missing)); len(left) != 0 {
		t.Errorf("opening made %v", left)
	}
	if err := ledger.Create(filepath.Join(missing, "ledger.db")); err == nil {
		t.Error("created in a folder that is none")
	}
	// Where the head file of another ledger is left, somebody has lost it.
	must(t, os.WriteFile(missing+"-head", before["-head"], 0o600))
	if err := ledger.Create(missing); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "none.db-head") {
		t.Errorf("created beside the head of another: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(missing)); len(left) != 1 {
		t.Errorf("what could not be made left %v", left)
	}

	for statement, want := range map[string]string{
		"PRAGMA user_version = 1":                  "lower the limits by what the old one has spent",
		"PRAGMA user_version = 3":                  "it has format 3, this program reads 2",
		"DROP TABLE journal":                       "no such table",
		"DROP TABLE sealed":                        "no such table",
		"ALTER TABLE journal ADD COLUMN note TEXT": "",
	} {
		other := create(t)
		db := raw(t, other)
		_, err := db.Exec(statement)
		must(t, err)
		if _, err := ledger.Open(other); err == nil && want != "" || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), other)) {
			t.Errorf("%s: error is %v", statement, err)
		}
	}
}

// Ledgers of before the hash chain say what to do with them.
func TestOldFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	must(t, sqlite.Create(path, "CREATE TABLE charges (session BLOB PRIMARY KEY) STRICT; PRAGMA user_version = 1;"))
	for _, open := range []func(string) (*ledger.Ledger, error){ledger.Open, ledger.OpenReadOnly} {
		if _, err := open(path); err == nil || !strings.Contains(err.Error(), "make a new one") {
			t.Errorf("error is %v, want one that says what to do", err)
		}
	}
}

// One process at a time writes, by whatever name it calls the file: a second one would let lapse what the first has reserved.
// Who only reads sees what is there, changes nothing and is not kept out.
func TestExclusive(t *testing.T) {
	path := create(t)
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(path, link))
	l := open(t, path)
	a, b := charge(1, 100), charge(2, 20)
	must(t, l.Reserve(t.Context(), a, wide))
	must(t, release(l, a))
	must(t, l.Reserve(t.Context(), b, wide))
	for _, name := range []string{path, link} {
		if _, err := ledger.Open(name); err == nil || !strings.Contains(err.Error(), "another process has it open") {
			t.Errorf("opened a second time: error is %v", err)
		}
	}
	reader, err := ledger.OpenReadOnly(link)
	must(t, err)
	must(t, l.Reserve(t.Context(), charge(3, 3), wide)) // not held up
	if reserved, released := spent(reader); reserved != 20 || released != 100 || reader.Head().Rows != 3 {
		t.Errorf("read: %d reserved, %d released, %d rows", reserved, released, reader.Head().Rows)
	}
	if sealed, err := reader.Released(t.Context(), a.Session); err != nil || !bytes.Equal(sealed, stored(a)) {
		t.Errorf("read: %d bytes, %v", len(sealed), err)
	}
	for what, err := range map[string]error{
		"reserve": reader.Reserve(t.Context(), charge(4, 1), wide), "release": release(reader, b), "lapse": reader.Lapse(b.Session),
	} {
		if !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "opened to be read") {
			t.Errorf("%s in what is only read: error is %v", what, err)
		}
	}
	must(t, reader.Close())
	must(t, release(l, b)) // it has not lapsed
	must(t, l.Lapse(charge(3, 3).Session))
	must(t, l.Close())

	before := take(t, path) // nobody has it open: reading leaves nothing behind
	reader, err = ledger.OpenReadOnly(path)
	must(t, err)
	if reserved, released := spent(reader); reserved != 0 || released != 120 {
		t.Errorf("read: %d reserved, %d released", reserved, released)
	}
	must(t, reader.Close())
	after, _ := filepath.Glob(path + "*")
	if len(after) != 2 {
		t.Errorf("reading left %v", after)
	}
	for suffix, content := range take(t, path) {
		if !bytes.Equal(content, before[suffix]) {
			t.Errorf("reading changed ledger.db%s", suffix)
		}
	}
	must(t, open(t, path).Close())
}

// After a crash, a reader sees what was reserved, and leaves it for the next writer to lapse.
func TestReadAfterCrash(t *testing.T) {
	path := create(t)
	l := open(t, path)
	must(t, l.Reserve(t.Context(), charge(1, 7), wide))
	killed := take(t, path)
	place := filepath.Join(t.TempDir(), "ledger.db")
	killed.put(t, place)
	reader, err := ledger.OpenReadOnly(place)
	must(t, err)
	if reserved, _ := spent(reader); reserved != 7 {
		t.Errorf("%d reserved, want 7", reserved)
	}
	must(t, reader.Close())
	for suffix, content := range take(t, place) {
		if !bytes.Equal(content, killed[suffix]) {
			t.Errorf("reading changed ledger.db%s", suffix)
		}
	}
	if reserved, _ := spent(open(t, place)); reserved != 0 {
		t.Errorf("%d still reserved", reserved)
	}
}

// Whatever the owner calls the file, it is that very file that is made and opened, and no other appears: a ledger that goes
// elsewhere, or into memory only, forgets what was spent.
func TestAnyFileName(t *testing.T) {
	for _, name := range []string{
		"with space.db", "Jón 名前.db", "what?.db", "?mode=memory", "100%", "a%20b", "%2e%2e", "a#b", "a&b=c", "a+b", "a;b", `it's "so"`, ":memory:",
		"file:x", "file::memory:", "-x", `back\slash`, "a:b", "@", "a\nb",
	} {
		folder := filepath.Join(t.TempDir(), "a folder? 100% Jón")
		must(t, os.Mkdir(folder, 0o700))
		t.Chdir(folder)
		for _, path := range []string{name, filepath.Join(folder, "absolute "+name)} {
			must(t, ledger.Create(path))
			l, err := ledger.Open(path)
			must(t, err)
			must(t, l.Reserve(t.Context(), charge(1, 5), wide))
			must(t, release(l, charge(1, 5)))
			must(t, l.Close())
			l, err = ledger.OpenReadOnly(path)
			must(t, err)
			if _, released := spent(l); released != 5 {
				t.Errorf("%q: %d released, want 5", path, released)
			}
			must(t, l.Close())
		}
		entries, err := os.ReadDir(folder)
		must(t, err)
		if len(entries) != 4 {
			t.Errorf("%q: the folder has %v, want the two ledgers and their heads", name, entries)
		}
	}
}
