package journal_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/journal"
)

// dead fails the test unless a journal refuses everything.
func dead(t *testing.T, what string, j *journal.Journal) {
	t.Helper()
	for call, err := range map[string]error{"append": j.Append([]byte("more")), "each": j.Each(func(int64, []byte) error { return nil })} {
		if !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "restarted") {
			t.Errorf("%s: afterwards, %s: error is %v", what, call, err)
		}
	}
}

// An error of the disk comes back as one, whether what was written is there or not. The journal then says and does nothing
// more, for it does not know; the next one finds out.
func TestFailurePersistedOrNot(t *testing.T) {
	broken := errors.New("the disk is gone")
	for point, rows := range map[string]int64{
		"audit: before append":    2,
		"audit: append written":   2,
		"audit: append committed": 4,
		"audit: append kept":      4,
	} {
		path := create(t, 2)
		j := open(t, path)
		before := j.Head()
		j.FailAt(func(at string) error {
			if at == point {
				return broken
			}
			return nil
		})
		if err := j.Append([]byte("a"), []byte("b")); !fault.IsKind(err, fault.Internal) || !errors.Is(err, broken) {
			t.Errorf("%s: error is %v", point, err)
		}
		dead(t, point, j)
		if j.Head() != before {
			t.Errorf("%s: head is %v, of which nobody knows whether it is durable", point, j.Head())
		}
		must(t, j.Close())
		if got := open(t, path).Head().Rows; got != rows {
			t.Errorf("%s: reopened it has %d rows, want %d", point, got, rows)
		}
	}
}

// A full disk is an error, not a row less: what was said stands, what could not be written was not said, in part neither.
func TestDiskFull(t *testing.T) {
	for pages := range 5 {
		path := create(t, 0)
		j := open(t, path)
		must(t, j.Quota(pages))
		var failed error
		said := 0
		for ; failed == nil; said++ {
			failed = j.Append(record(said), make([]byte, 1000), make([]byte, 1000))
		}
		said-- // the last one failed
		if !fault.IsKind(failed, fault.Internal) || !strings.Contains(failed.Error(), "full") || !strings.Contains(failed.Error(), path) {
			t.Errorf("%d pages: error is %v", pages, failed)
		}
		dead(t, "full", j)
		must(t, j.Close())
		j = open(t, path) // there is room again
		if got := contents(t, j); len(got) != 3*said || said > 0 && got[3*said-3] != string(record(said-1)) {
			t.Errorf("%d pages: %d records, want %d", pages, len(got), 3*said)
		}
		must(t, j.Append([]byte("more")))
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
			path := create(t, 0)
			j := open(t, path)
			must(t, j.Append(record(0)))
			must(t, remove(path+suffix))
			if err := j.Append(record(1)); !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "audit.db"+suffix) {
				t.Errorf("audit.db%s %s: error is %v", suffix, what, err)
			}
			dead(t, what, j)
			_ = j.Close()
		}
	}
}

// While another program holds the file nothing is written, and nothing is lost.
func TestBusy(t *testing.T) {
	t.Parallel() // it waits for five seconds
	path := create(t, 1)
	j := open(t, path)
	db := raw(t, path)
	_, err := db.Exec("BEGIN IMMEDIATE")
	must(t, err)
	if err := j.Append(record(1)); !fault.IsKind(err, fault.Unavailable) {
		t.Errorf("error is %v, want fault.Unavailable", err)
	}
	_, err = db.Exec("ROLLBACK")
	must(t, err)
	must(t, j.Append(record(1)))
	if got := contents(t, j); !slices.Equal(got, []string{string(record(0)), string(record(1))}) {
		t.Errorf("records are %q", got)
	}
}

// Rows that another program has added are not overwritten, nor built upon.
func TestForeignRows(t *testing.T) {
	path := create(t, 1)
	j := open(t, path)
	_, err := raw(t, path).Exec("INSERT INTO rows SELECT 2, record, hash FROM rows")
	must(t, err)
	if got := contents(t, j); len(got) != 1 { // they are not shown either
		t.Errorf("records are %q", got)
	}
	if err := j.Append(record(1)); !fault.IsKind(err, fault.Internal) {
		t.Errorf("error is %v, want fault.Internal", err)
	}
	dead(t, "foreign rows", j)
	must(t, j.Close())
	if _, err := journal.Open(path, kind); err == nil || !strings.Contains(err.Error(), "row 2 is not what was written") {
		t.Errorf("reopened: error is %v", err)
	}
}
