package query_test

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/query"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// agreed is an agreement among parties a to j.
func agreed() *agreement.Agreement {
	key := func(name string) identity.PublicKey { return sha256.Sum256([]byte(name)) }
	a := &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: "c:1", Key: key("coordinator")},
		Analysts:      []agreement.Analyst{{Name: "marketing", Key: key("marketing")}},
		Purposes:      []string{"planning", "measuring success"},
		Limits:        agreement.Limits{EpsilonPerQuery: 2_000_000, EpsilonTotal: 10_000_000, DeltaPerQuery: 1e-6, DeltaTotal: 1e-5},
		Noise:         agreement.NoiseEveryone,
		Layouts:       []string{agreement.LayoutHashed},
	}
	for _, name := range strings.Split("abcdefghij", "") {
		a.Parties = append(a.Parties, agreement.Party{Name: name, Address: "p:1", Key: key(name)})
	}
	return a
}

// question is one that the agreement allows, about all members of parties with so many customers each: "a", "b", ….
func question(customersUpTo ...int64) *query.Query {
	q := &query.Query{
		Collaboration: "loyalty", Agreement: agreed().Hash(), Analyst: "marketing", Purpose: "planning", Measure: query.Count,
		Layout: "hashed", Precision: "low", Noise: "everyone", Mechanism: "laplace", MicroEpsilon: 1_000_000,
		Recipient: []byte("a key"), Nonce: [16]byte{1}, Expires: now.Add(time.Hour).Unix(),
	}
	var members []string
	for i, customers := range customersUpTo {
		name := string(rune('a' + i))
		q.Participants = append(q.Participants, query.Participant{Party: name, IdentityType: "email", CustomersUpTo: customers})
		members = append(members, name+".member")
	}
	q.Audience = strings.Join(members, " && ")
	return q
}

// about is a question about an audience, with so many customers at each party that it names.
func about(audience string, customersUpTo int64) *query.Query {
	q := question()
	q.Audience = audience
	named := map[string]bool{}
	if parts, err := query.ParseParts(audience); err == nil {
		for _, part := range parts {
			named[part.Parties()[0]] = true
		}
	} else if e, err := query.ParseAudience(audience); err == nil {
		for _, party := range e.Parties() {
			named[party] = true
		}
	}
	for _, party := range slices.Sorted(maps.Keys(named)) {
		q.Participants = append(q.Participants, query.Participant{Party: party, IdentityType: "email", CustomersUpTo: customersUpTo})
	}
	return q
}

// of makes the question one about an amount "party.name" of so many steps.
func of(q *query.Query, measure, fullName string, low, high int64) *query.Query {
	party, name, _ := strings.Cut(fullName, ".")
	changed := *q
	changed.Measure, changed.Amount = measure, query.Amount{Party: party, Name: name, Unit: "EUR", Step: 0.5, Low: low, High: high}
	return &changed
}

// counting makes the question, whose audience is a list, one of another measure.
func counting(q *query.Query, measure string) *query.Query {
	changed := *q
	changed.Measure = measure
	return &changed
}

// by groups the question by a dimension "party.name" with the first so many values of v0, v1, ….
func by(q *query.Query, fullName string, values int) *query.Query {
	party, name, _ := strings.Cut(fullName, ".")
	d := query.Dimension{Party: party, Name: name}
	for i := range values {
		d.Values = append(d.Values, "v"+string(rune('0'+i)))
	}
	changed := *q
	changed.GroupBy = append(slices.Clone(q.GroupBy), d)
	return &changed
}

// matched asks the question in the matched layout, with a spine of so many slots.
func matched(q *query.Query, slots int64) *query.Query {
	changed := *q
	changed.Layout, changed.Precision, changed.Spine, changed.Slots = agreement.LayoutMatched, "", [32]byte{1}, slots
	return &changed
}

// agreedMatched is what agreed is if there is the matched layout too.
func agreedMatched() *agreement.Agreement {
	a := agreed()
	a.Layouts = []string{agreement.LayoutHashed, agreement.LayoutMatched}
	a.Matching = agreement.Matching{Epsilon: 100_000, Delta: 1e-9}
	return a
}
