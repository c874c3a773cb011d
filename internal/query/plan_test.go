package query_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// describe writes what matters of a plan in one line: the hops as party:groups(in,out), then the numbers.
func describe(p *query.Plan) string {
	var hops []string
	for _, h := range p.Chains[0].Hops {
		hops = append(hops, fmt.Sprintf("%s:%d(%d,%d)", h.Party, h.Groups, h.In, h.Out))
	}
	return fmt.Sprintf("%s cells=%d slots=2^%d clip=%d sensitivity=%d draws=%d products=%d largest=%d n=2^%d primes=%d log2t=%d blocks=%d",
		strings.Join(hops, " "), p.Cells, p.LogSlots, p.Clip, p.Noise.Sensitivity, p.Draws(), p.Need.Products, p.Need.Largest,
		p.Params.LogN, len(p.Params.Q), int(math.Log2(float64(p.Params.T))+1), p.Blocks())
}

// Guards the plan: every key-holder derives it for itself, so it must not change between versions without being noticed.
// The sensitivities are those of protocol.md, Layouts: c^N − (c−1)^N, and min(2c^N, (N+g)c^(N−1)) with g parties split.
func TestGoldenPlans(t *testing.T) {
	coordinatorOnly := question(100_000, 100_000)
	coordinatorOnly.Noise = "coordinator"
	gaussian := question(100_000, 50_000)
	gaussian.Mechanism, gaussian.Delta = "gaussian", 1e-7
	precise := question(100_000, 50_000)
	precise.Precision = "high"
	for _, c := range []struct {
		name string
		q    *query.Query
		want string
	}{
		// Load 100/2^20, so clip 1; sensitivity 1² − 0²; 1 noise draw is below 45 with probability 1 − 2⁻⁶⁴.
		{"small", question(100, 50), "a:1(0,1) b:1(1,1) cells=1 slots=2^20 clip=1 sensitivity=1 draws=3 products=1 largest=185 n=2^13 primes=2 log2t=18 blocks=128"},
		// A million at load 1/4: clip 3; 3² − 2²; answers up to 3·10⁶ and 3·222 of noise.
		{"large", question(1_000_000, 1_000_000), "a:1(0,1) b:1(1,1) cells=1 slots=2^22 clip=3 sensitivity=5 draws=3 products=1 largest=3000666 n=2^13 primes=2 log2t=23 blocks=512"},
		{"precise", precise, "a:1(0,1) b:1(1,1) cells=1 slots=2^23 clip=2 sensitivity=3 draws=3 products=1 largest=100402 n=2^13 primes=2 log2t=20 blocks=1024"},
		{"gaussian", gaussian, "a:1(0,1) b:1(1,1) cells=1 slots=2^20 clip=3 sensitivity=5 draws=3 products=1 largest=150645 n=2^13 primes=2 log2t=20 blocks=128"},
		{"coordinator", coordinatorOnly, "a:1(0,1) b:1(1,1) cells=1 slots=2^20 clip=3 sensitivity=5 draws=1 products=1 largest=300222 n=2^13 primes=2 log2t=20 blocks=128"},
		// a is split, so it goes last; min(2·3², 3·3).
		{"by age", by(question(100_000, 50_000), "a.age", 2), "b:1(0,1) a:3(1,3) cells=3 slots=2^20 clip=3 sensitivity=9 draws=3 products=1 largest=151200 n=2^13 primes=2 log2t=20 blocks=128"},
		// Both split: min(2·3², 4·3); the finer one last.
		{"cross-tab", by(by(question(100_000, 50_000), "a.age", 4), "b.tier", 3), "b:4(0,4) a:5(4,20) cells=20 slots=2^20 clip=3 sensitivity=12 draws=3 products=1 largest=151599 n=2^13 primes=2 log2t=20 blocks=128"},
		// 3³ − 2³; Σ |answers| ≤ 3²·20000.
		{"three", question(100_000, 50_000, 20_000), "a:1(0,1) b:1(1,1) c:1(1,1) cells=1 slots=2^20 clip=3 sensitivity=19 draws=4 products=2 largest=183372 n=2^13 primes=3 log2t=20 blocks=128"},
		// min(2·3³, 4·3²); two dimensions of one party are one split.
		{"three by two", by(by(question(100_000, 50_000, 20_000), "b.age", 2), "b.tier", 1), "a:1(0,1) c:1(1,1) b:6(1,6) cells=6 slots=2^20 clip=3 sensitivity=36 draws=4 products=2 largest=186392 n=2^13 primes=3 log2t=20 blocks=128"},
		{"five", question(10_000, 10_000, 10_000, 10_000, 10_000), "a:1(0,1) b:1(1,1) c:1(1,1) d:1(1,1) e:1(1,1) cells=1 slots=2^20 clip=2 sensitivity=31 draws=6 products=4 largest=168256 n=2^13 primes=4 log2t=20 blocks=128"},
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
	q.Audience = `a.vip && !(b.x || b.y) && b.member && c.age != "v0"`
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
	return q
}

// No other order of the hops moves fewer bytes, and the counts that the streams are checked against are consistent: what
// leaves a hop enters the next, and the last one leaves a ciphertext per cell.
func TestOrderMovesTheFewestBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := query.NewPlan(anyQuestion(t))
		if err != nil {
			t.Fatal(err)
		}
		var groups []int
		in := 0
		for i, h := range p.Chains[0].Hops {
			if h.In != in || i > 0 && h.Out != h.In*h.Groups || i == 0 && h.Out != h.Groups {
				t.Fatalf("hop %d of %+v", i, p.Chains[0].Hops)
			}
			in = h.Out
			groups = append(groups, h.Groups)
		}
		if in != p.Cells {
			t.Fatalf("the last hop makes %d cells of %d", in, p.Cells)
		}
		planned := moved(groups)
		permutations(slices.Clone(groups), 0, func(other []int) {
			if moved(other) < planned {
				t.Fatalf("order %v moves %d ciphertexts per block, %v only %d", groups, planned, other, moved(other))
			}
		})
	})
}

