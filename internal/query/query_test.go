package query_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
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
		"measure":             {func(q *query.Query) { q.Measure = "sum" }, fault.Unsupported, `measure "sum" is not supported: only count is`},
		"noise":               {func(q *query.Query) { q.Noise = "coordinator" }, fault.Invalid, `noise "coordinator", the agreement says "everyone"`},
		"layout":              {func(q *query.Query) { q.Layout = "matched" }, fault.Unsupported, `layout "matched" is not supported: the agreement has ["hashed"]`},
		"precision":           {func(q *query.Query) { q.Precision = "exact" }, fault.Invalid, `precision "exact" is not one of low, medium, high`},
		"mechanism":           {func(q *query.Query) { q.Mechanism = "none" }, fault.Invalid, `mechanism is "none", must be "laplace" or "gaussian"`},
		"epsilon 0":           {func(q *query.Query) { q.MicroEpsilon = 0 }, fault.Invalid, "epsilon is 0, must be above 0"},
		"epsilon below 0":     {func(q *query.Query) { q.MicroEpsilon = -1 }, fault.Invalid, "epsilon is -1e-06, must be above 0"},
		"epsilon above 20":    {func(q *query.Query) { q.MicroEpsilon = 20_000_001 }, fault.Invalid, "epsilon is 20.000001, must be above 0 and at most 20"},
		"epsilon above limit": {func(q *query.Query) { q.MicroEpsilon = 2_000_001 }, fault.Limit, "epsilon 2.000001 is above 2, the agreement's limit"},
		"delta for laplace":   {func(q *query.Query) { q.Delta = 1e-9 }, fault.Invalid, "delta is 1e-09, must be 0 for laplace"},
		"NaN for laplace":     {func(q *query.Query) { q.Delta = math.NaN() }, fault.Invalid, "delta is NaN"},
		"no delta":            {func(q *query.Query) { q.Mechanism = "gaussian" }, fault.Invalid, "delta is 0, must be above 0 and below 1 for gaussian"},
		"delta NaN":           {func(q *query.Query) { q.Mechanism, q.Delta = "gaussian", math.NaN() }, fault.Invalid, "delta is NaN"},
		"delta above limit":   {func(q *query.Query) { q.Mechanism, q.Delta = "gaussian", 2e-6 }, fault.Limit, "delta 2e-06 is above 1e-06, the agreement's limit"},
		"audience":            {func(q *query.Query) { q.Audience = strings.Repeat(" ", 4097) }, fault.Invalid, "audience has 4097 bytes, at most 4096"},
		"nine parties":        {func(q *query.Query) { q.Participants = question(1, 1, 1, 1, 1, 1, 1, 1, 1).Participants }, fault.Unsupported, "about 9 parties, at most 8"},
		"stranger":            {func(q *query.Query) { q.Participants[1].Party = "x" }, fault.NotMember, `"x" is not a party of the agreement`},
		"coordinator":         {func(q *query.Query) { q.Participants[1].Party = "coordinator" }, fault.NotMember, `"coordinator" is not a party`},
		"party twice":         {func(q *query.Query) { q.Participants[1].Party = "a" }, fault.Invalid, "not in the order of the agreement, each once"},
		"parties reordered":   {func(q *query.Query) { slices.Reverse(q.Participants) }, fault.Invalid, "not in the order of the agreement"},
		"no customers":        {func(q *query.Query) { q.Participants[2].CustomersUpTo = 0 }, fault.Invalid, "c has customers_up_to 0, out of range"},
		"too many customers":  {func(q *query.Query) { q.Participants[2].CustomersUpTo = 1 << 31 }, fault.Invalid, "c has customers_up_to 2147483648, out of range"},
		"identity types":      {func(q *query.Query) { q.Participants[2].IdentityType = "phone" }, fault.Unsupported, "a identifies customers by email and c by phone: they can't be compared"},
		"four dimensions":     {func(q *query.Query) { q.GroupBy = by(by(by(q, "a.x", 1), "a.y", 1), "a.z", 1).GroupBy }, fault.Unsupported, "groups by 4 dimensions, at most 3"},
		"dimension of others": {func(q *query.Query) { q.GroupBy[0].Party = "d" }, fault.Invalid, "group-by d.age: d is not in the audience"},
		"dimension twice":     {func(q *query.Query) { q.GroupBy = by(q, "b.age", 1).GroupBy }, fault.Invalid, "group-by b.age is named twice"},
		"too many cells":      {func(q *query.Query) { q.GroupBy = by(by(q, "a.x", 9), "c.x", 25).GroupBy }, fault.Unsupported, "more than 1000 cells"},
	} {
		q := good()
		c.change(q)
		err := q.Check(a, now)
		if err == nil || c.kind != "" && !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, c.kind, c.want)
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
		"delta":       func(q *query.Query) { q.Mechanism, q.Delta = "gaussian", 0.999e-6 },
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

