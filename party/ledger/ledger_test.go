package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// begun is when the tests' charges begin: in the middle of a day in the middle of a month.
var begun = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// charge is the n-th session, of a question of its own, at a price in millionths.
func charge(n int, price agreement.MicroEpsilon) ledger.Charge {
	c := ledger.Charge{
		Analyst: "marketing", Organisation: "agency", Purpose: "planning", Measure: "count",
		Loss: dp.Loss{Mechanism: dp.Laplace, MicroEpsilon: int64(price)}, Sensitivity: 3, Begun: begun,
	}
	copy(c.Session[:], fmt.Sprintf("session %8d", n))
	copy(c.Query[:], fmt.Sprintf("question %8d with a hash of 32 bytes", n))
	return c
}

// plainly is a total δ at which the ε of pure losses are just added up.
const plainly = 0

// total limits all analysts together, for ever.
func total(limit agreement.MicroEpsilon) ledger.Limits {
	return ledger.Limits{Delta: plainly, Sessions: 3, Windows: []ledger.Limit{{Period: ledger.Ever, MicroEpsilon: limit}}}
}

var wide = total(1_000_000_000)

// stored is what is released in the session of a charge, but for the head.
func stored(c ledger.Charge) []byte { return bytes.Repeat(c.Session[:], 100) }

// release releases the session of a charge.
func release(l *ledger.Ledger, c ledger.Charge) error {
	return l.Release(c.Session, sha256.Sum256(c.Session[:]), func(ledger.Head) ([]byte, error) { return stored(c), nil })
}

func create(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	must(t, ledger.Create(path))
	return path
}