// Every cell stands for one combination of groups and every combination has a cell, in the order in which the hops
// produce them: each hop's dimensions vary faster than those of the hops before.
func TestGroupsAreABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion(t)
		p, err := query.NewPlan(q)
		if err != nil {
			t.Fatal(err)
		}
		for cell := range p.Cells {
			groups := p.Groups(cell)
			back := 0
			for _, h := range p.Chains[0].Hops {
				group := 0 // as a party numbers its groups
				for _, d := range h.GroupBy {
					if groups[d] < 0 || groups[d] >= q.GroupBy[d].Groups() {
						t.Fatalf("cell %d is in group %d of %+v", cell, groups[d], q.GroupBy[d])
					}
					group = group*q.GroupBy[d].Groups() + groups[d]
				}
				back = back*h.Groups + group // as the last hop numbers its results
			}
			if back != cell {
				t.Fatalf("cell %d is in groups %v, which make cell %d", cell, groups, back)
			}
		}
	})
}

// What no plan exists for is refused in words, of a kind that says whether asking otherwise helps.
func TestPlanRefusals(t *testing.T) {
	edit := func(q *query.Query, change func(*query.Query)) *query.Query {
		change(q)
		return q
	}
	large := slices.Repeat([]int64{1 << 24}, query.MaxParties)
	for _, c := range []struct {
		name string
		q    *query.Query
		kind fault.Kind
		want string
	}{
		{"syntax", edit(question(9, 9), func(q *query.Query) { q.Audience = "a.member &&" }), fault.Invalid, "line 1 column 12"},
		{"or", edit(question(9, 9), func(q *query.Query) { q.Audience = "a.member || b.member" }), fault.Unsupported, "OR across parties"},
		{"one party", edit(question(9), func(q *query.Query) {}), fault.Unsupported, "about a alone"},
		{"silent participant", edit(question(9, 9, 9), func(q *query.Query) { q.Audience = "a.member && b.member" }), fault.Invalid, "participant c does not occur in the audience"},
		{"stranger in the audience", edit(question(9, 9), func(q *query.Query) { q.Audience += " && x.member" }), fault.Invalid, "the audience names 3 parties, the question has 2 participants"},
		{"precision", edit(question(9, 9), func(q *query.Query) { q.Precision = "exact" }), fault.Unsupported, `precision "exact" is not one of low, medium, high`},
		{"too many people", question(9, 1<<25), fault.Unsupported, "more than 2^26: ask with a lower precision"},
		{"epsilon", edit(question(9, 9), func(q *query.Query) { q.MicroEpsilon = 0 }), fault.Invalid, "epsilon is 0"},
		{"tiny epsilon", edit(question(large...), func(q *query.Query) { q.MicroEpsilon = 1 }), fault.Unsupported, "a larger epsilon"},
		{"long chain", question(large...), fault.Unsupported, "fewer parties"},
	} {
		_, err := query.NewPlan(c.q)
		if !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s with %q", c.name, err, c.kind, c.want)
		}
	}
}

// Guards the interval that is shown with an answer: it counts every draw, the collisions at the agreed bounds (never true
// sizes) with the released number as the overlap, and the clip; and δ counts what the flooding leaves.
func TestErrorAndDelta(t *testing.T) {
	q := question(100_000, 50_000)
	p, err := query.NewPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []int64{0, 30_000, -700} {
		e := p.Error(value)
		overlap := math.Abs(float64(value))
		if want := math.Sqrt((100_000*50_000 + overlap*overlap) / (1 << 20)); math.Abs(e.Std/want-1) > 1e-12 {
			t.Errorf("value %d: standard error %v, want %v", value, e.Std, want)
		}
		if e.Draws != 3 || e.Noise != p.Noise || e.Bias < 0 || e.Bias > 0.002*overlap || value > 0 && e.Bias == 0 {
			t.Errorf("value %d: error is %+v", value, e)
		}
	}
	q.Mechanism, q.Delta = "gaussian", 1e-7
	if want := 1e-7 + (1+math.E)*0x1p-41; math.Abs(p.Query.TotalDelta()/want-1) > 1e-12 {
		t.Errorf("delta is %v, want %v", p.Query.TotalDelta(), want)
	}
	q.Noise = "coordinator"
	for name, draws := range map[string]bool{"a": false, "b": false, "coordinator": true} {
		if p.DrawsNoise(name) != draws || p.Draws() != 1 {
			t.Errorf("noise of the coordinator: %s draws: %v, %d draws in all", name, p.DrawsNoise(name), p.Draws())
		}
	}
}
