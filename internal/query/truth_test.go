package query_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/query"
)

// record is one person at one party: in segments s and t, with a value of dimension d and perhaps with an amount. nil: not
// a customer.
type record struct {
	s, t   bool
	d      string
	amount *int64
}

// value returns the value of a dimension: d, or e, which only those in t have.
func (r *record) value(dimension string) string {
	switch {
	case dimension == "d":
		return r.d
	case r.t:
		return "v0"
	}
	return query.Unknown
}

var (
	truthParties = []string{"a", "b", "c"}
	truthValues  = []string{"v", `w "x" \`, query.Unknown}
)

// records lists all that a person without an amount can be at one party.
func records() []*record {
	states := []*record{nil}
	for _, d := range truthValues {
		for bits := range 4 {
			states = append(states, &record{s: bits&1 > 0, t: bits&2 > 0, d: d})
		}
	}
	return states
}

// everybody lists all that a person can be at three parties.
func everybody() []map[string]*record {
	states := records()
	var people []map[string]*record
	for _, a := range states {
		for _, b := range states {
			for _, c := range states {
				people = append(people, map[string]*record{"a": a, "b": b, "c": c})
			}
		}
	}
	return people
}

// statement is an audience as CEL, and what it should mean.
type statement struct {
	text  string
	level int // how tightly it binds: 0 for ||, 1 for &&, 2 for a comparison, 3 for what can follow !
	holds func(map[string]*record) bool
}

// leaf draws a statement about one of the parties.
func leaf(t *rapid.T, parties []string) statement {
	party := rapid.SampledFrom(parties).Draw(t, "party")
	literal := func() (string, string) {
		value := rapid.SampledFrom(truthValues).Draw(t, "value")
		if rapid.Bool().Draw(t, "raw") && !strings.ContainsRune(value, '\'') {
			return "r'" + value + "'", value
		}
		return strconv.Quote(value), value
	}
	about := func(level int, format string, test func(*record) bool, args ...any) statement {
		return statement{fmt.Sprintf(format, args...), level, func(p map[string]*record) bool { return p[party] != nil && test(p[party]) }}
	}
	text, value := literal()
	switch rapid.IntRange(0, 6).Draw(t, "leaf") {
	case 0:
		return about(3, "%s.member", func(*record) bool { return true }, party)
	case 1:
		return about(3, "%s . s", func(r *record) bool { return r.s }, party)
	case 2:
		return about(3, "%s.t", func(r *record) bool { return r.t }, party)
	case 3:
		return about(2, "%s.d==%s", func(r *record) bool { return r.d == value }, party, text)
	case 4:
		return about(2, "%s == %s.d", func(r *record) bool { return r.d == value }, text, party)
	case 5: // customers with another value, not everybody without this one
		return about(2, "%s.d != %s", func(r *record) bool { return r.d != value }, party, text)
	}
	other, otherValue := literal()
	return about(2, "%s.d in [%s, %s]", func(r *record) bool { return r.d == value || r.d == otherValue }, party, text, other)
}

// combined draws a boolean expression of at most that depth.
func combined(t *rapid.T, parties []string, depth int) statement {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		return leaf(t, parties)
	}
	x := combined(t, parties, depth-1)
	if kind == 1 {
		return statement{"!" + x.within(t, 3), 3, func(p map[string]*record) bool { return !x.holds(p) }}
	}
	y := combined(t, parties, depth-1)
	if kind == 2 {
		return statement{x.within(t, 0) + "||" + y.within(t, 0), 0, func(p map[string]*record) bool { return x.holds(p) || y.holds(p) }}
	}
	return and(t, x, y)
}

func and(t *rapid.T, x, y statement) statement {
	return statement{x.within(t, 1) + " && " + y.within(t, 1), 1, func(p map[string]*record) bool { return x.holds(p) && y.holds(p) }}
}

// within writes the statement where something at least as tight is expected, now and then with parentheses to spare.
func (s statement) within(t *rapid.T, level int) string {
	if s.level < level || rapid.IntRange(0, 4).Draw(t, "parentheses") == 0 {
		return "(" + s.text + ")"
	}
	return s.text
}

// in tells whether a person is in a leaf, as a party decides it from its own records.
func in(person map[string]*record) func(*query.Expr) bool {
	return func(l *query.Expr) bool {
		r := person[l.Party]
		switch {
		case r == nil:
			return false
		case l.Op == query.In:
			return slices.Contains(l.Values, r.d)
		case l.Op == query.Segment:
			return l.Name == "s" && r.s || l.Name == "t" && r.t
		case l.Op == query.Has:
			return r.amount != nil
		}
		return true
	}
}

// Whatever boolean expression is written in CEL, the parsed one holds for the same people, of all that there can be.
// In particular != holds only for customers of the party who have another value.
func TestAudienceMeansWhatItSays(t *testing.T) {
	people := everybody()
	rapid.Check(t, func(t *rapid.T) {
		s := combined(t, truthParties, 4)
		e, err := query.ParseAudience(s.text)
		if err != nil {
			t.Fatalf("%s: %v", s.text, err)
		}
		for _, p := range people {
			if got, want := e.Holds(in(p)), s.holds(p); got != want {
				t.Fatalf("%s holds for %v: %v, want %v; parsed as %s", s.text, p, got, want, show(e))
			}
		}
	})
}
