package query_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/canon"
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
		{"small", question(100, 50), "a:1(0,1) b:1(1,1) blocks=128 →+1·0 cells=1 slots=2^20 clip=1 sensitivity=1 draws=3 products=1 coefficient=1 largest=185 n=2^13 primes=2 log2t=18"},
		// A million at load 1/4: clip 3; 3² − 2²; answers up to 3·10⁶ and 3·222 of noise.
		{"large", question(1_000_000, 1_000_000), "a:1(0,1) b:1(1,1) blocks=512 →+1·0 cells=1 slots=2^22 clip=3 sensitivity=5 draws=3 products=1 coefficient=1 largest=3000666 n=2^13 primes=2 log2t=23"},
		{"precise", precise, "a:1(0,1) b:1(1,1) blocks=1024 →+1·0 cells=1 slots=2^23 clip=2 sensitivity=3 draws=3 products=1 coefficient=1 largest=100402 n=2^13 primes=2 log2t=20"},
		{"gaussian", gaussian, "a:1(0,1) b:1(1,1) blocks=128 →+1·0 cells=1 slots=2^20 clip=3 sensitivity=5 draws=3 products=1 coefficient=1 largest=150645 n=2^13 primes=2 log2t=20"},
		{"coordinator", coordinatorOnly, "a:1(0,1) b:1(1,1) blocks=128 →+1·0 cells=1 slots=2^20 clip=3 sensitivity=5 draws=1 products=1 coefficient=1 largest=300222 n=2^13 primes=2 log2t=20"},
		// a is split, so it goes last; min(2·3², 3·3).
		{"by age", by(question(100_000, 50_000), "a.age", 2), "b:1(0,1) a:3(1,3) blocks=128 →+1·0..+1·2 cells=3 slots=2^20 clip=3 sensitivity=9 draws=3 products=1 coefficient=1 largest=151200 n=2^13 primes=2 log2t=20"},
		// Both split: min(2·3², 4·3); the finer one last.
		{"cross-tab", by(by(question(100_000, 50_000), "a.age", 4), "b.tier", 3), "b:4(0,1) a:5(1,5) blocks=128 lanes=4 ciphertexts=5 →+1·0..+1·19 cells=20 slots=2^20 clip=3 sensitivity=12 draws=3 products=1 coefficient=1 largest=151599 n=2^13 primes=2 log2t=20"},
		// 3³ − 2³; Σ |answers| ≤ 3²·20000.
		{"three", question(100_000, 50_000, 20_000), "a:1(0,1) b:1(1,1) c:1(1,1) blocks=128 →+1·0 cells=1 slots=2^20 clip=3 sensitivity=19 draws=4 products=2 coefficient=1 largest=183372 n=2^13 primes=3 log2t=20"},
		// min(2·3³, 4·3²); two dimensions of one party are one split.
		{"three by two", by(by(question(100_000, 50_000, 20_000), "b.age", 2), "b.tier", 1), "a:1(0,1) c:1(1,1) b:6(1,6) blocks=128 →+1·0..+1·5 cells=6 slots=2^20 clip=3 sensitivity=36 draws=4 products=2 coefficient=1 largest=186392 n=2^13 primes=3 log2t=20"},
		{"five", question(10_000, 10_000, 10_000, 10_000, 10_000), "a:1(0,1) b:1(1,1) c:1(1,1) d:1(1,1) e:1(1,1) blocks=128 →+1·0 cells=1 slots=2^20 clip=2 sensitivity=31 draws=6 products=4 coefficient=1 largest=168256 n=2^13 primes=4 log2t=20"},
		// 1 + 1 + (3² − 2²); 100000 + 100000 + 3·100000 people.
		{"either", about("a.member || b.member", 100_000), "b:1(0,1) →+1·0; a:1(0,1) →+1·0; a:1(0,1) b:1(1,1) blocks=128 →-1·0 cells=1 slots=2^20 clip=3 sensitivity=7 draws=3 products=1 coefficient=3 largest=500933 n=2^13 primes=2 log2t=21"},
		// 3·(3² − 2²).
		{"either of two each", about("a.x && b.x || a.y && b.y", 100_000), "a:1(0,1) b:1(1,1) blocks=128 →+1·0; a:1(0,1) b:1(1,1) blocks=128 →+1·0; a:1(0,1) b:1(1,1) blocks=128 →+1·0 cells=1 slots=2^20 clip=3 sensitivity=15 draws=3 products=1 coefficient=3 largest=901998 n=2^13 primes=2 log2t=22"},
		// Of a alone in unknown, less those of b; b's own by age; those of both, taken off where they were counted twice.
		{"either by age", by(about("a.member || b.member", 1000), "b.age", 2), "b:3(0,3) →+1·0..+1·2; a:1(0,1) →+1·2; a:1(0,1) b:1(1,1) blocks=128 →-1·2 cells=3 slots=2^20 clip=1 sensitivity=3 draws=3 products=1 coefficient=3 largest=3402 n=2^13 primes=2 log2t=18"},
		{"not a customer, by age", by(about("a.member && !b.member", 1000), "a.age", 2), "a:3(0,3) →+1·0..+1·2; b:1(0,1) a:3(1,3) blocks=128 →-1·0..-1·2 cells=3 slots=2^20 clip=1 sensitivity=3 draws=3 products=1 coefficient=2 largest=2402 n=2^13 primes=2 log2t=18"},
		// Each of three strata besides that of nobody: only a, only b, both.
		{"either by both", by(by(about("a.member || b.member", 100_000), "b.age", 2), "a.tier", 1), "a:2(0,1) b:3(1,3) blocks=128 lanes=2 ciphertexts=3 →+1·0..+1·5; a:2(0,2) →+1·4..+1·5; b:1(0,1) a:2(1,2) blocks=128 →-1·4..-1·5; b:3(0,3) →+1·1..+1·5; a:1(0,1) b:3(1,3) blocks=128 →-1·1..-1·5 cells=6 slots=2^20 clip=3 sensitivity=32 draws=3 products=1 coefficient=5 largest=1104260 n=2^13 primes=2 log2t=22"},
		// 40·(3² − 2²).
		{"sum", of(question(100_000, 100_000), query.Sum, "b.spend", -30, 40), "a:1(0,1) b$:1(1,1) blocks=128 scale=40 →+1·0 cells=1 slots=2^20 clip=3 sensitivity=200 draws=3 products=1 coefficient=1 largest=12026619 n=2^13 primes=2 log2t=25 scale=40 centre=0"},
		{"sum below 0", of(question(100_000, 100_000), query.Sum, "b.spend", -40, -1), "a:1(0,1) b$:1(1,1) blocks=128 scale=40 →+1·0 cells=1 slots=2^20 clip=3 sensitivity=200 draws=3 products=1 coefficient=1 largest=12026619 n=2^13 primes=2 log2t=25 scale=40 centre=0"},
		{"sum by tier", by(of(question(100_000, 100_000), query.Sum, "a.spend", 0, 40), "b.tier", 2), "a$:1(0,1) b:3(1,3) blocks=128 scale=40 →+1·0..+1·2 cells=3 slots=2^20 clip=3 sensitivity=360 draws=3 products=1 coefficient=1 largest=12047913 n=2^13 primes=2 log2t=25 scale=40 centre=0"},
		{"sum without", of(about("a.member && !b.vip", 1000), query.Sum, "a.spend", 0, 40), "a$:1(0,1) scale=40 →+1·0; a$:1(0,1) b:1(1,1) blocks=128 scale=40 →-1·0 cells=1 slots=2^20 clip=1 sensitivity=80 draws=3 products=1 coefficient=2 largest=90647 n=2^13 primes=2 log2t=20 scale=40 centre=0"},
		// Amounts are −35…35 around 5, and everybody of the count is 35: (35 + 35)·(3² − 2²).
		{"mean", of(question(100_000, 100_000), query.Mean, "b.spend", -30, 40), "a:1(0,1) b$:1(1,1) blocks=128 scale=35 →+1·0; a:1(0,1) b:1(1,1) blocks=128 →+35·1 cells=2 slots=2^20 clip=3 sensitivity=350 draws=3 products=1 coefficient=35 largest=21046581 n=2^13 primes=3 log2t=26 scale=35 centre=5"},
		{"mean around a half", by(of(question(1000, 1000), query.Mean, "b.spend", -2, 1), "a.age", 1), "b$:1(0,1) a:2(1,2) blocks=128 scale=2 →+1·0..+1·1; b:1(0,1) a:2(1,2) blocks=128 →+2·2..+2·3 cells=4 slots=2^20 clip=1 sensitivity=8 draws=3 products=1 coefficient=2 largest=5065 n=2^13 primes=2 log2t=18 scale=2 centre=-1"},
		{"total", counting(about("[a.member, b.vip, c.x || c.y]", 1_000_000), query.Total), "a:1(0,1) →+1·0; b:1(0,1) →+1·0; c:1(0,1) →+1·0 cells=1 slots=2^0 clip=1 sensitivity=3 draws=4 products=0 coefficient=3 largest=3000536 n=2^13 primes=2 log2t=23"},
		{"total of two types", twoTypes, "a:1(0,1) →+1·0; b:1(0,1) →+1·0 cells=1 slots=2^0 clip=1 sensitivity=2 draws=3 products=0 coefficient=2 largest=10267 n=2^13 primes=2 log2t=18"},
		// 1 + 1 + (2 + 1)·(3² − 2²).
		{"frequency", counting(about("[a.member, b.vip]", 100_000), query.Frequency), "a:1(0,1) →+1·0; b:1(0,1) →+1·0; a:1(0,1) b:1(1,1) blocks=128 →+1·1-2·0 cells=2 slots=2^20 clip=3 sensitivity=17 draws=3 products=1 coefficient=4 largest=1102265 n=2^13 primes=2 log2t=22"},
		{"frequency of three", counting(about("[a.member, b.vip, c.x || c.y]", 1000), query.Frequency), "a:1(0,1) →+1·0; b:1(0,1) →+1·0; a:1(0,1) b:1(1,1) blocks=128 →+1·1-2·0; c:1(0,1) →+1·0; a:1(0,1) c:1(1,1) blocks=128 →+1·1-2·0; b:1(0,1) c:1(1,1) blocks=128 →+1·1-2·0; a:1(0,1) b:1(1,1) c:1(1,1) blocks=128 →+1·2-3·1+3·0 cells=3 slots=2^20 clip=1 sensitivity=19 draws=4 products=2 coefficient=12 largest=22372 n=2^13 primes=3 log2t=18"},
		// Matched: one person is in one cell, once; 219.7 blocks, the last partly empty; 10⁶ people and 3·45 of noise.
		{"matched", matched(question(1_000_000, 1_000_000), 1_800_000), "a:1(0,1) b:1(1,1) blocks=220 →+1·0 cells=1 slots=1800000 clip=1 sensitivity=1 draws=3 products=1 coefficient=1 largest=1000135 n=2^13 primes=2 log2t=22"},
		{"matched by both", matched(by(by(question(100_000, 50_000), "a.age", 4), "b.tier", 3), 140_001), "b:4(0,1) a:5(1,5) blocks=18 lanes=4 ciphertexts=5 →+1·0..+1·19 cells=20 slots=140001 clip=1 sensitivity=1 draws=3 products=1 coefficient=1 largest=50135 n=2^13 primes=2 log2t=18"},
		{"matched either", matched(about("a.member || b.member", 100_000), 150_000), "b:1(0,1) →+1·0; a:1(0,1) →+1·0; a:1(0,1) b:1(1,1) blocks=19 →-1·0 cells=1 slots=150000 clip=1 sensitivity=1 draws=3 products=1 coefficient=3 largest=300135 n=2^13 primes=2 log2t=20"},
		{"matched five", matched(question(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000), 4_000_000), "a:1(0,1) b:1(1,1) c:1(1,1) d:1(1,1) e:1(1,1) blocks=245 →+1·0 cells=1 slots=4000000 clip=1 sensitivity=1 draws=6 products=4 coefficient=1 largest=1000270 n=2^14 primes=5 log2t=22"},
		{"matched sum", matched(of(question(100_000, 100_000), query.Sum, "b.spend", -30, 40), 150_000), "a:1(0,1) b$:1(1,1) blocks=19 scale=40 →+1·0 cells=1 slots=150000 clip=1 sensitivity=40 draws=3 products=1 coefficient=1 largest=4005325 n=2^13 primes=2 log2t=23 scale=40 centre=0"},
		{"matched mean", matched(of(question(100_000, 50_000), query.Mean, "b.spend", -30, 40), 150_000), "a:1(0,1) b$:1(1,1) blocks=19 scale=35 →+1·0; a:1(0,1) b:1(1,1) blocks=19 →+35·1 cells=2 slots=150000 clip=1 sensitivity=70 draws=3 products=1 coefficient=35 largest=3509318 n=2^13 primes=2 log2t=23 scale=35 centre=5"},
		{"matched frequency", matched(counting(about("[a.member, b.vip]", 100_000), query.Frequency), 150_000), "a:1(0,1) →+1·0; b:1(0,1) →+1·0; a:1(0,1) b:1(1,1) blocks=19 →+1·1-2·0 cells=2 slots=150000 clip=1 sensitivity=1 draws=3 products=1 coefficient=4 largest=500135 n=2^13 primes=2 log2t=21"},
		{"matched total", matched(counting(about("[a.member, b.vip, c.x || c.y]", 1_000_000), query.Total), 2_500_000), "a:1(0,1) →+1·0; b:1(0,1) →+1·0; c:1(0,1) →+1·0 cells=1 slots=0 clip=1 sensitivity=3 draws=4 products=0 coefficient=3 largest=3000536 n=2^13 primes=2 log2t=23"},
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

