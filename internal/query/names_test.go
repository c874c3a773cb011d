package query_test

import (
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// Guards against typing errors and stale catalogs: a name that its party does not declare is refused, with what there is
// instead, and names of other parties are left to them.
func TestCheckNames(t *testing.T) {
	declared := query.Declared{
		Party: "a", Segments: []string{"gold", "vip"},
		Dimensions: map[string][]string{"age": {"young", "old"}, "region": {"north"}},
	}
	for text, want := range map[string]struct {
		kind          fault.Kind
		message, hint string
	}{
		`a.member && a.vip && b.anything`:         {},
		`a.age == "old" || a.region != "unknown"`: {},
		`a.age in ["old", "unknown", "young"]`:    {},
		`b.age == "ancient" && a.member`:          {},
		`a.member && a.vop`:                       {fault.Unknown, `a has no segment "vop"`, "it has member, gold, vip"},
		`a.age`:                                   {fault.Invalid, "a.age is a dimension, not a segment", `such as a.age == "young"`},
		`a.vip == "yes"`:                          {fault.Unknown, `a has no dimension "vip"`, "it has age, region"},
		`a.member == "yes"`:                       {fault.Unknown, `a has no dimension "member"`, "it has age, region"},
		`a.age == "Old"`:                          {fault.Unknown, `a.age has no value "Old"`, "it has young, old, unknown"},
		`a.age in ["old", "ancient"]`:             {fault.Unknown, `a.age has no value "ancient"`, "it has young, old, unknown"},
		`b.x && !(a.region != "south")`:           {fault.Unknown, `a.region has no value "south"`, "it has north, unknown"},
	} {
		e, err := query.ParseAudience(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		err = e.CheckNames(declared)
		if want.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if !fault.IsKind(err, want.kind) || !strings.Contains(err.Error(), want.message) || !strings.Contains(fault.From(err).Hint, want.hint) {
			t.Errorf("%s: error is %v, want %s with %q and hint %q", text, err, want.kind, want.message, want.hint)
		}
	}
}

// An amount that a question is about is somebody's declared measure, though no audience can name one.
func TestCheckNamesOfMeasures(t *testing.T) {
	p, err := query.NewPlan(of(about("a.vip && b.member", 9), query.Sum, "a.spend", 0, 9))
	if err != nil {
		t.Fatal(err)
	}
	where := p.Chains[0].Hops[0].Where
	if err := where.CheckNames(query.Declared{Party: "a", Segments: []string{"vip"}, Measures: []string{"rent", "spend"}}); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	err = where.CheckNames(query.Declared{Party: "a", Segments: []string{"vip"}, Measures: []string{"rent", "spent"}})
	if !fault.IsKind(err, fault.Unknown) || !strings.Contains(err.Error(), `a has no measure "spend"`) || fault.From(err).Hint != "it has rent, spent" {
		t.Errorf("%s: error is %v", where, err)
	}
	if err := where.CheckNames(query.Declared{Party: "b"}); err != nil {
		t.Errorf("names of a, looked up at b: %v", err)
	}
	if err := where.CheckNames(query.Declared{Party: "a", Segments: []string{"vip", "spend"}}); err == nil {
		t.Error("a segment passes for a measure")
	}
}

// A descriptor comes from another company: one that declares next to nothing must not crash whoever reads it.
func TestCheckNamesOfEmptyDeclarations(t *testing.T) {
	e, err := query.ParseAudience(`a.age && a.vip`)
	if err != nil {
		t.Fatal(err)
	}
	for _, declared := range []query.Declared{
		{Party: "a"},
		{Party: "a", Dimensions: map[string][]string{"age": {}}},
	} {
		if err := e.CheckNames(declared); err == nil {
			t.Errorf("%+v: no error", declared)
		}
	}
}
