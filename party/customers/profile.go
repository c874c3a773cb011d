package customers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// Profile is what there is to know about a source before its customers are used. It holds exact counts and values of columns:
// it is for the owner's eyes, on the owner's machine.
type Profile struct {
	Rows       int64              `json:"rows"`
	Expired    int64              `json:"rows_too_old"`   // by retention, or without a date; not counted below
	Nobody     int64              `json:"rows_of_nobody"` // without any id
	Customers  int                `json:"customers"`
	Duplicates int64              `json:"rows_of_known_customers"`
	LeftOut    int                `json:"customers_left_out"` // with an id that too many people have
	Identities []IdentityProfile  `json:"identities"`
	Segments   []SegmentProfile   `json:"segments"`
	Dimensions []DimensionProfile `json:"dimensions"`
	Measures   []MeasureProfile   `json:"measures"`
	Purposes   []PurposeProfile   `json:"purposes"`
	Problems   []string           `json:"problems"` // why the node can't be run; empty if it can
}

// IdentityProfile is about one column of ids.
type IdentityProfile struct {
	Column    string   `json:"column"`
	Type      ids.Type `json:"type"`
	Empty     int64    `json:"empty"`
	Malformed int64    `json:"malformed"`
	Usable    int64    `json:"usable"`
	Distinct  int      `json:"distinct"`
	Shared    int      `json:"shared"` // ids that more than one person has
	Most      int      `json:"most"`   // people who have the same one
}

// SegmentProfile is about one segment.
type SegmentProfile struct {
	Name      string `json:"name"`
	Customers int    `json:"customers"`
}

// DimensionProfile is about one dimension.
type DimensionProfile struct {
	Name       string       `json:"name"`
	Unknown    int          `json:"unknown"`    // customers
	Undeclared []ValueCount `json:"undeclared"` // the most frequent ones
	Empty      []string     `json:"empty"`      // declared values that no customer has
}

// ValueCount is a value and how many rows have it.
type ValueCount struct {
	Value string `json:"value"`
	Rows  int64  `json:"rows"`
}

// MeasureProfile is about one measure.
type MeasureProfile struct {
	Name    string `json:"name"`
	Missing int    `json:"missing"`  // customers without an amount
	AtBound int    `json:"at_bound"` // customers whose amount is one of the clip's bounds, or was clipped to it
}

// PurposeProfile says how many customers may take part in questions for a purpose, and why the others may not.
type PurposeProfile struct {
	Name    string `json:"name"`
	May     int    `json:"may"`
	Without int    `json:"without_consent"`
	Later   int    `json:"not_yet"`
	Over    int    `json:"expired"`
}

// mostUndeclared is how many undeclared values of a dimension are shown.
const mostUndeclared = 10

// Check looks at a source as [Load] does and reports what it finds, all problems with the declaration at once. It returns an
// error if there is nothing to report on: no source, or no customers.
func Check(ctx context.Context, p *config.Party, o Options) (*Profile, error) {
	l := &loading{party: p, options: o, profile: &Profile{}}
	if _, err := l.load(ctx); err != nil {
		return nil, l.failure(ctx, err)
	}
	return l.profile, nil
}

// start forgets what an earlier pass over the rows has found.
func (p *Profile) start(l *loading) {
	if p == nil {
		return
	}
	*p = Profile{Problems: p.Problems}
	for _, i := range l.identities {
		p.Identities = append(p.Identities, IdentityProfile{Column: i.Column, Type: i.Identity.Type})
	}
}

func (p *Profile) expired() {
	if p != nil {
		p.Rows++
		p.Expired++
	}
}

func (p *Profile) row(known bool) {
	if p != nil {
		p.Rows++
		if !known {
			p.Nobody++
		}
	}
}

func (p *Profile) identity(k int, written *text, usable bool) {
	switch {
	case p == nil:
	case usable:
		p.Identities[k].Usable++
	case strings.TrimSpace(written.String()) == "":
		p.Identities[k].Empty++
	default:
		p.Identities[k].Malformed++
	}
}

