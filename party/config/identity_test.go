package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

const several = `name: shop
source: {parquet: "customers/*.parquet", refresh: 24h}
identity:
  - {column: phone, type: phone, country: DE, at_most: 2, people: household}
  - {column: email, type: email}
customers_up_to: 10
purposes: {planning: {consent: "true"}}
`

// A list of identities arrives in the order of the file, with what it says of shared ids; one alone is a list of one.
func TestIdentities(t *testing.T) {
	p, err := config.Load(write(t, several))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Identities{
		{Column: "phone", Type: ids.Phone, Country: "DE", AtMost: 2, People: "household"},
		{Column: "email", Type: ids.Email},
	}
	if !slices.Equal(p.Identity, want) || !slices.Equal(p.Identity.Types(), []ids.Type{ids.Phone, ids.Email}) {
		t.Errorf("identities are %+v", p.Identity)
	}
	if p.Source.Refresh != 24*time.Hour || !strings.HasSuffix(p.Source.Parquet, "/customers/*.parquet") || p.Source.String() != p.Source.Parquet {
		t.Errorf("source is %+v", p.Source)
	}
	for _, alone := range []string{"{column: id, type: opaque, at_most: 100}", "\n  column: id\n  type: opaque\n  at_most: 100", "[{column: id, type: opaque, at_most: 100}]"} {
		at := strings.Index(several, "identity:")
		p, err := config.Load(write(t, several[:at]+"identity: "+alone+"\n"+several[strings.Index(several, "customers_up_to"):]))
		if err != nil || !slices.Equal(p.Identity, config.Identities{{Column: "id", Type: ids.Opaque, AtMost: 100}}) {
			t.Errorf("%s: %v", alone, err)
		}
	}
}

// A mistake in either form of the identity is a mistake of the file, unknown keys included.
func TestIdentityRefusals(t *testing.T) {
	const list = `
  - {column: phone, type: phone, country: DE, at_most: 2, people: household}
  - {column: email, type: email}
`
	checkRefusals(t, several, []change{
		{"identity:" + list, "", `party "shop": no identity, must be {column: …, type: …}`},
		{"identity:" + list, "identity: []\n", "no identity"},
		{"identity:" + list, "identity: ~\n", `:3: key "identity" has no value`},
		{"identity:" + list, "identity: email\n", ":3: cannot unmarshal"},
		{"identity:" + list, "identity: [email]\n", ":3: cannot unmarshal"},
		{"identity:" + list, "identity: {colum: id, type: opaque}\n", `:3: unknown key "colum", did you mean "column"?`},
		{"identity:" + list, "identity: {column: id, column: id, type: opaque}\n", "already defined"},
		{"identity:" + list, "identity: {column: id, type: opaque, country: ~}\n", `:3: key "country" has no value`},
		{"{column: email, type: email}", "~", ":5: an empty item in a list"},
		{"{column: email, type: email}", "{column: email, typ: email}", `:5: unknown key "typ", did you mean "type"?`},
		{"{column: email, type: email}", "{column: email, type: email, people: a}", `identity "email": people is for at_most, which is left out`},
		{"{column: email, type: email}", "{type: email}", "identity: no column"},
		{"{column: email, type: email}", "{column: email}", `identity: identity type "" is not one of`},
		{"{column: email, type: email}", "{column: mobile, type: phone, country: FR}", `identity: two of type "phone", must be one of each`},
		{"{column: email, type: email}", "{column: email, type: email, country: DE}", `identity: country "DE" is for phone numbers`},
		{"country: DE", "country: Germany", `identity: country "Germany" is not`},
		{"at_most: 2", "at_most: 101", `identity "phone": at_most 101: must be 1 to 100, or left out`},
		{"at_most: 2", "at_most: -1", `identity "phone": at_most -1: must be`},
		{"at_most: 2", "at_most: two", ":4: cannot unmarshal"},
		{"people: household", "people: PHONE", `identity "phone": people: must be another column than that of the ids`},
	})
}

