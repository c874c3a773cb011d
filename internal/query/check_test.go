package query_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// Guards members of the agreement against questions that they did not agree to, and analysts against guessing: every
// refusal is of the right kind and names the value and the rule. Each case changes one thing of a good question.
func TestCheckRefusals(t *testing.T) {
	a := agreed()
	good := func() *query.Query { return by(question(1000, 1000, 1000), "b.age", 3) }
	if err := good().Check(a, now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*query.Query)
		kind   fault.Kind
		want   string
	}{
		"collaboration":       {func(q *query.Query) { q.Collaboration = "spying" }, fault.NotMember, `collaboration "spying", this is "loyalty"`},
		"agreement":           {func(q *query.Query) { q.Agreement[0]++ }, fault.Stale, "signed under another agreement"},
		"expired now":         {func(q *query.Query) { q.Expires = now.Unix() }, fault.Expired, "expired at 2026-03-01T12:00:00Z"},
		"expired long ago":    {func(q *query.Query) { q.Expires = math.MinInt64 }, fault.Expired, "expired at"},
		"never expires":       {func(q *query.Query) { q.Expires = now.Add(query.MaxLifetime + 2*time.Hour).Unix() }, fault.Invalid, "2026-03-02T14:00:00Z, more than 24h0m0s ahead"},
		"expires after time":  {func(q *query.Query) { q.Expires = math.MaxInt64 }, "", "expire"},
		"measure":             {func(q *query.Query) { q.Measure = "median" }, fault.Unsupported, `measure "median" is not one of count, sum, mean, total, frequency`},
		"no measure":          {func(q *query.Query) { q.Measure = "" }, fault.Unsupported, `measure "" is not one of`},
		"noise":               {func(q *query.Query) { q.Noise = "coordinator" }, fault.Invalid, `noise "coordinator", the agreement says "everyone"`},
		"layout":              {func(q *query.Query) { q.Layout = "matched" }, fault.Unsupported, `layout "matched" is not supported: the agreement has ["hashed"]`},
		"precision":           {func(q *query.Query) { q.Precision = "exact" }, fault.Invalid, `precision "exact" is not one of low, medium, high`},
		"mechanism":           {func(q *query.Query) { q.Mechanism = "none" }, fault.Invalid, `mechanism is "none", must be "laplace" or "gaussian"`},
		"epsilon 0":           {func(q *query.Query) { q.MicroEpsilon = 0 }, fault.Invalid, "epsilon is 0, must be above 0"},
		"epsilon below 0":     {func(q *query.Query) { q.MicroEpsilon = -1 }, fault.Invalid, "epsilon is -1e-06, must be above 0"},
		"epsilon above 20":    {func(q *query.Query) { q.MicroEpsilon = 20_000_001 }, fault.Invalid, "epsilon is 20.000001, must be above 0 and at most 20"},
		"epsilon above limit": {func(q *query.Query) { q.MicroEpsilon = 2_000_001 }, fault.Limit, "epsilon 2.000001 is above 2, the agreement's limit"},
		"delta for laplace":   {func(q *query.Query) { q.AttoDelta = 1e9 }, fault.Invalid, "delta is 1e-09, must be 0 for laplace"},
		"least for laplace":   {func(q *query.Query) { q.AttoDelta = 1 }, fault.Invalid, "delta is 1e-18, must be 0 for laplace"},
		"delta below 0":       {func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", -1 }, fault.Invalid, "delta -1e-18 is below 0"},
		"least delta":         {func(q *query.Query) { q.AttoDelta = math.MinInt64 }, fault.Invalid, "is below 0"},
		"no delta":            {func(q *query.Query) { q.Mechanism = "gaussian" }, fault.Invalid, "delta is 0, must be above 0 and below 1 for gaussian"},
		"delta 1":             {func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", 1e18 }, fault.Invalid, "delta is 1, must be above 0 and below 1"},
		"delta above 1":       {func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", math.MaxInt64 }, fault.Invalid, "must be above 0 and below 1"},
		"delta above limit":   {func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", 2e12 }, fault.Limit, "delta 2e-06 is above 1e-06, the agreement's limit"},
		"audience":            {func(q *query.Query) { q.Audience = strings.Repeat(" ", 4097) }, fault.Size, "audience has 4097 bytes, at most 4096"},
		"no purpose":          {func(q *query.Query) { q.Purpose = "" }, fault.Purpose, "a question must say its purpose"},
		"purpose":             {func(q *query.Query) { q.Purpose = "profiling" }, fault.Purpose, `purpose "profiling" is not one of the agreement`},
		"purpose's case":      {func(q *query.Query) { q.Purpose = "Planning" }, fault.Purpose, `purpose "Planning" is not`},
		"two purposes":        {func(q *query.Query) { q.Purpose = "planning, measuring success" }, fault.Purpose, `purpose "planning, measuring success" is not`},
		"long purpose":        {func(q *query.Query) { q.Purpose = strings.Repeat("x", 1<<20) }, fault.Purpose, `xx" is not one of the agreement`},
		"nine parties":        {func(q *query.Query) { q.Participants = question(1, 1, 1, 1, 1, 1, 1, 1, 1).Participants }, fault.Size, "about 9 parties, at most 8"},
		"stranger":            {func(q *query.Query) { q.Participants[1].Party = "x" }, fault.NotMember, `"x" is not a party of the agreement`},
		"coordinator":         {func(q *query.Query) { q.Participants[1].Party = "coordinator" }, fault.NotMember, `"coordinator" is not a party`},
		"party twice":         {func(q *query.Query) { q.Participants[1].Party = "a" }, fault.Invalid, "not in the order of the agreement, each once"},
		"parties reordered":   {func(q *query.Query) { slices.Reverse(q.Participants) }, fault.Invalid, "not in the order of the agreement"},
		"no customers":        {func(q *query.Query) { q.Participants[2].CustomersUpTo = 0 }, fault.Invalid, "c has customers_up_to 0, out of range"},
		"too many customers":  {func(q *query.Query) { q.Participants[2].CustomersUpTo = 1 << 31 }, fault.Invalid, "c has customers_up_to 2147483648, out of range"},
		"identity types":      {func(q *query.Query) { q.Participants[2].IdentityType = "phone" }, fault.Unsupported, "a identifies customers by email and c by phone: they can't be compared"},
		"unknown identity":    {func(q *query.Query) { q.Participants[0].IdentityType = "mail" }, fault.Invalid, `a: identity type "mail" is not one of`},
		"no identity":         {func(q *query.Query) { q.Participants[2].IdentityType = "" }, fault.Invalid, `c: identity type "" is not one of`},
		"two identities":      {func(q *query.Query) { q.Participants[1].IdentityType = "email,phone" }, fault.Invalid, `b: identity type "email,phone" is not one of`},
		"four dimensions":     {func(q *query.Query) { q.GroupBy = by(by(by(q, "a.x", 1), "a.y", 1), "a.z", 1).GroupBy }, fault.Size, "groups by 4 dimensions, at most 3"},
		"dimension of others": {func(q *query.Query) { q.GroupBy[0].Party = "d" }, fault.Invalid, "group-by d.age: d is not in the audience"},
		"dimension twice":     {func(q *query.Query) { q.GroupBy = by(q, "b.age", 1).GroupBy }, fault.Invalid, "group-by b.age is named twice"},
		"too many cells":      {func(q *query.Query) { q.GroupBy = by(by(q, "a.x", 9), "c.x", 25).GroupBy }, fault.Size, "more than 1000 cells"},
	} {
		q := good()
		c.change(q)
		err := q.Check(a, now)
		if err == nil || c.kind != "" && !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, c.kind, c.want)
		}
		if c.kind == fault.Purpose && (fault.From(err).Hint != "the agreement has: planning, measuring success" || len(err.Error()) > 200) {
			t.Errorf("%s: %v, hint: %s", name, err, fault.From(err).Hint)
		}
	}
}

// The same for what is measured: an amount is one of the parties', with bounds and a step that can be computed with; what has
// no amounts has none; and what is added up or counted over parties is not divided by dimensions.
func TestCheckMeasureRefusals(t *testing.T) {
	a := agreed()
	sum := func() *query.Query { return of(question(1000, 1000), query.Sum, "b.spend", -5, 10) }
	amount := func(change func(*query.Amount)) func() *query.Query {
		return func() *query.Query {
			q := sum()
			change(&q.Amount)
			return q
		}
	}
	as := func(measure string) func() *query.Query {
		return func() *query.Query { return counting(sum(), measure) }
	}
	parts := about("[a.x, b.y]", 1000)
	mixed := func(measure string) *query.Query {
		q := counting(about("[a.x, b.y]", 1000), measure)
		q.Participants[1].IdentityType = "phone"
		return q
	}
	for name, c := range map[string]struct {
		question func() *query.Query
		kind     fault.Kind
		want     string
	}{
		"count of an amount":     {as(query.Count), fault.Invalid, "a count has no amount"},
		"total of an amount":     {as(query.Total), fault.Invalid, "a total has no amount"},
		"frequency of an amount": {as(query.Frequency), fault.Invalid, "a frequency has no amount"},
		"only a unit":            {func() *query.Query { q := question(9, 9); q.Amount.Unit = "EUR"; return q }, fault.Invalid, "a count has no amount"},
		"sum of nothing":         {func() *query.Query { return counting(question(9, 9), query.Sum) }, fault.Invalid, "is not in the audience"},
		"mean of nothing":        {func() *query.Query { return counting(question(9, 9), query.Mean) }, fault.Invalid, "is not in the audience"},
		"amount of others":       {amount(func(a *query.Amount) { a.Party = "c" }), fault.Invalid, "sum of c.spend: c is not in the audience"},
		"mean of others":         {func() *query.Query { return of(question(9, 9), query.Mean, "x.spend", 0, 1) }, fault.Invalid, "mean of x.spend: x is not in the audience"},
		"step 0":                 {amount(func(a *query.Amount) { a.Step = 0 }), fault.Invalid, "b.spend: a step of 0 is not above 0"},
		"step below 0":           {amount(func(a *query.Amount) { a.Step = -0.5 }), fault.Invalid, "a step of -0.5 is not above 0"},
		"step infinite":          {amount(func(a *query.Amount) { a.Step = math.Inf(1) }), fault.Invalid, "a step of +Inf"},
		"step NaN":               {amount(func(a *query.Amount) { a.Step = math.NaN() }), fault.Invalid, "a step of NaN"},
		"bounds reversed":        {amount(func(a *query.Amount) { a.Low, a.High = 10, -5 }), fault.Invalid, "b.spend: bounds of 10 and -5 steps are not in order"},
		"bounds equal":           {amount(func(a *query.Amount) { a.Low, a.High = 3, 3 }), fault.Invalid, "bounds of 3 and 3 steps"},
		"bound too high":         {amount(func(a *query.Amount) { a.High = 100_001 }), fault.Invalid, "or more than 100000 from 0"},
		"bound too low":          {amount(func(a *query.Amount) { a.Low = -100_001 }), fault.Invalid, "or more than 100000 from 0"},
		"bounds that overflow":   {amount(func(a *query.Amount) { a.Low, a.High = math.MinInt64, math.MaxInt64 }), fault.Invalid, "or more than 100000 from 0"},
		"long unit":              {amount(func(a *query.Amount) { a.Unit = strings.Repeat("x", 21) }), fault.Invalid, "the unit is not a short printable text"},
		"unit of two lines":      {amount(func(a *query.Amount) { a.Unit = "EUR\n" }), fault.Invalid, "the unit is not a short printable text"},
		"unit that is no text":   {amount(func(a *query.Amount) { a.Unit = "\xff" }), fault.Invalid, "the unit is not a short printable text"},
		"total by":               {func() *query.Query { return by(counting(parts, query.Total), "a.age", 2) }, fault.Unsupported, "a total can't be grouped"},
		"frequency by":           {func() *query.Query { return by(counting(parts, query.Frequency), "a.age", 2) }, fault.Unsupported, "a frequency can't be grouped"},
		"two types of ids":       {func() *query.Query { return mixed(query.Frequency) }, fault.Unsupported, "they can't be compared"},
		"sum by too much":        {func() *query.Query { return by(by(sum(), "a.x", 30), "b.x", 32) }, fault.Size, "more than 1000 cells"},
	} {
		err := c.question().Check(a, now)
		if !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, c.kind, c.want)
		}
		if c.kind == fault.Unsupported && fault.From(err).Hint == "" {
			t.Errorf("%s: nothing says what would do", name)
		}
	}
	for name, q := range map[string]*query.Query{
		"sum":                   sum(),
		"largest amounts":       of(question(9, 9), query.Sum, "a.spend", -query.MaxAmount, query.MaxAmount),
		"largest mean":          of(question(9, 9), query.Mean, "a.spend", -query.MaxAmount, query.MaxAmount),
		"one step":              of(question(9, 9), query.Mean, "a.spend", query.MaxAmount-1, query.MaxAmount),
		"mean by 1000 cells":    by(by(by(of(question(9, 9), query.Mean, "a.spend", 0, 1), "a.x", 9), "b.x", 9), "b.y", 9),
		"longest unit":          amount(func(a *query.Amount) { a.Unit = "€€€€€€/a"; a.Step = math.SmallestNonzeroFloat64 })(),
		"total":                 counting(parts, query.Total),
		"frequency":             counting(parts, query.Frequency),
		"total of two id types": mixed(query.Total),
	} {
		if err := q.Check(a, now); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := query.NewPlan(q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The limits themselves are allowed: the last second, the largest ε and δ, eight parties, a thousand cells, a day ahead.
func TestCheckEdges(t *testing.T) {
	a := agreed()
	for name, change := range map[string]func(*query.Query){
		"last second": func(q *query.Query) { q.Expires = now.Add(time.Second).Unix() },
		"a day ahead": func(q *query.Query) { q.Expires = now.Add(query.MaxLifetime).Unix() },
		"epsilon":     func(q *query.Query) { q.MicroEpsilon = 2_000_000 },
		"least":       func(q *query.Query) { q.MicroEpsilon = 1 },
		"delta":       func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", 0.999e12 },
		"purpose":     func(q *query.Query) { q.Purpose = "measuring success" },
		"audience":    func(q *query.Query) { q.Audience += strings.Repeat(" ", query.MaxAudience-len(q.Audience)) },
		"parties":     func(q *query.Query) { q.Participants = question(1, 1, 1, 1, 1, 1, 1, 1).Participants },
		"cells":       func(q *query.Query) { q.GroupBy = by(by(by(q, "a.x", 9), "b.x", 9), "b.y", 9).GroupBy },
	} {
		q := question(1000, 1000)
		change(q)
		if err := q.Check(a, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the encryption leaves over counts towards the limit, for Laplace noise too.
	strict := agreed()
	strict.Limits.DeltaPerQuery = 1e-13
	tiny := question(1000, 1000)
	tiny.Agreement = strict.Hash()
	if err := tiny.Check(strict, now); !fault.IsKind(err, fault.Limit) {
		t.Errorf("delta of the encryption above the limit: error is %v", err)
	}
	quiet := agreed()
	quiet.Noise = agreement.NoiseCoordinator
	q := question(1000, 1000)
	q.Noise, q.Agreement = "coordinator", quiet.Hash()
	if err := q.Check(quiet, now); err != nil {
		t.Error(err)
	}
}
