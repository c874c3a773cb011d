// Package audit is a party's record of every decision that its node made: which question was asked, by whom, for which
// purpose, and what became of it; what was spent; when the customers were read anew; who withdrew, was erased or asked what is
// held on them (how many, never whom); when the config changed, and the node started and stopped.
//
// It is a [journal.Journal] of kind "audit" of JSON objects: an entry is durable before what it speaks of goes on, and a row
// that was changed or taken away is named when the log is verified. What the journal trusts, and what of a loss nobody can
// notice, is said there.
package audit

import (
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/journal"
)

const kind = "audit"

// Log is an open audit log. Safe for concurrent use.
type Log struct {
	journal *journal.Journal
	now     func() time.Time
}

// Create makes a new, empty log, as [journal.Create].
func Create(path string) error { return journal.Create(path, kind) }

// Open opens a log to be read and written, by this process alone, and verifies its chain, as [journal.Open].
func Open(path string) (*Log, error) { return open(path, journal.Open) }

// OpenReadOnly opens a log to be read as it is at this moment, perhaps beside the process that writes it, and verifies its
// chain, as [journal.OpenReadOnly].
func OpenReadOnly(path string) (*Log, error) { return open(path, journal.OpenReadOnly) }

func open(path string, openJournal func(path, kind string) (*journal.Journal, error)) (*Log, error) {
	j, err := openJournal(path, kind)
	if err != nil {
		return nil, err
	}
	return &Log{j, time.Now}, nil
}

// Verify opens a log to be read and returns the head that its rows lead to. If a row is not what was written, or is no entry,
// or rows are missing, the error says which.
func Verify(path string) (head journal.Head, err error) {
	l, err := OpenReadOnly(path)
	if err != nil {
		return journal.Head{}, err
	}
	defer l.Close()
	return l.Head(), l.Entries(func(Entry) error { return nil })
}

// SetClock makes now the clock by which entries are dated that have no time, instead of [time.Now]. Call it before anything
// else.
func (l *Log) SetClock(now func() time.Time) { l.now = now }

// Trace makes the log call f at the points at which a crash differs from one a moment earlier, as [journal.Journal.Trace].
func (l *Log) Trace(f func(point string)) { l.journal.Trace(f) }

// Head returns the log's latest point.
func (l *Log) Head() journal.Head { return l.journal.Head() }

// Record adds an entry, dated now if it has no time. It is durable when Record returns nil; what it speaks of goes on only
// then. Texts that are too long are cut, and what is not UTF-8 in them is replaced. Of fault.Internal if the entry fails
// Check otherwise, or if the file failed: nothing more is recorded then until the log is opened anew.
func (l *Log) Record(e Entry) error {
	if e.At.IsZero() {
		e.At = l.now()
	}
	e = e.tidied()
	err := e.Check()
	var record []byte
	if err == nil {
		record, err = e.MarshalJSON()
	}
	if err != nil {
		return fault.New(fault.Internal, "record %q in the audit log", e.Action).Wrap(err)
	}
	return l.journal.Append(record)
}

// Entries calls f with all entries that the log has at this moment, in the order in which they were recorded, and ends with
// the first error, f's or its own.
func (l *Log) Entries(f func(Entry) error) error {
	return l.journal.Each(func(row int64, record []byte) error {
		e, err := decode(row, record)
		if err != nil {
			return err
		}
		return f(e)
	})
}

// Close closes the files. What is called afterwards fails.
func (l *Log) Close() error { return l.journal.Close() }
