package protocol_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// drawLengths draws the lengths of N lists, equal ones often.
func drawLengths(n int) *rapid.Generator[[]int64] {
	return rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 2), rapid.Int64Range(0, match.MaxPoints)), n, n)
}

// way follows one list and fails if it is none, or one from a party to itself.
func way(t rapid.TB, r *protocol.Route, l protocol.ListID) (from, to int) {
	from, to, ok := r.Way(l)
	if !ok || from == to || from < 0 || from > r.Parties() || to < 0 || to > r.Parties() {
		t.Fatalf("lengths %d: %s goes from %d to %d, %v", r.Lengths, l, from, to, ok)
	}
	return from, to
}

// lists follows all lists of a matching as protocol.md ("Matching") tells it, step by step, and returns their names.
func lists(t rapid.TB, r *protocol.Route) map[protocol.ListID]bool {
	n := r.Parties()
	all := map[protocol.ListID]bool{}
	// follow goes along the hops of one list from who has it, and returns whom it visits, in order.
	follow := func(pass, owner, first, at int) (visited []int) {
		for hop := first; hop < n; hop++ {
			l := protocol.ListID{Pass: int64(pass), Owner: int64(owner), Hop: int64(hop)}
			from, to := way(t, r, l)
			if from != at {
				t.Fatalf("lengths %d: %s leaves %d, and %d has it", r.Lengths, l, from, at)
			}
			at = to
			visited = append(visited, at)
			all[l] = true
		}
		return visited
	}
	// once fails unless these are all parties but one, each once; but is −1 for nobody.
	once := func(what string, visited []int, but int) {
		seen := map[int]bool{but: true, -1: true}
		for _, party := range visited {
			if seen[party] || party >= n {
				t.Fatalf("lengths %d: %s visits %v", r.Lengths, what, visited)
			}
			seen[party] = true
		}
		if len(seen) != n+1 {
			t.Fatalf("lengths %d: %s visits %v alone", r.Lengths, what, visited)
		}
	}
	for owner := range n {
		tokens := follow(protocol.PassTokens, owner, 0, owner)
		if tokens[n-1] != n {
			t.Fatalf("tokens of %d end at %d", owner, tokens[n-1])
		}
		once("A", tokens[:n-1], owner)
		own := follow(protocol.PassOwn, owner, 1, tokens[0]) // who has the first hop of A raises both
		if own[n-2] != owner {
			t.Fatalf("list of %d ends at %d", owner, own[n-2])
		}
		once("C", append([]int{tokens[0]}, own[:n-2]...), owner)
	}
	slots := follow(protocol.PassSlots, 0, 0, n)
	once("B", slots, -1)
	last := slots[n-1]
	for party, length := range r.Lengths {
		if length > r.Lengths[last] || length == r.Lengths[last] && party < last {
			t.Fatalf("lengths %d: the union ends at %d", r.Lengths, last)
		}
	}
	var spines []int
	for owner := range n {
		if owner == last {
			continue
		}
		l := protocol.ListID{Pass: protocol.PassSpine, Owner: int64(owner)}
		from, to := way(t, r, l)
		if from != last || to != owner || r.Last() != last {
			t.Fatalf("lengths %d: %s goes from %d to %d", r.Lengths, l, from, to)
		}
		spines = append(spines, to)
		all[l] = true
	}
	once("the spine", spines, last)
	return all
}

// edges are numbers at which a check of a range, or a sum or remainder of two of them, may go wrong for n parties.
func edges(n int) []int64 {
	var all []int64
	for i := range int64(n) + 2 {
		all = append(all, i, -1-i, int64(n)+i, math.MaxInt64-i, math.MinInt64+i, 1<<32+i, -(1<<32)+i, math.MaxInt32-i)
	}
	return all
}

// Guards the path of every list, with any number of parties and any lengths: all nodes derive it by themselves. Each list goes
// round as the design says, and nobody sends to itself; whatever else is asked for does not exist, however large or negative.
func TestRoute(t *testing.T) {
	for n := 2; n <= match.MaxParties; n++ {
		numbers := edges(n)
		rapid.Check(t, func(t *rapid.T) {
			lengths := drawLengths(n).Draw(t, "lengths")
			r := protocol.NewRoute(lengths)
			there := lists(t, r)
			if want := n*n + n*(n-1) + n + n - 1; len(there) != want {
				t.Fatalf("%d lists, want %d", len(there), want)
			}
			number := rapid.OneOf(rapid.SampledFrom(numbers), rapid.Int64())
			for range 50 {
				l := protocol.ListID{Pass: number.Draw(t, "pass"), Owner: number.Draw(t, "owner"), Hop: number.Draw(t, "hop")}
				if from, to, ok := r.Way(l); ok != there[l] || !ok && (from != 0 || to != 0) {
					t.Fatalf("%s goes from %d to %d, %v", l, from, to, ok)
				}
			}
		})
		// All edges with each other, where the first party has the longest list and where the last has.
		for _, longest := range []int{0, n - 1} {
			lengths := make([]int64, n)
			lengths[longest] = 7
			r := protocol.NewRoute(lengths)
			there := lists(t, r)
			for _, pass := range numbers {
				for _, owner := range numbers {
					for _, hop := range numbers {
						l := protocol.ListID{Pass: pass, Owner: owner, Hop: hop}
						if from, to, ok := r.Way(l); ok != there[l] || !ok && (from != 0 || to != 0) {
							t.Fatalf("%s goes from %d to %d, %v", l, from, to, ok)
						}
					}
				}
			}
		}
	}
}

