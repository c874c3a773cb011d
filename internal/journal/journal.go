// Package journal is an append-only, hash-chained, durable file of records that are opaque to it: what a node must neither
// forget nor be able to change unnoticed.
//
// # Files
//
// A journal "audit.db" consists of audit.db itself, an SQLite file; of audit.db-wal and audit.db-shm, SQLite's own, while it
// is open or after a crash; and of audit.db-head, which says how many rows the journal had when it last said that something is
// durable, and what their hash was. They belong together: back up and restore all of them. One process at a time may write.
//
// # Failures
//
// When the disk fails in the middle of an Append, whether its rows are there is not known. The journal then refuses everything
// until it is opened anew, which finds out. A full disk, a file that was removed or replaced, and rows that somebody else has
// written are such failures.
//
// # What is trusted
//
// The disk keeps what it said is written, or the loss shows: a changed byte breaks the chain, and lost rows are missed in
// audit.db-head. If both files are put back from an older copy, nothing on this machine can tell; who keeps a [Head] elsewhere
// can. Whoever can write the files can write another history.
package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
)

// MaxRecord is the most bytes that a record may have.
const MaxRecord = 16 << 20

const (
	version   = 1
	rowDomain = "sotto/v1/journal-row"

	// batchBytes is about how much of a journal is in memory while it is read: enough that asking for it costs little.
	batchBytes = 1 << 20
)

// The triggers keep a hand that means well from changing what was written; against others there is the hash.
const schema = `
CREATE TABLE rows (
	seq    INTEGER PRIMARY KEY, -- 1, 2, 3, …
	record BLOB NOT NULL,
	hash   BLOB NOT NULL        -- of the journal's kind, the row before and the record
) STRICT;
CREATE TRIGGER rows_update BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'a journal only grows'); END;
CREATE TRIGGER rows_delete BEFORE DELETE ON rows BEGIN SELECT RAISE(ABORT, 'a journal only grows'); END;
PRAGMA user_version = 1;
`

// Journal is an open journal. Safe for concurrent use.
type Journal struct {
	kind string

	mu   sync.Mutex // guards all below, and the order of rows
	file *File
	head Head
}

// Create makes a new, empty journal of a kind, such as "audit", which is part of every row's hash: a journal of one kind is
// none of another. It refuses to touch a file that exists; that error wraps fs.ErrExist.
func Create(path, kind string) error {
	if err := CreateFile(path, kind, schema); err != nil {
		return fmt.Errorf("create %s journal: %w", kind, err)
	}
	return nil
}

// Open opens a journal to be read and written. It verifies every row and every stored byte; where the chain is broken, the
// error names the first bad row. It refuses a journal that another one has open, or that has fewer rows than its head file
// says. It never makes one: where there is none, the error wraps fs.ErrNotExist.
func Open(path, kind string) (*Journal, error) {
	j, err := open(path, kind, OpenFile)
	if err != nil {
		return nil, explain(path, kind, err)
	}
	return j, nil
}

// OpenReadOnly opens a journal to be read, perhaps beside the process that has it open: as it is at this moment, whole and
// verified as by Open. It changes nothing and holds nobody up; Append fails.
func OpenReadOnly(path, kind string) (*Journal, error) {
	j, err := open(path, kind, OpenFileReadOnly)
	if err != nil { // perhaps because a first writer came meanwhile
		j, err = open(path, kind, OpenFileReadOnly)
	}
	if err != nil {
		return nil, explain(path, kind, err)
	}
	return j, nil
}