// finish counts what customers have, of those who stay.
func (p *Profile) finish(b *builder, s *Snapshot) {
	if p == nil {
		return
	}
	if int64(len(b.snapshot.IDs)) > b.party.CustomersUpTo {
		p.Problems = append(p.Problems, tooMany(b.party).Error())
	}
	p.Customers, p.LeftOut = len(s.IDs), len(b.snapshot.IDs)-len(s.IDs)
	p.Duplicates = p.Rows - p.Expired - p.Nobody - int64(len(b.snapshot.IDs))
	for k, c := range b.crowds {
		i := &p.Identities[k]
		i.Distinct, i.Shared, i.Most = len(c.known.ids), len(c.more), c.largest()
	}
	for j, name := range s.SegmentNames {
		found := SegmentProfile{Name: name}
		for _, mask := range s.Segments {
			found.Customers += int(mask >> j & 1)
		}
		p.Segments = append(p.Segments, found)
	}
	for i, e := range b.dimensions {
		p.Dimensions = append(p.Dimensions, profileOf(e, s.Dimensions[i]))
	}
	for m, name := range s.MeasureNames {
		p.Measures = append(p.Measures, profileOfAmounts(name, b.party.Measures[name], s.Amounts[m]))
	}
	for j, name := range s.Purposes {
		found := PurposeProfile{Name: name}
		for customer := range s.IDs {
			v := s.Validity[j]
			switch {
			case s.May(customer, j, b.now):
				found.May++
			case s.Consented[customer]>>j&1 == 0 || v.From != nil && (v.From[customer] == Never):
				found.Without++
			case v.From != nil && int64(v.From[customer]) > b.now:
				found.Later++
			default:
				found.Over++
			}
		}
		p.Purposes = append(p.Purposes, found)
	}
}

func profileOf(e *expression, codes []uint16) DimensionProfile {
	d := DimensionProfile{Name: e.name}
	counts := make([]int, len(e.values)+1)
	for _, code := range codes {
		counts[code]++
	}
	d.Unknown = counts[len(e.values)]
	for i, value := range e.values {
		if counts[i] == 0 {
			d.Empty = append(d.Empty, value)
		}
	}
	return d
}

func profileOfAmounts(name string, declared config.Measure, amounts []int32) MeasureProfile {
	m := MeasureProfile{Name: name}
	low, high := declared.Steps()
	for _, amount := range amounts {
		switch int64(amount) {
		case NoAmount:
			m.Missing++
		case low, high:
			m.AtBound++
		}
	}
	return m
}

// undeclared finds the values of dimensions that the party's file does not declare.
func (l *loading) undeclared(ctx context.Context) error {
	if l.profile == nil || len(l.dimensions) == 0 {
		return nil
	}
	const kept = 1000 // values of a part of the rows that are looked at further
	found := make([]map[string]int64, len(l.dimensions))
	var parts []string
	for i, e := range l.dimensions {
		found[i] = map[string]int64{}
		value, table := "CAST("+e.inBrackets()+" AS VARCHAR)", "customers"
		if at := l.bareColumn(e); at >= 0 {
			value, table = l.source.text(at), l.source.from()
		}
		declared := make([]string, len(e.values))
		for j, v := range e.values {
			declared[j] = quoteText(v)
		}
		parts = append(parts, fmt.Sprintf("(SELECT CAST(%d AS BIGINT) AS d, v, count(*) AS n FROM (SELECT %s AS v FROM %s) "+
			"WHERE v <> '' AND v NOT IN (%s) GROUP BY v ORDER BY n DESC, v LIMIT %d)", i, value, table, strings.Join(declared, ", "), kept))
	}
	query := "SELECT d, v, n FROM (" + strings.Join(parts, " UNION ALL ") + ")"
	err := l.source.each(ctx, l.duck, func() string { return query }, func(c chunk) error {
		at, values, rows := column[int64](c, 0), column[text](c, 1), column[int64](c, 2)
		for i := range at {
			found[at[i]][strings.Clone(values[i].String())] += rows[i]
		}
		return nil
	})
	for i, values := range found {
		names := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
			if values[a] != values[b] {
				return int(values[b] - values[a])
			}
			return strings.Compare(a, b)
		})
		for _, name := range names[:min(len(names), mostUndeclared)] {
			l.profile.Dimensions[i].Undeclared = append(l.profile.Dimensions[i].Undeclared, ValueCount{name, values[name]})
		}
	}
	return err
}
