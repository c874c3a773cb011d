package query_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// Guards the plan: every key-holder derives it for itself, so it must not change between versions without being noticed.
// The sensitivities are those of protocol.md, Layouts: c^N − (c−1)^N, and min(2c^N, (N+g)c^(N−1)) with g parties split.
func TestGoldenPlans(t *testing.T) {
	coordinatorOnly := question(100_000, 100_000)
	coordinatorOnly.Noise = "coordinator"
	gaussian := question(100_000, 50_000)
	gaussian.Mechanism, gaussian.AttoDelta = "gaussian", 100_000_000_000
	precise := question(100_000, 50_000)
	precise.Precision = "high"
	twoTypes := counting(about("[a.member, b.vip]", 5000), query.Total)
	twoTypes.Participants[1].IdentityType = "phone"
	for _, c := range []struct {
		name string
		q    *query.Query
		want string
	}{
		// Load 100/2^20, so clip 1; sensitivity 1² − 0²; 1 noise draw is below 45 with probability 1 − 2⁻⁶⁴.
		{"small", question(100, 50), ""},
		// A million at load 1/4: clip 3; 3² − 2²; answers up to 3·10⁶ and 3·222 of noise.
		{"large", question(1_000_000, 1_000_000), ""},
		{"precise", precise, ""},
		{"gaussian", gaussian, ""},
		{"coordinator", coordinatorOnly, ""},
		// a is split, so it goes last; min(2·3², 3·3).
		{"by age", by(question(100_000, 50_000), "a.age", 2), ""},
		// Both split: min(2·3², 4·3); the finer one last.
		{"cross-tab", by(by(question(100_000, 50_000), "a.age", 4), "b.tier", 3), ""},
		// 3³ − 2³; Σ |answers| ≤ 3²·20000.
		{"three", question(100_000, 50_000, 20_000), ""},
		// min(2·3³, 4·3²); two dimensions of one party are one split.
		{"three by two", by(by(question(100_000, 50_000, 20_000), "b.age", 2), "b.tier", 1), ""},
		{"five", question(10_000, 10_000, 10_000, 10_000, 10_000), ""},
		// 1 + 1 + (3² − 2²); 100000 + 100000 + 3·100000 people.
		{"either", about("a.member || b.member", 100_000), ""},
		// 3·(3² − 2²).
		{"either of two each", about("a.x && b.x || a.y && b.y", 100_000), ""},
		// Of a alone in unknown, less those of b; b's own by age; those of both, taken off where they were counted twice.
		{"either by age", by(about("a.member || b.member", 1000), "b.age", 2), ""},
		{"not a customer, by age", by(about("a.member && !b.member", 1000), "a.age", 2), ""},
		// Each of three strata besides that of nobody: only a, only b, both.
		{"either by both", by(by(about("a.member || b.member", 100_000), "b.age", 2), "a.tier", 1), ""},
		// 40·(3² − 2²).
		{"sum", of(question(100_000, 100_000), query.Sum, "b.spend", -30, 40), ""},
		{"sum below 0", of(question(100_000, 100_000), query.Sum, "b.spend", -40, -1), ""},
		{"sum by tier", by(of(question(100_000, 100_000), query.Sum, "a.spend", 0, 40), "b.tier", 2), ""},
		{"sum without", of(about("a.member && !b.vip", 1000), query.Sum, "a.spend", 0, 40), ""},
		// Amounts are −35…35 around 5, and everybody of the count is 35: (35 + 35)·(3² − 2²).
		{"mean", of(question(100_000, 100_000), query.Mean, "b.spend", -30, 40), ""},
		{"mean around a half", by(of(question(1000, 1000), query.Mean, "b.spend", -2, 1), "a.age", 1), ""},
		{"total", counting(about("[a.member, b.vip, c.x || c.y]", 1_000_000), query.Total), ""},
		{"total of two types", twoTypes, ""},
		// 1 + 1 + (2 + 1)·(3² − 2²).
		{"frequency", counting(about("[a.member, b.vip]", 100_000), query.Frequency), ""},
		{"frequency of three", counting(about("[a.member, b.vip, c.x || c.y]", 1000), query.Frequency), ""},
	} {
		p, err := query.NewPlan(c.q)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := describe(p); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Guards what a plan is made from: of the question's canonical bytes alone, as everybody downstream reads them.
func TestPlanFromBytes(t *testing.T) {
	q := by(by(question(100_000, 50_000, 20_000), "c.age", 2), "a.tier", 1)
	q.Audience = `(a.vip || !a.member && b.x) && !(b.x && b.y) && (b.member || c.age != "v0")`
	var decoded query.Query
	if err := canon.Decode(q.Domain(), q.Encode(), &decoded); err != nil {
		t.Fatal(err)
	}
	want, err := query.NewPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := query.NewPlan(&decoded)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.Transcript([16]byte{5}) != want.Transcript([16]byte{5}) {
		t.Errorf("from bytes %+v, from the question %+v", got, want)
	}
}

// moved returns how many ciphertexts per block travel between hops that divide into so many groups each.
func moved(groups []int) int {
	sum, branches := 0, 1
	for _, g := range groups[:len(groups)-1] {
		branches *= g
		sum += branches
	}
	return sum
}

// permutations calls visit with every order of the numbers.
func permutations(numbers []int, at int, visit func([]int)) {
	if at == len(numbers) {
		visit(numbers)
	}
	for i := at; i < len(numbers); i++ {
		numbers[at], numbers[i] = numbers[i], numbers[at]
		permutations(numbers, at+1, visit)
		numbers[at], numbers[i] = numbers[i], numbers[at]
	}
}

// anyQuestion draws one about two to five parties with up to three dimensions of up to eight values.
func anyQuestion(t *rapid.T) *query.Query {
	sizes := rapid.SliceOfN(rapid.Int64Range(1, 10_000), 2, 5).Draw(t, "customers")
	q := question(sizes...)
	for i := range rapid.IntRange(0, query.MaxDimensions).Draw(t, "dimensions") {
		party := rapid.IntRange(0, len(sizes)-1).Draw(t, "party")
		q = by(q, fmt.Sprintf("%c.d%d", 'a'+party, i), rapid.IntRange(1, 8).Draw(t, "values"))
	}
	if rapid.Bool().Draw(t, "either") && len(sizes) < 4 {
		q.Audience = strings.ReplaceAll(q.Audience, "&&", "||")
	}
	return q
}

// No other order of a chain's hops moves fewer bytes, and the counts that the streams are checked against are consistent:
// what leaves a hop enters the next, and the last one leaves a ciphertext per result, every one of which goes somewhere.
func TestOrderMovesTheFewestBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan(t, anyQuestion(t))
		for _, c := range p.Chains {
			var groups []int
			in := 0
			for i, h := range c.Hops {
				if h.In != in || i > 0 && h.Out != h.In*h.Groups || i == 0 && h.Out != h.Groups {
					t.Fatalf("hop %d of %+v", i, c.Hops)
				}
				in = h.Out
				groups = append(groups, h.Groups)
			}
			if in != c.Results || len(c.Into) != in {
				t.Fatalf("the last hop makes %d ciphertexts of %d, which go to %d places", in, c.Results, len(c.Into))
			}
			planned := moved(groups)
			permutations(slices.Clone(groups), 0, func(other []int) {
				if moved(other) < planned {
					t.Fatalf("order %v moves %d ciphertexts per block, %v only %d", groups, planned, other, moved(other))
				}
			})
		}
	})
}

