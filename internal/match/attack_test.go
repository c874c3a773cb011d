package match

import (
	"errors"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
)

// Whoever changes a list on its way, a party that signs what it changed, and the coordinator where it may start one: all are
// caught by what each party checks, and by the check that is there for it.
func TestAttacksAreCaught(t *testing.T) {
	raised := func(list Points) Points {
		e, _ := randomExponent(t)
		raised, err := Raise(nil, list, e)
		must(t, err)
		return raised
	}
	fresh := func(n int) Points {
		points, _ := randomPoints(t, n)
		return points
	}
	type attack struct {
		name   string
		change func(l Points) Points
		class  error // when a party signs it
	}
	attacks := []attack{
		{"inserted", func(l Points) Points { return append(l, fresh(1)[0]) }, ErrCount},
		{"related", func(l Points) Points { return append(l, raised(l[:1])[0]) }, ErrCount},
		{"twice", func(l Points) Points { return append(l, l[0]) }, ErrCount},
		{"dropped", func(l Points) Points { return l[1:] }, ErrCount},
		{"empty", func(Points) Points { return nil }, ErrCount},
		{"copied", func(l Points) Points { l[0] = l[1]; return l }, ErrTwice},
		// One that others bring too may be replaced unseen: it is in the union all the same.
		{"replaced", func(l Points) Points { return fresh(len(l)) }, ErrMissing},
		{"all raised once more", func(l Points) Points { return raised(l) }, ErrMissing},
		{"identity", func(l Points) Points { l[0] = Point{}; return l }, ErrMalformed},
		{"malformed", func(l Points) Points { l[0][0] ^= 1; return l }, ErrMalformed},
		{"reordered", func(l Points) Points { l[0], l[1] = l[1], l[0]; return l }, nil},
	}
	try := func(parties int, pass string, hop int, liar bool, a attack) error {
		p := newPlay(t, tiny, 1, [][]ids.ID{people(0, 4), people(3, 7), people(5, 9)}[:parties]...)
		p.liar = liar
		done := false
		p.on = func(at string, _, atHop int, list Points) Points {
			if at != pass || atHop != hop || done {
				return list
			}
			done = true
			return a.change(list)
		}
		err := p.run()
		if !done {
			t.Errorf("pass %s was not made", pass)
		}
		return err
	}
	for i, a := range attacks {
		parties := 2 + i%2
		onTheWay := errChanged
		if a.class == ErrCount {
			onTheWay = ErrCount
		}
		for pass, hop := range map[string]int{"A": 2, "B": 1, "C": 2} {
			if err := try(parties, pass, hop, false, a); !errors.Is(err, onTheWay) {
				t.Errorf("%s on its way in pass %s: %v, want %v", a.name, pass, err, onTheWay)
			}
			if err := try(parties, pass, hop, true, a); !errors.Is(err, a.class) {
				t.Errorf("%s by a party in pass %s: %v, want %v", a.name, pass, err, a.class)
			}
		}
		// A party may say of its own customers what it likes, if it says it of as many points as it announced.
		own := a.class
		if own == ErrMissing {
			own = nil
		}
		if err := try(parties, "A", 1, true, a); !errors.Is(err, own) {
			t.Errorf("%s by its owner: %v, want %v", a.name, err, own)
		}
		if err := try(parties, "spine", 0, false, a); err == nil {
			t.Errorf("%s: a party takes another spine", a.name)
		}
		// The coordinator may add slots, which are nobody's, and its order means nothing.
		merged := map[string]error{"inserted": nil, "related": nil, "reordered": nil, "twice": ErrTwice, "dropped": ErrMissing, "empty": ErrMissing}
		want, other := merged[a.name]
		if !other {
			want = a.class
		}
		if err := try(parties, "merged", 0, false, a); !errors.Is(err, want) {
			t.Errorf("%s by the coordinator: %v, want %v", a.name, err, want)
		}
	}
}

// A party that lies in its own turn, and signs it, leaves somebody without a slot, and who misses one aborts.
func TestLiesAreCaught(t *testing.T) {
	a, b := NewSecrets(), NewSecrets()
	entries, err := NewEntries([32]byte{1}, people(0, 5), nil)
	must(t, err)
	list, err := entries.Tokens(0, 5, a)
	must(t, err)
	tokens, back, err := RaiseTwo(list, &b.Token, &b.Slot)
	must(t, err)
	turned, err := Turn(tokens, a, nil)
	must(t, err)
	finished, err := Raise(nil, back, &a.Turn)
	must(t, err)
	find := func(turned, back, finished Points) (first, second error) {
		spine, _, second := finish(slices.Clone(turned), back, b) // as if the list were b's own
		if second != nil {
			return nil, second
		}
		_, first = spine.Find(finished)
		return first, second
	}
	// What Finish looks up is what party b would hold of its own: here, the points that it is about to turn.
	first, second := find(turned, turned, finished)
	if first != nil || second != nil {
		t.Fatal("an honest matching fails:", first, second)
	}
	for name, lie := range map[string]func() (turned, mine, finished Points){
		"a token left out":          func() (Points, Points, Points) { return turned[1:], turned[1:], finished },
		"a point left out":          func() (Points, Points, Points) { return turned[1:], turned, finished },
		"a slot of another's point": func() (Points, Points, Points) { return turned, turned, append(finished[1:5:5], turned[0]) },
	} {
		if first, second := find(lie()); !errors.Is(errors.Join(first, second), ErrMissing) {
			t.Errorf("%s: %v, %v", name, first, second)
		}
	}
	if _, _, err := finish(append(slices.Clone(turned), turned[0]), turned, b); !errors.Is(err, ErrTwice) {
		t.Error("a point twice:", err)
	}
	if _, _, err := Merge([]Points{{tokens[0], tokens[1], tokens[0]}, {tokens[1]}}); !errors.Is(err, ErrTwice) {
		t.Error("a token twice:", err)
	}
	if _, err := NewSpine(Points{{2}, {1}}); !errors.Is(err, ErrOrder) {
		t.Error("a spine in disorder:", err)
	}
}
