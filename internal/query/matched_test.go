package query_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
)

// anyMatched draws a question of any kind in the matched layout, and what it should count of a person.
func anyMatched(t *rapid.T, slots int64) (*query.Query, func(p *query.Plan, person map[string]*record) []int64) {
	if rapid.IntRange(0, 3).Draw(t, "of parts") > 0 {
		q, s := anyExpression(t, 1000)
		return matched(q, slots), func(p *query.Plan, person map[string]*record) []int64 { return truth(p, person, s.holds(person)) }
	}
	text, parts := partsOf(t, rapid.IntRange(2, 3).Draw(t, "parties"))
	measure := rapid.SampledFrom([]string{query.Total, query.Frequency}).Draw(t, "of")
	return matched(counting(about(text, 1000), measure), slots), func(p *query.Plan, person map[string]*record) []int64 {
		numbers, in := make([]int64, p.Cells), int64(0)
		for _, part := range parts {
			if part.holds(person) {
				in++
			}
		}
		if measure == query.Total {
			numbers[0] = in
		} else if in > 0 {
			numbers[in-1] = 1
		}
		return numbers
	}
}

// crowd draws people, each with a slot of their own that parties know but where the person became a customer since the
// matching, which is so for one in five; the spine has slots of others too.
func crowd(random *rand.Rand, q *query.Query) ([]map[string]*record, matching) {
	people := make([]map[string]*record, random.Int64N(min(q.Slots, 40)+1))
	slots := random.Perm(int(q.Slots))
	added := make([]map[string]bool, len(people))
	for n := range people {
		people[n], added[n] = somebody(random, q), map[string]bool{}
		for _, participant := range q.Participants {
			added[n][participant.Party] = random.IntN(5) == 0
		}
	}
	return people, func(party string, n int) uint32 {
		if added[n][party] {
			return layout.NoSlot
		}
		return uint32(slots[n])
	}
}

// asMatched is a person as the vectors have them: no customer of a party that has no slot for them.
func asMatched(person map[string]*record, slot func(party string) uint32) map[string]*record {
	known := map[string]*record{}
	for party, r := range person {
		if slot(party) != layout.NoSlot {
			known[party] = r
		}
	}
	return known
}

// Guards the promise of the matched layout, that noise is the only error: whatever is asked, and whoever is a customer of
// whom, computing the plan's chains over slots gives the true numbers in every cell. Who became a customer since the matching
// is none, and never half: counted by one chain and missed by another. A total needs no slots, and counts all customers.
func TestMatchedAnswersAreExact(t *testing.T) {
	answered := 0
	rapid.Check(t, func(t *rapid.T) {
		q, want := anyMatched(t, rapid.Int64Range(1, 60).Draw(t, "slots"))
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		answered++
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		people, slot := crowd(random, q)
		numbers := make([]int64, p.Cells)
		for n, person := range people {
			if q.Measure != query.Total {
				person = asMatched(person, func(party string) uint32 { return slot(party, n) })
			}
			for i, x := range want(p, person) {
				numbers[i] += x
			}
		}
		if got := beginMatched(p, people, -1, slot).numbers([32]byte{}); !slices.Equal(got, numbers) {
			t.Fatalf("%s of %s by %v: %v, the truth is %v", q.Measure, q.Audience, q.GroupBy, got, numbers)
		}
	})
	if answered < 20 {
		t.Errorf("only %d questions could be asked", answered)
	}
}

// Guards the noise: whoever is removed, at all parties together, wherever they have a slot and wherever not, moves all
// released numbers together by no more than it is made for.
func TestNobodyMovesAMatchedAnswerFurther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, _ := anyMatched(t, rapid.Int64Range(1, 60).Draw(t, "slots"))
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		people, slot := crowd(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), q)
		all := beginMatched(p, people, -1, slot).numbers([32]byte{})
		for n, person := range people {
			var change int64
			for i, x := range beginMatched(p, people, n, slot).numbers([32]byte{}) {
				change += max(x-all[i], all[i]-x)
			}
			if change > p.Noise.Sensitivity {
				t.Fatalf("%s of %s by %v: removing %v moves the numbers by %d, the sensitivity is %d", q.Measure, q.Audience, q.GroupBy, person, change, p.Noise.Sensitivity)
			}
		}
	})
}