// Every result goes to one cell, that of its groups as the hops number them, where each hop's dimensions vary faster than
// those of the hops before; dimensions that a chain is not split by are in "unknown". Every cell is one combination of
// groups, and in every one of them there is something.
func TestGroupsAreABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion(t)
		p := plan(t, q)
		reached := map[int]bool{}
		for _, c := range p.Chains {
			seen := map[int]bool{}
			for result, targets := range c.Into {
				if len(targets) != 1 || targets[0].Cell < 0 || targets[0].Cell >= q.Cells() || seen[targets[0].Cell] {
					t.Fatalf("result %d goes to %v", result, targets)
				}
				cell := targets[0].Cell
				seen[cell], reached[cell] = true, true
				groups := q.Group(cell)
				back := 0
				split := map[int]bool{}
				for _, h := range c.Hops {
					group := 0 // as a party numbers its groups
					for _, d := range h.GroupBy {
						group = group*q.GroupBy[d].Groups() + groups[d]
						split[d] = true
					}
					back = back*h.Groups + group // as the last hop numbers its results
				}
				if back != result {
					t.Fatalf("result %d goes to cell %d of groups %v, which is that of result %d", result, cell, groups, back)
				}
				for d, group := range groups {
					if group < 0 || group >= q.GroupBy[d].Groups() || !split[d] && q.GroupBy[d].Value(group) != query.Unknown {
						t.Fatalf("result %d of a chain over %v goes to group %d of %s", result, c.Hops, group, q.GroupBy[d].FullName())
					}
				}
			}
		}
		if len(reached) != p.Cells {
			t.Fatalf("%d of %d cells are reached", len(reached), p.Cells)
		}
	})
}

