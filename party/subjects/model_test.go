package subjects

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
)

// written is a state as a text.
func written(s State) string {
	var parts []string
	if !s.Erased.IsZero() {
		parts = append(parts, fmt.Sprintf("erased %d", s.Erased.Unix()))
	}
	if !s.Withdrawn.IsZero() {
		parts = append(parts, fmt.Sprintf("all %d", s.Withdrawn.Unix()))
	}
	for _, w := range s.Purposes {
		parts = append(parts, fmt.Sprintf("%s %t %d", w.Purpose, w.Allowed, w.At.Unix()))
	}
	return strings.Join(parts, ", ")
}

// purposes are those of the model. Of the last one, nobody ever says anything by name.
var purposes = []string{"fraud", "measurement", "planning", "a purpose of next year"}

// plain is what a person has said, as plainly as possible: since when each purpose is withdrawn; zero if it is not.
type plain struct {
	erased    time.Time
	withdrawn [4]time.Time
}

// hear does to one person what a request says.
func (p *plain) hear(r Request) {
	if r.Kind == Erase && p.erased.IsZero() {
		p.erased = r.At
	}
	if r.Kind == Restore && r.Purpose == "" {
		p.erased = time.Time{}
	}
	for i, purpose := range purposes {
		switch about := r.Purpose == "" || r.Purpose == purpose; {
		case about && r.Kind == Withdraw && p.withdrawn[i].IsZero():
			p.withdrawn[i] = r.At
		case about && r.Kind == Restore:
			p.withdrawn[i] = time.Time{}
		}
	}
}

// errorer is a test of any kind.
type errorer interface{ Errorf(string, ...any) }

// check compares a state with what it must say.
func (p *plain) check(t errorer, s State, found bool) {
	if found != (*p != plain{}) {
		t.Errorf("found %t: %s, want %v", found, written(s), p)
	}
	if s.Erased != p.erased {
		t.Errorf("erased %s, want %s", s.Erased, p.erased)
	}
	for i, purpose := range purposes {
		since := s.Withdrawn
		if n := slices.IndexFunc(s.Purposes, func(w Word) bool { return w.Purpose == purpose }); n >= 0 {
			if since = s.Purposes[n].At; s.Purposes[n].Allowed {
				since = time.Time{}
			}
		}
		if since != p.withdrawn[i] {
			t.Errorf("%s: withdrawn %s, want %s; state %s", purpose, since, p.withdrawn[i], written(s))
		}
		if want := p.erased.IsZero() && p.withdrawn[i].IsZero(); s.Allows(purpose) != want {
			t.Errorf("%s: allowed %t, want %t; state %s", purpose, !want, want, written(s))
		}
	}
}

const persons = 5 // of the model

// request is one of any kind, over persons of the model.
func request(number func(n int) int, second int) Request {
	r := Request{
		Kind:    []Kind{Withdraw, Withdraw, Erase, Restore, Restore}[number(5)],
		Purpose: append([]string{"", ""}, purposes[:3]...)[number(5)],
		At:      at(second),
	}
	if r.Kind == Erase {
		r.Purpose = ""
	}
	for range 1 + number(4) { // perhaps twice the same
		r.IDs = append(r.IDs, customer(number(persons)))
	}
	return r
}

// The last word on a person and a purpose counts, what is said again keeps its time, and an erasure is undone as a whole.
func TestModelOfStates(t *testing.T) {
	v := fresh(t)
	l := &List{vault: v, people: people{}}
	rapid.Check(t, func(t *rapid.T) {
		l.people = people{}
		var said [persons]plain
		for second := range rapid.IntRange(1, 40).Draw(t, "requests") {
			r := request(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "number") }, second)
			if r.Kind == Restore && r.Purpose != "" && slices.ContainsFunc(r.IDs, func(id ids.ID) bool { return !said[id[15]].erased.IsZero() }) {
				continue // which Record refuses
			}
			for _, record := range l.records(r) {
				l.people.apply(record)
			}
			for _, id := range r.IDs {
				said[id[15]].hear(r)
			}
			for n := range said {
				s, found := l.State(customer(n))
				said[n].check(t, s, found)
			}
		}
	})
}

