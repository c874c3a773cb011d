package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// model is what a ledger must be, said as plainly as possible: a list of charges with their states, gone through anew for
// every answer.
type model struct {
	entries []*entry
	rows    int64
}

type entry struct {
	ledger.Charge
	state  string
	stored []byte
}

func (m *model) find(session [16]byte) *entry {
	for _, e := range m.entries {
		if e.Session == session {
			return e
		}
	}
	return nil
}

// tally counts what is in a limit's window in some states.
func (m *model) tally(limit ledger.Limit, at time.Time, states ...string) dp.Tally {
	layout := map[ledger.Period]string{ledger.Day: "2006-01-02", ledger.Month: "2006-01", ledger.Ever: ""}[limit.Period]
	t := dp.Tally{}
	for _, e := range m.entries {
		if (limit.Organisation == "" || limit.Organisation == e.Organisation) && slices.Contains(states, e.state) &&
			e.Begun.UTC().Format(layout) == at.UTC().Format(layout) {
			t.Add(e.Loss, 1)
		}
	}
	return t
}

// verdict is the kind of fault that a charge must be refused with; "" if it must be accepted.
func (m *model) verdict(c ledger.Charge, limits ledger.Limits) fault.Kind {
	begun := 0
	for _, e := range m.entries {
		if e.Session == c.Session || e.Query == c.Query && e.state == "released" {
			return fault.Protocol
		}
		if e.Query == c.Query {
			begun++
		}
	}
	if begun >= limits.Sessions {
		return fault.Protocol
	}
	for _, limit := range limits.Windows {
		t := m.tally(limit, c.Begun, "reserved", "released")
		t.Add(c.Loss, 1)
		if (limit.Organisation == "" || limit.Organisation == c.Organisation) && t.MicroEpsilon(limits.Delta) > int64(limit.MicroEpsilon) {
			return fault.Budget
		}
	}
	return ""
}

func (m *model) lapseAll() {
	for _, e := range m.entries {
		if e.state == "reserved" {
			e.state = "lapsed"
			m.rows++
		}
	}
}

var days = []time.Time{
	time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC),
	time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2027, 3, 1, 12, 0, 0, 0, time.FixedZone("west", -10*60*60)),
}

// drawCharge returns a charge of one of a few sessions and questions, so that the same ones come again and again.
func drawCharge(t *rapid.T) ledger.Charge {
	c := charge(rapid.IntRange(1, 60).Draw(t, "session"), 1)
	c.Query = [32]byte{rapid.ByteRange(1, 40).Draw(t, "question")}
	c.Organisation = rapid.SampledFrom([]string{"agency", "shop", "Jón & 名"}).Draw(t, "organisation")
	c.Begun = rapid.SampledFrom(days).Draw(t, "begun")
	c.Purpose = rapid.String().Draw(t, "purpose")
	c.Loss = rapid.SampledFrom([]dp.Loss{
		{Mechanism: dp.Laplace, MicroEpsilon: 100_000, Cells: 1},
		{Mechanism: dp.Laplace, MicroEpsilon: 250_000, Cells: 100},
		{Mechanism: dp.Laplace, MicroEpsilon: 1, Cells: 1},
		{Mechanism: dp.Gaussian, MicroEpsilon: 300_000, AttoDelta: 100_000_000_000, Cells: 10},
		{Mechanism: dp.Pure, MicroEpsilon: 200_000, AttoDelta: 1_000_000_000},
	}).Draw(t, "loss")
	return c
}