func open(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// spent returns what is reserved and what was released, ever.
func spent(l *ledger.Ledger) (reserved, released agreement.MicroEpsilon) {
	u := l.Usage(wide, nil, begun)[0]
	return u.Reserved, u.Spent
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
	if reserved, released := spent(l); reserved != 123 || released != 0 {
		t.Errorf("%d reserved, %d released, want 123 and 0", reserved, released)
	}
	if sealed, err := l.Released(t.Context(), a.Session); sealed != nil || err != nil {
		t.Errorf("before the release: %d bytes, %v", len(sealed), err)
	}
	must(t, release(l, a))
	must(t, l.Lapse(b.Session))
	must(t, l.Lapse(a.Session)) // it was released, so it does not
	must(t, l.Lapse(charge(9, 1).Session))
	check := func(when string, l *ledger.Ledger, reservedWant agreement.MicroEpsilon, rows int64) {
		t.Helper()
		if reserved, released := spent(l); reserved != reservedWant || released != 100 {
			t.Errorf("%s: %d reserved, %d released, want %d and 100", when, reserved, released, reservedWant)
		}
		if sealed, err := l.Released(t.Context(), a.Session); !bytes.Equal(sealed, stored(a)) || err != nil {
			t.Errorf("%s: %d stored bytes, %v", when, len(sealed), err)
		}
		if sealed, err := l.Released(t.Context(), c.Session); sealed != nil || err != nil {
			t.Errorf("%s: %d bytes of what was never released, %v", when, len(sealed), err)
		}
		if l.Head().Rows != rows {
			t.Errorf("%s: %d rows, want %d", when, l.Head().Rows, rows)
		}
	}
	check("before", l, 3, 5)
	must(t, l.Close())
	for range 2 { // the second time there is nothing left to lapse
		l = open(t, path)
		check("reopened", l, 0, 6)
		if err := release(l, c); !fault.IsKind(err, fault.Internal) {
			t.Errorf("release of a reservation that lapsed: error is %v, want fault.Internal", err)
		}
		must(t, l.Close())
	}
}

// Bytes leave only for a reservation that stands: never twice, never for nothing, and never if they can't be made.
func TestReleaseOnlyFromReserved(t *testing.T) {
	l := open(t, create(t))
	a, b, c := charge(1, 1), charge(2, 1), charge(3, 1)
	for _, x := range []ledger.Charge{a, b, c} {
		must(t, l.Reserve(t.Context(), x, wide))
	}
	must(t, release(l, a))
	must(t, l.Lapse(b.Session))
	head := l.Head()
	for name, session := range map[string][16]byte{"released": a.Session, "lapsed": b.Session, "unknown": charge(4, 1).Session} {
		err := l.Release(session, [32]byte{}, func(ledger.Head) ([]byte, error) {
			t.Errorf("%s: asked for bytes", name)
			return []byte("other"), nil
		})
		if !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "no reservation") {
			t.Errorf("%s: error is %v, want fault.Internal", name, err)
		}
	}
	refusal := fault.New(fault.Unavailable, "no key")
	if err := l.Release(c.Session, [32]byte{}, func(ledger.Head) ([]byte, error) { return []byte("half"), refusal }); err != refusal {
		t.Errorf("not signed: error is %v, want the signer's", err)
	}
	if err := l.Release(c.Session, [32]byte{}, func(ledger.Head) ([]byte, error) { return nil, nil }); !fault.IsKind(err, fault.Internal) {
		t.Errorf("no bytes: error is %v, want fault.Internal", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = l.Release(c.Session, [32]byte{}, func(ledger.Head) ([]byte, error) { panic("a defect of the signer") })
	}()
	if l.Head() != head {
		t.Error("a release that failed was written")
	}
	if sealed, err := l.Released(t.Context(), a.Session); !bytes.Equal(sealed, stored(a)) || err != nil {
		t.Errorf("the stored bytes changed: %d bytes, %v", len(sealed), err)
	}
	must(t, release(l, c)) // the reservation stands
}

// What is signed is the head that includes the release itself, so that whoever keeps the signed bytes can later ask for it.
func TestSignedHead(t *testing.T) {
	l := open(t, create(t))
	for n := range 5 {
		c := charge(n, 1)
		must(t, l.Reserve(t.Context(), c, wide))
		before := l.Head()
		var signed ledger.Head
		must(t, l.Release(c.Session, [32]byte{byte(n)}, func(h ledger.Head) ([]byte, error) {
			signed = h
			return h.Hash[:], nil
		}))
		if signed != l.Head() || signed.Rows != before.Rows+1 {
			t.Errorf("signed %v, the ledger is at %v", signed, l.Head())
		}
		if sealed, err := l.Released(t.Context(), c.Session); !bytes.Equal(sealed, signed.Hash[:]) || err != nil {
			t.Errorf("the signed bytes came back as %x, %v", sealed, err)
		}
	}
}

// Each refusal is of its kind and says what is wrong; a refused session leaves no trace.
func TestReserveRefusals(t *testing.T) {
	l := open(t, create(t))
	limits := total(1_500_000)
	limits.Sessions = 2
	must(t, l.Reserve(t.Context(), charge(1, 1_000_000), limits))
	refuse := func(name string, c ledger.Charge, kind fault.Kind, want, hint string) {
		t.Helper()
		head := l.Head()
		err := l.Reserve(t.Context(), c, limits)
		if !fault.IsKind(err, kind) || !strings.Contains(err.Error(), want) || !strings.Contains(fault.From(err).Hint, hint) {
			t.Errorf("%s: error is %v (%s), want %s with %q (%s)", name, err, fault.From(err).Hint, kind, want, hint)
		}
		if l.Head() != head {
			t.Errorf("%s: a row was written", name)
		}
	}
	refuse("session reserved", charge(1, 1), fault.Protocol, "the session is known", "")
	must(t, l.Lapse(charge(1, 1).Session))
	refuse("session lapsed", charge(1, 1), fault.Protocol, "the session is known", "")

	again := charge(1, 1_000_000)
	again.Session[0]++
	must(t, l.Reserve(t.Context(), again, limits)) // the second of two
	again.Session[0]++
	refuse("begun too often", again, fault.Protocol, "begun 2 times, at most 2", "ask again, signed anew")

	other := charge(3, 100)
	must(t, l.Reserve(t.Context(), other, limits))
	must(t, release(l, other))
	refuse("session released", other, fault.Protocol, "the session is known", "")
	other.Session[0]++
	refuse("answered", other, fault.Protocol, "answered already", "")

	for name, spoil := range map[string]func(*ledger.Charge){
		"no price":        func(c *ledger.Charge) { c.Loss.MicroEpsilon = 0 },
		"negative price":  func(c *ledger.Charge) { c.Loss.MicroEpsilon = -1 },
		"negative delta":  func(c *ledger.Charge) { c.Loss.AttoDelta = -1 },
		"negative cells":  func(c *ledger.Charge) { c.Loss.Cells = -1 },
		"no mechanism":    func(c *ledger.Charge) { c.Loss.Mechanism = "" },
		"no sensitivity":  func(c *ledger.Charge) { c.Sensitivity = 0 },
		"no organisation": func(c *ledger.Charge) { c.Organisation = "" },
		"no analyst":      func(c *ledger.Charge) { c.Analyst = "" },
		"not UTF-8":       func(c *ledger.Charge) { c.Purpose = "\xff" },
		"no time":         func(c *ledger.Charge) { c.Begun = time.Time{} },
		"far future":      func(c *ledger.Charge) { c.Begun = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		c := charge(4, 1)
		spoil(&c)
		refuse(name, c, fault.Internal, "reserve in the ledger", "")
	}
	for name, spoil := range map[string]func(*ledger.Limits){
		"no limit": func(l *ledger.Limits) {
			l.Windows = []ledger.Limit{{Organisation: "shop", Period: ledger.Ever, MicroEpsilon: 1000}}
		},
		"no limits":         func(l *ledger.Limits) { l.Windows = nil },
		"no period":         func(l *ledger.Limits) { l.Windows = []ledger.Limit{{MicroEpsilon: 1000}} },
		"an unknown period": func(l *ledger.Limits) { l.Windows = []ledger.Limit{{Period: 4, MicroEpsilon: 1000}} },
		"delta below 0":     func(l *ledger.Limits) { l.Delta = -1e-9 },
		"delta 1":           func(l *ledger.Limits) { l.Delta = 1 },
		"no delta":          func(l *ledger.Limits) { l.Delta = math.NaN() },
	} {
		good := limits
		spoil(&limits)
		refuse(name, charge(4, 1), fault.Internal, "reserve in the ledger", "")
		limits = good
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Reserve(cancelled, charge(9, 1), wide); !fault.IsKind(err, fault.Cancelled) {
		t.Errorf("cancelled: error is %v, want fault.Cancelled", err)
	}
	must(t, l.Reserve(t.Context(), charge(9, 1), wide)) // nothing is broken by it
	must(t, l.Close())
	refuse("closed", charge(10, 1), fault.Internal, "ledger", "")
}
