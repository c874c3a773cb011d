package match

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
)

// play is one whole matching in memory, as protocol.md has it: party i's list goes round i+1, i+2, …; tokens go round
// 0, 1, …, N−1.
type play struct {
	cover    Cover
	matching [32]byte
	sets     [][]ids.ID

	secrets []*Secrets
	entries []*Entries
	lists   []Points // of pass A, as their parties sent them
	known   *Known   // of two parties, what the first one of pass B has computed in pass A
	tokens  []Points // final, as the coordinator gets them
	union   Points
	counts  []int
	spine   *Spine
	slots   [][]uint32 // by party, by person

	// on, if set, may change a list where it passes, before its sender signs it if that is a liar. All lists of a pass
	// are as long as announced when it began.
	on   func(pass string, originator, hop int, list Points) Points
	liar bool
}

var errChanged = errors.New("the list is not what its sender signed")

func newPlay(t testing.TB, c Cover, matching byte, sets ...[]ids.ID) *play {
	t.Helper()
	p := &play{cover: c, matching: [32]byte{matching}, sets: sets}
	c.Parties = len(sets)
	p.cover = c
	for i, people := range sets {
		dummies, err := c.Draw(i)
		must(t, err)
		entries, err := NewEntries(p.matching, people, dummies)
		must(t, err)
		p.entries, p.secrets = append(p.entries, entries), append(p.secrets, NewSecrets())
	}
	return p
}

// pass is a list on its way to a party, which looks at it as every party must: what its sender announced and signed is what
// came, and no point is there twice.
func (p *play) pass(name string, originator, hop int, list Points) (Points, error) {
	count := len(list)
	signed, err := list.Digest()
	if err != nil {
		return nil, err
	}
	if p.on != nil {
		list = p.on(name, originator, hop, slices.Clone(list))
	}
	if p.liar {
		if signed, err = list.Digest(); err != nil {
			return nil, err
		}
	}
	digest, err := NewDigest(count)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(list, 7) {
		if err := digest.Add(chunk); err != nil {
			return nil, err
		}
	}
	got, err := digest.Sum()
	if err != nil {
		return nil, err
	}
	if got != signed {
		return nil, errChanged
	}
	return list, list.CheckDistinct()
}

func (p *play) run() error {
	n := len(p.sets)
	own := make([]Points, n) // pass C, on its way back
	for i := range n {
		list, err := p.entries[i].Tokens(0, p.entries[i].Len(), p.secrets[i])
		if err != nil {
			return err
		}
		p.lists = append(p.lists, list)
		if list, err = p.pass("A", i, 1, list); err != nil {
			return err
		}
		// The first party that the list meets keeps what it is in pass C, so that it can't be another one then.
		first := p.secrets[(i+1)%n]
		list, back, err := RaiseTwo(list, &first.Token, &first.Slot)
		if err != nil {
			return err
		}
		if n == 2 && i == 1 {
			p.known = NewKnown(list, back)
		}
		list.Shuffle()
		for hop := 2; ; hop++ { // the last one is the coordinator, or the owner
			if list, err = p.pass("A", i, hop, list); err != nil {
				return err
			}
			if back, err = p.pass("C", i, hop, back); err != nil {
				return err
			}
			if hop == n {
				break
			}
			at := p.secrets[(i+hop)%n]
			if list, err = Raise(list, list, &at.Token); err != nil {
				return err
			}
			if back, err = Raise(back, back, &at.Slot); err != nil {
				return err
			}
			list.Shuffle()
		}
		p.tokens = append(p.tokens, list)
		own[i] = back
	}
	return p.turn(own)
}

func (p *play) turn(own []Points) (err error) {
	n := len(p.sets)
	if p.union, p.counts, err = Merge(cloneAll(p.tokens)); err != nil {
		return err
	}
	list := p.union
	if p.on != nil {
		list = p.on("merged", 0, 0, slices.Clone(list)) // by the coordinator, who signs what it likes
	}
	for at := range n - 1 {
		if err := list.CheckDistinct(); err != nil {
			return err
		}
		if list, err = Turn(list, p.secrets[at], p.known); err != nil {
			return err
		}
		list.Shuffle()
		if list, err = p.pass("B", 0, at+1, list); err != nil {
			return err
		}
	}
	spine, last, err := finish(list, own[n-1], p.secrets[n-1])
	if err != nil {
		return err
	}
	points := slices.Clone(spine.Points())
	if p.on != nil {
		points = p.on("spine", 0, 0, points)
	}
	if p.spine, err = NewSpine(points); err != nil {
		return err
	}
	for i := range n {
		slots := last
		if i < n-1 {
			finished, err := Raise(nil, own[i], &p.secrets[i].Turn)
			if err != nil {
				return err
			}
			if slots, err = p.spine.Find(finished); err != nil {
				return err
			}
		}
		people, err := p.entries[i].People(slots)
		if err != nil {
			return err
		}
		p.slots = append(p.slots, people)
	}
	mine, err := spine.Hash(p.matching)
	if err != nil {
		return err
	}
	if theirs, err := p.spine.Hash(p.matching); err != nil || mine != theirs {
		return errChanged
	}
	return nil
}