func open(path, kind string, openFile func(path, kind string, version int) (*File, error)) (*Journal, error) {
	file, err := openFile(path, kind, version)
	if err != nil {
		return nil, err
	}
	j := &Journal{kind: kind, file: file}
	if err := j.verify(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

func explain(path, kind string, err error) error {
	if errors.Is(err, ErrNoHead) {
		return fmt.Errorf("open %s journal %s: %w; restore both from one copy (where only the journal could be restored and is known "+
			"to be the latest, make an empty file in its place)", kind, path, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open %s journal: %w (a new one is made only on request; if an old one should be here, restore it)", kind, err)
	}
	return fmt.Errorf("open %s journal %s: %w", kind, path, err)
}

// Head returns the journal's latest point.
func (j *Journal) Head() Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head
}

// Append adds a row for each record, of at most [MaxRecord] bytes, all or none; they are durable when it returns nil. Of
// fault.Internal if the file failed: what it then holds is not known, and nothing goes on until it is opened anew. Of
// fault.Unavailable, with nothing written, if another program holds the file.
func (j *Journal) Append(records ...[]byte) error {
	for _, record := range records {
		if len(record) > MaxRecord {
			return fault.New(fault.Internal, "append to the %s journal: a record has %d bytes, at most %d", j.kind, len(record), MaxRecord)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Writable(); err != nil || len(records) == 0 {
		return err
	}
	if err := j.file.Reach("append", "before append"); err != nil {
		return err
	}
	heads := make([]Head, len(records))
	head := j.head
	for i, record := range records {
		head = j.link(head, record)
		heads[i] = head
	}
	err := j.file.Commit("append", head, func(ctx context.Context, tx *sql.Tx) error {
		for i, record := range records {
			if record == nil {
				record = []byte{} // nil would be NULL
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO rows VALUES (?, ?, ?)", heads[i].Rows, record, heads[i].Hash[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		j.head = head
	}
	return err
}

// Each calls f with every row that the journal has at this moment, in their order, from 1 on. The record is f's to keep. It
// verifies the rows anew as they come from the file, and ends with the first error, f's or its own. F may call the journal.
func (j *Journal) Each(f func(row int64, record []byte) error) error {
	last := j.Head().Rows
	for at := (Head{}); at.Rows < last; {
		next, records, err := j.batch(at, last)
		if err != nil {
			return err
		}
		for i, record := range records {
			if err := f(at.Rows+int64(i)+1, record); err != nil {
				return err
			}
		}
		at = next
	}
	return nil
}

// batch reads a few of the rows between two points, and verifies them.
func (j *Journal) batch(after Head, last int64) (Head, [][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Usable(); err != nil {
		return Head{}, nil, err
	}
	var records [][]byte
	size := 0
	head, err := j.read(after, func(_ Head, record []byte) bool {
		records = append(records, bytes.Clone(record))
		size += len(record) + 64
		return size < batchBytes && after.Rows+int64(len(records)) < last
	})
	if err == nil && len(records) == 0 {
		err = fmt.Errorf("row %d is missing", after.Rows+1)
	}
	if err != nil {
		return Head{}, nil, fault.New(fault.Internal, "read the %s journal %s", j.kind, j.file.Path()).Wrap(err)
	}
	return head, records, nil
}

// verify reads all rows and sets the head that they lead to.
func (j *Journal) verify() error {
	known := j.file.Known()
	var passed Head // the point at which the known head should be
	head, err := j.read(Head{}, func(at Head, _ []byte) bool {
		if at.Rows == known.Rows {
			passed = at
		}
		return true
	})
	if err != nil {
		return err
	}
	j.head = head
	return known.Check(head.Rows, func(int64) [32]byte { return passed.Hash })
}

// read verifies the rows after a point and calls f with each, until it returns false. A record is valid only until then.
func (j *Journal) read(head Head, f func(at Head, record []byte) bool) (_ Head, err error) {
	from := head.Rows + 1
	if from == 1 {
		from = math.MinInt64 // so that there is nothing before the first row
	}
	rows, err := j.file.DB().Query("SELECT seq, record, hash FROM rows WHERE seq >= ? ORDER BY seq", from)
	if err != nil {
		return Head{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seq int64
		var record, hash sql.RawBytes
		if err := rows.Scan(&seq, &record, &hash); err != nil {
			return Head{}, err
		}
		next := j.link(head, record)
		if seq != next.Rows || !bytes.Equal(hash, next.Hash[:]) {
			return Head{}, fmt.Errorf("it is damaged: row %d is not what was written", next.Rows)
		}
		head = next
		if !f(head, record) {
			break
		}
	}
	return head, rows.Err()
}

// link returns the head that a record leads to.
func (j *Journal) link(before Head, record []byte) Head {
	return Head{before.Rows + 1, canon.Hash(rowDomain, struct {
		Kind     string
		Previous [32]byte
		Record   []byte
	}{j.kind, before.Hash, record})}
}

// Trace makes the journal call f at the points at which a crash differs from one a moment earlier: "<kind>: before append",
// "<kind>: append written" (but not committed), "<kind>: append committed" and "<kind>: append kept" (the head file is written
// too). It is for tests, which end the process there; f must not call the journal. Call it before anything else.
func (j *Journal) Trace(f func(point string)) {
	j.file.Trace(func(point string) error {
		f(point)
		return nil
	})
}

// Close closes the files. What is called afterwards fails.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}