// mutations calls visit once for every single change of every field that a value has, however deep: another number, a
// longer text, an element more or less; and puts the value back each time.
func mutations(v reflect.Value, path string, visit func(path string)) {
	original := reflect.New(v.Type()).Elem()
	original.Set(v)
	try := func(changed reflect.Value, what string) {
		v.Set(changed)
		visit(path + what)
		v.Set(original)
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			mutations(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Array:
		for _, i := range []int{0, v.Len() - 1} {
			v.Index(i).SetUint(v.Index(i).Uint() ^ 1)
			visit(fmt.Sprintf("%s[%d]", path, i))
			v.Set(original)
		}
	case reflect.Slice:
		try(reflect.Append(original.Slice3(0, v.Len(), v.Len()), reflect.Zero(v.Type().Elem())), "+1")
		if v.Len() > 0 {
			try(original.Slice(0, v.Len()-1), "-1")
		}
		for i := range v.Len() {
			mutations(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.String:
		try(reflect.ValueOf(v.String()+"x").Convert(v.Type()), "")
	case reflect.Float64:
		try(reflect.ValueOf(math.Nextafter(v.Float(), 1)), "")
	case reflect.Int64:
		try(reflect.ValueOf(v.Int()+1), "")
	case reflect.Uint8:
		try(reflect.ValueOf(uint8(v.Uint()^1)), "")
	default:
		panic("a field of a type that the test does not know: " + v.Type().String())
	}
}

// Guards against a swap: whatever of a question is changed, it is another question, with another identifier and another
// transcript, so that no signature, commitment or sealed answer of the one passes for the other. What moves from one
// field to the next is a change too.
func TestEveryFieldIsBound(t *testing.T) {
	q := by(by(question(1000, 2000, 3000), "b.age", 3), "c.tier", 2)
	plan, err := query.NewPlan(q)
	if err != nil {
		t.Fatal(err)
	}
	session := [16]byte{1}
	seen := map[[32]byte]string{q.ID(): "nothing", plan.Transcript(session): "nothing"}
	count := 0
	check := func(path string) {
		count++
		changed := *plan
		changed.Query = q
		for _, hash := range [][32]byte{q.ID(), changed.Transcript(session)} {
			if other, ok := seen[hash]; ok {
				t.Errorf("changing %s gives the same hash as changing %s", path, other)
			}
			seen[hash] = path
		}
		var decoded query.Query
		if err := canon.Decode(q.Domain(), q.Encode(), &decoded); err != nil || decoded.ID() != q.ID() {
			t.Errorf("changing %s: the bytes do not come back (%v)", path, err)
		}
	}
	mutations(reflect.ValueOf(q).Elem(), "Query", check)
	if fields := reflect.TypeFor[query.Query]().NumField(); count < fields {
		t.Errorf("%d changes for %d fields", count, fields)
	}
	q.Analyst, q.Purpose = "marketingp", "lanning"
	check("the border of Analyst and Purpose")
	q.Analyst, q.Purpose = "marketing", "planning"
	if q.ID() != plan.Query.ID() || len(q.HexID()) != 64 {
		t.Error("the test did not put the question back")
	}

	// The session, the key-holders and the parameters are in the transcript beside the question.
	for name, change := range map[string]func(p *query.Plan) [16]byte{
		"session":     func(*query.Plan) [16]byte { return [16]byte{2} },
		"key-holders": func(p *query.Plan) [16]byte { p.KeyHolders = p.KeyHolders[1:]; return session },
		"order":       func(p *query.Plan) [16]byte { p.KeyHolders = []string{"b", "a", "c", "coordinator"}; return session },
		"modulus":     func(p *query.Plan) [16]byte { p.Params.T++; return session },
		"ring":        func(p *query.Plan) [16]byte { p.Params.LogN++; return session },
		"primes":      func(p *query.Plan) [16]byte { p.Params.Q = p.Params.Q[1:]; return session },
	} {
		changed := *plan
		if id := change(&changed); changed.Transcript(id) == plan.Transcript(session) {
			t.Errorf("another %s has the same transcript", name)
		}
	}
}
