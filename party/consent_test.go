package party

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/subjects"
)

func (w *world) hear(kind subjects.Kind, purpose string, ids ...string) Heard {
	w.Helper()
	heard, err := w.Hear("owner", kind, purpose, "", ids, time.Unix(w.clock.Load(), 0))
	w.must(err)
	return heard
}

// Only customers take part whose consent to the purpose covers the question: given before now, not expired, not withdrawn.
func TestConsent(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	check := func(what, purpose, want string) {
		t.Helper()
		if got := w.taking(purpose); got != want {
			t.Errorf("%s: %s may take part in %s, want %s", what, got, purpose, want)
		}
	}
	check("at first", "planning", "abcdef")
	check("at first", "ads", "abf") // c says no, d has no date, e consents tomorrow
	w.wait(11*time.Hour + 59*time.Minute)
	check("before midnight", "ads", "abf")
	w.wait(time.Minute)
	check("on the 2nd", "ads", "aef") // b's year is over, e's has begun
	w.hear(subjects.Withdraw, "ads", "a")
	check("a withdrew", "ads", "ef")
	check("a withdrew from ads alone", "planning", "abcdef")
	w.hear(subjects.Withdraw, "", "f", "nobody")
	check("f withdrew from all", "ads", "e")
	check("f withdrew from all", "planning", "abcde")
	w.hear(subjects.Restore, "planning", "f")
	check("f is back for planning", "planning", "abcdef")
	check("f is back for planning", "ads", "e")
	w.hear(subjects.Erase, "", "e")
	check("e was erased", "ads", "")
	check("e was erased", "planning", "abcdf")
	if _, err := w.Refresh(t.Context(), "owner"); err != nil {
		t.Fatal(err)
	}
	check("e stays erased", "planning", "abcdf")
	w.end()
	w.begin()
	check("after a restart", "planning", "abcdf")
	check("after a restart", "ads", "")
	w.hear(subjects.Restore, "", "a", "e")
	check("a is restored", "ads", "a")
	check("e is not loaded yet", "planning", "abcdf")
	if _, err := w.Refresh(t.Context(), "owner"); err != nil {
		t.Fatal(err)
	}
	check("e is restored", "planning", "abcdef")
}

// Consent withdrawn between two otherwise equal questions takes exactly that customer out of what is contributed: to a count,
// by group, and with an amount. Nobody else's part changes.
func TestWithdrawalChangesOneCustomer(t *testing.T) {
	hops := map[string]struct {
		hop query.Hop
		q   query.Query
	}{
		"count":    {query.Hop{Party: "shop", Where: &query.Expr{Op: query.Member}, Groups: 1}, query.Query{Measure: query.Count}},
		"gold":     {query.Hop{Party: "shop", Where: &query.Expr{Op: query.Segment, Name: "gold"}, Groups: 1}, query.Query{Measure: query.Count}},
		"not gold": {query.Hop{Party: "shop", Where: &query.Expr{Op: query.Not, Args: []*query.Expr{{Op: query.Segment, Name: "gold"}}}, Groups: 1}, query.Query{}},
		"by region": {
			query.Hop{Party: "shop", Where: &query.Expr{Op: query.Member}, GroupBy: []int{0}, Groups: 3},
			query.Query{GroupBy: []query.Dimension{{Party: "shop", Name: "region", Values: []string{"north", "south"}}}},
		},
		"sum": {
			query.Hop{Party: "shop", Where: &query.Expr{Op: query.Has, Name: "spend"}, Groups: 1, Amounts: true},
			query.Query{Measure: query.Sum, Amount: query.Amount{Party: "shop", Name: "spend"}},
		},
	}
	for _, who := range strings.Split("abcdef", "") {
		w := newWorld(t, shopYAML, shopCSV)
		before := map[string]map[string][2]int64{}
		for name, h := range hops {
			before[name] = w.contributed("planning", h.hop, h.q)
		}
		w.hear(subjects.Withdraw, "planning", who)
		for name, h := range hops {
			after := w.contributed("planning", h.hop, h.q)
			want := maps.Clone(before[name])
			delete(want, who)
			if !maps.Equal(after, want) {
				t.Errorf("%s withdrew: %s has %v after %v, want %v", who, name, after, before[name], want)
			}
		}
	}
}

