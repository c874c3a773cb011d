package agreement_test

import (
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
)

// A question's purpose is one of the agreed ones, word for word.
func TestHasPurpose(t *testing.T) {
	a := parse(t, golden)
	for _, purpose := range []string{"planning", "measuring success"} {
		if !a.HasPurpose(purpose) {
			t.Errorf("%q is not a purpose", purpose)
		}
	}
	for _, purpose := range []string{"", "plan", "Planning", "planning ", "planning, measuring success"} {
		if a.HasPurpose(purpose) {
			t.Errorf("%q is a purpose", purpose)
		}
	}
}

// All members match by the agreed types in the agreed order, and give one mailbox one id, as agreed; without agreed
// identifiers each party has its own, and addresses are what they are.
func TestIdentifiers(t *testing.T) {
	with, without := parse(t, identified), parse(t, golden)
	if order := with.MatchOrder(); !slices.Equal(order, []ids.Type{ids.Phone, ids.Email, ids.Opaque}) {
		t.Errorf("matched by %q", order)
	}
	if order := without.MatchOrder(); order != nil {
		t.Errorf("matched by %q without identifiers", order)
	}
	for _, c := range []struct {
		a       *agreement.Agreement
		as      ids.Type
		country string
		raw     string
		want    string
	}{
		{with, ids.Email, "", "J.O.N+news@gmail.com", "jon@gmail.com"},
		{with, ids.Email, "", "J.O.N+news@outlook.com", "j.o.n@outlook.com"},
		{with, ids.Email, "", "J.O.N+news@example.com", "j.o.n+news@example.com"},
		{with, ids.Phone, "DE", "030 12345678", "+493012345678"},
		{with, ids.Opaque, "", "J.O.N+news@gmail.com", "J.O.N+news@gmail.com"},
		{without, ids.Email, "", "J.O.N+news@gmail.com", "j.o.n+news@gmail.com"},
		{without, ids.Phone, "DE", "030 12345678", "+493012345678"},
	} {
		n := c.a.Normalizer(c.as, c.country)
		if err := n.Check(); err != nil {
			t.Errorf("%s: %v", c.as, err)
		}
		if got, ok := n.Normalize(c.raw); !ok || got != c.want {
			t.Errorf("%s %q is %q, %v; want %q", c.as, c.raw, got, ok, c.want)
		}
	}
}

// People compare what is ignored before they agree to it: it is written out.
func TestIdentifiersInWords(t *testing.T) {
	for i, want := range []string{"phone", "email (ignoring dots and tags at gmail.com, tags at outlook.com)", "opaque"} {
		if got := parse(t, identified).Identifiers[i].String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
