package subjects

import (
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/party/vault"
)

// State is what holds of a person: the last word on each purpose, where a word on all purposes is one on every single one, also
// on those that nobody has thought of yet. What is said again keeps the time at which it was said first. A State does not change,
// and its slice is not the caller's to change.
type State struct {
	Erased    time.Time // zero if not
	Withdrawn time.Time // when the consent to all purposes was withdrawn; zero if it was not
	Purposes  []Word    // single purposes on which there is a word of its own, by name
}

// Word is the last word on a single purpose.
type Word struct {
	Purpose string
	Allowed bool // an exception from a withdrawal of all; else withdrawn
	At      time.Time
}

// Allows tells whether the person has nothing against a purpose.
func (s State) Allows(purpose string) bool {
	if !s.Erased.IsZero() {
		return false
	}
	if i, found := s.find(purpose); found {
		return s.Purposes[i].Allowed
	}
	return s.Withdrawn.IsZero()
}

// Since returns when the person began to have something against a purpose that State does not allow.
func (s State) Since(purpose string) time.Time {
	if !s.Erased.IsZero() {
		return s.Erased
	}
	if i, found := s.find(purpose); found {
		return s.Purposes[i].At
	}
	return s.Withdrawn
}

func (s State) find(purpose string) (int, bool) {
	return slices.BinarySearchFunc(s.Purposes, purpose, func(w Word, p string) int { return strings.Compare(w.Purpose, p) })
}

// nothing tells whether there is no need to keep s.
func (s State) nothing() bool {
	return s.Erased.IsZero() && s.Withdrawn.IsZero() && len(s.Purposes) == 0
}

// after returns the state to which a request leads from s.
func (s State) after(r record) State {
	at := time.Unix(r.At, 0).UTC()
	switch {
	case r.Kind == string(Erase):
		if s.Erased.IsZero() {
			s.Erased = at
		}
	case r.Kind == string(Withdraw) && r.Purpose == "":
		if s.Withdrawn.IsZero() {
			s.Withdrawn = at
		}
		s.Purposes = slices.Clone(s.Purposes)
		for i := range s.Purposes {
			if w := &s.Purposes[i]; w.Allowed { // of the others, what is said again was said before
				w.Allowed, w.At = false, at
			}
		}
	case r.Kind == string(Withdraw):
		i, found := s.find(r.Purpose)
		switch {
		case found && s.Purposes[i].Allowed:
			s.Purposes = slices.Clone(s.Purposes)
			s.Purposes[i] = Word{r.Purpose, false, at}
		case !found && s.Withdrawn.IsZero():
			s.Purposes = slices.Insert(slices.Clone(s.Purposes), i, Word{r.Purpose, false, at})
		}
	case r.Kind == string(Restore) && r.Purpose == "":
		s = State{}
	case r.Kind == string(Restore):
		i, found := s.find(r.Purpose)
		switch {
		case s.Withdrawn.IsZero() && found:
			s.Purposes = slices.Delete(slices.Clone(s.Purposes), i, i+1)
		case !s.Withdrawn.IsZero() && !found:
			s.Purposes = slices.Insert(slices.Clone(s.Purposes), i, Word{r.Purpose, true, at})
		case !s.Withdrawn.IsZero() && !s.Purposes[i].Allowed:
			s.Purposes = slices.Clone(s.Purposes)
			s.Purposes[i] = Word{r.Purpose, true, at}
		}
	}
	return s
}

// people are those of whom something holds. Those who have said the same in the same requests share a state, so that one of a
// large request takes few bytes.
type people map[vault.Hash]*State

// apply takes in a record.
func (all people) apply(r record) {
	next := map[*State]*State{} // from states before to those after; nil is nobody's
	for h := range r.hashes() {
		before := all[h]
		after, known := next[before]
		if !known {
			var s State
			if before != nil {
				s = *before
			}
			if s = s.after(r); !s.nothing() {
				after = &s
			}
			next[before] = after
		}
		if after == nil {
			delete(all, h)
		} else {
			all[h] = after
		}
	}
}
