package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// dead fails the test unless a ledger refuses everything.
func dead(t *testing.T, what string, l *ledger.Ledger, reserved ledger.Charge) {
	t.Helper()
	_, read := l.Released(t.Context(), reserved.Session)
	for call, err := range map[string]error{
		"reserve": l.Reserve(t.Context(), charge(900, 1), wide), "release": release(l, reserved), "lapse": l.Lapse(reserved.Session),
		"released": read,
	} {
		if !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "restarted") {
			t.Errorf("%s: afterwards, %s: error is %v", what, call, err)
		}
	}
}

// An error of the disk comes back as one, whether what was written is there or not. The ledger then says and does nothing
// more, for it does not know; the next one finds out, and what was released counts in any case.
func TestFailurePersistedOrNot(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, c := range []struct {
		point     string
		persisted bool
	}{
		{"ledger: before reserve", false},
		{"ledger: reserve written", false},
		{"ledger: reserve committed", true},
		{"ledger: reserve kept", true},
		{"ledger: before release", false},
		{"ledger: release signed", false},
		{"ledger: release written", false},
		{"ledger: release committed", true},
		{"ledger: release kept", true},
		{"ledger: before lapse", false},
		{"ledger: lapse written", false},
		{"ledger: lapse committed", true},
		{"ledger: lapse kept", true},
	} {
		path := create(t)
		l := open(t, path)
		a, b, d := charge(1, 1000), charge(2, 100), charge(3, 10)
		must(t, l.Reserve(t.Context(), a, wide))
		must(t, l.Reserve(t.Context(), b, wide))
		reached := false
		l.FailAt(func(point string) error {
			if point != c.point {
				return nil
			}
			reached = true
			return broken
		})
		var err error
		switch {
		case strings.Contains(c.point, "reserve"):
			err = l.Reserve(t.Context(), d, wide)
		case strings.Contains(c.point, "release"):
			err = release(l, a)
		default:
			err = l.Lapse(b.Session)
		}
		if !reached || !fault.IsKind(err, fault.Internal) || !errors.Is(err, broken) {
			t.Errorf("%s: reached %t, error is %v", c.point, reached, err)
		}
		dead(t, c.point, l, a)
		must(t, l.Close())

		l = open(t, path)
		rows := int64(4) // the two reservations and their ends
		if c.persisted && strings.Contains(c.point, "reserve") {
			rows = 6
		}
		wantReleased := agreement.MicroEpsilon(0)
		if c.persisted && strings.Contains(c.point, "release") {
			wantReleased = 1000
		}
		reserved, released := spent(l)
		sealed, err := l.Released(t.Context(), a.Session)
		if l.Head().Rows != rows || reserved != 0 || released != wantReleased || (len(sealed) > 0) != (wantReleased > 0) || err != nil {
			t.Errorf("%s: reopened it has %d rows, %d reserved, %d released, %d bytes, %v", c.point, l.Head().Rows, reserved, released, len(sealed), err)
		}
	}
}

// A full disk is an error, not a row less: what was said stands, what could not be written was not said.
func TestDiskFull(t *testing.T) {
	for pages := range 6 {
		path := create(t)
		l := open(t, path)
		must(t, l.Quota(pages))
		said := map[int]bool{}
		var failed error
		for n := 0; failed == nil; n++ {
			if failed = l.Reserve(t.Context(), charge(n, 1), wide); failed != nil {
				break
			}
			if failed = release(l, charge(n, 1)); failed == nil {
				said[n] = true
			}
		}
		if !fault.IsKind(failed, fault.Internal) || !strings.Contains(failed.Error(), "full") || !strings.Contains(failed.Error(), path) {
			t.Errorf("%d pages: error is %v", pages, failed)
		}
		dead(t, fmt.Sprint(pages, " pages"), l, charge(len(said), 1))
		must(t, l.Close())
		l = open(t, path) // there is room again
		if _, released := spent(l); released != agreement.MicroEpsilon(len(said)) {
			t.Errorf("%d pages: %d released, want %d", pages, released, len(said))
		}
		for n := range said {
			if sealed, err := l.Released(t.Context(), charge(n, 1).Session); err != nil || !bytes.Equal(sealed, stored(charge(n, 1))) {
				t.Errorf("%d pages: what was released came back as %d bytes, %v", pages, len(sealed), err)
			}
		}
	}
}

// What is written into files that were removed, or that others took the place of, is lost: it is not taken for durable.
func TestFilesRemoved(t *testing.T) {
	for _, suffix := range suffixes {
		for what, remove := range map[string]func(path string) error{
			"removed": os.Remove,
			"moved":   func(path string) error { return os.Rename(path, path+".old") },
			"replaced": func(path string) error {
				content, err := os.ReadFile(path)
				return errors.Join(err, os.Remove(path), os.WriteFile(path, content, 0o600))
			},
		} {
			path := create(t)
			l := open(t, path)
			a := charge(1, 1)
			must(t, l.Reserve(t.Context(), a, wide))
			must(t, remove(path+suffix))
			if err := release(l, a); !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "ledger.db"+suffix) {
				t.Errorf("ledger.db%s %s: error is %v", suffix, what, err)
			}
			dead(t, what, l, a)
			_ = l.Close()
		}
	}
}

