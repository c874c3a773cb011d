package customers_test

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// agreed returns options under which members match by these types, in this order.
func agreed(types ...ids.Type) customers.Options {
	o := plain
	o.Agreement = &agreement.Agreement{}
	for _, t := range types {
		o.Agreement.Identifiers = append(o.Agreement.Identifiers, agreement.Identifier{Type: t})
	}
	return o
}

// Identities in an order that no agreement here has.
var threeKinds = config.Identities{
	{Column: "number", Type: ids.Opaque}, {Column: "phone", Type: ids.Phone, Country: "DE"}, {Column: "email", Type: ids.Email},
}

// loadKnown loads customers, and returns them with how each is known: "email anna@x.de; phone +4930123456".
func loadKnown(t *testing.T, p *config.Party, o customers.Options, raws ...string) (*customers.Snapshot, []string) {
	t.Helper()
	s, err := customers.Load(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	name := func(id ids.ID) string {
		for _, raw := range raws {
			for _, n := range []ids.Normalizer{{Type: ids.Email}, {Type: ids.Phone}, {Type: ids.Opaque}} {
				if is, ok := n.ID(raw); ok && is == id {
					return raw
				}
			}
		}
		return "?"
	}
	known := make([]string, len(s.IDs))
	for i, id := range s.IDs {
		known[i] = name(id)
	}
	for _, a := range s.Aliases {
		known[a.Customer] += " " + name(a.ID)
	}
	for i := range known { // aliases are sorted by hashes, which say nothing
		words := strings.Fields(known[i])
		slices.Sort(words[1:])
		known[i] = strings.Join(words, " ")
	}
	return s, known
}

// A customer is known by the first of their ids in the agreement's order, whatever the order of the file; all others are
// aliases. Rows that lack it are other people, for nothing says that they are not.
func TestFirstAgreedIDCounts(t *testing.T) {
	p := partyOf(t, `number,phone,email,tier
7,030 123456,Anna@x.de,gold
8,030 123456,,silver
9,,,bronze
,030 654321,ANNA@x.de ,gold
,12,nobody,gold
7,+49 30 123456,anna@x.de,silver
10,030 123456,ben@x.de,gold
`)
	p.Identity = threeKinds
	p.Dimensions["tier"] = config.Dimension{SQL: "tier", Values: []string{"gold", "silver", "bronze"}}
	all := []string{"7", "8", "9", "10", "anna@x.de", "ben@x.de", "+4930123456", "+4930654321"}
	for _, c := range []struct {
		order []ids.Type
		known []string
		tiers []uint16
	}{
		{
			[]ids.Type{ids.Email, ids.Phone, ids.Opaque},
			[]string{"anna@x.de +4930123456 +4930654321 7", "+4930123456 8", "9", "ben@x.de +4930123456 10"},
			[]uint16{0, 1, 2, 0},
		},
		{
			[]ids.Type{ids.Phone, ids.Email, ids.Opaque},
			[]string{"+4930123456 10 7 8 anna@x.de ben@x.de", "9", "+4930654321 anna@x.de"},
			[]uint16{0, 2, 0},
		},
		{
			[]ids.Type{ids.Opaque, ids.Email, ids.Phone},
			[]string{"7 +4930123456 anna@x.de", "8 +4930123456", "9", "anna@x.de +4930654321", "10 +4930123456 ben@x.de"},
			[]uint16{0, 1, 2, 0, 0},
		},
	} {
		s, known := loadKnown(t, p, agreed(c.order...), all...)
		if !slices.Equal(known, c.known) || !slices.Equal(s.Dimensions[0], c.tiers) {
			t.Errorf("%v: customers are %q with codes %v, want %q with %v", c.order, known, s.Dimensions[0], c.known, c.tiers)
		}
		swapped := *p
		swapped.Identity = config.Identities{threeKinds[2], threeKinds[0], threeKinds[1]}
		if other, _ := loadKnown(t, &swapped, agreed(c.order...)); other.Version != s.Version {
			t.Errorf("%v: the version depends on the order of the file", c.order)
		}
		for i, a := range s.Aliases {
			if i > 0 && s.Aliases[i-1].Customer > a.Customer || slices.Contains(s.Aliases[:i], a) {
				t.Errorf("%v: aliases are not sorted, or not distinct", c.order)
			}
		}
	}
	// Two of the three agreed ones.
	p.Identity = threeKinds[1:]
	if _, known := loadKnown(t, p, agreed(ids.Opaque, ids.Email, ids.Phone), all...); !slices.Equal(known, []string{"anna@x.de +4930123456 +4930654321", "+4930123456", "ben@x.de +4930123456"}) {
		t.Errorf("customers are %q", known)
	}
	_, err := customers.Load(context.Background(), p, plain)
	if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), "the agreement does not say which one counts") {
		t.Errorf("two identities, none agreed: error is %v", err)
	}
	p.Identity = threeKinds
	if _, err = customers.Load(context.Background(), p, agreed(ids.Email, ids.Phone)); !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), "matches by email,phone only") {
		t.Errorf("one more than agreed: error is %v", err)
	}
}

