package customers_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

func mustCheck(t *testing.T, p *config.Party, o customers.Options) *customers.Profile {
	t.Helper()
	profile, err := customers.Check(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return profile
}

// Twelve rows of a file as files are. Anna has three, one of them too old; one row is nobody's, in two ways.
const messy = `email,phone,name,tier,amount,optin,given,bought
Anna@x.de,030 100001,Anna,gold,100,true,2025-06-01,2025-01-31
ANNA@x.de ,,Anna,silver,450,true,2025-06-01,2025-01-31
anna@x.de,030 100001,Anna,gold,1000,true,2025-06-01,2019-01-01
,030 100001,Anton,platinum,,true,2025-06-01,2025-01-31
ben@x.de,12,Ben,platinum,0,false,2025-06-01,2025-01-31
cem@x,030 100002,Cem,,7,true,2027-01-01,2025-01-31
no address,,Dora,brass,8,true,2025-06-01,2025-01-31
,,,,9,true,2025-06-01,2025-01-31
eva@x.de,,Eva,brass,-5,true,2023-01-01,2025-01-31
fay@x.de,030 100003,Fay,platinum,,true,,2025-01-31
gus@x.de,,Gus,gold,12,true,2025-06-01,
hal@x.de,,Hal,GOLD,12.5,true,2025-06-01,2025-01-31
`

func messyParty(t *testing.T) (*config.Party, customers.Options) {
	p := partyOf(t, messy)
	p.Identity = config.Identities{{Column: "phone", Type: ids.Phone, Country: "DE", AtMost: 1, People: "name"}, {Column: "email", Type: ids.Email}}
	p.Segments = map[string]string{"rich": "amount > 100", "paid": "amount IS NOT NULL", "nobody": "false"}
	p.Dimensions = map[string]config.Dimension{"tier": {SQL: "tier", Values: []string{"gold", "silver", "bronze"}}, "small": {SQL: "lower(tier)", Values: []string{"gold"}}}
	p.Measures = map[string]config.Measure{"spend": {SQL: "amount", Clip: [2]float64{0, 500}}}
	p.Purposes = map[string]config.Purpose{"dated": {Consent: "optin", Given: "given", ValidFor: config.Period{Years: 2}}, "plain": {Consent: "optin"}}
	p.Retention = config.Retention{Since: "bought", KeepFor: config.Period{Years: 3}}
	return p, agreed(ids.Email, ids.Phone)
}

// Every number of a profile is what the owner counts in the file by hand.
func TestProfile(t *testing.T) {
	p, o := messyParty(t)
	profile := mustCheck(t, p, o)
	want := &customers.Profile{
		Rows: 12, Expired: 2, Nobody: 2, // Anna's third and Gus's without a date; Dora and the empty one
		Customers: 6, Duplicates: 1, LeftOut: 1, // Anna, Ben, Cem, Eva, Fay, Hal; Anton's number is Anna's too
		Identities: []customers.IdentityProfile{
			{Column: "email", Type: ids.Email, Empty: 2, Malformed: 1, Usable: 7, Distinct: 6, Most: 1},
			{Column: "phone", Type: ids.Phone, Empty: 5, Malformed: 1, Usable: 4, Distinct: 3, Shared: 1, Most: 2},
		},
		Segments: []customers.SegmentProfile{{Name: "nobody"}, {Name: "paid", Customers: 5}, {Name: "rich", Customers: 1}},
		Dimensions: []customers.DimensionProfile{
			{Name: "small", Unknown: 4, Undeclared: []customers.ValueCount{{"platinum", 3}, {"brass", 2}, {"silver", 1}}},
			{Name: "tier", Unknown: 5, Undeclared: []customers.ValueCount{{"platinum", 3}, {"brass", 2}, {"GOLD", 1}}, Empty: []string{"silver", "bronze"}},
		},
		Measures: []customers.MeasureProfile{{Name: "spend", Missing: 1, AtBound: 3}}, // Anna 550, Ben 0, Eva -5
		Purposes: []customers.PurposeProfile{
			{Name: "dated", May: 2, Without: 2, Later: 1, Over: 1}, // Anna and Hal; Ben and Fay; Cem; Eva
			{Name: "plain", May: 5, Without: 1},
		},
	}
	if !reflect.DeepEqual(profile, want) {
		t.Errorf("the profile is\n%+v\nwant\n%+v", profile, want)
	}
	// Whoever has consented, but has a row too old by the day of the question, is not without consent but over.
	later := o
	later.Now = plain.Now.AddDate(0, 0, 310)
	if got := mustCheck(t, p, later).Purposes[0]; got != (customers.PurposeProfile{Name: "dated", May: 3, Without: 2, Over: 1}) {
		t.Errorf("310 days later: %+v", got)
	}
}

// All that is wrong with the SQL is found at once, whether it shows before any row is read, on the first or on the last one,
// and the rest is looked at as if it stood alone.
func TestAllProblems(t *testing.T) {
	p := partyOf(t, "id,v,n,day,w,W\n"+strings.Repeat("1,7,1,2026-01-01,,\n2,8,2,2026-01-02,,\n", 3000)+"3,word,0,2026-01-03,,\n")
	p.Segments = map[string]string{"good": "n = 2", "not_sql": "n = ", "no_column": "missing = 1", "no_bool": "n", "fails": "CAST(v AS INTEGER) > 7", "twice": "w = 'a'", "late": "v LIKE '%word%'"}
	p.Dimensions = map[string]config.Dimension{"n": {SQL: "n", Values: []string{"1"}}, "cast": {SQL: "CAST(v AS INTEGER) + 1", Values: []string{"8"}}, "window": {SQL: "row_number() OVER ()", Values: []string{"8"}}}
	m := config.Measure{Clip: [2]float64{0, 500}}
	p.Measures = map[string]config.Measure{}
	for name, sql := range map[string]string{"sound": "n * 2", "infinite": "1 / n", "word": "v", "far": "1e308 * n", "sum": "sum(n)"} {
		m.SQL = sql
		p.Measures[name] = m
	}
	p.Purposes = map[string]config.Purpose{"good": {Consent: "n > 0", Given: "day"}, "no_bool": {Consent: "day"}, "no_date": {Consent: "true", Given: "v"}, "both": {Consent: "x", Given: "y"}}
	p.Retention = config.Retention{Since: "v", KeepFor: config.Period{Years: 1}}
	profile := mustCheck(t, p, plain)
	wants := []string{
		`segment "not_sql": SQL "n = ": syntax error`, `segment "no_column": SQL "missing = 1": Binder Error: Referenced column "missing" not found`,
		`segment "no_bool": SQL "n": is of type BIGINT, a segment must be BOOLEAN`, `segment "fails": SQL "CAST(v AS INTEGER) > 7": fails on some row: Conversion Error`,
		`segment "twice": SQL "w = 'a'": 2 columns are called "w"`,
		`dimension "cast": SQL "CAST(v AS INTEGER) + 1": fails on some row: Conversion Error`, `dimension "window": SQL "row_number() OVER ()": has a window function`,
		`measure "infinite": SQL "1 / n": is not a finite number on some row (a division by zero is infinite`, `measure "word": SQL "v": is of type VARCHAR`,
		`measure "far": SQL "1e308 * n": is not a finite number on some row`, `measure "sum": SQL "sum(n)": Binder Error: WHERE clause cannot contain aggregates`,
		`consent for purpose "no_bool": SQL "day": is of type DATE`, `given of purpose "no_date": SQL "v": is of type VARCHAR`, `consent for purpose "both": SQL "x"`,
		`given of purpose "both": SQL "y"`, `since of "retention": SQL "v": is of type VARCHAR`,
	}
	for _, want := range wants {
		if n := len(slices.Collect(found(profile.Problems, want))); n != 1 {
			t.Errorf("%d problems begin with %s", n, want)
		}
	}
	if len(profile.Problems) != len(wants) {
		t.Errorf("%d problems, want %d:\n%s", len(profile.Problems), len(wants), strings.Join(profile.Problems, "\n"))
	}
	if profile.Rows != 6001 || profile.Customers != 3 || profile.Expired != 0 ||
		!slices.Equal(profile.Segments, []customers.SegmentProfile{{"good", 1}, {"late", 1}}) ||
		!slices.Equal(profile.Measures, []customers.MeasureProfile{{"sound", 0, 3}}) || len(profile.Dimensions) != 1 || profile.Dimensions[0].Unknown != 2 ||
		!slices.Contains(profile.Purposes, customers.PurposeProfile{Name: "good", May: 2, Without: 1}) {
		t.Errorf("the rest is %+v", profile)
	}
	_, err := customers.Load(context.Background(), p, plain)
	if err == nil || !strings.Contains(err.Error(), `"no_bool"`) && !strings.Contains(err.Error(), `"not_sql"`) {
		t.Errorf("loading says %v", err)
	}
}

// found yields the texts that begin with a prefix.
func found(texts []string, prefix string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, text := range texts {
			if strings.HasPrefix(text, prefix) && !yield(text) {
				return
			}
		}
	}
}

