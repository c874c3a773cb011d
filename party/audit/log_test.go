package audit_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/journal"
	"github.com/sotto-dev/sotto/party/audit"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 7_000_000, time.UTC)

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

func create(t *testing.T) (string, *audit.Log) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.db")
	must(t, audit.Create(path))
	l, err := audit.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	l.SetClock(func() time.Time { return noon })
	return path, l
}

func entries(t fataler, l *audit.Log) (all []audit.Entry) {
	t.Helper()
	must(t, l.Entries(func(e audit.Entry) error {
		all = append(all, e)
		return nil
	}))
	return all
}

// stored returns the record of a row as the file has it.
func stored(t *testing.T, path string, row int) (record string) {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String())
	must(t, err)
	defer db.Close()
	must(t, db.QueryRow("SELECT CAST(record AS TEXT) FROM rows WHERE seq = ?", row).Scan(&record))
	return record
}

// full is an entry with all fields.
func full() audit.Entry {
	return audit.Entry{
		At: noon, Actor: "marketing", Action: audit.Question, Verdict: audit.Refused, Reason: "the budget is spent", Query: strings.Repeat("0a", 32),
		Session: strings.Repeat("0b", 16), Organisation: "agency", Purpose: "planning", Audience: `a.age == "18-29" && b.x < 3`, Measure: "count",
		MicroEpsilon: 500_000, View: strings.Repeat("0c", 32), Subjects: 3, Received: noon.Add(-time.Hour), Coverage: map[string]int{"planning": 80, "measurement": 7},
		Config: strings.Repeat("0d", 32), Agreement: strings.Repeat("0e", 32), Detail: "detail",
	}
}

// Auditors keep and parse these lines: their form does not change. What does not apply is not there, and the text of a question
// is as it was written.
func TestStoredForm(t *testing.T) {
	path, l := create(t)
	must(t, l.Record(audit.Entry{Row: 99, Actor: "node", Action: audit.Start, Verdict: audit.Done}))
	must(t, l.Record(full()))
	for row, want := range []string{
		`{"at":"2026-03-01T12:00:00.007Z","actor":"node","action":"start","verdict":"done"}`,
		`{"at":"2026-03-01T12:00:00.007Z","actor":"marketing","action":"question","verdict":"refused","reason":"the budget is spent",` +
			`"query":"` + strings.Repeat("0a", 32) + `","session":"` + strings.Repeat("0b", 16) + `","organisation":"agency","purpose":"planning",` +
			`"audience":"a.age == \"18-29\" && b.x < 3","measure":"count","micro_epsilon":500000,"view":"` + strings.Repeat("0c", 32) + `",` +
			`"subjects":3,"received":"2026-03-01T11:00:00.007Z","coverage":{"measurement":7,"planning":80},` +
			`"config":"` + strings.Repeat("0d", 32) + `","agreement":"` + strings.Repeat("0e", 32) + `","detail":"detail"}`,
	} {
		if got := stored(t, path, row+1); got != want {
			t.Errorf("row %d is stored as %s, want %s", row+1, got, want)
		}
	}
	if got := entries(t, l)[1]; got.Row != 2 || func() bool { got.Row = 0; return !reflect.DeepEqual(got, full()) }() {
		t.Errorf("read back: %+v", got)
	}
}

// Every entry that is taken comes back as it was, but for times finer than is kept, texts that were too long and what was no
// text; in its order, also from the file alone. Nothing in it acts on a terminal.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		folder, err := os.MkdirTemp("", "audit")
		must(t, err)
		defer os.RemoveAll(folder)
		path := filepath.Join(folder, "audit.db")
		must(t, audit.Create(path))
		l, err := audit.Open(path)
		must(t, err)
		defer l.Close()
		var want []audit.Entry
		for row := range rapid.IntRange(1, 6).Draw(t, "rows") {
			e := draw(t)
			must(t, l.Record(e))
			e.Row = int64(row) + 1
			e.At, e.Received = e.At.UTC().Truncate(time.Millisecond), e.Received.UTC().Truncate(time.Millisecond)
			want = append(want, e)
		}
		reader, err := audit.OpenReadOnly(path)
		must(t, err)
		defer reader.Close()
		for what, log := range map[string]*audit.Log{"writer": l, "reader": reader} {
			if got := entries(t, log); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %+v, want %+v", what, got, want)
			}
		}
		for _, e := range want {
			line, err := json.Marshal(e)
			must(t, err)
			if at := strings.IndexFunc(string(line), func(r rune) bool { return r != ' ' && audit.Printable(string(r)) != string(r) }); at >= 0 {
				t.Fatalf("%q is not printable", line[at:])
			}
		}
	})
}

