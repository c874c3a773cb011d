package protocol_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

func descriptor(s *session) *protocol.Descriptor {
	return &protocol.Descriptor{
		Collaboration: "loyalty", Agreement: s.agreement.Hash(), Party: "a", IdentityType: "email", CustomersUpTo: 1000, Snapshot: [16]byte{1, 2},
		Segments:   []string{"gold", "vip"},
		Dimensions: []query.Dimension{{Party: "a", Name: "age", Values: []string{"old", "young"}}},
		Measures:   []query.Amount{{Party: "a", Name: "spend", Unit: "EUR", Step: 0.5, Low: -5, High: 1000}},
		Purposes:   []string{"planning"},
	}
}

func budget() *protocol.Budget {
	return &protocol.Budget{
		Collaboration: "loyalty", Party: "a", Analyst: "marketing", At: 1_772_366_400,
		Price: protocol.Price{Mechanism: "gaussian", MicroEpsilon: 1_000_000, AttoDelta: 5, Cells: 12},
		Windows: []protocol.Window{
			{Organisation: "", Period: "month", Left: 500_000, Questions: 3},
			{Organisation: "agency", Period: "ever", Shown: true, Limit: 10_000_000, Spent: 4_000_000, Reserved: 1_000_000, Left: 5_000_000, Questions: -1},
		},
	}
}

// Guards what analysts plan with: what a party declares, and what it says of its budget, comes back as it was signed, and
// nobody on the way can change any of it.
func TestDescriptorsAndBudgetsAreSigned(t *testing.T) {
	s := newSession(t)
	for _, c := range []struct{ body, back protocol.Body }{
		{descriptor(s), new(protocol.Descriptor)},
		{budget(), new(protocol.Budget)},
	} {
		signed := protocol.Sign(s.keys["a"], c.body)
		if err := protocol.Verify(signed, s.keys["a"].Public(), "a", c.back); err != nil || !reflect.DeepEqual(c.back, c.body) {
			t.Errorf("signed %+v, read %+v, %v", c.body, c.back, err)
		}
		refused(t, c.body.Domain()+" of another", protocol.Verify(signed, s.keys["b"].Public(), "b", c.back))
		mutations(reflect.ValueOf(c.body).Elem(), c.body.Domain(), func(path string) {
			altered := &sottov1.Signed{Body: canon.Encode(c.body.Domain(), c.body), Signature: signed.GetSignature()}
			into := reflect.New(reflect.TypeOf(c.body).Elem()).Interface().(protocol.Body)
			refused(t, path+" altered", protocol.Verify(altered, s.keys["a"].Public(), "a", into))
		})
	}
}

// What a descriptor declares is what expressions may name of the party: no more, and nothing of it is left out.
func TestDeclared(t *testing.T) {
	s := newSession(t)
	got := descriptor(s).Declared()
	want := query.Declared{
		Party: "a", Segments: []string{"gold", "vip"}, Dimensions: map[string][]string{"age": {"old", "young"}}, Measures: []string{"spend"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("declared are %+v, want %+v", got, want)
	}
	has := &query.Expr{Op: query.Has, Party: "a", Name: "spend"}
	if err := has.CheckNames(got); err != nil {
		t.Error(err)
	}
	if has.Name = "rent"; has.CheckNames(got) == nil {
		t.Error("a measure that is not declared may be named")
	}
	if empty := (&protocol.Descriptor{Party: "a"}).Declared(); len(empty.Segments)+len(empty.Dimensions)+len(empty.Measures) > 0 {
		t.Errorf("a party that declares nothing declares %+v", empty)
	}
}

// A party answers questions for the purposes that it declares alone, word for word, and says which; one that declares none,
// none.
func TestCheckPurpose(t *testing.T) {
	d := protocol.Descriptor{Party: "a", Purposes: []string{"planning", "measurement"}}
	for _, purpose := range []string{"", "plan", "Planning", "planning, measurement"} {
		err := d.CheckPurpose(purpose)
		if !fault.IsKind(err, fault.Purpose) || fault.From(err).Hint != "it answers for: planning, measurement" {
			t.Errorf("purpose %q: error is %v", purpose, err)
		}
	}
	if err := errors.Join(d.CheckPurpose("planning"), d.CheckPurpose("measurement")); err != nil {
		t.Error(err)
	}
	d.Purposes = nil
	for _, purpose := range []string{"", "planning"} {
		if err := d.CheckPurpose(purpose); !fault.IsKind(err, fault.Purpose) {
			t.Errorf("purpose %q of a party that declares none: error is %v", purpose, err)
		}
	}
}