// What no plan exists for is refused in words, of a kind that says whether asking otherwise helps.
func TestPlanRefusals(t *testing.T) {
	edit := func(q *query.Query, change func(*query.Query)) *query.Query {
		change(q)
		return q
	}
	for _, c := range []struct {
		name string
		q    *query.Query
		kind fault.Kind
		want string
	}{
		{"syntax", edit(question(9, 9), func(q *query.Query) { q.Audience = "a.member &&" }), fault.Invalid, "line 1 column 12"},
		{"one party", edit(question(9), func(q *query.Query) {}), fault.Unsupported, "about a alone; it needs at least two parties"},
		{"one part", counting(about("[a.member]", 9), query.Total), fault.Unsupported, "about a alone"},
		{"silent participant", edit(question(9, 9, 9), func(q *query.Query) { q.Audience = "a.member && b.member" }), fault.Invalid, "participant c does not occur in the audience"},
		{"stranger in the audience", edit(question(9, 9), func(q *query.Query) { q.Audience += " && x.member" }), fault.Invalid, "the audience names 3 parties, the question has 2 participants"},
		{"silent participant of a total", edit(counting(about("[a.x, b.x]", 9), query.Total), func(q *query.Query) { q.Audience = "[a.x]" }), fault.Invalid, "participant b does not occur"},
		{"stranger among parts", edit(counting(about("[a.x, b.x]", 9), query.Frequency), func(q *query.Query) { q.Audience = "[a.x, b.x, x.x]" }), fault.Invalid, "the audience names 3 parties"},
		{"a list to count", about("[a.x, b.x]", 9), fault.Invalid, "expected a segment or a comparison"},
		{"no list to add up", counting(about("a.x && b.x", 9), query.Total), fault.Invalid, "expected a list of audiences"},
		{"no list for a frequency", counting(about("a.x && b.x", 9), query.Frequency), fault.Invalid, "expected a list of audiences"},
		{"b does not matter", about("a.member && (b.member || !b.member)", 9), fault.Invalid, "b makes no difference to the audience"},
		{"b is absorbed", about("a.member || a.member && b.x", 9), fault.Invalid, "b makes no difference to the audience"},
		{"c does not matter", about("(a.x || b.x) && !(c.x && !c.x)", 9), fault.Invalid, "c makes no difference to the audience"},
		{"contradiction", about("a.x && b.member && !b.member", 9), fault.Invalid, "a makes no difference to the audience"},
		{"without amounts", of(about("a.member || b.x", 9), query.Sum, "a.spend", 0, 9), fault.Invalid, "b makes no difference to the audience"},
		{"no amounts", of(about("a.member && !b.member", 9), query.Mean, "b.spend", 0, 9), fault.Invalid, "a makes no difference to the audience"},
		{"by who is left out", by(about("a.member && !b.member", 9), "b.age", 2), fault.Invalid, "some cells can't have anybody in them"},
		{"by both", by(by(about("(a.x || b.x) && !(a.x && b.x) && !(a.member && b.member)", 9), "b.age", 2), "a.age", 1), fault.Invalid, "some cells can't have anybody in them"},
		{"precision", edit(question(9, 9), func(q *query.Query) { q.Precision = "exact" }), fault.Size, `precision "exact" is not one of low, medium, high`},
		{"epsilon", edit(question(9, 9), func(q *query.Query) { q.MicroEpsilon = 0 }), fault.Invalid, "epsilon is 0"},
		{"delta", edit(question(9, 9), func(q *query.Query) { q.AttoDelta = 1 }), fault.Invalid, "must be 0 for laplace"},
	} {
		_, err := query.NewPlan(c.q)
		if !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s with %q", c.name, err, c.kind, c.want)
		}
	}
}
