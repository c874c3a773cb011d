package query_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// record is one person at one party: in segments s and t, with a value of dimension d. nil: not a customer.
type record struct {
	s, t bool
	d    string
}

var (
	truthParties = []string{"a", "b", "c"}
	truthValues  = []string{"v", `w "x" \`, query.Unknown}
)

// everybody lists all that a person can be at three parties.
func everybody() []map[string]*record {
	states := []*record{nil}
	for _, d := range truthValues {
		for bits := range 4 {
			states = append(states, &record{bits&1 > 0, bits&2 > 0, d})
		}
	}
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

// The parts into which a conjunction falls, one per party, hold together exactly where the whole does, and no part holds
// for anybody who is not a customer of its party: what a party puts into its vector is its customers.
func TestConjunction(t *testing.T) {
	people := everybody()
	rapid.Check(t, func(t *rapid.T) {
		s := leaf(t, truthParties)
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			s = and(t, s, combined(t, rapid.SampledFrom([][]string{{"a"}, {"b"}, {"c"}, truthParties}).Draw(t, "about"), 2))
		}
		e, err := query.ParseAudience(s.text)
		if err != nil {
			t.Fatalf("%s: %v", s.text, err)
		}
		local, err := e.Conjunction()
		if err != nil {
			if !fault.IsKind(err, fault.Unsupported) || fault.From(err).Hint == "" {
				t.Fatalf("%s: error is %v, want fault.Unsupported with a hint", s.text, err)
			}
			return
		}
		if len(local) < 2 || len(local) != len(e.Parties()) {
			t.Fatalf("%s: %d parts for parties %v", s.text, len(local), e.Parties())
		}
		for _, p := range people {
			all := true
			for party, part := range local {
				holds := part.Holds(in(p))
				if holds && p[party] == nil {
					t.Fatalf("%s: the part of %s holds for somebody who is not its customer", s.text, party)
				}
				all = all && holds
			}
			if all != s.holds(p) {
				t.Fatalf("%s holds for %v: %v, its parts: %v", s.text, p, !all, all)
			}
		}
	})
}

// Parts about one party each, however written, make a question as soon as each is narrowed to customers.
func TestConjunctionOfCustomersIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := combined(t, []string{"a"}, 3)
		for _, party := range truthParties[:rapid.IntRange(2, 3).Draw(t, "parties")] {
			s = and(t, s, combined(t, []string{party}, 3))
			s = and(t, s, statement{party + ".member", 3, func(p map[string]*record) bool { return p[party] != nil }})
		}
		e, err := query.ParseAudience(s.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Conjunction(); err != nil {
			t.Fatalf("%s: %v", s.text, err)
		}
	})
}

// Guards what is not supported yet: it is refused in words that say what would do.
func TestConjunctionRefusals(t *testing.T) {
	for text, want := range map[string][2]string{
		`a.member`:                          {"audience is about a alone; a question needs at least two parties", "&& other.member"},
		`a.x && a.y`:                        {"about a alone", "&& other.member"},
		`a.member || b.member`:              {"OR across parties (a, b) is not supported", "by &&"},
		`a.x && (b.x || c.x)`:               {"OR across parties (b, c) is not supported", "by &&"},
		`!(a.x && b.x)`:                     {"NOT across parties (a, b) is not supported", "by &&"},
		`a.member && !b.vip`:                {"the part about b holds for people who are not its customers", "add && b.member"},
		`a.member && !(b.vip && b.old)`:     {"the part about b holds for people", "add && b.member"},
		`a.member && (b.vip || !b.member)`:  {"the part about b holds for people", "add && b.member"},
		`a.member && !(b.d in ["v"])`:       {"the part about b holds for people", "add && b.member"},
		`!a.x && !(b.d == "v") && c.member`: {"the part about a holds for people", "add && a.member"},
	} {
		e, err := query.ParseAudience(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, err = e.Conjunction()
		if !fault.IsKind(err, fault.Unsupported) || !strings.Contains(err.Error(), want[0]) || !strings.Contains(fault.From(err).Hint, want[1]) {
			t.Errorf("%s: error is %v (hint %q), want fault.Unsupported with %q", text, err, fault.From(err).Hint, want)
		}
	}
	for _, text := range []string{
		`a.member && b.member && !b.vip`, `a.x && b.d != "v"`, `a.member && !(b.d == "v") && b.member`, `(a.x || a.y) && (b.x && !b.y)`,
	} {
		e, err := query.ParseAudience(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err := e.Conjunction(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