// SQL that is right for the type that all rows make of a column is no problem, though the first rows would make it another.
func TestNoProblemOfTheFirstRows(t *testing.T) {
	p := partyOf(t, "id,v\n"+strings.Repeat("1,7\n", 5000)+"2,word\n")
	p.Segments["word"] = "v LIKE 'w%'"
	if profile := mustCheck(t, p, plain); len(profile.Problems) > 0 || profile.Segments[0].Customers != 1 {
		t.Errorf("the profile is %+v", profile)
	}
}

// The most frequent values that are not declared are shown, ten of them, the most frequent first and equals by the alphabet.
func TestUndeclaredValues(t *testing.T) {
	var content strings.Builder
	content.WriteString("id,v\n")
	for i := range 1500 {
		fmt.Fprintf(&content, "%d,value %04d\n", i, i)
	}
	content.WriteString(strings.Repeat("1,often\n2,declared\n3,\n", 7) + "4,seldom\n5,seldom\n6,\"a\nb\"\n7,\"a\nb\"\n")
	p := partyOf(t, content.String())
	p.Dimensions["v"] = config.Dimension{SQL: "v", Values: []string{"declared", "it's"}}
	d := mustCheck(t, p, plain).Dimensions[0]
	want := []customers.ValueCount{{"often", 7}, {"a\nb", 2}, {"seldom", 2}}
	for i := range 7 {
		want = append(want, customers.ValueCount{Value: fmt.Sprintf("value %04d", i), Rows: 1})
	}
	if !slices.Equal(d.Undeclared, want) || d.Unknown != 1500 || !slices.Equal(d.Empty, []string{"declared", "it's"}) {
		t.Errorf("the dimension is %+v, want %+v", d, want)
	}
}

// More customers than the file promises is a problem that Check lists, with the counts that the owner needs; without customers
// there is nothing to report on.
func TestCheckOfTooManyAndNone(t *testing.T) {
	p := partyOf(t, "id\n1\n2\n3\n2\n")
	p.CustomersUpTo = 2
	profile := mustCheck(t, p, plain)
	if profile.Customers != 3 || profile.Duplicates != 1 || len(profile.Problems) != 1 || !strings.Contains(profile.Problems[0], "more customers than customers_up_to says, 2") {
		t.Errorf("the profile is %+v", profile)
	}
	p.CustomersUpTo = 3
	if profile = mustCheck(t, p, plain); len(profile.Problems) > 0 {
		t.Errorf("problems are %q", profile.Problems)
	}
	for content, want := range map[string]string{"id\n": "has no rows", "id\n\n \n": "no row that may be used has an id", "key\n1\n": `no column "id"`} {
		if _, err := customers.Check(context.Background(), partyOf(t, content), plain); !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %s", content, err, want)
		}
	}
	p.Source.CSV += ".gone"
	if _, err := customers.Check(context.Background(), p, plain); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("error is %v", err)
	}
}
