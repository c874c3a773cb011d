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
	good := client.Question{Count: "alpha.member && beta.member", Epsilon: 5, Purpose: "planning"}
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

		{count(""), "invalid", "a question has one of count, sum, mean, total and frequency; this one has 0"},
		{count(" "), "invalid", "audience is empty"},
		{count("alpha.member &&"), "invalid", "line 1 column 16: not CEL"},
		{count("alpha.member &&\n  beta.member)"), "invalid", "line 2 column 14: not CEL"},
		{count("alpha.member & beta.member"), "invalid", "line 1 column 14: not CEL"},
		{count("alpha.member && alpha.region == 3 && beta.member"), "invalid", "line 1 column 33: alpha.region is compared with something that is not a string"},
		{count("alpha.member &&\n beta.member + 1 == 2"), "invalid", "line 2 column"},
		{count("alpha.member && size(beta.member)"), "invalid", "line 1 column 21: function size is not allowed"},
		{count("alpha.region && beta.member"), "invalid", "alpha.region is a dimension, not a segment"},
		{count("alpha"), "invalid", `line 1 column 1: "alpha" alone is not a segment`},
		{count(strings.Repeat("(", 500) + "alpha.member" + strings.Repeat(")", 500)), "invalid", ""},
		{count(strings.Repeat("alpha.member && ", 300) + "beta.member"), "size", "audience has 4811 bytes, at most 4096"},
		{count("!(alpha.member && beta.member)"), "invalid", "holds for people who are nobody's customers"},
		{count("!alpha.gold || beta.member"), "invalid", "holds for people who are nobody's customers"},
		{count("alpha.member && (beta.member || !beta.member)"), "invalid", "beta makes no difference to the audience"},
		{count("alpha.gold && !alpha.gold && beta.member"), "invalid", "alpha makes no difference to the audience"},
		{count("alpha.member"), "unsupported", "alpha alone"},
		{purpose(good.Count, ""), "purpose", "a question must say its purpose"},
		{purpose(good.Count, "Planning"), "purpose", `purpose "Planning" is not one of the agreement`},
		{purpose("alpha.member && gamma.member", "profiling"), "purpose", `gamma does not answer questions for the purpose "profiling"`},
		{purpose("alpha.member && gamma.member", "planning"), "unsupported", "alpha identifies customers by opaque and gamma by email"},
		{purpose(good.Count, "measuring success"), "purpose", `alpha does not answer questions for the purpose "measuring success"`},
		{purpose(good.Count, strings.Repeat("x", 201)), "purpose", `xx" is not one of the agreement`},

		{sum("alpha.spend", ""), "invalid", "audience is empty"},
		{sum("alpha.spent", good.Count), "unknown_name", `alpha has no measure "spent"`},
		{sum("alpha.region", good.Count), "unknown_name", `alpha has no measure "region"`},
		{sum("omega.spend", good.Count), "unknown_name", `there is no party "omega"`},
		{sum("spend", good.Count), "invalid", `"spend"`},
		{sum("alpha.spend", "beta.member && delta.member"), "invalid", "sum of alpha.spend: alpha is not in the audience"},
		{sum("alpha.spend", "alpha.member"), "unsupported", "alpha alone"},
		{change(client.Question{Mean: "alpha.spend", Where: "beta.member && delta.member"}), "invalid", "mean of alpha.spend: alpha is not in the audience"},
		{change(client.Question{Count: good.Count, Sum: "alpha.spend"}), "invalid", "this one has 2"},
		{change(client.Question{Count: good.Count, Where: "alpha.gold"}), "invalid", "where is for sum and mean"},
		{change(client.Question{Total: []string{"alpha.gold"}}), "unsupported", "alpha alone"},
		{change(client.Question{Total: []string{"alpha.gold", "alpha.member"}}), "invalid", "each party once"},
		{change(client.Question{Total: []string{"alpha.gold && beta.member", "delta.member"}}), "invalid", "about one party"},
		{change(client.Question{Total: []string{"alpha.gold", "!beta.member"}}), "invalid", "people who are not customers of beta"},
		{change(client.Question{Total: []string{"alpha.gold", "beta.member"}, By: []string{"alpha.region"}}), "unsupported", "can't be grouped"},
		{change(client.Question{Frequency: []string{"alpha.gold", "beta.member"}, By: []string{"alpha.region"}}), "unsupported", "can't be grouped"},
		{change(client.Question{Frequency: []string{"alpha.gold", "gamma.member"}}), "unsupported", "can't be compared"},

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
	good.Fresh = true
	for range 2 {
		answer, err := running.Ask(t.Context(), good, nil)
		checkCount(t, good, answer, err, 4)
	}
	_, err = running.Ask(t.Context(), good, nil)
	checkFailure(t, err, "budget", "the question costs epsilon 5; of all analysts' 10 in total 0.00")
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
		{"beta.member && delta.member", 1, "budget", "delta: the question costs epsilon 1; of all analysts' 4.5 in total 0.50"},
		{"alpha.gold && beta.member", 5, "", ""},
		{"beta.member && delta.member", 0.5, "", ""}, // beta has paid for the answers only: 4, 5 and 0.5 of its 10
		{"alpha.member && delta.member", 0.1, "budget", "delta: the question costs epsilon 0.1; of all analysts' 4.5 in total 0.0"},
		{"alpha.member && beta.member", 1, "budget", "beta: the question costs epsilon 1; of all analysts' 10 in total 0.5"},
	} {
		q := client.Question{Count: c.count, Epsilon: c.epsilon, Purpose: "planning"}
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

func purpose(audience, purpose string) func(*client.Question) {
	return func(q *client.Question) { q.Count, q.Purpose = audience, purpose }
}

func sum(measure, where string) func(*client.Question) {
	return change(client.Question{Sum: measure, Where: where})
}

// change replaces all of a question but its price and purpose.
func change(to client.Question) func(*client.Question) {
	return func(q *client.Question) {
		to.Epsilon, to.Purpose = q.Epsilon, q.Purpose
		*q = to
	}
}

func by(dimensions ...string) func(*client.Question) {
	return func(q *client.Question) { q.By = dimensions }
}

func epsilon(epsilon float64) func(*client.Question) {
	return func(q *client.Question) { q.Epsilon = epsilon }
}
