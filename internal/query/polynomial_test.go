package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// anyExpression draws a question about any boolean expression over up to three parties: a count, or a sum or mean of one of
// them, perhaps by dimensions.
func anyExpression(t *rapid.T, customersUpTo int64) (*query.Query, statement) {
	parties := truthParties[:rapid.SampledFrom([]int{2, 2, 3}).Draw(t, "parties")]
	s := combined(t, parties, 3)
	for _, party := range parties { // half of the time about all of them, so that few are refused for being about one
		if rapid.Bool().Draw(t, "named") {
			member := statement{party + ".member", 3, func(p map[string]*record) bool { return p[party] != nil }}
			if x := s; rapid.Bool().Draw(t, "excluded") {
				s = and(t, x, statement{"!" + member.text, 3, func(p map[string]*record) bool { return p[party] == nil }})
			} else if rapid.Bool().Draw(t, "included") {
				s = statement{x.within(t, 0) + "||" + member.text, 0, func(p map[string]*record) bool { return x.holds(p) || member.holds(p) }}
			} else {
				s = and(t, x, member)
			}
		}
	}
	q := about(s.text, customersUpTo)
	named := func(what string) string {
		return q.Participants[rapid.IntRange(0, len(q.Participants)-1).Draw(t, what)].Party
	}
	switch rapid.IntRange(0, 3).Draw(t, "measure") {
	case 0:
		low := rapid.Int64Range(-20, 20).Draw(t, "low")
		q = of(q, query.Sum, named("amount")+".spend", low, low+rapid.Int64Range(1, 40).Draw(t, "range"))
	case 1:
		low := rapid.Int64Range(-20, 20).Draw(t, "low")
		q = of(q, query.Mean, named("amount")+".spend", low, low+rapid.Int64Range(1, 40).Draw(t, "range"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "dimensions") {
		d := query.Dimension{Party: named("dimension"), Name: "d", Values: truthValues[:2]}
		if rapid.Bool().Draw(t, "e") {
			d.Name, d.Values = "e", []string{"v0"}
		}
		if !slices.ContainsFunc(q.GroupBy, func(o query.Dimension) bool { return o.FullName() == d.FullName() }) {
			q.GroupBy = append(q.GroupBy, d)
		}
	}
	return q, s
}

// statesFor lists all that a person can be at each party, with the smallest, largest and no amount where there are amounts.
func statesFor(q *query.Query) map[string][]*record {
	all := map[string][]*record{}
	for _, party := range truthParties {
		states := records()
		if party == q.Amount.Party {
			for _, amount := range []int64{q.Amount.Low, q.Amount.High} {
				for _, r := range states[1:len(records())] {
					with := *r
					with.amount = &amount
					states = append(states, &with)
				}
			}
		}
		all[party] = states
	}
	return all
}

// everyPerson calls visit with every combination of states and their indices.
func everyPerson(states map[string][]*record, visit func(person map[string]*record, state map[string]int)) {
	for i, a := range states["a"] {
		for j, b := range states["b"] {
			for k, c := range states["c"] {
				visit(map[string]*record{"a": a, "b": b, "c": c}, map[string]int{"a": i, "b": j, "c": k})
			}
		}
	}
}

// Whatever boolean expression is asked about, and whatever is measured by whatever dimensions: for every person that there
// can be, what the chains of the plan add up to is 1, or the person's amount, in the person's cell if the expression holds,
// and 0 in all others. People who are no customers of a dimension's party are in its group "unknown". Where there is no plan,
// there is a reason.
func TestPlansMeanWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, s := anyExpression(t, 1000)
		states := statesFor(q)
		p, err := query.NewPlan(q)
		if err != nil {
			checkRefusal(t, q, s, states, err)
			return
		}
		for _, c := range p.Chains { // a slot is a plaintext, of either sign
			if most := int64(p.Clip) * c.Scale; 2*most >= int64(p.Params.T) {
				t.Fatalf("%s of %s: a slot of up to %d does not fit %d", q.Measure, q.Audience, most, p.Params.T)
			}
		}
		at := evaluations(p, states)
		everyPerson(states, func(person map[string]*record, state map[string]int) {
			got := exact(p, func(chain, hop int) local { return at[chain][hop][state[p.Chains[chain].Hops[hop].Party]] })
			if want := truth(p, person, s.holds(person)); !slices.Equal(got, want) {
				t.Fatalf("%s of %s by %v: %+v adds %v, should add %v; planned as %s", q.Measure, q.Audience, q.GroupBy, person, got, want, describe(p))
			}
		})
	})
}

