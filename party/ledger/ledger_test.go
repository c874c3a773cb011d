package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// charge is the n-th session, of a question of its own, at a price in millionths.
func charge(n int, price agreement.MicroEpsilon) ledger.Charge {
	c := ledger.Charge{Analyst: "marketing", Purpose: "planning", MicroEpsilon: price, Delta: 1e-9, Begun: time.Unix(1_700_000_000, 0)}
	copy(c.Session[:], fmt.Sprintf("session %8d", n))
	copy(c.Query[:], fmt.Sprintf("question %8d with a hash of 32 bytes", n))
	return c
}

// stored is what is released in the session of a charge.
func stored(c ledger.Charge) []byte { return bytes.Repeat(c.Session[:], 100) }

func create(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := ledger.Create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

var wide = ledger.Limit{Total: 1_000_000_000, Sessions: 3}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func spent(t *testing.T, l *ledger.Ledger) (reserved, released agreement.MicroEpsilon) {
	t.Helper()
	reserved, released, err := l.Spent(t.Context())
	must(t, err)
	return reserved, released
}

// What was reserved counts at once, what lapsed no longer, what was released for ever; and what was released comes back
// byte for byte, also after a restart, which lets every reservation lapse and touches no release.
func TestReserveReleaseLapse(t *testing.T) {
	path := create(t)
	l := open(t, path)
	a, b, c := charge(1, 100), charge(2, 20), charge(3, 3)
	for _, x := range []ledger.Charge{a, b, c} {
		must(t, l.Reserve(t.Context(), x, wide))
	}
	if reserved, released := spent(t, l); reserved != 123 || released != 0 {
		t.Errorf("%d reserved, %d released, want 123 and 0", reserved, released)
	}
	if sealed, err := l.Released(t.Context(), a.Session); sealed != nil || err != nil {
		t.Errorf("before the release: %d bytes, %v", len(sealed), err)
	}
	must(t, l.Release(a.Session, stored(a)))
	must(t, l.Lapse(b.Session))
	must(t, l.Lapse(a.Session)) // it was released, so it does not
	must(t, l.Lapse(charge(9, 1).Session))
	check := func(when string, l *ledger.Ledger, reservedWant agreement.MicroEpsilon) {
		t.Helper()
		if reserved, released := spent(t, l); reserved != reservedWant || released != 100 {
			t.Errorf("%s: %d reserved, %d released, want %d and 100", when, reserved, released, reservedWant)
		}
		if sealed, err := l.Released(t.Context(), a.Session); !bytes.Equal(sealed, stored(a)) || err != nil {
			t.Errorf("%s: %d stored bytes, %v", when, len(sealed), err)
		}
		if sealed, err := l.Released(t.Context(), c.Session); sealed != nil || err != nil {
			t.Errorf("%s: %d bytes of what was never released, %v", when, len(sealed), err)
		}
	}
	check("before", l, 3)
	must(t, l.Close())
	for range 2 {
		l = open(t, path)
		check("reopened", l, 0)
		if err := l.Release(c.Session, stored(c)); !fault.IsKind(err, fault.Internal) {
			t.Errorf("release of a reservation that lapsed: error is %v, want fault.Internal", err)
		}
		must(t, l.Close())
	}
}

// Bytes leave only for a reservation that stands: never twice, never for nothing.
func TestReleaseOnlyFromReserved(t *testing.T) {
	l := open(t, create(t))
	a, b := charge(1, 1), charge(2, 1)
	must(t, l.Reserve(t.Context(), a, wide))
	must(t, l.Reserve(t.Context(), b, wide))
	must(t, l.Release(a.Session, stored(a)))
	must(t, l.Lapse(b.Session))
	for name, session := range map[string][16]byte{"released": a.Session, "lapsed": b.Session, "unknown": charge(3, 1).Session} {
		if err := l.Release(session, []byte("other")); !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "no reservation") {
			t.Errorf("%s: error is %v, want fault.Internal", name, err)
		}
	}
	if sealed, err := l.Released(t.Context(), a.Session); !bytes.Equal(sealed, stored(a)) || err != nil {
		t.Errorf("the stored bytes changed: %d bytes, %v", len(sealed), err)
	}
}