// Guards wire compatibility: a ring of four parties, of which the second and the fourth have the longest lists.
func TestGoldenRoute(t *testing.T) {
	r := protocol.NewRoute([]int64{5, 9, 0, 9})
	for l, want := range map[protocol.ListID]string{
		{Pass: 1, Owner: 2, Hop: 0}: "2 -> 3, 0: tokens of party 2, hop 0",
		{Pass: 1, Owner: 2, Hop: 1}: "3 -> 0, 0: tokens of party 2, hop 1",
		{Pass: 1, Owner: 2, Hop: 3}: "1 -> 4, 0: tokens of party 2, hop 3",
		{Pass: 1, Owner: 3, Hop: 2}: "1 -> 2, 9: tokens of party 3, hop 2",
		{Pass: 2, Owner: 0, Hop: 0}: "4 -> 2, 11: union, hop 0",
		{Pass: 2, Owner: 0, Hop: 1}: "2 -> 3, 11: union, hop 1",
		{Pass: 2, Owner: 0, Hop: 2}: "3 -> 0, 11: union, hop 2",
		{Pass: 2, Owner: 0, Hop: 3}: "0 -> 1, 11: union, hop 3",
		{Pass: 3, Owner: 0, Hop: 1}: "1 -> 2, 5: list of party 0, hop 1",
		{Pass: 3, Owner: 0, Hop: 3}: "3 -> 0, 5: list of party 0, hop 3",
		{Pass: 4, Owner: 3, Hop: 0}: "1 -> 3, 11: spine for party 3",
	} {
		from, to, ok := r.Way(l)
		if got := fmt.Sprintf("%d -> %d, %d: %s", from, to, r.Length(l, 11), l); got != want || !ok {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Guards error texts: any list has a name of its own, also one off the wire that is none, and it comes off the wire as it went.
func TestListNames(t *testing.T) {
	seen := map[string]protocol.ListID{}
	numbers := append(edges(2), 5, 9, 10, 11, 112, math.MaxInt64, math.MinInt64)
	for _, pass := range numbers {
		for _, owner := range numbers {
			for _, hop := range numbers {
				l := protocol.ListID{Pass: pass, Owner: owner, Hop: hop}
				name := l.String()
				if other, ok := seen[name]; ok && other != l || name == "" || strings.Contains(name, "%!") {
					t.Fatalf("%+v and %+v have the name %q", l, other, name)
				}
				seen[name] = l
				if back := protocol.ParseListID(l.ID()); back != l {
					t.Fatalf("%+v read back as %+v", l, back)
				}
			}
		}
	}
	if l := protocol.ParseListID(nil); l != (protocol.ListID{}) || l != protocol.ParseListID(&sottov1.ListID{}) {
		t.Errorf("no name is that of %s", l)
	}
}

// Guards sealed lists against being moved: what one is bound to differs in every field, and no border between them moves.
// The vector was computed from the written-down encoding (package canon) by another implementation.
func TestListContext(t *testing.T) {
	v := struct {
		Matching [32]byte
		List     protocol.ListID
		From, To string
	}{[32]byte{1}, protocol.ListID{Pass: protocol.PassOwn, Owner: 2, Hop: 1}, "bank", "shop"}
	context := func() string { return string(protocol.ListContext(v.Matching, v.List, v.From, v.To)) }
	if got := hex.EncodeToString([]byte(context())); got != goldenListContext {
		t.Errorf("context is %s", got)
	}
	seen := map[string]string{context(): "itself"}
	once := func(path string) {
		if other, ok := seen[context()]; ok {
			t.Errorf("with another %s the context is that of %s", path, other)
		}
		seen[context()] = path
	}
	mutations(reflect.ValueOf(&v).Elem(), "", once)
	v.From, v.To = "shop", "bank"
	once("direction")
	v.From, v.To = "banks", "hop"
	once("border")
	v.From, v.To = "", "bankshop"
	once("border at the beginning")
}

const goldenListContext = "0000001b736f74746f2f76312f6d617463682f6c6973742d636f6e7465787401000000000000000000000000000000000000000" +
	"000000000000000000000000000000000000003000000000000000200000000000000010000000462616e6b0000000473686f70"

// Guards lists against being changed, cut or moved: what a sender has signed must be what arrived, in every field, and who
// is said to have broken that is the sender.
func TestCheckListHandOver(t *testing.T) {
	arrived := protocol.ListHandOver{
		Matching: [32]byte{1}, List: protocol.ListID{Pass: protocol.PassTokens, Owner: 1, Hop: 2}, From: "bank", Length: 7, Digest: [32]byte{2},
	}
	signed := arrived
	if err := protocol.CheckListHandOver(&signed, arrived); err != nil {
		t.Fatal(err)
	}
	check := func(path string) {
		err := protocol.CheckListHandOver(&signed, arrived)
		refused(t, path, err)
		if err != nil && (!strings.Contains(err.Error(), "bank") || !strings.Contains(err.Error(), arrived.List.String())) {
			t.Errorf("%s: error is %v", path, err)
		}
		if other := signed.Length == arrived.Length && signed.Digest == arrived.Digest; err != nil && other != strings.Contains(err.Error(), "of another list or matching") {
			t.Errorf("%s: error is %v", path, err)
		}
	}
	mutations(reflect.ValueOf(&signed).Elem(), "signed", check)
	signed.List.Owner, signed.From = math.MaxInt64, ""
	check("signed of no list")
	signed = arrived
	arrived.Digest[31]++
	check("arrived with another digest")
}