func draw(t *rapid.T) audit.Entry {
	text := func(name string, most int) string { return rapid.StringN(0, -1, most).Draw(t, name) }
	e := full()
	e.At = noon.Add(time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "at")))
	e.Received = rapid.SampledFrom([]time.Time{{}, noon, noon.In(time.FixedZone("west", -3600))}).Draw(t, "received")
	e.Actor = "x" + text("actor", 199)
	e.Action = rapid.SampledFrom(audit.Actions).Draw(t, "action")
	e.Verdict = rapid.SampledFrom([]audit.Verdict{audit.Accepted, audit.Refused, audit.Failed, audit.Done}).Draw(t, "verdict")
	e.Reason, e.Purpose, e.Audience, e.Detail = text("reason", 1000), text("purpose", 200), text("audience", 16_000), text("detail", 1000)
	e.MicroEpsilon = rapid.Int64Range(0, 1<<62).Draw(t, "micro_epsilon")
	e.Subjects = rapid.Int64Range(0, 1<<62).Draw(t, "subjects")
	e.Coverage = rapid.MapOfN(rapid.StringN(0, -1, 200), rapid.IntRange(0, 100), 0, 5).Draw(t, "coverage")
	if len(e.Coverage) == 0 {
		e.Coverage = nil
	}
	return e
}

// An analyst who sends a purpose that is endless, broken or made to play with the auditor's terminal is still on record, and
// does no harm there.
func TestHostileTexts(t *testing.T) {
	path, l := create(t)
	e := full()
	e.Purpose = "a\x00\x1b[2J\u009b31m\u202eb\u2028\x7f\U000e0001\xff"
	e.Reason = strings.Repeat("名", 1000)
	e.Audience = strings.Repeat("x", 1<<20)
	must(t, l.Record(e))
	got := entries(t, l)[0]
	if want := "a\x00\x1b[2J\u009b31m\u202eb\u2028\x7f\U000e0001\uFFFD"; got.Purpose != want {
		t.Errorf("purpose is %q, want %q", got.Purpose, want)
	}
	if want := strings.Repeat("名", 332) + "…"; got.Reason != want {
		t.Errorf("reason is %d bytes, want %d", len(got.Reason), len(want))
	}
	if want := strings.Repeat("x", 15_997) + "…"; got.Audience != want {
		t.Errorf("audience is %d bytes, want %d", len(got.Audience), len(want))
	}
	if want := `"purpose":"a\u0000\u001b[2J\u009b31m\u202eb\u2028\u007f\udb40\udc01` + "\uFFFD" + `"`; !strings.Contains(stored(t, path, 1), want) {
		t.Errorf("stored as %.800s, want %s in it", stored(t, path, 1), want)
	}
}

// What is no entry is refused before it is in the log, and says which field is wrong; the log goes on.
func TestCheck(t *testing.T) {
	_, l := create(t)
	for want, change := range map[string]func(*audit.Entry){
		`action is "guess"`:             func(e *audit.Entry) { e.Action = "guess" },
		`action is ""`:                  func(e *audit.Entry) { e.Action = "" },
		`verdict is "maybe"`:            func(e *audit.Entry) { e.Verdict = "maybe" },
		"no actor":                      func(e *audit.Entry) { e.Actor = "" },
		"at is in the year 1969":        func(e *audit.Entry) { e.At = time.Unix(-1, 0) },
		"at is in the year 10000":       func(e *audit.Entry) { e.At = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("west", -7200)) },
		"received is in the year 12000": func(e *audit.Entry) { e.Received = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) },
		`query is "0g"`:                 func(e *audit.Entry) { e.Query = "0g" },
		`session is "0"`:                func(e *audit.Entry) { e.Session = "0" },
		"view is":                       func(e *audit.Entry) { e.View = strings.Repeat("0", 66) },
		"config is":                     func(e *audit.Entry) { e.Config = "sha256" },
		"agreement is":                  func(e *audit.Entry) { e.Agreement = " 00" },
		"micro_epsilon is -1":           func(e *audit.Entry) { e.MicroEpsilon = -1 },
		"subjects -1":                   func(e *audit.Entry) { e.Subjects = -1 },
		`coverage of "planning" is 101`: func(e *audit.Entry) { e.Coverage["planning"] = 101 },
		`coverage of "planning" is -1`:  func(e *audit.Entry) { e.Coverage["planning"] = -1 },
		"a purpose of coverage has 201": func(e *audit.Entry) { e.Coverage[strings.Repeat("x", 201)] = 1 },
		"coverage is of 51 purposes": func(e *audit.Entry) {
			for n := range 49 {
				e.Coverage[fmt.Sprint(n)] = 1
			}
		},
	} {
		e := full()
		change(&e)
		if err := e.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check: error is %v, want %q", err, want)
		}
		if err := l.Record(e); !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), want) {
			t.Errorf("record: error is %v, want %q", err, want)
		}
	}
	for what, change := range map[string]func(*audit.Entry){ // Record repairs these; nobody else may write them
		"actor has 201 bytes":   func(e *audit.Entry) { e.Actor = strings.Repeat("x", 201) },
		"purpose has 1 bytes":   func(e *audit.Entry) { e.Purpose = "\xff" },
		"detail has 1001 bytes": func(e *audit.Entry) { e.Detail = strings.Repeat("x", 1001) },
	} {
		e := full()
		change(&e)
		if err := e.Check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("check: error is %v, want %q", err, what)
		}
		must(t, l.Record(e))
	}
	if got := len(entries(t, l)); got != 3 {
		t.Errorf("%d entries, want 3", got)
	}
}