// While another program holds the file nothing is written, and nothing is lost.
func TestBusy(t *testing.T) {
	t.Parallel() // it waits for five seconds
	path := create(t)
	l := open(t, path)
	must(t, l.Reserve(t.Context(), charge(1, 1), wide))
	db := raw(t, path)
	_, err := db.Exec("BEGIN IMMEDIATE")
	must(t, err)
	if err := release(l, charge(1, 1)); !fault.IsKind(err, fault.Unavailable) {
		t.Errorf("error is %v, want fault.Unavailable", err)
	}
	_, err = db.Exec("ROLLBACK")
	must(t, err)
	must(t, release(l, charge(1, 1)))
}

// Rows that another program has added are not overwritten, nor built upon.
func TestForeignRows(t *testing.T) {
	path := create(t)
	l := open(t, path)
	must(t, l.Reserve(t.Context(), charge(1, 1), wide))
	_, err := raw(t, path).Exec(`INSERT INTO journal SELECT 2, event, session, query, analyst, organisation, purpose, measure, mechanism, micro_epsilon,
		atto_delta, cells, sensitivity, at, sealed_hash, hash FROM journal`)
	must(t, err)
	if err := release(l, charge(1, 1)); !fault.IsKind(err, fault.Internal) {
		t.Errorf("error is %v, want fault.Internal", err)
	}
	dead(t, "foreign rows", l, charge(1, 1))
	must(t, l.Close())
	if _, err := ledger.Open(path); err == nil || !strings.Contains(err.Error(), "damaged: row 2") {
		t.Errorf("reopened: error is %v", err)
	}
}

// What was released is not handed out if it has changed since.
func TestChangedWhileOpen(t *testing.T) {
	path := create(t)
	l := open(t, path)
	must(t, l.Reserve(t.Context(), charge(1, 1), wide))
	must(t, release(l, charge(1, 1)))
	change(t, path, "UPDATE sealed SET bytes = x'00'")
	if sealed, err := l.Released(t.Context(), charge(1, 1).Session); !fault.IsKind(err, fault.Internal) || sealed != nil {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
	change(t, path, "DELETE FROM sealed")
	if sealed, err := l.Released(t.Context(), charge(1, 1).Session); !fault.IsKind(err, fault.Internal) || sealed != nil {
		t.Errorf("%d bytes, %v", len(sealed), err)
	}
}

// A ledger that can't be written is not opened as if it could.
func TestReadOnlyFiles(t *testing.T) {
	if inChild(t) {
		return
	}
	path, _ := filled(t, 3)
	folder := filepath.Dir(path)
	for _, c := range []struct {
		name string
		mode os.FileMode
	}{{path, 0o400}, {path + "-head", 0o400}, {folder, 0o500}, {path, 0}, {folder, 0}} {
		info, err := os.Stat(c.name)
		must(t, err)
		must(t, os.Chmod(c.name, c.mode))
		if l, err := ledger.Open(path); err == nil {
			must(t, l.Close())
			t.Errorf("%s with mode %o: opened", c.name, c.mode)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s with mode %o: error %v does not name the file", c.name, c.mode, err)
		}
		if l, err := ledger.OpenReadOnly(path); (err == nil) != (c.mode != 0) {
			t.Errorf("%s with mode %o: opened to be read: error is %v", c.name, c.mode, err)
		} else if err == nil {
			must(t, l.Close())
		}
		must(t, os.Chmod(c.name, info.Mode().Perm()))
	}
	must(t, open(t, path).Close())
	must(t, os.Chmod(folder, 0o500))
	defer func() { must(t, os.Chmod(folder, 0o700)) }()
	if err := ledger.Create(filepath.Join(folder, "new.db")); err == nil {
		t.Error("made in a folder that can't be written")
	}
}

// A limit on the size of files, which a crowded machine may set, is met as a full disk is.
func TestWriteErrors(t *testing.T) {
	if inChild(t) {
		return
	}
	path := create(t)
	l := open(t, path)
	must(t, limitFileSize(100*1024))
	n := 0
	var failed error
	for ; failed == nil; n++ {
		failed = l.Reserve(t.Context(), charge(n, 1), wide)
	}
	if !fault.IsKind(failed, fault.Internal) || n < 3 {
		t.Errorf("error is %v after %d", failed, n)
	}
	dead(t, "limit", l, charge(0, 1))
	_ = l.Close()
	must(t, limitFileSize(1<<30))
	if rows := open(t, path).Head().Rows; rows != 2*int64(n-1) && rows != 2*int64(n) {
		t.Errorf("%d rows, want those of %d sessions", rows, n-1)
	}
}