// finish turns a whole list and ends the matching.
func finish(list, own Points, s *Secrets) (*Spine, []uint32, error) {
	turned, err := Turn(list, s, nil)
	if err != nil {
		return nil, nil, err
	}
	return Finish(list, turned, own)
}

func cloneAll(lists []Points) (all []Points) {
	for _, list := range lists {
		all = append(all, slices.Clone(list))
	}
	return all
}

// patterns counts the tokens that each subset of the parties shares, from the sets and the drawn dummies alone.
func (p *play) patterns() []int {
	of := map[any]int{}
	for i, e := range p.entries {
		for _, person := range e.people {
			of[person] |= 1 << i
		}
		for _, d := range e.dummies {
			of[d] |= 1 << i
		}
	}
	counts := make([]int, 1<<len(p.sets))
	for _, mask := range of {
		counts[mask]++
	}
	return counts
}

func total(counts []int) (sum int) {
	for _, c := range counts {
		sum += c
	}
	return sum
}

// tiny hides little and costs few exponentiations: two dummies a pool.
var tiny = Cover{Parties: 2, Epsilon: 20, Delta: 0.1}

func person(n int) ids.ID { return ids.ID{0: 7, 14: byte(n >> 8), 15: byte(n)} }

func people(from, to int) (all []ids.ID) {
	for n := from; n < to; n++ {
		all = append(all, person(n))
	}
	return all
}

// Whoever the parties have, and however many parties there are: every id gets one slot, at every party the same, and
// different ids different ones; the union has everybody and all dummies, once; and the coordinator's counts are those of
// the sets with the dummies.
func TestWholeMatchings(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 5}).Draw(rt, "parties")
		sets := make([][]ids.ID, n)
		for i := range sets {
			for _, member := range rapid.SliceOfNDistinct(rapid.IntRange(0, 12), 0, 10, rapid.ID).Draw(rt, "people") {
				sets[i] = append(sets[i], person(member))
			}
		}
		p := newPlay(t, tiny, 1, sets...)
		if err := p.run(); err != nil {
			rt.Fatal(err)
		}
		slotOf, idOf := map[ids.ID]uint32{}, map[uint32]ids.ID{}
		for i, set := range sets {
			if len(p.slots[i]) != len(set) {
				rt.Fatalf("party %d has %d slots for %d people", i, len(p.slots[i]), len(set))
			}
			for j, id := range set {
				slot := p.slots[i][j]
				if int(slot) >= p.spine.Len() {
					rt.Fatalf("slot %d of %d", slot, p.spine.Len())
				}
				if known, ok := slotOf[id]; ok && known != slot {
					rt.Fatalf("an id has slots %d and %d", known, slot)
				}
				if known, ok := idOf[slot]; ok && known != id {
					rt.Fatalf("slot %d has two ids", slot)
				}
				slotOf[id], idOf[slot] = slot, id
			}
		}
		want := p.patterns()
		if !slices.Equal(p.counts, want) {
			rt.Fatalf("counts are %v, want %v", p.counts, want)
		}
		if p.spine.Len() != total(want) || len(p.union) != total(want) {
			rt.Fatalf("spine of %d, union of %d, want %d", p.spine.Len(), len(p.union), total(want))
		}
	})
}

// Two matchings of the same people have no point in common, in no list, though ids and dummies are the same; nor have a
// matching's lists, tokens and spine.
func TestMatchingsAreUnlinkable(t *testing.T) {
	seen := map[Point]bool{}
	for range 2 {
		p := newPlay(t, tiny, 1, people(0, 8), people(4, 12), people(2, 6))
		must(t, p.run())
		for _, point := range slices.Concat(p.lists[0], p.lists[1], p.lists[2], p.union, p.spine.Points()) {
			if seen[point] {
				t.Fatal("a point is there twice")
			}
			seen[point] = true
		}
	}
}

// Duplicates are found wherever they are, also among points that begin alike.
func TestCheckDistinct(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var list Points
		seen := map[Point]bool{}
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 300)).Draw(rt, "points") {
			point := Point{7: byte(n % 3), 8: byte(n), 31: byte(n >> 8)}
			list, seen[point] = append(list, point), true
		}
		if err := list.CheckDistinct(); (err == nil) != (len(seen) == len(list)) {
			rt.Fatalf("%v, %d of %d are distinct", err, len(seen), len(list))
		}
	})
}

// What a party has computed before is what it would compute again, token by token, known or not.
func TestKnownTokensTurnAlike(t *testing.T) {
	s := NewSecrets()
	list, _ := randomPoints(t, 10)
	tokens, turned, err := RaiseTwo(list, &s.Token, &s.Slot)
	must(t, err)
	others, _ := randomPoints(t, 5)
	mixed := slices.Concat(tokens[2:], others)
	mixed.Shuffle()
	want, err := Turn(mixed, s, nil)
	must(t, err)
	got, err := Turn(mixed, s, NewKnown(tokens, turned))
	must(t, err)
	same(t, got, want)
	s.Forget()
	if _, err := Turn(tokens, s, NewKnown(tokens, turned)); !errors.Is(err, ErrForgotten) {
		t.Error("tokens turn after all is forgotten:", err)
	}
}