// checkRefusal fails the test unless the refusal is true.
func checkRefusal(t *rapid.T, q *query.Query, s statement, states map[string][]*record, err error) {
	switch f := fault.From(err); {
	case f.Kind == fault.Size && f.Hint != "":
	case strings.Contains(f.Message, "nobody's customers"):
		if !s.holds(map[string]*record{}) || q.Measure != query.Count || f.Kind != fault.Invalid {
			t.Fatalf("%s of %s: %v", q.Measure, s.text, err)
		}
	case strings.Contains(f.Message, "alone; it needs at least two"):
		if len(q.Participants) != 1 || f.Kind != fault.Unsupported {
			t.Fatalf("%s of %s: %v", q.Measure, s.text, err)
		}
	case strings.Contains(f.Message, "makes no difference to the audience"):
		idle, _, _ := strings.Cut(f.Message, " ")
		everyPerson(states, func(person map[string]*record, state map[string]int) {
			if state[idle] != 0 || q.Measure != query.Count && person[q.Amount.Party] == nil {
				return
			}
			with := map[string]*record{}
			for party, r := range person {
				with[party] = r
			}
			for _, with[idle] = range states[idle] {
				if s.holds(with) != s.holds(person) {
					t.Fatalf("%s of %s: %v, but for %v", q.Measure, s.text, err, with)
				}
			}
		})
	case strings.Contains(f.Message, "some cells can't have anybody in them"):
		p := &query.Plan{Query: q, Cells: q.Numbers(), Scale: 1}
		reached := make([]bool, q.Numbers())
		everyPerson(states, func(person map[string]*record, _ map[string]int) {
			for cell, number := range truth(p, person, s.holds(person)) {
				reached[cell] = reached[cell] || number != 0
			}
		})
		if !slices.Contains(reached[:q.Cells()], false) {
			t.Fatalf("%s of %s by %v: %v", q.Measure, s.text, q.GroupBy, err)
		}
	default:
		t.Fatalf("%s of %s by %v: error is %v", q.Measure, s.text, q.GroupBy, err)
	}
}

// Who is nobody's customer is in no cell, and who is not in the audience in none either: sums over whole cells would be off
// by a population that nobody has a list of. Hence the two refusals that the language does not make by itself.
func TestAudiencesOfNobody(t *testing.T) {
	for text, refused := range map[string]bool{
		`!(a.x && b.x)`:                         true,
		`!a.x || b.x`:                           true,
		`a.member && b.x || !b.x`:               true,
		`!a.member && !b.member`:                true,
		`!a.x && !(b.d == "v")`:                 true,
		`a.x || !a.x && b.member`:               false,
		`a.member && !b.x`:                      false,
		`!(a.x && b.x) && (a.member || b.y)`:    false,
		`a.d != "v" && !(b.d != "v" || b.x)`:    false,
		`(!a.x || b.x) && (a.x || !b.member)`:   true,
		`(!a.x || b.x) && (a.x || b.member)`:    false,
		`!(!a.member && !b.member && !b.x)`:     false,
		`!(!a.member || !(b.x && !b.y)) && a.x`: false,
	} {
		for _, q := range []*query.Query{about(text, 1000), by(about(text, 1000), "b.e", 1)} {
			_, err := query.NewPlan(q)
			if !refused && err != nil || refused && (!fault.IsKind(err, fault.Invalid) ||
				!strings.Contains(err.Error(), "it holds for people who are nobody's customers") ||
				fault.From(err).Hint != "add the customers that it is about, such as && a.member") {
				t.Errorf("%s by %v: error is %v (%s)", text, q.GroupBy, err, fault.From(err).Hint)
			}
		}
	}
	// An amount is somebody's, so what a sum is over may be stated by who is not meant.
	for _, measure := range []string{query.Sum, query.Mean} {
		if _, err := query.NewPlan(of(about(`!(a.member && b.x)`, 1000), measure, "a.spend", 0, 10)); err != nil {
			t.Errorf("%s over !(a.member && b.x): %v", measure, err)
		}
	}
}

// terms writes the chains of a plan as a polynomial.
func terms(p *query.Plan) string {
	var out []string
	for _, c := range p.Chains {
		var factors []string
		for _, h := range c.Hops {
			factors = append(factors, "["+h.Where.String()+"]")
		}
		out = append(out, fmt.Sprintf("%+d%s", c.Into[0][0].Coefficient, strings.Join(factors, "")))
	}
	return strings.Join(out, " ")
}