// Each refusal is of its kind and says what is wrong; a refused session leaves no trace in the sums.
func TestReserveRefusals(t *testing.T) {
	l := open(t, create(t))
	limit := ledger.Limit{Total: 1_500_000, Sessions: 2}
	must(t, l.Reserve(t.Context(), charge(1, 1_000_000), limit))
	refuse := func(name string, c ledger.Charge, kind fault.Kind, want, hint string) {
		t.Helper()
		err := l.Reserve(t.Context(), c, limit)
		if !fault.IsKind(err, kind) || !strings.Contains(err.Error(), want) || !strings.Contains(fault.From(err).Hint, hint) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, kind, want)
		}
	}
	refuse("budget", charge(2, 500_001), fault.Budget, "costs epsilon 0.500001, the budget of 1.5 has 0.5 left", "smaller epsilon")
	refuse("session reserved", charge(1, 1), fault.Protocol, "the session is known", "")
	must(t, l.Lapse(charge(1, 1).Session))
	refuse("session lapsed", charge(1, 1), fault.Protocol, "the session is known", "")

	again := charge(1, 1_000_000)
	again.Session[0]++
	must(t, l.Reserve(t.Context(), again, limit)) // the second of two
	again.Session[0]++
	refuse("begun too often", again, fault.Protocol, "begun 2 times, at most 2", "ask again, signed anew")

	other := charge(3, 100)
	must(t, l.Reserve(t.Context(), other, limit))
	must(t, l.Release(other.Session, []byte("sealed")))
	refuse("session released", other, fault.Protocol, "the session is known", "")
	other.Session[0]++
	refuse("answered", other, fault.Protocol, "answered already", "")

	must(t, l.Reserve(t.Context(), charge(4, 499_900), limit)) // exactly what is left
	refuse("nothing left", charge(5, 1), fault.Budget, "the budget of 1.5 has 0 left", "")
	limit.Total = 1_000_000 // the owner lowers the limit below what is spent
	refuse("limit lowered", charge(6, 1), fault.Budget, "the budget of 1 has 0 left", "")
	if reserved, released := spent(t, l); reserved != 1_499_900 || released != 100 {
		t.Errorf("%d reserved, %d released", reserved, released)
	}
	limit.Total = 2_000_000 // and raises it
	must(t, l.Reserve(t.Context(), charge(7, 500_000), limit))
	for _, price := range []agreement.MicroEpsilon{0, -1} {
		refuse("price", charge(8, price), fault.Internal, "CHECK", "")
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Reserve(cancelled, charge(9, 0), limit); !fault.IsKind(err, fault.Cancelled) {
		t.Errorf("cancelled: error is %v, want fault.Cancelled", err)
	}
	must(t, l.Close())
	refuse("closed", charge(9, 1), fault.Internal, "ledger", "")
}

// Sixteen at a time never spend more than the limit together, nor begin a question more often than is allowed; not even
// where half of them have opened the file by themselves, as another process would.
func TestConcurrentReserves(t *testing.T) {
	path := create(t)
	opened := []*ledger.Ledger{open(t, path), open(t, path)}
	limit := ledger.Limit{Total: 1000, Sessions: 3}
	var wait sync.WaitGroup
	var mu sync.Mutex
	granted, sameQuestion := agreement.MicroEpsilon(0), 0
	for worker := range 16 {
		wait.Go(func() {
			l := opened[worker%2]
			for i := range 20 {
				c := charge(worker*100+i, agreement.MicroEpsilon(1+(worker+i)%9))
				if i%4 == 0 {
					c.Query = [32]byte{1} // one question of all
				}
				err := l.Reserve(t.Context(), c, limit)
				if err != nil {
					if !fault.IsKind(err, fault.Budget) && !fault.IsKind(err, fault.Protocol) {
						t.Errorf("error is %v", err)
					}
					continue
				}
				if i%3 == 0 {
					if err := l.Release(c.Session, stored(c)); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				granted += c.MicroEpsilon
				if i%4 == 0 {
					sameQuestion++
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	reserved, released := spent(t, opened[0])
	if granted != reserved+released || granted > limit.Total || granted < limit.Total-9 {
		t.Errorf("granted %d of %d; the ledger has %d reserved, %d released", granted, limit.Total, reserved, released)
	}
	if sameQuestion < 1 || sameQuestion > limit.Sessions {
		t.Errorf("one question was begun %d times, at most %d", sameQuestion, limit.Sessions)
	}
}

// raw opens the file as SQLite does, for what the package has no call for.
func raw(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path))
	must(t, err)
	_, err = db.Exec(statement)
	must(t, err)
	must(t, db.Close())
}

// A ledger is never made by accident nor replaced, and what is not a ledger of this format is not taken for one.
func TestCreateAndOpenRefusals(t *testing.T) {
	path := create(t)
	before, err := os.ReadFile(path)
	must(t, err)
	if err := ledger.Create(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("created over another: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
	missing := filepath.Join(t.TempDir(), "none.db")
	if _, err := ledger.Open(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "restore it") {
		t.Errorf("missing: error is %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("opening made a ledger")
	}
	if err := ledger.Create(filepath.Join(missing, "ledger.db")); err == nil {
		t.Error("created in a folder that is none")
	}
	if _, err := ledger.Open(t.TempDir()); err == nil {
		t.Error("a folder was opened as a ledger")
	}
	raw(t, path, "PRAGMA user_version = 2")
	if _, err := ledger.Open(path); err == nil || !strings.Contains(err.Error(), "it has format 2, this program reads 1") {
		t.Errorf("another format: error is %v", err)
	}
	other := create(t)
	raw(t, other, "DROP TABLE charges")
	if _, err := ledger.Open(other); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("another program's file: error is %v", err)
	}
}
