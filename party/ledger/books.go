package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/dp"
)

// books are what the rows of a journal add up to. They are only ever changed by entering rows, whether those were read or
// have just been written.
type books struct {
	head      Head
	hashes    [][32]byte           // of all rows
	open      map[[16]byte]*Charge // what is reserved
	closed    map[[16]byte]ending
	released  int // how many of closed were released
	questions map[[32]byte]question
	windows   map[window]sums
	names     map[string]bool // organisations
}

// ending is how a session ended.
type ending struct {
	released bool
	row      int64
}

// question is what became of a signed question.
type question struct {
	begun    int // sessions
	answered bool
}

// sums are what counts in a window.
type sums struct{ all, released dp.Tally }

func newBooks() *books {
	return &books{
		open: map[[16]byte]*Charge{}, closed: map[[16]byte]ending{}, questions: map[[32]byte]question{},
		windows: map[window]sums{}, names: map[string]bool{},
	}
}

// check reports whether a row may follow: whether its session is in a state that allows the event, and whether it speaks of
// the charge that was reserved.
func (b *books) check(r *row) error {
	if r.Event == reserved {
		if _, ended := b.closed[r.Session]; ended || b.open[r.Session] != nil {
			return errors.New("the session was reserved before")
		}
		if r.SealedHash != [32]byte{} {
			return errors.New("a reservation has released nothing")
		}
		return nil
	}
	c := b.open[r.Session]
	switch {
	case c == nil:
		return errNoReservation
	case r.Event != released && r.Event != lapsed:
		return fmt.Errorf("%q is no event", r.Event)
	case r.Event == lapsed && r.SealedHash != [32]byte{}:
		return errors.New("what lapsed has released nothing")
	}
	if same := newRow(r.Event, c, r.At); !same.equals(*r) {
		return errors.New("it is not of the charge that was reserved")
	}
	return nil
}

var errNoReservation = errors.New("the session has no reservation")

// equals compares what rows of one charge have in common.
func (r row) equals(other row) bool {
	r.Seq, r.SealedHash = other.Seq, other.SealedHash
	return r == other
}

func (r *row) charge() *Charge {
	return &Charge{
		Session: r.Session, Query: r.Query, Analyst: r.Analyst, Organisation: r.Organisation, Purpose: r.Purpose, Measure: r.Measure,
		Loss: r.loss(), Sensitivity: r.Sensitivity, Begun: time.Unix(r.At, 0).UTC(),
	}
}

// enter counts a row that check has passed and that leads to head.
func (b *books) enter(r *row, head Head) {
	b.head = head
	b.hashes = append(b.hashes, head.Hash)
	if r.Event == reserved {
		c := r.charge()
		b.open[c.Session] = c
		b.names[c.Organisation] = true
		asked := b.questions[c.Query]
		asked.begun++
		b.questions[c.Query] = asked
		b.count(c, 1, 0)
		return
	}
	c := b.open[r.Session]
	delete(b.open, r.Session)
	b.closed[r.Session] = ending{r.Event == released, head.Rows}
	if r.Event == lapsed {
		b.count(c, -1, 0)
		return
	}
	b.released++
	asked := b.questions[c.Query]
	asked.answered = true
	b.questions[c.Query] = asked
	b.count(c, 0, 1)
}

// count adds to the sums of all windows that a charge is in.
func (b *books) count(c *Charge, all, released int64) {
	for _, organisation := range []string{"", c.Organisation} {
		for _, period := range [...]Period{Day, Month, Ever} {
			w := period.window(organisation, c.Begun)
			s, ok := b.windows[w]
			if !ok {
				s = sums{dp.Tally{}, dp.Tally{}}
				b.windows[w] = s
			}
			s.all.Add(c.Loss, all)
			s.released.Add(c.Loss, released)
		}
	}
}

// includes reports whether the history leads through h.
func (b *books) includes(h Head) error {
	return h.Check(b.head.Rows, func(row int64) [32]byte { return b.hashes[row-1] })
}

// holds reports whether these bytes, with this hash, are what was stored when a session was released.
func (b *books) holds(session [16]byte, bytes, hash []byte) bool {
	end := b.closed[session]
	if !end.released {
		return false
	}
	want := sealedHash(b.hashes[end.row-1], bytes)
	return string(hash) == string(want[:])
}

func (b *books) organisations() []string { return slices.Sorted(maps.Keys(b.names)) }