// agreed returns an agreement that matches by these types, in this order.
func agreed(types ...ids.Type) *agreement.Agreement {
	a := &agreement.Agreement{}
	for _, t := range types {
		i := agreement.Identifier{Type: t}
		if t == ids.Email {
			i.Ignore = agreement.Ignored{{Domain: "gmail.com", Dots: true}}
		}
		a.Identifiers = append(a.Identifiers, i)
	}
	return a
}

// Which of a party's ids count, in what order and how they are written, is the agreement's to say, wherever they stand in the
// file; a party need not have all of them, but none besides.
func TestMatched(t *testing.T) {
	phone, email, opaque := config.Identity{Column: "p", Type: ids.Phone, Country: "DE"}, config.Identity{Column: "e", Type: ids.Email}, config.Identity{Column: "o", Type: ids.Opaque}
	for _, c := range []struct {
		identities config.Identities
		agreed     []ids.Type
		want       string // types, or words of the error
	}{
		{config.Identities{phone, email}, []ids.Type{ids.Email, ids.Phone}, "email,phone"},
		{config.Identities{phone, email}, []ids.Type{ids.Phone, ids.Email}, "phone,email"},
		{config.Identities{opaque, phone, email}, []ids.Type{ids.Email, ids.Opaque, ids.Phone}, "email,opaque,phone"},
		{config.Identities{phone}, []ids.Type{ids.Email, ids.Phone}, "phone"},
		{config.Identities{email}, nil, "email"},
		{config.Identities{opaque}, nil, "opaque"},
		{config.Identities{phone, email}, nil, `party "shop": 2 identities: the agreement does not say which one counts`},
		{config.Identities{phone, email}, []ids.Type{ids.Email}, `party "shop": identity: the agreement matches by email only`},
		{config.Identities{opaque}, []ids.Type{ids.Email, ids.Phone}, `the agreement matches by email,phone only`},
	} {
		p := &config.Party{Name: "shop", Identity: c.identities}
		matched, err := p.Matched(agreed(c.agreed...))
		types, typesErr := p.IdentityType(agreed(c.agreed...))
		if err != nil {
			if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) || fault.From(err).Hint == "" || fmt.Sprint(typesErr) != fmt.Sprint(err) {
				t.Errorf("%v, agreed on %v: error is %v, of the types %v, want %q", c.identities, c.agreed, err, typesErr, c.want)
			}
			continue
		}
		if types != c.want || typesErr != nil {
			t.Errorf("%v, agreed on %v: types are %s, error %v; want %s", c.identities, c.agreed, types, typesErr, c.want)
		}
		for _, m := range matched {
			if at := slices.Index(c.identities, m.Identity); at < 0 || m.Normalizer.Type != m.Identity.Type || m.Normalizer.Country != m.Identity.Country {
				t.Errorf("%v, agreed on %v: %+v is none of them", c.identities, c.agreed, m)
			}
		}
	}
	// What the members agreed to ignore in addresses holds for all of them.
	raw := "J.o@gmail.com"
	p := &config.Party{Identity: config.Identities{email}}
	for want, a := range map[string]*agreement.Agreement{"jo@gmail.com": agreed(ids.Email), "j.o@gmail.com": agreed()} {
		matched, err := p.Matched(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := matched[0].Normalize(raw); got != want || !ok {
			t.Errorf("%s is written %q, want %q", raw, got, want)
		}
	}
}

// An administrator is who has the key, under the name in the file; everybody else is nobody, and so is the zero key.
func TestAdministrators(t *testing.T) {
	p, err := config.Load(write(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{deskKey: "privacy_desk", otherKey: "desk", newKey(): ""} {
		key, err := identity.ParsePublicKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := p.Administrator(key); name != want || ok != (want != "") {
			t.Errorf("%s is %q, %v; want %q", text, name, ok, want)
		}
	}
	if name, ok := p.Administrator(identity.PublicKey{}); ok {
		t.Errorf("no key is %q", name)
	}
}
