package lab_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
)

// A question that cannot be answered is refused in words, with the right kind, and costs nobody anything: after all of
// these the budgets still suffice for exactly the questions that they sufficed for before.
func TestRefusals(t *testing.T) {
	file, err := lab.Load(write(t, small, alphaRows))
	if err != nil {
		t.Fatal(err)
	}
	running := start(t, file)
	defer stop(t, running)
	good := client.Question{Count: "alpha.member && beta.member", Epsilon: 5}
	for _, c := range []struct {
		change func(*client.Question)
		kind   string
		says   string
	}{
		{count("alpha.silver && beta.member"), "unknown_name", `alpha has no segment "silver"`},
		{count("alpha.Member && beta.member"), "unknown_name", `alpha has no segment "Member"`},
		{count(`alpha.tier == "gold" && beta.member`), "unknown_name", `alpha has no dimension "tier"`},
		{count(`alpha.region == "west" && beta.member`), "unknown_name", `alpha.region has no value`},
		{count("omega.member && beta.member"), "unknown_name", `there is no party "omega"`},
		{by("alpha.size"), "unknown_name", `group-by alpha.size: alpha has no dimension "size"`},
		{by("omega.size"), "unknown_name", `there is no party "omega"`},
		{by("alpha.gold"), "unknown_name", `alpha has no dimension "gold"`},
		{by("region"), "invalid", `"region" is not of the form party.dimension`},
		{by("delta.region"), "unknown_name", `delta has no dimension "region"`},
		{by("alpha.region", "alpha.region"), "invalid", "named twice"},

		{count(""), "invalid", "audience is empty"},
		{count("alpha.member &&"), "invalid", "line 1 column 16: not CEL"},
		{count("alpha.member &&\n  beta.member)"), "invalid", "line 2 column 14: not CEL"},
		{count("alpha.member & beta.member"), "invalid", "line 1 column 14: not CEL"},
		{count("alpha.member && alpha.region == 3 && beta.member"), "invalid", "line 1 column 33: alpha.region is compared with something that is not a string"},
		{count("alpha.member &&\n beta.member + 1 == 2"), "invalid", "line 2 column"},
		{count("alpha.member && size(beta.member)"), "invalid", "line 1 column 21: function size is not allowed"},
		{count("alpha.region && beta.member"), "invalid", "alpha.region is a dimension, not a segment"},
		{count("alpha"), "invalid", `line 1 column 1: "alpha" alone is not a segment`},
		{count(strings.Repeat("(", 500) + "alpha.member" + strings.Repeat(")", 500)), "invalid", ""},
		{count(strings.Repeat("alpha.member && ", 300) + "beta.member"), "invalid", "at most 4096"},

		{count("alpha.member || beta.member"), "unsupported", "OR across parties (alpha, beta) is not supported yet"},
		{count("!(alpha.member && beta.member)"), "unsupported", "NOT across parties"},
		{count("!alpha.gold && beta.member"), "unsupported", "the part about alpha holds for people who are not its customers"},
		{count("alpha.member"), "unsupported", "alpha alone"},
		{count("alpha.member && gamma.member"), "unsupported", "alpha identifies customers by opaque and gamma by email"},

		{epsilon(0), "invalid", "epsilon 0: must be above 0"},
		{epsilon(-1), "invalid", "epsilon -1: must be above 0"},
		{epsilon(math.NaN()), "invalid", "epsilon NaN: must be a finite number"},
		{epsilon(math.Inf(1)), "invalid", "epsilon +Inf: must be a finite number"},
		{epsilon(1e-7), "invalid", "must be a multiple of 0.000001"},
		{epsilon(5.000001), "limit", "epsilon 5.000001 is above 5, the agreement's limit per question"},
		{epsilon(1e300), "invalid", "epsilon 1e+300: must be at most 1000000"},

		{func(q *client.Question) { q.Delta = 1e-6 }, "invalid", "delta is 1e-06, must be 0 for laplace noise"},
		{func(q *client.Question) { q.Mechanism = "gaussian" }, "invalid", "delta is 0, must be above 0"},
		{func(q *client.Question) { q.Mechanism, q.Delta = "gaussian", math.NaN() }, "invalid", "delta is NaN"},
		{func(q *client.Question) { q.Mechanism, q.Delta = "gaussian", 1e-3 }, "limit", "delta 0.001 is above 0.0001"},
		{func(q *client.Question) { q.Mechanism = "none" }, "invalid", `mechanism is "none"`},
		{func(q *client.Question) { q.Layout = "exact" }, "unsupported", `layout "exact" is not supported`},
		{func(q *client.Question) { q.Precision = "highest" }, "invalid", `precision "highest" is not one of low, medium, high`},
		{func(q *client.Question) { q.Lifetime = -1 }, "expired", "question expired"},
	} {
		q := good
		c.change(&q)
		answer, err := running.Ask(t.Context(), q, nil)
		if err == nil {
			t.Errorf("%+v is answered: %v", q, answer.Cells)
		}
		checkFailure(t, err, c.kind, c.says)
	}
	for range 2 {
		answer, err := running.Ask(t.Context(), good, nil)
		checkCount(t, good, answer, err, 4)
	}
	_, err = running.Ask(t.Context(), good, nil)
	checkFailure(t, err, "budget", "the question costs epsilon 5, the budget of 10 has 0 left")
}

// A party that refuses, because of a limit of its own or because its budget is spent, is named; it costs the others
// nothing, and questions that do not need it go on.
func TestBudgets(t *testing.T) {
	file, err := lab.Load(write(t, small, alphaRows))
	if err != nil {
		t.Fatal(err)
	}
	running := start(t, file)
	defer stop(t, running)
	for i, c := range []struct {
		count   string
		epsilon float64
		kind    string // "" if it is answered
		says    string
	}{
		{"beta.member && delta.member", 5, "limit", "delta: epsilon 5 is above 4, the limit of delta per question"},
		{"beta.member && delta.member", 4, "", ""},
		{"beta.member && delta.member", 1, "budget", "delta: the question costs epsilon 1, the budget of 4.5 has 0.5 left"},
		{"alpha.gold && beta.member", 5, "", ""},
		{"beta.member && delta.member", 0.5, "", ""}, // beta has paid for the answers only: 4, 5 and 0.5 of its 10
		{"alpha.member && delta.member", 0.000001, "budget", "delta: the question costs epsilon 1e-06, the budget of 4.5 has 0 left"},
		{"alpha.member && beta.member", 0.500001, "budget", "beta: the question costs epsilon 0.500001, the budget of 10 has 0.5 left"},
	} {
		q := client.Question{Count: c.count, Epsilon: c.epsilon}
		answer, err := running.Ask(t.Context(), q, nil)
		if c.kind != "" {
			checkFailure(t, err, c.kind, c.says)
			if err != nil && client.ErrorHint(err) == "" {
				t.Errorf("question %d: no hint what to do about %q", i, err)
			}
			continue
		}
		want := map[string]float64{"beta.member && delta.member": 5, "alpha.gold && beta.member": 3}[c.count]
		checkCount(t, q, answer, err, want)
	}
}

func count(audience string) func(*client.Question) {
	return func(q *client.Question) { q.Count = audience }
}

func by(dimensions ...string) func(*client.Question) {
	return func(q *client.Question) { q.By = dimensions }
}

func epsilon(epsilon float64) func(*client.Question) {
	return func(q *client.Question) { q.Epsilon = epsilon }
}