// The version that others see changes with every word of a customer, also with that of somebody who is none: else it would tell
// who is. It changes when time alone changes who takes part, and not otherwise.
func TestVersionOfTheView(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	seen := map[[16]byte]string{}
	next := func(what string) {
		t.Helper()
		if before, known := seen[w.view().version]; known {
			t.Errorf("%s: the version is that of %s", what, before)
		}
		seen[w.view().version] = what
	}
	same := func(what string) {
		t.Helper()
		if _, known := seen[w.view().version]; !known {
			t.Errorf("%s: another version", what)
		}
	}
	next("the beginning")
	w.wait(time.Hour)
	same("an hour later")
	if changed, err := w.Refresh(t.Context(), "owner"); err != nil || changed {
		t.Errorf("refreshed: changed %v, error %v", changed, err)
	}
	same("refreshed")
	w.hear(subjects.Withdraw, "ads", "nobody")
	next("nobody withdrew")
	w.hear(subjects.Withdraw, "ads", "a")
	next("a withdrew")
	w.end()
	w.begin()
	same("a restart")
	w.wait(24 * time.Hour)
	next("a day later")
	w.write("customers.csv", strings.Replace(shopCSV, "a,gold", "a,basic", 1))
	same("another file, not loaded")
	if changed, err := w.Refresh(t.Context(), "owner"); err != nil || !changed {
		t.Errorf("refreshed: changed %v, error %v", changed, err)
	}
	next("another tier")
}

// A refresh that fails leaves the customers as they were, and says why without their values; the next one goes on.
func TestRefreshFails(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	before := w.view()
	w.write("customers.csv", "id,tier\nsecret-a,gold\n")
	_, err := w.Refresh(t.Context(), "privacy-desk")
	if !fault.IsKind(err, fault.Invalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v", err)
	}
	if w.view() != before {
		t.Error("the customers were exchanged")
	}
	all := w.entries()
	last := all[len(all)-1]
	if last.Action != audit.Refresh || last.Verdict != audit.Failed || last.Actor != "privacy-desk" || !strings.Contains(last.Reason, "column") {
		t.Errorf("recorded %+v", last)
	}
	if status := (&owner{Node: w.Node}).status(); status.GetRefreshFailed() == "" {
		t.Error("the status does not show it")
	}
	w.write("customers.csv", shopCSV+"g,gold,north,1,yes,2026-01-01,2026-02-01\n")
	if changed, err := w.Refresh(context.Background(), "owner"); err != nil || !changed {
		t.Errorf("changed %v, error %v", changed, err)
	}
	if got := w.taking("planning"); got != "abcdefg" {
		t.Errorf("%s may take part", got)
	}
}

// Rows that are too old are not used, from the day on which they are; the node's copies go with the next refresh, and what it
// has stored with a purge.
func TestRetention(t *testing.T) {
	w := newWorld(t, shopYAML+"retention: {since: bought, keep_for: 36 months}\n", shopCSV)
	if got := w.taking("planning"); got != "abcdef" {
		t.Errorf("%s may take part at first", got)
	}
	w.wait(9 * 24 * time.Hour) // 10 March 2026, three years after b's purchase
	if got := w.taking("planning"); got != "acdef" {
		t.Errorf("%s may take part after b's time", got)
	}
	if _, err := w.Refresh(t.Context(), "node"); err != nil {
		t.Fatal(err)
	}
	if n := len(w.view().snapshot.IDs); n != 5 {
		t.Errorf("%d customers are in memory, want 5", n)
	}
	kept := func() int {
		names, err := filepath.Glob(filepath.Join(w.folder, "state", "members", "snapshot-*"))
		w.must(err)
		return len(names)
	}
	if kept() != 2 {
		t.Fatalf("%d snapshots are stored, want the first and the second", kept())
	}
	if would, err := w.Purge("owner", true); err != nil || len(would) != 1 || kept() != 2 {
		t.Errorf("a dry run would purge %v, error %v, and left %d", would, err, kept())
	}
	if purged, err := w.Purge("owner", false); err != nil || len(purged) != 1 || kept() != 1 {
		t.Errorf("purged %v, error %v, %d are left", purged, err, kept())
	}
}

// Whoever was erased, and comes back, is told of the questions from then on: not of those before, which were erased.
func TestRestoredAfterErasure(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	ask := func(id string) {
		v := w.view()
		if _, err := w.accepted([16]byte{id[0]}, v, audit.Entry{
			Actor: "marketing", Action: audit.Question, Purpose: "planning", Session: id, View: fmt.Sprintf("%x", v.id("planning")),
		}); err != nil {
			t.Fatal(err)
		}
	}
	ask("01")
	w.hear(subjects.Erase, "", "a")
	ask("02")
	w.hear(subjects.Restore, "", "a")
	ask("03") // not loaded yet
	if _, err := w.Refresh(t.Context(), "owner"); err != nil {
		t.Fatal(err)
	}
	ask("04")
	w.end()
	w.begin()
	ask("05")
	for who, want := range map[string]string{"a": "04 05", "b": "01 02 03 04 05"} {
		held, err := w.Access("owner", who, "", time.Unix(w.clock.Load(), 0))
		if err != nil {
			t.Fatal(err)
		}
		var sessions []string
		for _, q := range held.Questions {
			sessions = append(sessions, q.Session)
		}
		if got := strings.Join(sessions, " "); got != want {
			t.Errorf("%s is told of %s, want %s", who, got, want)
		}
	}
}