// Whatever is asked of it in whatever order, also across restarts and crashes, a ledger accepts, refuses and adds up as the
// model does, keeps what was released, and grows by exactly the rows that it should.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		folder, err := os.MkdirTemp("", "ledger")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(folder)
		path := filepath.Join(folder, "ledger.db")
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(ledger.Create(path))
		l, err := ledger.Open(path)
		ok(err)
		defer func() { _ = l.Close() }()
		m, windows := &model{}, windows
		windows.Delta = rapid.SampledFrom([]float64{1e-9, 1e-6}).Draw(t, "delta")
		var heads []ledger.Head
		session := func(t *rapid.T) [16]byte { return charge(rapid.IntRange(1, 60).Draw(t, "session"), 1).Session }
		ctx := context.Background()
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				c := drawCharge(t)
				want := m.verdict(c, windows)
				err := l.Reserve(ctx, c, windows)
				if want == "" && err != nil || want != "" && !fault.IsKind(err, want) {
					t.Fatalf("reserve: error is %v, want %q", err, want)
				}
				if err == nil {
					m.entries = append(m.entries, &entry{Charge: c, state: "reserved"})
					m.rows++
				}
			},
			"release": func(t *rapid.T) {
				id := session(t)
				sealed := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "sealed")
				e := m.find(id)
				err := l.Release(id, sha256.Sum256(sealed), func(h ledger.Head) ([]byte, error) {
					heads = append(heads, h)
					return sealed, nil
				})
				if want := e != nil && e.state == "reserved"; want != (err == nil) {
					t.Fatalf("release: error is %v, want one: %t", err, !want)
				}
				if err == nil {
					e.state, e.stored = "released", sealed
					m.rows++
				}
			},
			"lapse": func(t *rapid.T) {
				id := session(t)
				ok(l.Lapse(id))
				if e := m.find(id); e != nil && e.state == "reserved" {
					e.state = "lapsed"
					m.rows++
				}
			},
			"reopen": func(*rapid.T) {
				ok(l.Close())
				l, err = ledger.Open(path)
				ok(err)
				m.lapseAll()
			},
			"crash": func(*rapid.T) { // the files as a process that is killed leaves them
				crashed := filepath.Join(folder, fmt.Sprint("crashed at ", m.rows))
				files := take(t, path)
				ok(l.Close())
				path = crashed
				files.put(t, path)
				l, err = ledger.Open(path)
				ok(err)
				m.lapseAll()
			},
			"": func(t *rapid.T) { m.compare(t, l, heads, windows) },
		})
		reader, err := ledger.OpenReadOnly(path)
		ok(err)
		m.compare(t, reader, heads, windows)
		ok(reader.Close())
	})
}

func (m *model) compare(t *rapid.T, l *ledger.Ledger, heads []ledger.Head, windows ledger.Limits) {
	if l.Head().Rows != m.rows {
		t.Fatalf("%d rows, want %d", l.Head().Rows, m.rows)
	}
	for _, h := range heads {
		if err := l.Check(h); err != nil {
			t.Fatalf("a signed head: %v", err)
		}
	}
	names := map[string]bool{}
	for _, e := range m.entries {
		names[e.Organisation] = true
		if stored, err := l.Released(context.Background(), e.Session); err != nil || !bytes.Equal(stored, e.stored) {
			t.Fatalf("%d bytes were stored (%v), want %d", len(stored), err, len(e.stored))
		}
	}
	if got := l.Organisations(); !slices.Equal(got, slices.Sorted(maps.Keys(names))) {
		t.Fatalf("organisations are %v", got)
	}
	loss := dp.Loss{Mechanism: dp.Laplace, MicroEpsilon: 100_000, Cells: 1}
	now := rapid.SampledFrom(days).Draw(t, "now")
	for i, u := range l.Usage(windows, &loss, now) {
		limit := windows.Windows[i]
		spent := m.tally(limit, now, "released").MicroEpsilon(windows.Delta)
		all := m.tally(limit, now, "released", "reserved")
		want := ledger.Usage{
			Limit: limit, Spent: agreement.MicroEpsilon(spent), Reserved: agreement.MicroEpsilon(all.MicroEpsilon(windows.Delta) - spent),
			Left:      limit.MicroEpsilon - agreement.MicroEpsilon(all.MicroEpsilon(windows.Delta)),
			Questions: all.Fits(loss, int64(limit.MicroEpsilon), windows.Delta, 1_000_000),
		}
		if u != want {
			t.Fatalf("usage is %+v, want %+v", u, want)
		}
	}
}