// What members agreed to ignore in addresses makes one customer of many spellings; aliases follow the same rules.
func TestAgreedEmailRules(t *testing.T) {
	p := partyOf(t, "number,phone,email\n1,,j.o.n+news@gmail.com\n2,,Jon@gmail.com\n3,,j.o.n@example.com\n4,,jon@example.com\n5,,+@gmail.com\n")
	p.Identity = config.Identities{threeKinds[2], threeKinds[0]}
	o := agreed(ids.Email, ids.Opaque)
	if s, _ := loadKnown(t, p, o); len(s.IDs) != 5 {
		t.Errorf("without rules there are %d customers", len(s.IDs))
	}
	o.Agreement.Identifiers[0].Ignore = agreement.Ignored{{Domain: "gmail.com", Dots: true, Tags: true}}
	all := []string{"jon@gmail.com", "j.o.n@example.com", "jon@example.com", "1", "2", "3", "4", "5"}
	if _, known := loadKnown(t, p, o, all...); !slices.Equal(known, []string{"jon@gmail.com 1 2", "j.o.n@example.com 3", "jon@example.com 4", "5"}) {
		t.Errorf("customers are %q", known)
	}
	o.Agreement.Identifiers[0], o.Agreement.Identifiers[1] = o.Agreement.Identifiers[1], o.Agreement.Identifiers[0]
	if s, known := loadKnown(t, p, o, all...); len(s.Find([]ids.ID{s.Aliases[0].ID})) != 2 || known[0] != "1 jon@gmail.com" || known[1] != "2 jon@gmail.com" {
		t.Errorf("customers are %q", known)
	}
}

