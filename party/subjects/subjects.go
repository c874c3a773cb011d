// Package subjects keeps what customers have said about their data: whom to leave out, of what, from when on. It works at once,
// without waiting for the source to know.
//
// The list is a journal (package journal) that only grows. Its records are sealed by the vault, and hold ids only as keyed
// hashes. Each is sealed for its row and for all rows before it, so that without the key no record can be moved, doubled,
// left out or taken over from another list; only the end of a list can be cut off, together with its head file, as package
// journal says.
package subjects

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/journal"
	"github.com/sotto-dev/sotto/party/vault"
)

const journalKind = "subjects"

// List is an open suppression list. Safe for concurrent use. The vault must stay open for as long as it is used.
type List struct {
	vault *vault.Vault

	writing sync.Mutex // held while a request is decided on and written; guards previous
	journal *journal.Journal
	// previous is the SHA-256 of the latest sealed record, which covers all before it.
	previous [sha256.Size]byte

	reading sync.RWMutex // guards all below; taken within writing
	people  people       // what is durable
	// unerased is the latest row that took back an erasure, or 0.
	unerased int64
	head     journal.Head // of the rows that people says
}

// Create makes a new, empty list. It refuses to touch a file that exists; that error wraps fs.ErrExist.
func Create(path string, v *vault.Vault) error {
	if err := journal.Create(path, journalKind); err != nil {
		return err
	}
	l, err := Open(path, v)
	if err != nil {
		return err
	}
	return l.Close()
}

// Open opens a list and verifies all of it. One process at a time may have it open. It never makes one: where there is none, the
// error wraps fs.ErrNotExist. Of fault.Invalid, wrapping vault.ErrOtherKey, if the list was made under another key.
func Open(path string, v *vault.Vault) (*List, error) {
	j, err := journal.Open(path, journalKind)
	if err != nil {
		return nil, err
	}
	l := &List{vault: v, journal: j, people: people{}}
	if err := l.read(); err != nil {
		return nil, errors.Join(explain(path, err), j.Close())
	}
	return l, nil
}

func explain(path string, err error) error {
	if errors.Is(err, vault.ErrOtherKey) {
		return fault.New(fault.Invalid, "open subjects list %s", path).Wrap(err).
			WithHint("give the node the data key that it was made with, or restore that key from its backup")
	}
	return fmt.Errorf("open subjects list %s: %w", path, err)
}

// read takes in all rows. The first one says nothing: it is there so that an empty list, too, is of one key. Where a crash came
// before it, it is written now.
func (l *List) read() error {
	err := l.journal.Each(func(row int64, sealed []byte) error {
		encoded, err := l.vault.Open(context(row, l.previous), sealed)
		if err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
		r, err := decode(encoded)
		if err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
		l.take(row, r)
		l.previous = sha256.Sum256(sealed)
		return nil
	})
	if err == nil && l.journal.Head().Rows == 0 {
		err = l.append(record{Kind: opening})
	}
	l.head = l.journal.Head()
	return err
}

// context is what the record of a row is sealed for.
func context(row int64, previous [sha256.Size]byte) string {
	return fmt.Sprintf("sotto/v1/subjects row %d after %x", row, previous)
}

// append seals records and makes them durable, all or none. The caller holds l.writing, or is the only one to know l.
func (l *List) append(records ...record) error {
	row, previous := l.journal.Head().Rows, l.previous
	sealed := make([][]byte, len(records))
	for i, r := range records {
		row++
		sealed[i] = l.vault.Seal(context(row, previous), r.encode())
		previous = sha256.Sum256(sealed[i])
	}
	if err := l.journal.Append(sealed...); err != nil {
		return err
	}
	l.previous = previous
	return nil
}

// Record makes a request durable, for all of its ids or for none, and then counts it. To record one again changes nothing: what
// holds already keeps its time. Of fault.Invalid if the request is malformed, or restores single purposes to somebody who is
// erased. If the disk fails, it is of fault.Internal, and nothing more is recorded until the list is opened anew: whether the
// request is there is not known, and it should be sent again then.
func (l *List) Record(r Request) error {
	if err := r.check(); err != nil {
		return err
	}
	records := l.records(r)
	l.writing.Lock()
	defer l.writing.Unlock()
	if r.Kind == Restore && r.Purpose != "" && l.anyErased(records) {
		return fault.New(fault.Invalid, "restore of purpose %q: somebody among these was erased, and is restored only as a whole", r.Purpose).
			WithHint("restore without a purpose first, if that is what the person asks for")
	}
	first := l.journal.Head().Rows + 1
	if err := l.append(records...); err != nil {
		return err
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	for i := range records {
		l.take(first+int64(i), records[i])
	}
	l.head = l.journal.Head()
	return nil
}

// take counts the record of a row. The caller holds l.reading, or is the only one to know l.
func (l *List) take(row int64, r record) {
	if r.Kind == string(Restore) && l.anyErased([]record{r}) { // as a whole: else it was refused
		l.unerased = row
	}
	l.people.apply(r)
}

// records returns what a request is written as: as many records as its ids need.
func (l *List) records(r Request) []record {
	hashes := make([]byte, hashSize*len(r.IDs))
	l.vault.Hashes(r.IDs, func(i int, h vault.Hash) { copy(hashes[hashSize*i:], h[:]) })
	var records []record
	for len(hashes) > 0 {
		n := min(len(hashes), hashSize*perRecord)
		records = append(records, record{Kind: string(r.Kind), Purpose: r.Purpose, At: r.At.Unix(), Hashes: hashes[:n]})
		hashes = hashes[n:]
	}
	return records
}

func (l *List) anyErased(records []record) bool {
	for i := range records {
		for h := range records[i].hashes() {
			if p := l.people[h]; p != nil && !p.Erased.IsZero() { // only whoever holds l.writing changes people
				return true
			}
		}
	}
	return false
}

// Head returns the list's latest point: it changes with whatever is recorded, whoever it is about. What State and Apply say after
// Head has returned is as new or newer.
func (l *List) Head() journal.Head {
	l.reading.RLock()
	defer l.reading.RUnlock()
	return l.head
}

// State returns what a person has said, and false if there is nothing that still holds.
func (l *List) State(id ids.ID) (State, bool) {
	h := l.vault.Hash(id)
	l.reading.RLock()
	defer l.reading.RUnlock()
	p, found := l.people[h]
	if !found {
		return State{}, false
	}
	return *p, true
}

// Apply calls f for those of all who have a State, with their positions, one after the other in no order. All is as of one
// moment; f must not call the list.
func (l *List) Apply(all []ids.ID, f func(position int, s State)) {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if len(l.people) == 0 { // else hashing takes its time
		return
	}
	var one sync.Mutex // guards f
	l.vault.Hashes(all, func(i int, h vault.Hash) {
		if p, found := l.people[h]; found {
			one.Lock()
			defer one.Unlock()
			f(i, *p)
		}
	})
}

// Trace makes the journal call f as journal.Trace says, at "subjects: before append" and so on. It is for tests. Call it before
// anything else.
func (l *List) Trace(f func(point string)) { l.journal.Trace(f) }

// Close closes the file. What is recorded afterwards fails.
func (l *List) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.journal.Close()
}