// moved returns how many polynomials per block travel between hops that divide into so many groups each, with so many lanes at
// most: a ciphertext has one for every lane, and one that is common to them.
func moved(groups []int, most int) int {
	if len(groups) == 1 {
		return 0
	}
	lanes := min(groups[0], most)
	out := (groups[0] + lanes - 1) / lanes
	sum := out
	for _, g := range groups[1 : len(groups)-1] {
		out *= g
		sum += out
	}
	return sum * (1 + lanes)
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

// anyQuestion draws one about two to five parties with up to three dimensions of up to thirty values.
func anyQuestion(t *rapid.T) *query.Query {
	sizes := rapid.SliceOfN(rapid.Int64Range(1, 10_000), 2, 5).Draw(t, "customers")
	q := question(sizes...)
	for i := range rapid.IntRange(0, query.MaxDimensions).Draw(t, "dimensions") {
		party := rapid.IntRange(0, len(sizes)-1).Draw(t, "party")
		values := rapid.SampledFrom([]int{1, 2, 3, 5, 8, 16, 20, 30}).Draw(t, "values")
		if q.Cells()*(values+1) <= query.MaxCells {
			q = by(q, fmt.Sprintf("%c.d%d", 'a'+party, i), values)
		}
	}
	if len(sizes) < 4 && rapid.Bool().Draw(t, "either") {
		q.Audience = strings.ReplaceAll(q.Audience, "&&", "||")
	}
	return q
}

// No other order of up to three hops moves fewer bytes, and the counts that the streams are checked against are consistent:
// the first hop's groups are in lanes of its ciphertexts, and what leaves a hop enters the next.
func TestOrderMovesTheFewestBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan(t, anyQuestion(t))
		// All public shares travel in one message: 16 lanes or as many as make 8 MiB.
		most := max(1, min(query.MaxLanes, 8<<20/len(p.KeyHolders)/int(p.Params.PolyBytes())))
		used := 1
		for _, c := range p.Chains {
			var groups []int
			in := 0
			for i, h := range c.Hops {
				out := in * h.Groups
				if i == 0 {
					out = (h.Groups + c.Lanes - 1) / c.Lanes
				}
				if h.In != in || h.Out != out {
					t.Fatalf("hop %d of %+v", i, c.Hops)
				}
				in = out
				groups = append(groups, h.Groups)
			}
			full := (groups[0] + most - 1) / most // ciphertexts that the first hop needs at least
			if c.Ciphertexts != in || c.Lanes > most || len(groups) > 1 && c.Hops[0].Out != full || len(groups) == 1 && c.Lanes != 1 {
				t.Fatalf("the last hop makes %d ciphertexts, planned are %d, of %d lanes", in, c.Ciphertexts, c.Lanes)
			}
			used = max(used, c.Lanes)
			planned := moved(groups, most)
			permutations(slices.Clone(groups), 0, func(other []int) {
				if len(groups) < 4 && moved(other, most) < planned {
					t.Fatalf("order %v moves %d polynomials per block, %v only %d", groups, planned, other, moved(other, most))
				}
			})
		}
		if p.Lanes() != used {
			t.Fatalf("%d keys for %d lanes", p.Lanes(), used)
		}
	})
}

