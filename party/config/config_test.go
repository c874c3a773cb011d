package config_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/config"
)

var whole = `name: phoneco
source: {csv: customers/phoneco.csv}
identity: {column: phone, type: phone, country: DE}
customers_up_to: 10000
segments:
  churned: "churn = 'Yes'"
dimensions:
  age_band: {sql: "age_band", values: ["under 65", "65+"]}
  agreed: {sql: consent, values: [yes, no, 1.10]}
limits: {epsilon_per_query: 0.5, epsilon_total: 10}
measures:
  spend: {sql: amount, clip: [-5.5, 500], unit: EUR, step: 0.5}
purposes:
  planning: {consent: "true", basis: contract}
  on measurement: {consent: opted_in, given: opted_in_at, valid_for: 24 months}
retention: {since: last_purchase, keep_for: 3 years}
administrators:
  - {name: privacy_desk, key: "` + deskKey + `"}
  - {name: desk, key: "` + otherKey + `"}
about: {controller: "Phone Co., 1 High St, London", contact: privacy@phoneco.example, dpo: Dr. Ö, link: "https://phoneco.example/privacy"}
`

// Keys of nobody.
var deskKey, otherKey = newKey(), newKey()

func newKey() string {
	k, err := identity.Generate()
	if err != nil {
		panic(err)
	}
	return k.Public().String()
}

// anyone is asked about for one purpose.
var anyone = map[string]config.Purpose{"planning": {Consent: "true"}}

func write(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "party.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A complete file arrives as written, with its source next to it.
func TestLoad(t *testing.T) {
	path := write(t, whole)
	p, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "customers/phoneco.csv"); p.Source.CSV != want {
		t.Errorf("source is %s, want %s", p.Source.CSV, want)
	}
	if want := (config.Identities{{Column: "phone", Type: ids.Phone, Country: "DE"}}); !slices.Equal(p.Identity, want) {
		t.Errorf("identity is %+v", p.Identity)
	}
	if p.Name != "phoneco" || p.CustomersUpTo != 10000 || p.Segments["churned"] != "churn = 'Yes'" {
		t.Errorf("loaded %+v", p)
	}
	// Values that YAML could take for booleans and numbers keep their spelling.
	if got := strings.Join(p.Dimensions["agreed"].Values, "|"); got != "yes|no|1.10" {
		t.Errorf("values are %s", got)
	}
	if p.Limits.EpsilonPerQuery != 500_000 || p.Limits.EpsilonTotal != 10_000_000 {
		t.Errorf("limits are %+v", p.Limits)
	}
	if want := (config.Measure{SQL: "amount", Clip: [2]float64{-5.5, 500}, Unit: "EUR", Step: 0.5}); p.Measures["spend"] != want {
		t.Errorf("measures are %+v", p.Measures)
	}
	if want := map[string]config.Purpose{
		"planning":       {Consent: "true", Basis: "contract"},
		"on measurement": {Consent: "opted_in", Given: "opted_in_at", ValidFor: config.Period{Months: 24}},
	}; !maps.Equal(p.Purposes, want) {
		t.Errorf("purposes are %+v", p.Purposes)
	}
	if names := p.PurposeNames(); !slices.Equal(names, []string{"on measurement", "planning"}) {
		t.Errorf("purposes are %q", names)
	}
	if want := (config.Retention{Since: "last_purchase", KeepFor: config.Period{Years: 3}}); p.Retention != want || !p.Retention.Declared() {
		t.Errorf("retention is %+v", p.Retention)
	}
	if want := (config.About{
		Controller: "Phone Co., 1 High St, London", Contact: "privacy@phoneco.example", DPO: "Dr. Ö", Link: "https://phoneco.example/privacy",
	}); p.About != want {
		t.Errorf("about is %+v", p.About)
	}
	p.Source.CSV = "/srv/customers.csv"
	if p.ResolveFrom("/elsewhere"); p.Source.CSV != "/srv/customers.csv" {
		t.Errorf("an absolute path became %s", p.Source.CSV)
	}
}