// An auditor learns which row was changed, also if whoever changed it made the chain right again but wrote what is no entry;
// and how many rows are missing.
func TestVerify(t *testing.T) {
	path, l := create(t)
	for range 5 {
		must(t, l.Record(full()))
	}
	if head, err := audit.Verify(path); err != nil || head != l.Head() || head.Rows != 5 { // beside the node
		t.Errorf("head is %v, %v; want %v", head, err, l.Head())
	}
	must(t, l.Close())
	head, err := os.ReadFile(path + "-head")
	must(t, err)
	change := func(statement string) {
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String())
		must(t, err)
		_, err = db.Exec("DROP TRIGGER IF EXISTS rows_update; DROP TRIGGER IF EXISTS rows_delete; " + statement)
		must(t, errors.Join(err, db.Close()))
	}
	refused := func(want string) {
		t.Helper()
		if _, err := audit.Verify(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	change("DELETE FROM rows WHERE seq = 5")
	refused("it has 4 rows, but 5 are known")
	change("UPDATE rows SET record = CAST(replace(CAST(record AS TEXT), 'refused', 'accepted') AS BLOB) WHERE seq = 3")
	refused("row 3 is not what was written")
	must(t, os.WriteFile(path+"-head", head[:0], 0o600))
	refused("row 3 is not what was written")

	for record, want := range map[string]string{
		"not JSON": "row 2 is no entry", "{}": "row 2 is no entry: action", "null": "row 2 is no entry", "": "row 2 is no entry",
		`{"at":"2026-03-01T12:00:00Z","actor":"node","action":"start","verdict":"done"} {}`:            "more follows",
		`{"at":"2026-03-01T12:00:00Z","actor":"node","action":"start","verdict":"done","email":"a@b"}`: `unknown field "email"`,
		`{"at":"2026-03-01T12:00:00Z","actor":"node","action":"start","verdict":"won"}`:                "verdict",
	} {
		path = filepath.Join(t.TempDir(), "audit.db")
		must(t, audit.Create(path))
		j, err := journal.Open(path, "audit")
		must(t, err)
		must(t, j.Append([]byte(`{"at":"2026-03-01T12:00:00Z","actor":"node","action":"start","verdict":"done"}`), []byte(record)))
		must(t, j.Close())
		refused(want)
	}
}

// An entry that was recorded survives the end of the process at any point after, and after a failure nothing is recorded that
// might be lost.
func TestDurable(t *testing.T) {
	path, l := create(t)
	var points []string
	l.Trace(func(point string) { points = append(points, point) })
	must(t, l.Record(full()))
	if want := []string{"audit: before append", "audit: append written", "audit: append committed", "audit: append kept"}; !slices.Equal(points, want) {
		t.Errorf("points are %q, want %q", points, want)
	}
	if _, err := audit.Open(path); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("opened twice: error is %v", err)
	}
	killed := filepath.Join(t.TempDir(), "audit.db") // the files as a process that is killed leaves them
	for _, suffix := range []string{"", "-wal", "-head"} {
		content, err := os.ReadFile(path + suffix)
		must(t, errors.Join(err, os.WriteFile(killed+suffix, content, 0o600)))
	}
	if head, err := audit.Verify(killed); err != nil || head != l.Head() {
		t.Errorf("after a crash: %v, %v; want %v", head, err, l.Head())
	}
	must(t, os.Remove(path+"-head"))
	for range 2 {
		if err := l.Record(full()); !fault.IsKind(err, fault.Internal) {
			t.Errorf("recorded in files that are gone: %v", err)
		}
	}
}

// Decisions are recorded by many goroutines at once, none is lost, and a reader may stop when it has seen enough.
func TestConcurrent(t *testing.T) {
	_, l := create(t)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for n := range 10 {
				e := full()
				e.Detail = fmt.Sprint(worker, " ", n)
				must(t, l.Record(e))
			}
		})
	}
	wait.Wait()
	seen := map[string]bool{}
	for i, e := range entries(t, l) {
		if seen[e.Detail] = true; e.Row != int64(i)+1 {
			t.Errorf("row %d is the %d.", e.Row, i+1)
		}
	}
	if len(seen) != 80 {
		t.Errorf("%d entries, want 80", len(seen))
	}
	enough := errors.New("enough")
	if err := l.Entries(func(audit.Entry) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
}
