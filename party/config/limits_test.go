package config_test

import (
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

const withLimits = `name: phoneco
source: {csv: phoneco.csv}
identity: {column: id, type: opaque}
customers_up_to: 10000
purposes: {planning: {consent: "true"}}
limits:
  epsilon_per_query: 1
  epsilon_per_day: 3
  epsilon_per_month: 10
  epsilon_total: 50
  per_organisation: {epsilon_per_day: 1, epsilon_per_month: 4, epsilon_total: 20}
  organisations:
    agency: {epsilon_total: 2}
    bureau: {epsilon_per_day: 2.5, epsilon_per_month: 5}
    house: {}
  show: all
`

const one = 1_000_000 // micro-epsilon

// Limits arrive as written, and each organisation has those that were written for it: for one that is named, what its line
// leaves out is everybody's.
func TestLimits(t *testing.T) {
	p, err := config.Load(write(t, withLimits))
	if err != nil {
		t.Fatal(err)
	}
	l := p.Limits
	if l.EpsilonPerQuery != one || l.EpsilonPerDay != 3*one || l.EpsilonPerMonth != 10*one || l.EpsilonTotal != 50*one || l.Shown() != config.ShowAll {
		t.Errorf("limits are %+v", l)
	}
	for organisation, want := range map[string]config.PeriodLimits{
		"agency":  {EpsilonPerDay: one, EpsilonPerMonth: 4 * one, EpsilonTotal: 2 * one},
		"bureau":  {EpsilonPerDay: one * 5 / 2, EpsilonPerMonth: 5 * one, EpsilonTotal: 20 * one},
		"house":   {EpsilonPerDay: one, EpsilonPerMonth: 4 * one, EpsilonTotal: 20 * one},
		"another": {EpsilonPerDay: one, EpsilonPerMonth: 4 * one, EpsilonTotal: 20 * one},
		"":        {EpsilonPerDay: one, EpsilonPerMonth: 4 * one, EpsilonTotal: 20 * one},
	} {
		if got := l.For(organisation); got != want {
			t.Errorf("%s has %+v, want %+v", organisation, got, want)
		}
	}
}

// What the file leaves out is no limit, and analysts see their own budget.
func TestNoLimits(t *testing.T) {
	var l config.Limits
	if l.For("agency") != (config.PeriodLimits{}) || l.Shown() != config.ShowOwn {
		t.Errorf("without limits an organisation has %+v and sees %s", l.For("agency"), l.Shown())
	}
	only := config.Limits{Organisations: map[string]config.PeriodLimits{"agency": {EpsilonTotal: one}}}
	if only.For("agency").EpsilonTotal != one || only.For("other") != (config.PeriodLimits{}) {
		t.Error("a limit of one organisation is another's")
	}
	for _, show := range []config.Show{config.ShowOwn, config.ShowAll, config.ShowNone} {
		if got := (config.Limits{Show: show}).Shown(); got != show {
			t.Errorf("%s became %s", show, got)
		}
	}
}

// A party's own limits count only where they are stricter: nobody can allow itself more than was agreed.
func TestLimitsWithin(t *testing.T) {
	agreed := agreement.Limits{EpsilonPerQuery: one, EpsilonTotal: 5 * one}
	own := config.Limits{EpsilonPerQuery: 2 * one, PeriodLimits: config.PeriodLimits{EpsilonTotal: 4 * one}}
	want := agreed
	want.EpsilonTotal = 4 * one
	if got := own.Within(agreed); got != want {
		t.Errorf("enforced is %+v, want %+v", got, want)
	}
	own = config.Limits{EpsilonPerQuery: one / 2, PeriodLimits: config.PeriodLimits{EpsilonTotal: 6 * one}}
	want = agreed
	want.EpsilonPerQuery = one / 2
	if got := own.Within(agreed); got != want {
		t.Errorf("enforced is %+v, want %+v", got, want)
	}
}

// Limits that contradict each other are a mistake of whoever wrote them, found before a question is; so are those of an
// organisation that nobody can be. Each case changes one place of a good file.
func TestLimitRefusals(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"epsilon_per_query: 1", "epsilon_per_query: 3.5", "limits: epsilon_per_query 3.5: must be at most epsilon_per_day, 3"},
		{"  epsilon_per_day: 3\n", "  epsilon_per_day: 11\n", "limits: epsilon_per_day 11: must be at most epsilon_per_month, 10"},
		{"  epsilon_per_month: 10\n", "  epsilon_per_month: 51\n", "limits: epsilon_per_month 51: must be at most epsilon_total, 50"},
		{"  epsilon_per_day: 3\n  epsilon_per_month: 10\n", "  epsilon_per_day: 51\n", "limits: epsilon_per_day 51: must be at most epsilon_total, 50"},
		{"per_query: 1\n  epsilon_per_day: 3\n", "per_query: 11\n", "limits: epsilon_per_query 11: must be at most epsilon_per_month, 10"},
		{
			"epsilon_per_query: 1\n  epsilon_per_day: 3\n  epsilon_per_month: 10\n  epsilon_total: 50", "epsilon_per_query: 20.5",
			"limits: epsilon_per_query 20.5: must be at most 20",
		},
		{"{epsilon_per_day: 1,", "{epsilon_per_day: 4.5,", "limits: per_organisation: epsilon_per_day 4.5: must be at most epsilon_per_month, 4"},
		{"epsilon_per_month: 4,", "epsilon_per_month: 21,", "limits: per_organisation: epsilon_per_month 21: must be at most epsilon_total, 20"},
		{
			"{epsilon_per_day: 1,", "{epsilon_per_day: 3.5,",
			"limits: per_organisation: epsilon_per_day 3.5: must be at most epsilon_per_day of all together, 3",
		},
		{"epsilon_total: 20}", "epsilon_total: 51}", "limits: per_organisation: epsilon_total 51: must be at most epsilon_total of all together, 50"},
		{
			"{epsilon_per_day: 2.5, epsilon_per_month: 5}", "{epsilon_per_day: 2.5, epsilon_per_month: 10.1}",
			"limits: organisations: bureau: epsilon_per_month 10.1: must be at most epsilon_per_month of all together, 10",
		},
		{
			"{epsilon_per_day: 2.5, epsilon_per_month: 5}", "{epsilon_per_day: 2.5, epsilon_per_month: 2.1}",
			"limits: organisations: bureau: epsilon_per_day 2.5: must be at most epsilon_per_month, 2.1",
		},
		{"agency: {epsilon_total: 2}", "agency: {epsilon_total: 60}", "limits: organisations: agency: epsilon_total 60: must be at most epsilon_total of all"},
		{"agency:", "Agency:", `limits: organisations: name "Agency": must be a lower-case letter`},
		{"agency:", `"":`, `limits: organisations: name "": must be`},
		{"agency: {epsilon_total: 2}", "agency: {epsilon_total: 0}", ":13: epsilon 0: must be above 0"},
		{"  epsilon_per_month: 10\n", "  epsilon_per_month: -10\n", ":9: epsilon -10: must be above 0"},
		{"  epsilon_per_day: 3\n", "  epsilon_per_day: .nan\n", ":8: epsilon NaN: must be a finite number"},
		{"show: all", "show: everything", `limits: show "everything": must be own, all or none`},
		{"show: all", "shows: all", `unknown key "shows", did you mean "show"?`},
		{"  epsilon_per_day: 3\n", "  epsilon_per_dya: 3\n", `:8: unknown key "epsilon_per_dya", did you mean "epsilon_per_day"?`},
		{"agency: {epsilon_total: 2}", "agency: {epsilon_per_query: 2}", `:13: unknown key "epsilon_per_query"`},
	} {
		if strings.Count(withLimits, c.old) != 1 {
			t.Fatalf("the good file has %q %d times", c.old, strings.Count(withLimits, c.old))
		}
		path := write(t, strings.Replace(withLimits, c.old, c.new, 1))
		_, err := config.Load(path)
		if err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) || !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%q instead of %q: error is %v, want %q", c.new, c.old, err, c.want)
		}
	}
	across := partyWith(config.Measure{SQL: "x", Clip: [2]float64{0, 1}})
	across.Limits = config.Limits{
		PeriodLimits:  config.PeriodLimits{EpsilonTotal: one},
		Organisations: map[string]config.PeriodLimits{"agency": {EpsilonPerDay: 2 * one}},
	}
	if err := across.Check(); err == nil || !strings.Contains(err.Error(), "agency: epsilon_per_day 2: must be at most epsilon_total of all together, 1") {
		t.Errorf("a day of one above the total of all: error is %v", err)
	}
	for _, negative := range []config.Limits{
		{EpsilonPerQuery: -1},
		{PeriodLimits: config.PeriodLimits{EpsilonTotal: -1}},
		{PerOrganisation: config.PeriodLimits{EpsilonPerDay: -1}},
		{Organisations: map[string]config.PeriodLimits{"agency": {EpsilonPerMonth: -1}}},
	} {
		p := partyWith(config.Measure{SQL: "x", Clip: [2]float64{0, 1}})
		p.Limits = negative
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), "-0.000001: must be above 0") {
			t.Errorf("%+v: error is %v", negative, err)
		}
	}
}

// Limits that look odd but are no contradiction stay allowed: equal ones, a small total for one organisation, a small one for
// whoever is not named.
func TestLimitEdges(t *testing.T) {
	for name, l := range map[string]config.Limits{
		"equal": {
			EpsilonPerQuery: one, PeriodLimits: config.PeriodLimits{EpsilonPerDay: one, EpsilonPerMonth: one, EpsilonTotal: one},
			PerOrganisation: config.PeriodLimits{EpsilonPerDay: one, EpsilonPerMonth: one, EpsilonTotal: one},
		},
		"strangers": {
			EpsilonPerQuery: one, PerOrganisation: config.PeriodLimits{EpsilonTotal: one / 10},
			Organisations: map[string]config.PeriodLimits{"agency": {EpsilonTotal: 20 * one}},
		},
		"least": {PeriodLimits: config.PeriodLimits{EpsilonPerDay: 1}, PerOrganisation: config.PeriodLimits{EpsilonPerDay: 1}},
		"long":  {Organisations: map[string]config.PeriodLimits{"a" + strings.Repeat("b", 62): {}}},
	} {
		p := partyWith(config.Measure{SQL: "x", Clip: [2]float64{0, 1}})
		p.Limits = l
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