// What is optional may be left out: a party that only lets others count its members is a whole party.
func TestLeastFile(t *testing.T) {
	p, err := config.Load(write(t, "name: a\nsource: {csv: a.csv}\nidentity: {column: id, type: opaque}\ncustomers_up_to: 1\npurposes: {p: {consent: \"true\"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	agreed := agreement.Limits{EpsilonPerQuery: 1_000_000, EpsilonTotal: 5_000_000, DeltaPerQuery: 1e-6}
	if got := p.Limits.Within(agreed); got != agreed {
		t.Errorf("without limits of its own the party enforces %+v, want the agreement's", got)
	}
	if p.Source.Refresh != 0 || p.Retention.Declared() || p.Administrators != nil || p.About != (config.About{}) {
		t.Errorf("what the file leaves out is %+v", p)
	}
}

// Every rule of the file is enforced with an error that names the file, the value and the rule: each case changes one
// place of a good file.
func TestRefusals(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct{ old, new, want string }{
		{"name: phoneco", "name: PhoneCo", `party "PhoneCo": name "PhoneCo": must be a lower-case letter`},
		{"name: phoneco", "name: coordinator", `party "coordinator": the name is taken by the coordinator`},
		{"name: phoneco\n", "", `party "": name "": must be`},
		{"{csv: customers/phoneco.csv}", "{}", "source: none, must be csv or parquet, the path of a file, or postgres"},
		{"column: phone, ", "", "identity: no column"},
		{"type: phone,", "type: mail,", `identity: identity type "mail" is not one of`},
		{"type: phone,", "type: email,", `identity: country "DE" is for phone numbers`},
		{"country: DE", "country: Germany", `identity: country "Germany" is not`},
		{"customers_up_to: 10000", "customers_up_to: 0", "customers_up_to 0: must be 1 to 2147483648"},
		{"customers_up_to: 10000", "customers_up_to: 2147483649", "customers_up_to 2147483649: must be"},
		{"customers_up_to: 10000\n", "", "customers_up_to 0: must be"},
		{"customers_up_to: 10000", "customers_up_to: many", ":4: cannot unmarshal"},
		{"churned:", "Churned:", `segment "Churned": name "Churned": must be`},
		{"churned:", "member:", `segment "member": every party has "member"`},
		{"churned:", "'in':", `segment "in": the name is a word of CEL that can't follow a dot`},
		{"churned:", "age_band:", `dimension "age_band": a segment has that name too`},
		{"  churned: \"churn = 'Yes'\"", "  churned: ' '", `segment "churned": no SQL`},
		{"  churned: \"churn = 'Yes'\"\n", many(64, "  s%d: \"true\"\n"), "64 segments: must be at most 63"},
		{"  age_band:", "  member:", `dimension "member": every party has "member"`},
		{"  age_band:", "  'true':", `dimension "true": the name is a word of CEL`},
		{`sql: "age_band", `, ``, `dimension "age_band": no SQL`},
		{`["under 65", "65+"]`, `[]`, `dimension "age_band": 0 values: must be 1 to 999`},
		{`["under 65", "65+"]`, `[` + many(1000, "%d, ") + `]`, `dimension "age_band": 1000 values: must be 1 to 999`},
		{`"65+"`, `""`, `dimension "age_band": an empty value`},
		{`"65+"`, `~`, `:8: an empty item in a list`},
		{`"65+"`, `unknown`, `dimension "age_band": value "unknown": every dimension has it`},
		{`"65+"`, `"under 65"`, `dimension "age_band": value "under 65": declared twice`},
		{`"65+"`, `"a\tb"`, `dimension "age_band": value "a\tb": must be printable`},
		{`"65+"`, strings.Repeat("x", 201), `201 bytes, must be at most 200`},
		{"epsilon_per_query: 0.5", "epsilon_per_query: 0", ":10: epsilon 0: must be above 0"},
		{"epsilon_per_query: 0.5", "epsilon_per_query: -1", ":10: epsilon -1: must be above 0"},
		{"epsilon_per_query: 0.5", "epsilon_per_query: .nan", "epsilon NaN: must be a finite number"},
		{"epsilon_per_query: 0.5", "epsilon_per_query: .inf", "epsilon +Inf: must be a finite number"},
		{"epsilon_per_query: 0.5", "epsilon_per_query: 11", "epsilon_per_query 11: must be at most epsilon_total, 10"},
		{"epsilon_per_query: 0.5", "epsilon_per_query: 21", "epsilon_per_query 21: must be at most 20"},
		{"spend:", "Spend:", `measure "Spend": name "Spend": must be`},
		{"spend:", "member:", `measure "member": every party has "member"`},
		{"spend:", "'null':", `measure "null": the name is a word of CEL`},
		{"spend:", "churned:", `measure "churned": a segment has that name too`},
		{"spend:", "age_band:", `measure "age_band": a dimension has that name too`},
		{"sql: amount, ", "", `measure "spend": no SQL`},
		{"  spend: {sql: amount", many(33, "  m%d: {sql: '1', clip: [0, 1]}\n") + "  spend: {sql: amount", "34 measures: must be at most 32"},
		{"clip: [-5.5, 500], ", "", `measure "spend": clip [0, 0]: the low bound must be below the high one`},
		{"[-5.5, 500]", "[500, -5.5]", "clip [500, -5.5]: the low bound must be below"},
		{"[-5.5, 500]", "[500, 500]", "clip [500, 500]: the low bound must be below"},
		{"[-5.5, 500]", "[500]", "invalid array: want 2 elements but got 1"},
		{"[-5.5, 500]", "[0, 1, 2]", "invalid array: want 2 elements but got 3"},
		{"[-5.5, 500]", "500", ":12: cannot unmarshal"},
		{"[-5.5, 500]", "[~, 500]", ":12: an empty item in a list"},
		{"[-5.5, 500]", "[.nan, 500]", "clip [NaN, 500]: must be finite and within ±1e+12"},
		{"[-5.5, 500]", "[0, .inf]", "clip [0, +Inf]: must be finite"},
		{"[-5.5, 500]", "[-.inf, 0]", "clip [-Inf, 0]: must be finite"},
		{"[-5.5, 500]", "[0, 1.1e12]", "clip [0, 1.1e+12]: must be finite and within"},
		{"[-5.5, 500]", "[-1.1e12, 0]", "must be finite and within"},
		{"[-5.5, 500]", "[0, 50000.5]", "clip [0, 50000.5]: must be within 100000 steps of 0.5"},
		{"[-5.5, 500]", "[-50000.5, 0]", "clip [-50000.5, 0]: must be within 100000 steps of 0.5"},
		{"[-5.5, 500]", "[0, 1e12]", "must be within 100000 steps of 0.5"},
		{"[-5.5, 500]", "[0, 500.25]", "clip [0, 500.25]: must be whole multiples of the step, 0.5"},
		{"[-5.5, 500]", "[0.001, 500]", "must be whole multiples of the step, 0.5"},
		{"[-5.5, 500]", "[1.0e-10, 500]", "must be whole multiples of the step, 0.5"},
		{"[-5.5, 500]", "[500, 500.00000001]", "clip [500, 500.00000001]: must be at least a step of 0.5 apart"},
		{"[-5.5, 500], unit: EUR, step: 0.5", "[0, 512.5]", "must be whole multiples of the step, 1"},
		{"step: 0.5", "step: 0", ":12: step 0: must be a finite number above 0"},
		{"step: 0.5", "step: -0.5", ":12: step -0.5: must be"},
		{"step: 0.5", "step: .nan", ":12: step NaN: must be"},
		{"step: 0.5", "step: .inf", ":12: step +Inf: must be"},
		{"step: 0.5", "step: half", ":12: cannot unmarshal"},
		{"step: 0.5", "step: 1.0e-13", "step 1e-13: must be finite and at least 1e-12"},
		{"step: 0.5", "steps: 0.5", `:12: unknown key "steps", did you mean "step"?`},
		{"unit: EUR", "unit: " + strings.Repeat("€", 7), "21 bytes, must be at most 20"},
		{"unit: EUR", `unit: "E\tR"`, `unit "E\tR": must be printable`},
		{"unit: EUR", `unit: "\u202eRUE"`, "must be printable"},
		{"source:", "sources:", `:2: unknown key "sources", did you mean "source"?`},
		{"values: [\"under 65\"", "value: [\"under 65\"", `:8: unknown key "value", did you mean "values"?`},
		{"limits:", "---\nlimits:", "a second YAML document"},
		{"customers_up_to: 10000", "customers_up_to: ~", `:4: key "customers_up_to" has no value`},
		{whole, "", "is empty"},
	} {
		if !strings.Contains(whole, c.old) {
			t.Fatalf("the good file has no %q", c.old)
		}
		path := write(t, strings.Replace(whole, c.old, c.new, 1))
		_, err := config.Load(path)
		if err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) || !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%.60q instead of %q: error is %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

// A missing file is told from a wrong one: the first needs another path, the second an editor.
func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := config.Load(path); !fault.IsKind(err, fault.NotFound) || !strings.Contains(err.Error(), path) {
		t.Fatalf("error is %v, want NotFound that names %s", err, path)
	}
}

// The limits themselves are allowed.
func TestEdges(t *testing.T) {
	values := make([]string, config.MaxValues)
	for i := range values {
		values[i] = fmt.Sprint(i)
	}
	p := config.Party{
		Name: "a", Source: config.Source{CSV: "a"}, Identity: config.Identities{{Column: "id", Type: ids.Opaque}},
		CustomersUpTo: config.MaxCustomersUpTo, Segments: map[string]string{},
		Dimensions: map[string]config.Dimension{"d": {SQL: "d", Values: values}},
	}
	for i := range config.MaxSegments {
		p.Segments[fmt.Sprintf("s%d", i)] = "true"
	}
	p.Measures = map[string]config.Measure{"far": {
		SQL: "1", Clip: [2]float64{-config.MaxAmount, config.MaxAmount}, Step: config.MaxAmount / config.MaxSteps, Unit: strings.Repeat("x", config.MaxUnitBytes),
	}, "near": {SQL: "1", Clip: [2]float64{0, config.MinStep}}}
	for i := range config.MaxMeasures - 2 {
		p.Measures[fmt.Sprintf("m%d", i)] = config.Measure{SQL: "1", Clip: [2]float64{0, 1}}
	}
	p.Purposes = map[string]config.Purpose{}
	for i := range config.MaxPurposes {
		p.Purposes[fmt.Sprintf("%02d", i)+strings.Repeat("x", config.MaxPurposeBytes-2)] = config.Purpose{Consent: "true"}
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	// A purpose that an agreement may have, a party may name.
	if config.MaxPurposes != agreement.MaxPurposes || config.MaxPurposeBytes != agreement.MaxPurposeBytes {
		t.Errorf("a party may have %d purposes of %d bytes, an agreement %d of %d",
			config.MaxPurposes, config.MaxPurposeBytes, agreement.MaxPurposes, agreement.MaxPurposeBytes)
	}
}

// A declared name that CEL can't read after a dot could never be asked about; one that it can read is allowed, though
// CEL may reserve it elsewhere.
func TestNamesCanBeAskedAbout(t *testing.T) {
	for _, name := range strings.Fields("as break const false for function has if in let namespace null package size true type while x") {
		p := config.Party{
			Name: "a", Source: config.Source{CSV: "a"}, Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, CustomersUpTo: 1, Purposes: anyone,
			Segments: map[string]string{name: "true"},
		}
		asMeasure := p
		asMeasure.Segments, asMeasure.Measures = nil, map[string]config.Measure{name: {SQL: "1", Clip: [2]float64{0, 1}}}
		if segment, measure := p.Check(), asMeasure.Check(); (segment == nil) != (measure == nil) {
			t.Errorf("%q: as a segment %v, as a measure %v", name, segment, measure)
		}
		_, askable := query.ParseAudience("a." + name)
		if allowed := p.Check(); (allowed == nil) != (askable == nil) {
			t.Errorf("segment %q: declaring gives %v, asking %v", name, allowed, askable)
		}
	}
}