// The same of a whole list: what is refused changes nothing for anybody, and the rest is there when the list is opened again.
func TestModelOfList(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	v := fresh(t)
	l, path := create(t, v)
	var said [persons]plain
	refusals, requests := 0, 120
	if long {
		requests = 5000
	}
	for second := range requests {
		r := request(random.IntN, second)
		erased := slices.ContainsFunc(r.IDs, func(id ids.ID) bool { return !said[id[15]].erased.IsZero() })
		refused := r.Kind == Restore && r.Purpose != "" && erased
		if err := l.Record(r); refused != fault.IsKind(err, fault.Invalid) || !refused && err != nil {
			t.Fatalf("%s %q: %v", r.Kind, r.Purpose, err)
		}
		if refused {
			refusals++
		} else {
			for _, id := range r.IDs {
				said[id[15]].hear(r)
			}
		}
		if random.IntN(20) == 0 {
			before := l.Head()
			must(t, l.Close())
			if l = open(t, path, v); l.Head() != before {
				t.Errorf("head %v after %v", l.Head(), before)
			}
		}
		applied := map[int]State{}
		l.Apply(customers(0, persons), func(position int, s State) { applied[position] = s })
		for n := range said {
			s, found := l.State(customer(n))
			said[n].check(t, s, found)
			if got, there := applied[n]; there != found || written(got) != written(s) {
				t.Errorf("applied %s, state %s", written(got), written(s))
			}
		}
	}
	if refusals < 5 {
		t.Errorf("only %d refusals: the test shows little", refusals)
	}
}

// States do not change under those who hold them or share them, whatever others say after that.
func TestStatesDoNotChange(t *testing.T) {
	l, _ := create(t, fresh(t))
	must(t, l.Record(Request{Withdraw, "b", customers(0, 9), at(0)}))
	must(t, l.Record(Request{Withdraw, "a", customers(0, 8), at(1)}))
	must(t, l.Record(Request{Withdraw, "", customers(0, 8), at(2)}))
	must(t, l.Record(Request{Restore, "b", customers(0, 8), at(3)}))
	held, _ := l.State(customer(0))
	const want = "all 1700000002, a false 1700000001, b true 1700000003"
	if written(held) != want {
		t.Fatalf("state is %s", written(held))
	}
	for n, c := range []struct {
		kind          Kind
		purpose, want string
	}{
		{Withdraw, "b", "all 1700000002, a false 1700000001, b false 1700000004"},
		{Restore, "a", "all 1700000002, a true 1700000004, b true 1700000003"},
		{Restore, "0", "all 1700000002, 0 true 1700000004, a false 1700000001, b true 1700000003"},
		{Withdraw, "0", want},
		{Withdraw, "", "all 1700000002, a false 1700000001, b false 1700000004"},
		{Erase, "", "erased 1700000004, " + want},
		{Restore, "", ""},
	} {
		must(t, l.Record(Request{c.kind, c.purpose, customers(n, n+1), at(4)}))
		if s, _ := l.State(customer(n)); written(s) != c.want {
			t.Errorf("%s %q: %s, want %s", c.kind, c.purpose, written(s), c.want)
		}
		if other, _ := l.State(customer(7)); written(held) != want || written(other) != want {
			t.Errorf("%s %q: what was held is %s, another's %s", c.kind, c.purpose, written(held), written(other))
		}
	}
	if other, _ := l.State(customer(8)); written(other) != "b false 1700000000" {
		t.Errorf("a last one's: %s", written(other))
	}
}

// Whom the list has erased it knows by their hashes, and whether anybody ever said anything.
func TestErased(t *testing.T) {
	v := fresh(t)
	l, path := create(t, v)
	if !l.Empty() || len(l.Erased()) != 0 {
		t.Error("a new list is not empty")
	}
	must(t, l.Record(Request{Withdraw, "", customers(0, 3), at(0)}))
	must(t, l.Record(Request{Erase, "", customers(1, 5), at(1)}))
	must(t, l.Record(Request{Restore, "", customers(4, 5), at(2)}))
	must(t, l.Close())
	l = open(t, path, v)
	erased := l.Erased()
	for n := range 5 {
		if want := n >= 1 && n <= 3; slices.Contains(erased, v.Hash(customer(n))) != want {
			t.Errorf("customer %d: erased %t", n, !want)
		}
	}
	if l.Empty() || len(erased) != 3 {
		t.Errorf("%d are erased", len(erased))
	}
}

// A record is decoded only if it is one.
func FuzzDecode(f *testing.F) {
	f.Add(record{Kind: opening}.encode())
	f.Add(record{Kind: string(Withdraw), Purpose: "planning", At: 7, Hashes: make([]byte, 32)}.encode())
	f.Add(record{Kind: "other", Hashes: make([]byte, 31)}.encode())
	f.Fuzz(func(t *testing.T, encoded []byte) {
		r, err := decode(encoded)
		if err != nil {
			return
		}
		if string(r.encode()) != string(encoded) {
			t.Error("two encodings of one record")
		}
		people{}.apply(r)
	})
}
