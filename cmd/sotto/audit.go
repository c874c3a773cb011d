package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/state"
)

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Check that nothing in a node's audit log was changed or lost."`
	Export auditExportCommand `cmd:"" help:"Print a node's audit log."`
}

type auditVerifyCommand struct {
	State string `required:"" env:"SOTTO_STATE" placeholder:"DIR" help:"The node's state folder. The node may be running."`
}

func (k *auditVerifyCommand) Help() string {
	return `Prints how many rows the log has, and the hash of the last one, which covers them all: who notes both, elsewhere, can
tell later whether history was rewritten. If a row is not what was written, it is named, and the exit code is 1.

  sotto audit verify --state state`
}

func (k *auditVerifyCommand) Run(c console) error {
	head, err := readAudit(k.State, audit.Verify)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%d rows  %x\n", head.Rows, head.Hash)
	return err
}

// readAudit reads the log in a node's state, and says what to do if it is not there or not whole.
func readAudit[T any](folder string, read func(path string) (T, error)) (T, error) {
	var none T
	path := state.Audit(folder)
	if err := isThere(path); err != nil {
		return none, err
	}
	log, err := read(path)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return none, fault.New(fault.Invalid, "%s", err).
			WithHint("leave the state as it is for whoever looks into it; a backup of the whole folder may have what was written")
	}
	return log, err
}

type auditExportCommand struct {
	State  string   `required:"" env:"SOTTO_STATE" placeholder:"DIR" help:"The node's state folder. The node may be running."`
	Since  string   `placeholder:"DATE" help:"Only what happened on this day or later (2026-03-01, in UTC), or from this time on (2026-03-01T09:00:00Z)."`
	Until  string   `placeholder:"DATE" help:"Only what happened on this day or earlier, or before this time."`
	Action []string `placeholder:"ACTION" help:"Only this action, such as question, release or withdraw; may be repeated."`
	CSV    bool     `name:"csv" help:"Print a table instead of one JSON object per entry."`
}

func (k *auditExportCommand) Help() string {
	return `One JSON object per entry, in the order in which they were recorded: questions accepted and refused with the reason, answers that left the
node, refreshes, what customers asked for, changes of configuration. No customer's id or value is in it.

  sotto audit export --state state --since 2026-03-01 --until 2026-03-31 --action question --action release
  sotto audit export --state state --csv > audit.csv`
}

func (k *auditExportCommand) Run(c console) error {
	wanted, err := k.filter()
	if err != nil {
		return err
	}
	log, err := readAudit(k.State, audit.OpenReadOnly)
	if err != nil {
		return err
	}
	defer log.Close()
	write := func(e audit.Entry) error { return printJSON(c.out, e) }
	table := csv.NewWriter(c.out)
	if k.CSV {
		if err := table.Write(auditColumns); err != nil {
			return err
		}
		write = func(e audit.Entry) error { return table.Write(auditRow(e)) }
	}
	err = log.Entries(func(e audit.Entry) error {
		if !wanted(e) {
			return nil
		}
		return write(e)
	})
	table.Flush()
	return errors.Join(err, table.Error())
}

// filter returns what tells whether an entry is wanted.
func (k *auditExportCommand) filter() (func(audit.Entry) bool, error) {
	since, _, err := moment("since", k.Since)
	if err != nil {
		return nil, err
	}
	until, day, err := moment("until", k.Until)
	if err != nil {
		return nil, err
	}
	if day {
		until = until.AddDate(0, 0, 1)
	}
	for _, action := range k.Action {
		if !slices.Contains(audit.Actions, audit.Action(action)) {
			return nil, fault.New(fault.Invalid, "no entry is of action %q", action).WithHint("one of " + joined(audit.Actions))
		}
	}
	return func(e audit.Entry) bool {
		return !e.At.Before(since) && (until.IsZero() || e.At.Before(until)) && (len(k.Action) == 0 || slices.Contains(k.Action, string(e.Action)))
	}, nil
}

// moment reads a date or a time; zero for none. It reports whether it was a date.
func moment(flag, text string) (at time.Time, day bool, err error) {
	if text == "" {
		return time.Time{}, false, nil
	}
	if at, err = time.Parse(time.DateOnly, text); err == nil {
		return at, true, nil
	}
	if at, err = time.Parse(time.RFC3339, text); err == nil {
		return at, false, nil
	}
	return time.Time{}, false, fault.New(fault.Invalid, "--%s is %q, must be a date such as 2026-03-01 or a time such as 2026-03-01T09:00:00Z", flag, text)
}

func joined(actions []audit.Action) string {
	var names []string
	for _, a := range actions {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

var auditColumns = []string{
	"row", "at", "actor", "action", "verdict", "reason", "query", "session", "organisation", "purpose", "audience", "measure", "micro_epsilon",
	"view", "subjects", "received", "coverage", "config", "agreement", "detail",
}

func auditRow(e audit.Entry) []string {
	var coverage []string
	for _, purpose := range sortedKeys(e.Coverage) {
		coverage = append(coverage, fmt.Sprintf("%s %d %%", purpose, e.Coverage[purpose]))
	}
	received := ""
	if !e.Received.IsZero() {
		received = e.Received.Format(time.RFC3339Nano)
	}
	cells := []string{
		strconv.FormatInt(e.Row, 10), e.At.Format(time.RFC3339Nano), e.Actor, string(e.Action), string(e.Verdict), e.Reason, e.Query, e.Session,
		e.Organisation, e.Purpose, e.Audience, e.Measure, strconv.FormatInt(e.MicroEpsilon, 10), e.View, strconv.FormatInt(e.Subjects, 10), received,
		strings.Join(coverage, "; "), e.Config, e.Agreement, e.Detail,
	}
	for i, cell := range cells {
		cells[i] = spreadsheetSafe(audit.Printable(cell))
	}
	return cells
}

// spreadsheetSafe keeps a text that somebody else has chosen from being taken for a formula.
func spreadsheetSafe(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