// An id that more people have than declared is nobody's. People are told apart by the column that is declared for it, else by
// their other ids, else by their rows; whoever is known by another id stays, with the shared one as an alias.
func TestAtMost(t *testing.T) {
	const content = `phone,email,number,name
030 100001,,1,Anna
030 100001,,2,anna
030 100002,,3,Ben
030 100002,,3,Ben
030 100003,,4,Cem
030 100003,,5,Cem
030 100003,,6, Cem 
030 100004,,,
030 100004,,,
030 100005,,7,
030 100005,,8,Dora
030 100006,e@x.de,9,Eva
030 100006,,10,Fay
`
	phones := []string{"+4930100001", "+4930100002", "+4930100003", "+4930100004", "+4930100005", "+4930100006", "e@x.de"}
	phone := func(atMost int, people string) config.Identity {
		return config.Identity{Column: "phone", Type: ids.Phone, Country: "DE", AtMost: atMost, People: people}
	}
	for name, c := range map[string]struct {
		identities config.Identities
		order      []ids.Type
		stay       string // the last digit of the phone numbers that stay
	}{
		"any number":                {config.Identities{phone(0, "")}, nil, "123456"},
		"one, by names":             {config.Identities{phone(1, "name")}, nil, "2345"}, // 1: Anna is not anna; 5: a row without a name is nobody more
		"two, by names":             {config.Identities{phone(2, "name")}, nil, "123456"},
		"one, by rows":              {config.Identities{phone(1, "")}, nil, ""},
		"two, by rows":              {config.Identities{phone(2, "")}, nil, "12456"},
		"three, by rows":            {config.Identities{phone(3, "")}, nil, "123456"},
		"one, by other ids":         {config.Identities{phone(1, ""), threeKinds[0]}, []ids.Type{ids.Phone, ids.Opaque}, "24"},
		"two, by other ids":         {config.Identities{phone(2, ""), threeKinds[0]}, []ids.Type{ids.Phone, ids.Opaque}, "12456"},
		"one, by names, of several": {config.Identities{phone(1, "name"), threeKinds[0]}, []ids.Type{ids.Phone, ids.Opaque}, "2345"},
		"known by e-mail":           {config.Identities{phone(1, "name"), threeKinds[2]}, []ids.Type{ids.Email, ids.Phone}, "2345@"},
	} {
		p := partyOf(t, content)
		p.Identity = c.identities
		s, err := customers.Load(context.Background(), p, agreed(c.order...))
		if c.stay == "" {
			if err != nil || len(s.IDs) != 0 {
				t.Errorf("%s: %v, error %v; want nobody", name, s, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		stay := ""
		for i, raw := range phones {
			n, sign := ids.Normalizer{Type: ids.Phone}, raw[len(raw)-1:]
			if i == len(phones)-1 {
				n, sign = ids.Normalizer{Type: ids.Email}, "@"
			}
			if id, _ := n.ID(raw); slices.Contains(s.IDs, id) {
				stay += sign
			}
		}
		if stay != c.stay {
			t.Errorf("%s: those with %q stay, want %q", name, stay, c.stay)
		}
		for _, a := range s.Aliases {
			if int(a.Customer) >= len(s.IDs) {
				t.Errorf("%s: an alias of customer %d of %d", name, a.Customer, len(s.IDs))
			}
		}
	}
	p := partyOf(t, content)
	p.Identity = config.Identities{phone(1, "household")}
	checkError(t, "people", p, fault.Invalid, `no column "household"`)
}

// The bikes shop's customers come out right by e-mail, with and without the phone as a second id. Its phone column is a trap,
// and Check says so: read as American, every number is one, but many are those of a hundred people; read as Australian, as the
// first row's region has it, most are no numbers at all.
func TestRealPhones(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "data", "adventureworks", "bikes.csv")
	f, err := os.Open(path)
	if err != nil {
		t.Skip("the real customer sets are not here")
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows = rows[1:] // email, phone, …
	var people []ids.ID
	for _, row := range rows {
		id, ok := ids.Normalizer{Type: ids.Email}.ID(row[0])
		if !ok {
			t.Fatal("a row without an address")
		}
		people = append(people, id)
	}
	for country, c := range map[string]struct{ malformed, shared, most int }{"US": {0, 196, 106}, "AU": {4769, 106, 3}} {
		number := ids.Normalizer{Type: ids.Phone, Country: country}
		bearers := map[ids.ID]int{}
		malformed, shared, most, alone := 0, 0, 0, 0
		for _, row := range rows {
			if id, ok := number.ID(row[1]); ok {
				bearers[id]++
			} else {
				malformed++
			}
		}
		for _, n := range bearers {
			most = max(most, n)
			if n > 1 {
				shared++
			} else {
				alone++
			}
		}
		if malformed != c.malformed || shared != c.shared || most != c.most {
			t.Errorf("%s: %d malformed, %d shared, one by %d people: the file has changed", country, malformed, shared, most)
		}
		p := partyOf(t, "")
		p.Source.CSV = path
		p.Identity = config.Identities{{Column: "email", Type: ids.Email}, {Column: "phone", Type: ids.Phone, Country: country, AtMost: 1}}
		s, err := customers.Load(context.Background(), p, agreed(ids.Email, ids.Phone))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.IDs, people) || len(s.Aliases) != len(rows)-malformed {
			t.Errorf("%s: %d customers with %d aliases, want the %d addresses and %d", country, len(s.IDs), len(s.Aliases), len(people), len(rows)-malformed)
		}
		profile, err := customers.Check(context.Background(), p, agreed(ids.Email, ids.Phone))
		if err != nil {
			t.Fatal(err)
		}
		usable := int64(len(rows) - malformed)
		want := []customers.IdentityProfile{
			{Column: "email", Type: ids.Email, Usable: int64(len(rows)), Distinct: len(rows), Most: 1},
			{Column: "phone", Type: ids.Phone, Malformed: int64(malformed), Usable: usable, Distinct: len(bearers), Shared: shared, Most: most},
		}
		if !slices.Equal(profile.Identities, want) {
			t.Errorf("%s: identities are %+v, want %+v", country, profile.Identities, want)
		}
		// Whoever went by phone alone would lose most people; those who are left are one each.
		p.Identity = config.Identities{{Column: "phone", Type: ids.Phone, Country: country, AtMost: 1, People: "email"}}
		if s, err = customers.Load(context.Background(), p, plain); err != nil || len(s.IDs) != alone {
			t.Errorf("%s: %d customers by phone, error %v; want %d", country, len(s.IDs), err, alone)
		}
	}
}
