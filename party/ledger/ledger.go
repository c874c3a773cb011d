// Package ledger is a party's durable record of what it has spent: an append-only journal in a SQLite file (WAL,
// synchronous=full), one row per event, in which every row holds the hash of all rows before it. A row is on the disk before
// anything that it speaks of leaves the machine, so a crash at any point counts too much rather than too little. What was
// released is kept with its bytes, and is never released a second time.
//
// # States
//
// A session's first row is "reserved". It is followed by at most one more: "released" or "lapsed". What is reserved or
// released counts, in the window of the time at which it was reserved; what lapsed does not. Sums are never stored: they are
// counted from the rows, as integers, whenever the ledger is opened, and kept in step afterwards.
//
// # Files
//
// A ledger "ledger.db" consists of ledger.db itself; of ledger.db-wal and ledger.db-shm, SQLite's own, while it is open or
// after a crash; and of ledger.db-head, which says how many rows the ledger had when it last said that something is durable,
// and what their hash was. They belong together: back up and restore all of them. One process at a time may write.
//
// # Failures
//
// When the disk fails in the middle of a call, whether its row is there is not known. The ledger then refuses everything until
// it is opened anew, which finds out: a caller that got an error for a release may find it released. A full disk, a file that
// was removed or replaced, and rows that somebody else has written are such failures; a caller that gives up is not, nor is a
// refusal.
//
// # What is trusted
//
// The disk keeps what it said is written, or the loss shows: a changed byte breaks the chain, and lost rows are missed in
// ledger.db-head. If both files are put back from an older copy, nothing on this machine can tell; [Ledger.Check] can, given
// a [Head] that somebody else has kept. Whoever can write the files can write another history.
package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/journal"
	"github.com/sotto-dev/sotto/internal/sqlite"
)

// kind tells the ledger's files from other journals.
const kind = "ledger"

// Ledger is an open ledger. Safe for concurrent use.
type Ledger struct {
	now func() time.Time

	mu    sync.Mutex // guards all below, and the order of rows
	file  *journal.File
	books *books // what is durable
	older error  // why nothing may be spent, or nil
}

// Create makes a new, empty ledger. It refuses to touch a file that exists.
func Create(path string) error {
	if err := journal.CreateFile(path, kind, schema); err != nil {
		return fmt.Errorf("create ledger: %w", err)
	}
	return nil
}

// Open opens a ledger to be read and written. It verifies every row and every stored byte, and then lets all reservations
// lapse that an earlier process left: their key shares are lost, so nothing will ever be released for them. It refuses a
// ledger that another one has open, that is damaged, or that has fewer rows than ledger.db-head says. It never makes one:
// an owner whose ledger is gone must know.
func Open(path string) (*Ledger, error) {
	l, err := open(path, journal.OpenFile)
	if err != nil {
		return nil, explain(path, err)
	}
	if err := l.lapseAll(); err != nil {
		return nil, errors.Join(explain(path, err), l.Close())
	}
	return l, nil
}

func open(path string, openFile func(path, kind string, version int) (*journal.File, error)) (*Ledger, error) {
	file, err := openFile(path, kind, version)
	if err != nil {
		return nil, err
	}
	l := &Ledger{now: time.Now, file: file}
	if l.books, err = read(file.DB()); err == nil {
		err = l.books.includes(file.Known())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// OpenReadOnly opens a ledger to be read, perhaps beside the process that has it open: as it is at this moment, whole and
// verified. It changes nothing and holds nobody up; Reserve, Release and Lapse fail.
func OpenReadOnly(path string) (*Ledger, error) {
	l, err := open(path, journal.OpenFileReadOnly)
	if err != nil { // perhaps because a first writer came meanwhile
		l, err = open(path, journal.OpenFileReadOnly)
	}
	if err != nil {
		return nil, explain(path, err)
	}
	return l, nil
}

// explain says what an owner can do about a ledger that can't be opened.
func explain(path string, err error) error {
	var format *sqlite.VersionError
	if errors.Is(err, journal.ErrNoHead) { // older formats had none
		if db, e := sqlite.OpenReadOnly(path, version); e == nil {
			err = errors.Join(err, db.Close())
		} else if errors.As(e, &format) {
			err = e
		}
	}
	switch {
	case errors.As(err, &format) && format.Found == 1:
		return fmt.Errorf("open ledger %s: %w; a ledger of before the hash chain can't be carried on: keep it as a record, make a new "+
			"one, and lower the limits by what the old one has spent", path, err)
	case errors.Is(err, journal.ErrNoHead):
		return fmt.Errorf("open ledger %s: %w; restore both from one copy (where only the ledger could be restored and is known to be "+
			"the latest, make an empty file in its place)", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open ledger: %w (a new one is made only on request; if an old one should be here, restore it: "+
			"a node that forgets what it spent protects nobody)", err)
	}
	return fmt.Errorf("open ledger %s: %w", path, err)
}

// Close closes the files. What is called afterwards fails.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// Trace makes the ledger call f at the points at which a crash differs from one a moment earlier: for X of reserve, release
// and lapse, at "ledger: before X", "ledger: X written" (but not committed), "ledger: X committed" and "ledger: X kept"
// (ledger.db-head is written too), and at "ledger: release signed" before the row is written. It is for tests, which end the
// process there; f must not call the ledger. Call it before anything else.
func (l *Ledger) Trace(f func(point string)) {
	l.file.Trace(func(point string) error {
		f(point)
		return nil
	})
}

// Head is a point in a ledger's history.
type Head = journal.Head

// Head returns the ledger's latest point.
func (l *Ledger) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.books.head
}

// Check returns nil if the ledger's history leads through h: if its first h.Rows rows hash to h.Hash. Of no rows that is true
// of every ledger. Otherwise this ledger is an older copy of the one that h is of, or another one: Check then says so, of
// fault.Unavailable, and from then on Reserve and Release fail with the same error.
func (l *Ledger) Check(h Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.books.includes(h); err != nil {
		l.older = fault.New(fault.Unavailable, "the ledger can't be spent from: %v", err).
			WithHint("the owner must stop the node and put the latest copy of its ledger back")
		return l.older
	}
	return nil
}
