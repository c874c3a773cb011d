package query_test

import (
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

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
		{"c always does", about("a.x && b.x && (c.x || !c.x && c.member || !c.member)", 9), fault.Invalid, "c makes no difference to the audience"},
		{"nobody", about("a.x && b.x && !(a.x || a.y)", 9), fault.Invalid, "a makes no difference to the audience"},
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