// The price of a matched question, and that no smaller one would do: of all that a person can be, somebody moves the numbers
// by just that much. It is 1 for every boolean expression, whatever polynomial it becomes, and grouped or not.
func TestMatchedSensitivityIsAttained(t *testing.T) {
	both, either := about("a.member && b.member", 1000), about("a.member || b.member", 1000)
	for _, c := range []struct {
		name string
		q    *query.Query
		want int64
	}{
		{"both", both, 1},
		{"many customers", about("a.member && b.member", 100_000), 1},
		{"either", either, 1},
		{"one without", about("a.member && !b.member", 1000), 1},
		{"two pairs", about("a.s && b.s || a.t && b.t", 1000), 1},
		{"any of three", about("a.s || b.s && !c.t || c.s", 1000), 1},
		{"by", by(either, "a.e", 1), 1},
		{"by both", by(by(either, "a.e", 1), "b.e", 1), 1},
		{"sum", of(both, query.Sum, "b.spend", -3, 7), 7},
		{"sum below 0", of(both, query.Sum, "b.spend", -8, 7), 8},
		{"sum of either by", by(of(either, query.Sum, "b.spend", -3, 7), "a.e", 1), 7},
		{"mean", of(both, query.Mean, "b.spend", 0, 10), 10},
		{"mean of either by", by(of(either, query.Mean, "b.spend", -2, 1), "a.e", 1), 4},
		{"total", counting(about("[a.member, b.s, c.t]", 1000), query.Total), 3},
		{"frequency", counting(about("[a.member, b.member]", 1000), query.Frequency), 1},
		{"frequency of three", counting(about("[a.member, b.s, c.member]", 1000), query.Frequency), 1},
	} {
		p := plan(t, matched(c.q, 5000))
		states := statesFor(p.Query)
		evaluated := evaluations(p, states)
		var most int64
		everyPerson(states, func(_ map[string]*record, state map[string]int) {
			var change int64
			for _, x := range exact(p, func(chain, hop int) local { return evaluated[chain][hop][state[p.Chains[chain].Hops[hop].Party]] }) {
				change += max(x, -x)
			}
			most = max(most, change)
		})
		if p.Noise.Sensitivity != c.want || most != c.want {
			t.Errorf("%s: the sensitivity is %d, somebody moves the numbers by %d, want %d", c.name, p.Noise.Sensitivity, most, c.want)
		}
	}
}

// Guards the interval that is shown: whatever is added up, and whatever comes out, noise is the only error, of all draws.
func TestMatchedErrorIsNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, _ := anyMatched(t, 5000)
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		cells := rapid.SliceOfNDistinct(rapid.IntRange(0, p.Cells-1), 1, p.Cells, rapid.ID).Draw(t, "cells")
		e := p.Error(cells, rapid.Int64().Draw(t, "sum"))
		if e != p.LargestError(cells) || e.Std != 0 || e.Bias != 0 || e.Noise != p.Noise || e.Draws != p.Draws()*len(cells) {
			t.Fatalf("%s of %s, cells %v: error is %+v, of noise %+v", q.Measure, q.Audience, cells, e, p.Noise)
		}
		if half, err := e.HalfWidth(0.95); err != nil || half <= 0 {
			t.Fatalf("half width is %v, %v", half, err)
		}
	})
}

// Guards the plaintext modulus: no number that is released, but for the noise, is larger than planned for, though everybody
// is counted who can be, with the largest amounts; so that none wraps around.
func TestMatchedAnswersFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const customers = 40
		q, _ := anyMatched(t, 3*customers)
		for i := range q.Participants {
			q.Participants[i].CustomersUpTo = customers
		}
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		one := somebody(random, q) // alike, so that they add up
		shared := random.IntN(customers + 1)
		people := slices.Repeat([]map[string]*record{one}, shared)
		for party, r := range one {
			people = append(people, slices.Repeat([]map[string]*record{{party: r}}, customers-shared)...)
		}
		room := int64(p.Need.Largest) - int64(p.Draws())*p.Noise.Tail()
		for i, x := range beginMatched(p, people, -1, func(_ string, n int) uint32 { return uint32(n) }).numbers([32]byte{}) {
			if max(x, -x) > room || p.Params.T/2 <= p.Need.Largest {
				t.Fatalf("%s of %s: number %d is %d, planned for are %d, modulo %d", q.Measure, q.Audience, i, x, room, p.Params.T)
			}
		}
	})
}

// Vectors are as long as the spine, in as many blocks as that fills, whatever the number.
func TestMatchedBlocks(t *testing.T) {
	for slots, want := range map[int64]int{1: 1, 8191: 1, 8192: 1, 8193: 2, 1_800_000: 220, layout.MaxSlots: 8192} {
		p := plan(t, matched(question(1_000_000, 1_000_000), slots))
		if got := p.Blocks(&p.Chains[0]); got != want || p.Need.Slots != uint64(slots) || p.Params.N() != 8192 {
			t.Errorf("%d slots: %d blocks of %d, want %d", slots, got, p.Params.N(), want)
		}
		if total := plan(t, matched(counting(about("[a.x, b.x]", 1000), query.Total), slots)); total.Need.Slots != 0 {
			t.Errorf("a total has vectors of %d slots", total.Need.Slots)
		}
	}
}

