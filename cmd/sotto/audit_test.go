package main

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/state"
)

// auditState returns a state folder whose log has five entries, of four days.
func auditState(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path := state.Audit(dir)
	if err := audit.Create(path); err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for n, e := range []audit.Entry{
		{Actor: "node", Action: audit.Start, Verdict: audit.Done, Config: "0a0b"},
		{Actor: "marketing", Action: audit.Question, Verdict: audit.Accepted, Purpose: "planning", Audience: "a.x < 3 && a.y", MicroEpsilon: 500_000},
		{Actor: "marketing", Action: audit.Question, Verdict: audit.Refused, Purpose: "=HYPERLINK(\"x\")\u009b", Reason: "no such purpose"},
		{Actor: "privacy-desk", Action: audit.Withdraw, Verdict: audit.Done, Subjects: 3, Received: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		{Actor: "node", Action: audit.Refresh, Verdict: audit.Done, Coverage: map[string]int{"planning": 80, "measurement": 7}},
	} {
		e.At = time.Date(2026, 3, 1+max(0, n-1), 0, 0, 0, 0, time.UTC)
		if err := log.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runAudit(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	var command auditCommand
	parsed, err := kong.Must(&command, kong.Bind(console{&out, &out})).Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	err = parsed.Run()
	return out.String(), err
}

// An auditor gets what was asked for: days count whole, in UTC; a time is exact; nothing wanted by mistake is silently none.
func TestAuditExport(t *testing.T) {
	dir := auditState(t)
	for _, c := range []struct {
		args string
		rows string
	}{
		{"", "1 2 3 4 5"},
		{"--since 2026-03-02", "3 4 5"},
		{"--until 2026-03-02", "1 2 3"},
		{"--since 2026-03-02 --until 2026-03-03", "3 4"},
		{"--since 2026-03-02T00:00:01Z", "4 5"},
		{"--until 2026-03-02T00:00:00Z", "1 2"},
		{"--until 2026-03-02T01:00:00+01:00", "1 2"},
		{"--action question", "2 3"},
		{"--action question --action start --until 2026-03-01", "1 2"},
		{"--since 2027-01-01", ""},
	} {
		for _, format := range []string{"", "--csv"} {
			out, err := runAudit(t, strings.Fields("export --state "+dir+" "+c.args+" "+format)...)
			if err != nil {
				t.Errorf("%s: %v", c.args, err)
			}
			var rows []string
			if format == "" {
				for line := range strings.Lines(out) {
					var e audit.Entry
					if err := json.Unmarshal([]byte(line), &e); err != nil {
						t.Error(err)
					}
					rows = append(rows, strconv.FormatInt(e.Row, 10))
				}
			} else {
				records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
				if err != nil || strings.Join(records[0], " ") != strings.Join(auditColumns, " ") {
					t.Fatalf("%s: %v, %v", c.args, records, err)
				}
				for _, record := range records[1:] {
					rows = append(rows, record[0])
				}
			}
			if got := strings.Join(rows, " "); got != c.rows {
				t.Errorf("%s %s: rows %s, want %s", c.args, format, got, c.rows)
			}
		}
	}
	for args, want := range map[string]string{
		"--since yesterday":  "--since is \"yesterday\", must be a date",
		"--until 2026-02-30": "--until is \"2026-02-30\"",
		"--action guess":     "no entry is of action \"guess\"",
	} {
		if _, err := runAudit(t, strings.Fields("export --state "+dir+" "+args)...); !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", args, err, want)
		}
	}
}

// What is printed is on one line each, says all that is known, and neither a terminal nor a spreadsheet takes it for more
// than text.
func TestAuditForms(t *testing.T) {
	dir := auditState(t)
	out, err := runAudit(t, "export", "--state", dir)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"row":2,"at":"2026-03-01T00:00:00Z","actor":"marketing","action":"question","verdict":"accepted","purpose":"planning",` +
		`"audience":"a.x < 3 && a.y","micro_epsilon":500000}` + "\n" +
		`{"row":3,"at":"2026-03-02T00:00:00Z","actor":"marketing","action":"question","verdict":"refused","reason":"no such purpose",` +
		`"purpose":"=HYPERLINK(\"x\")\u009b"}` + "\n"
	if !strings.Contains(out, want) {
		t.Errorf("printed %s, want %s in it", out, want)
	}
	if out, err = runAudit(t, "export", "--state", dir, "--csv"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`3,2026-03-02T00:00:00Z,marketing,question,refused,no such purpose,,,,"'=HYPERLINK(""x"")\u009b",,,0,`,
		"4,2026-03-03T00:00:00Z,privacy-desk,withdraw,done,,,,,,,,0,,3,2026-03-01T08:00:00Z,,,,\n",
		",measurement 7 %; planning 80 %,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("printed %s, want %s in it", out, want)
		}
	}
}

// Verification says how far the log goes, and fails with the row that was changed.
func TestAuditVerify(t *testing.T) {
	dir := auditState(t)
	head, err := audit.Verify(state.Audit(dir))
	if err != nil {
		t.Fatal(err)
	}
	out, err := runAudit(t, "verify", "--state", dir)
	if fields := strings.Fields(out); err != nil || len(fields) != 3 || fields[0] != "5" || fields[2] != hex.EncodeToString(head.Hash[:]) {
		t.Errorf("printed %q, %v; want 5 rows and %x", out, err, head.Hash)
	}
	path := state.Audit(dir)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(content, []byte("no such purpose"), []byte("no such propose"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := runAudit(t, "verify", "--state", dir); err == nil || !strings.Contains(err.Error(), "row 3 is not what was written") {
		t.Errorf("error is %v", err)
	}
	if _, err := runAudit(t, "export", "--state", dir); err == nil || !strings.Contains(err.Error(), "row 3 is not what was written") {
		t.Errorf("error is %v", err)
	}
	if _, err := runAudit(t, "verify", "--state", t.TempDir()); err == nil || !strings.Contains(err.Error(), "audit.db") {
		t.Errorf("without a log: error is %v", err)
	}
}