// Every lane that is in use of every ciphertext at a chain's end has one of the chain's results, and every result is in one:
// that of the first hop's group that was put into the lane.
func TestEveryResultHasALane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuestion(t)
		if rapid.IntRange(0, 9).Draw(t, "full") == 0 { // more groups at the first hop than a ciphertext has lanes
			q = by(by(question(9, 9), "a.d", 16), "b.d", 20)
		}
		p := plan(t, q)
		for i := range p.Chains {
			c := &p.Chains[i]
			seen := map[int]bool{}
			perGroup := c.Results / c.Hops[0].Groups
			for ciphertext := range c.Ciphertexts {
				if used := c.Used(ciphertext); used < 1 || used > c.Lanes {
					t.Fatalf("%d of %d lanes are used", used, c.Lanes)
				}
				for lane := range c.Used(ciphertext) {
					result := c.Result(ciphertext, lane)
					// As the streams have it: a ciphertext of the first hop, then the later hops' groups.
					entered, later := ciphertext/perGroup, ciphertext%perGroup
					if result != (entered*c.Lanes+lane)*perGroup+later || result < 0 || result >= c.Results || seen[result] {
						t.Fatalf("lane %d of ciphertext %d has result %d of %d", lane, ciphertext, result, c.Results)
					}
					seen[result] = true
				}
			}
			if len(seen) != c.Results || len(c.Into) != c.Results {
				t.Fatalf("%d of %d results are in a lane, %d go somewhere", len(seen), c.Results, len(c.Into))
			}
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