// Guards members who have not agreed to a matching, and everybody against questions that say two things: a question names a
// spine if and only if it is in the matched layout, and a precision if and only if it is in the hashed one.
func TestCheckLayout(t *testing.T) {
	good := func() *query.Query { return matched(question(1000, 1000), 5000) }
	hashedToo := agreedMatched()
	only := agreedMatched()
	only.Layouts = []string{agreement.LayoutMatched}
	for name, c := range map[string]struct {
		a    *agreement.Agreement
		q    *query.Query
		kind fault.Kind // "" for allowed
		want string
	}{
		"hashed":             {hashedToo, question(1000, 1000), "", ""},
		"matched":            {hashedToo, good(), "", ""},
		"matched only":       {only, good(), "", ""},
		"one slot":           {hashedToo, matched(question(9, 9), 1), "", ""},
		"longest spine":      {hashedToo, matched(question(9, 9), 1<<26), "", ""},
		"not agreed":         {agreed(), good(), fault.Unsupported, `layout "matched" is not supported: the agreement has ["hashed"]`},
		"hashed not agreed":  {only, question(9, 9), fault.Unsupported, `layout "hashed" is not supported: the agreement has ["matched"]`},
		"no layout":          {hashedToo, with(good(), func(q *query.Query) { q.Layout = "" }), fault.Unsupported, `layout "" is not supported`},
		"precision":          {hashedToo, with(good(), func(q *query.Query) { q.Precision = "low" }), fault.Invalid, `precision "low" in the matched layout`},
		"no precision":       {hashedToo, with(question(9, 9), func(q *query.Query) { q.Precision = "" }), fault.Invalid, `precision "" is not one of low, medium, high`},
		"no spine":           {hashedToo, with(good(), func(q *query.Query) { q.Spine = [32]byte{} }), fault.Invalid, `must name a spine`},
		"no slots":           {hashedToo, matched(question(9, 9), 0), fault.Invalid, `a spine of 0 slots is out of range (1 to 67108864)`},
		"slots below 0":      {hashedToo, matched(question(9, 9), -1), fault.Invalid, `a spine of -1 slots`},
		"too many slots":     {hashedToo, matched(question(9, 9), 1<<26+1), fault.Invalid, `a spine of 67108865 slots`},
		"hashed with slots":  {hashedToo, with(question(9, 9), func(q *query.Query) { q.Slots = 5 }), fault.Invalid, `in the hashed layout has a spine, of 5 slots`},
		"hashed with spine":  {hashedToo, with(question(9, 9), func(q *query.Query) { q.Spine[31] = 1 }), fault.Invalid, `in the hashed layout has a spine`},
		"hashed as matched":  {hashedToo, with(good(), func(q *query.Query) { q.Layout = "hashed"; q.Precision = "low" }), fault.Invalid, `in the hashed layout has a spine`},
		"matched as hashed":  {hashedToo, with(question(9, 9), func(q *query.Query) { q.Layout = "matched" }), fault.Invalid, `precision "low" in the matched layout`},
		"a layout of no one": {&agreement.Agreement{Layouts: []string{"sorted"}}, with(good(), func(q *query.Query) { q.Layout = "sorted" }), fault.Unsupported, `layout "sorted" is not supported`},
	} {
		a := *agreedMatched()
		a.Layouts = c.a.Layouts
		c.q.Agreement = a.Hash()
		err := c.q.Check(&a, now)
		if (err == nil) != (c.kind == "") || err != nil && (!fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v, want %q with %q", name, err, c.kind, c.want)
		}
	}
}

func with(q *query.Query, change func(q *query.Query)) *query.Query {
	changed := *q
	change(&changed)
	return &changed
}

// Guards who is counted without a slot: in a total everybody; elsewhere nobody, in any of
// the chains that are added up, or else somebody would be counted twice.
func TestCountsAll(t *testing.T) {
	for name, c := range map[string]struct {
		q    *query.Query
		want bool
	}{
		"hashed":    {about("a.member || b.member", 100), true},
		"overlap":   {matched(question(100, 100), 150), false},
		"reach":     {matched(about("a.member || b.member", 100), 150), false},
		"frequency": {matched(counting(about("[a.member, b.vip]", 100), query.Frequency), 150), false},
		"total":     {matched(counting(about("[a.member, b.vip]", 100), query.Total), 150), true},
	} {
		p, err := query.NewPlan(c.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if p.CountsAll() != c.want {
			t.Errorf("%s: counts all: %t, want %t", name, p.CountsAll(), c.want)
		}
	}
}
