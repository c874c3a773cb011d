package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/party/ledger"
)

// filled returns the bytes of a ledger with some history.
func filled(t *testing.T) []byte {
	t.Helper()
	path := create(t)
	l := open(t, path)
	for n := range 60 {
		c := charge(n, 1000)
		must(t, l.Reserve(t.Context(), c, wide))
		switch n % 3 {
		case 0:
			must(t, l.Release(c.Session, stored(c)))
		case 1:
			must(t, l.Lapse(c.Session))
		}
	}
	must(t, l.Close())
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}

// A node must not go on with a ledger that has lost what was spent: a file that is cut, foreign or damaged in its
// structure, its keys or its states is refused. (SQLite has no checksums: a changed number in a row is not noticed.)
func TestOpenRefusesDamage(t *testing.T) {
	good := filled(t)
	path := filepath.Join(t.TempDir(), "ledger.db")
	refused := func(content []byte) bool {
		t.Helper()
		for _, old := range []string{path, path + "-wal", path + "-shm"} {
			_ = os.Remove(old)
		}
		must(t, os.WriteFile(path, content, 0o600))
		l, err := ledger.Open(path)
		if err == nil {
			must(t, l.Close())
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("error %v does not name the file", err)
		}
		return err != nil
	}
	try := func(what string, content []byte) {
		t.Helper()
		if !refused(content) {
			t.Errorf("%s: opened", what)
		}
	}
	const page = 4096
	try("empty", nil)
	try("text", []byte("name: phoneco\n"))
	try("zeros", make([]byte, len(good)))
	for length := page; length < len(good); length += 3 * page {
		try("cut at a page", good[:length])
		try("cut within a page", good[:length+1000])
	}
	flipped := func(at int) []byte {
		damaged := bytes.Clone(good)
		damaged[at] ^= 0x55
		return damaged
	}
	flip := func(what string, at int) {
		t.Helper()
		try(what, flipped(at))
	}
	for i := range 16 {
		flip("magic", i)
	}
	flip("page size", 16)
	flip("format", 63)
	flip("root page's type", 100)
	for _, n := range []int{0, 1, 2, 30, 59} {
		c := charge(n, 1)
		for what, key := range map[string][]byte{"session": c.Session[:], "question": c.Query[:]} {
			noticed := 0
			for at := bytes.Index(good, key); at >= 0 && at < len(good); {
				if refused(flipped(at)) {
					noticed++
				}
				next := bytes.Index(good[at+1:], key)
				if next < 0 {
					break
				}
				at += 1 + next
			}
			if noticed < 2 { // in the row and in the index; there are copies too, in space that is free again
				t.Errorf("%s %d: a change was noticed in %d places, want 2", what, n, noticed)
			}
		}
	}
	flip("state released", bytes.LastIndex(good, []byte("released")))
	flip("state lapsed", bytes.LastIndex(good, []byte("lapsed")))
	trees := 0
	for at := page; at < len(good); at += page {
		if kind := good[at]; kind == 2 || kind == 5 || kind == 10 || kind == 13 { // the page of a b-tree, not an overflow page
			trees++
			flip("type of a page", at)
			flip("number of cells of a page", at+4)
		}
	}
	if trees < 4 {
		t.Errorf("%d pages in the trees: the test shows little", trees)
	}
	for _, old := range []string{path, path + "-wal", path + "-shm"} {
		_ = os.Remove(old)
	}
	must(t, os.WriteFile(path, good, 0o600))
	l := open(t, path) // undamaged it opens
	if _, released := spent(t, l); released != 20_000 {
		t.Errorf("%d released, want 20000", released)
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
			must(t, l.Release(charge(1, 5).Session, []byte("sealed")))
			must(t, l.Close())
			l, err = ledger.Open(path)
			must(t, err)
			if _, released := spent(t, l); released != 5 {
				t.Errorf("%q: %d released, want 5", path, released)
			}
			must(t, l.Close())
		}
		entries, err := os.ReadDir(folder)
		must(t, err)
		if len(entries) != 2 {
			t.Errorf("%q: the folder has %v, want the two ledgers", name, entries)
		}
	}
}
