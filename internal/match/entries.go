package match

import (
	"fmt"

	"github.com/sotto-dev/sotto/internal/ids"
)

// Entries are what a party brings to one matching, its people and its dummies, in the random order in which its first list
// has them, and in which that list comes back at the end of pass C. Immutable; safe for concurrent use.
type Entries struct {
	matching [32]byte
	people   []ids.ID
	dummies  []Dummy
	order    []uint32 // entry order[i] is at i of the list; people first, then dummies
}

// NewEntries puts the people, who must be distinct, and the dummies, as [Cover.Draw] has them, in a fresh random order. It
// keeps both slices. matching is the same at all parties, and at no other matching. More than [MaxPoints] are an error.
func NewEntries(matching [32]byte, people []ids.ID, dummies []Dummy) (*Entries, error) {
	if len(people)+len(dummies) > MaxPoints {
		return nil, fmt.Errorf("matching: more than %d customers and dummies", MaxPoints)
	}
	order := make([]uint32, len(people)+len(dummies))
	for i := range order {
		order[i] = uint32(i)
	}
	shuffle(order)
	return &Entries{matching, people, dummies, order}, nil
}

// Forget overwrites which dummies there are, and in which order everything is. Nothing may be using e.
func (e *Entries) Forget() {
	clear(e.order)
	clear(e.dummies)
}

// Len returns the length of the party's list.
func (e *Entries) Len() int { return len(e.order) }

// Tokens returns the entries from…to−1 of the party's first list: H(x)^a. It computes on all cores.
func (e *Entries) Tokens(from, to int, s *Secrets) (Points, error) {
	if s.Token.forgotten() {
		return nil, ErrForgotten
	}
	out, order := make(Points, to-from), e.order[from:to]
	err := onAllCores(len(order), func(states []doubled, from, to int) error {
		person, fake := newHasher(idDomain, e.matching), newHasher(dummyDomain, e.matching)
		var p extended
		for i := from; i < to; i++ {
			if at := int(order[i]); at < len(e.people) {
				person.hash(&p, e.people[at])
			} else {
				fake.hash(&p, ids.ID(e.dummies[at-len(e.people)]))
			}
			p.times(&s.Token.digits, &p)
			states[i-from].from(&p)
		}
		encodeDoubles(out[from:to], states[:to-from])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// People returns the slots of the people, in the order that [NewEntries] was given, from those of all entries in the order
// of the list.
func (e *Entries) People(slots []uint32) ([]uint32, error) {
	if len(slots) != len(e.order) {
		return nil, ErrCount
	}
	of := make([]uint32, len(e.people))
	for i, entry := range e.order {
		if int(entry) < len(of) {
			of[entry] = slots[i]
		}
	}
	return of, nil
}
