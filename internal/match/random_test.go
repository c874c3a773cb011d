package match

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
)

// All orders of five are as likely. Chi-squared with 119 degrees of freedom is above 215 with a probability below 10⁻⁶.
func TestShuffleIsEven(t *testing.T) {
	const runs = 60_000
	seen := map[[5]byte]float64{}
	for range runs {
		list := []byte{0, 1, 2, 3, 4}
		shuffle(list)
		seen[[5]byte(list)]++
	}
	var chi float64
	for _, n := range seen {
		chi += (n - runs/120.) * (n - runs/120.) / (runs / 120.)
	}
	chi += float64(120-len(seen)) * runs / 120
	if chi > 215 {
		t.Errorf("chi-squared is %.1f", chi)
	}
}

// A shuffle loses nothing.
func TestShuffleKeepsAll(t *testing.T) {
	list, _ := randomPoints(t, 100)
	shuffled := slices.Clone(list)
	shuffled.Shuffle()
	if slices.Equal(list, shuffled) { // with a probability of 1/100!
		t.Error("nothing moved")
	}
	list.Sort()
	shuffled.Sort()
	same(t, shuffled, list)
}

// Where something stands says nothing of what it is: not in a party's list of whether it is a dummy, not among the tokens
// of who shares it, not in the spine of that, nor of the order in which a party holds its people. By Wilcoxon's rank sums:
// false alarms below 10⁻⁶ each at 5 σ.
func TestPositionsSayNothing(t *testing.T) {
	p := newPlay(t, Cover{Epsilon: 0.2, Delta: 1e-4}, 1, people(0, 200), people(100, 300))
	must(t, p.run())

	var kinds []bool // along party 0's list: a dummy or not
	for _, entry := range p.entries[0].order {
		kinds = append(kinds, int(entry) >= len(p.sets[0]))
	}
	even(t, "dummies in a list", kinds)

	inList := map[Point]bool{}
	for _, token := range p.tokens[0] {
		inList[token] = true
	}
	kinds = nil
	for _, token := range p.tokens[1] {
		kinds = append(kinds, inList[token])
	}
	even(t, "shared tokens in a final list", kinds)
	kinds = nil
	for _, token := range p.union {
		kinds = append(kinds, inList[token])
	}
	even(t, "tokens of a party in the union", kinds)

	kinds = make([]bool, p.spine.Len())
	for _, slot := range p.slots[0] {
		kinds[slot] = true
	}
	even(t, "people of a party in the spine", kinds)

	// The half of the people who have the lower slots, along the order in which the party holds them.
	order := slices.Clone(p.slots[0])
	slices.Sort(order)
	kinds = nil
	for _, slot := range p.slots[0] {
		kinds = append(kinds, slot < order[len(order)/2])
	}
	even(t, "low slots among a party's people", kinds)
}

func even(t *testing.T, what string, kinds []bool) {
	t.Helper()
	var n, ones, sum float64
	for i, kind := range kinds {
		n++
		if kind {
			ones++
			sum += float64(i + 1)
		}
	}
	if ones < 50 || n-ones < 50 {
		t.Fatalf("%s: %v of %v is too few to tell", what, ones, n)
	}
	z := (sum - ones*(n+1)/2) / math.Sqrt(ones*(n-ones)*(n+1)/12)
	if math.Abs(z) > 5 {
		t.Errorf("%s: %.1f sigma from even", what, z)
	}
}

// To all others together, who know everything but its secrets, a party's list looks as random points do: every bit of an
// encoding is as often set as in those, in the first list as in all that others make of it. False alarms: 3·252 bits
// at 6.5 σ, below 10⁻⁷.
func TestListsLookRandom(t *testing.T) {
	const n = 1500
	s, others := NewSecrets(), NewSecrets()
	entries, err := NewEntries([32]byte{1}, people(0, n), nil)
	must(t, err)
	list, err := entries.Tokens(0, n, s)
	must(t, err)
	tokens, slots, err := RaiseTwo(list, &others.Token, &others.Slot)
	must(t, err)
	for _, points := range []Points{list, tokens, slots} {
		for bit := 1; bit < 253; bit++ { // the lowest is 0, the highest not quite even
			set := 0
			for i := range points {
				set += int(points[i][bit/8]>>(bit%8)) & 1
			}
			if z := (float64(set) - n/2) / math.Sqrt(n/4.); math.Abs(z) > 6.5 {
				t.Errorf("bit %d: %.1f sigma from even", bit, z)
			}
		}
	}
}

// Entries are in an order of their own, and come back to their people.
func TestEntriesComeBack(t *testing.T) {
	set := people(0, 40)
	entries, err := NewEntries([32]byte{1}, set, []Dummy{dummy(0, 2, 0), dummy(0, 2, 1)})
	must(t, err)
	slots := make([]uint32, entries.Len())
	for i, entry := range entries.order {
		slots[i] = entry + 100
	}
	of, err := entries.People(slots)
	must(t, err)
	for i, slot := range of {
		if int(slot) != i+100 {
			t.Fatalf("person %d is at %d", i, slot)
		}
	}
	if _, err := entries.People(slots[1:]); err == nil {
		t.Error("slots of fewer entries are taken")
	}
	if slices.IsSortedFunc(entries.order, cmp.Compare[uint32]) {
		t.Error("entries are in the order of the people")
	}
	s := NewSecrets()
	whole, err := entries.Tokens(0, entries.Len(), s)
	must(t, err)
	chunk, err := entries.Tokens(5, 9, s)
	must(t, err)
	same(t, chunk, whole[5:9])
	s.Forget()
	if _, err := entries.Tokens(0, 1, s); err == nil {
		t.Error("forgotten secrets make tokens")
	}
	var none []ids.ID
	empty, err := NewEntries([32]byte{1}, none, nil)
	must(t, err)
	if list, err := empty.Tokens(0, 0, NewSecrets()); err != nil || len(list) != 0 {
		t.Error("nobody has tokens")
	}
}