// Guards the cost of a question, which grows with its chains: a conjunction is one, however it is composed, and no other
// audience takes more than it must. Also between versions: all key-holders must plan alike.
func TestGoldenPolynomials(t *testing.T) {
	for text, want := range map[string]string{
		`a.member && b.member`:                                           `+1[a.member][b.member]`,
		`a.x && b.y && !a.z && (b.u || b.v)`:                             `+1[a.x && !(a.z)][b.y && (b.u || b.v)]`,
		`(a.x && b.y) && (a.z && b.w)`:                                   `+1[a.x && a.z][b.y && b.w]`,
		`!(!a.x || !b.y || a.z)`:                                         `+1[!(!(a.x) || a.z)][b.y]`,
		`a.member && !a.x && b.member && c.d != "v"`:                     `+1[!(a.x)][b.member][!(c.d == "v")]`,
		`a.member || b.member`:                                           `+1[b.member] +1[a.member] -1[a.member][b.member]`,
		`a.vip && !b.member`:                                             `+1[a.vip] -1[a.vip][b.member]`,
		`a.vip && !b.member && !c.member`:                                `+1[a.vip] -1[a.vip][c.member] -1[a.vip][b.member] +1[a.vip][b.member][c.member]`,
		`(a.x || b.y) && c.z`:                                            `+1[b.y][c.z] +1[a.x][c.z] -1[a.x][b.y][c.z]`,
		`(a.x && b.y) || (a.z && b.w)`:                                   `+1[a.x][b.y && !(b.w)] +1[a.x || a.z][b.y && b.w] +1[a.z][!(b.y) && b.w]`,
		`(a.x && b.x) || (c.x && d.x)`:                                   `+1[c.x][d.x] +1[a.x][b.x] -1[a.x][b.x][c.x][d.x]`,
		`(a.x || b.x) && !(a.x && b.x)`:                                  `+1[b.x] +1[a.x] -2[a.x][b.x]`,
		`(a.d == "v" && b.x) || (a.d == "w" && b.y)`:                     `+1[a.d == "v"][b.x] +1[!(a.d == "v") && a.d == "w"][b.y]`,
		`(a.x && !b.x) || (!a.x && b.x)`:                                 `+1[b.x] +1[a.x] -2[a.x][b.x]`,
		`(a.d == "v" && !(b.d == "v")) || (!(a.d == "v") && b.d == "v")`: `+1[b.d == "v"] +1[a.d == "v"] -2[a.d == "v"][b.d == "v"]`,
		`a.x && b.x || a.x && b.y`:                                       `+1[a.x][b.x || b.y]`,
		`a.x && b.x || a.x && b.x && b.y`:                                `+1[a.x][b.x]`,
		`a.x && (b.x || c.y) || a.z && !b.member`: `+1[a.x && !(a.z)][c.y] +1[a.x && !(a.z)][b.x] -1[a.x && !(a.z)][b.x][c.y] ` +
			`+1[a.z] -1[a.z][!(b.x)] -1[!(a.x) && a.z][b.x] +1[a.x && a.z][!(b.x)][c.y]`,
		`(a.member || b.member) && (a.member || c.member)`: `+1[b.member][c.member] +1[a.member] -1[a.member][b.member][c.member]`,
		`a.member || b.member || c.member`: `+1[c.member] +1[b.member] -1[b.member][c.member] +1[a.member] -1[a.member][c.member] ` +
			`-1[a.member][b.member] +1[a.member][b.member][c.member]`,
	} {
		q := about(text, 1000)
		p, err := query.NewPlan(q)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := terms(p); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

// However a conjunction of conditions on single parties is composed, it is one chain, whose noise is that of one product, by
// whatever dimensions, as long as every part is about customers.
func TestConjunctionsAreOneChain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parties := truthParties[:rapid.IntRange(2, 3).Draw(t, "parties")]
		var parts []statement
		for _, party := range parties {
			parts = append(parts, statement{party + ".member", 3, func(p map[string]*record) bool { return p[party] != nil }})
			for range rapid.IntRange(0, 2).Draw(t, "conditions") {
				parts = append(parts, combined(t, []string{party}, 2))
			}
		}
		s, rest := parts[0], parts[1:]
		for _, i := range rapid.Permutation(rest).Draw(t, "order") {
			s = and(t, s, i)
		}
		q := about(s.text, 1000)
		split := map[string]bool{}
		for _, party := range parties {
			if rapid.Bool().Draw(t, "by") {
				q.GroupBy = append(q.GroupBy, query.Dimension{Party: party, Name: "d", Values: truthValues[:2]})
				split[party] = true
			}
		}
		p, err := query.NewPlan(q)
		if err != nil {
			if possible := slices.ContainsFunc(everybody(), s.holds); possible {
				t.Fatalf("%s: %v", s.text, err)
			}
			return
		}
		want, err := dp.HashedSensitivity(len(parties), len(split), p.Clip)
		if err != nil || len(p.Chains) != 1 || p.Noise.Sensitivity != want {
			t.Fatalf("%s by %v is %s, of sensitivity %d, want one chain and %d (%v)", s.text, q.GroupBy, terms(p), p.Noise.Sensitivity, want, err)
		}
	})
}

// Everybody derives the same plan from the same bytes, time after time: nothing in it comes from the order of a map.
func TestPlansAreTheSameEverywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, _ := anyExpression(t, 1000)
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		for range 3 {
			var decoded query.Query
			if err := canon.Decode(q.Domain(), q.Encode(), &decoded); err != nil {
				t.Fatal(err)
			}
			again, err := query.NewPlan(&decoded)
			if err != nil || describe(again) != describe(p) || terms(again) != terms(p) {
				t.Fatalf("%s is planned as %s, then as %s (%v)", q.Audience, describe(p), describe(again), err)
			}
		}
	})
}
