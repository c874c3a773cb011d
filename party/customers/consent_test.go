package customers_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

func at(text string) int64 {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return moment.Unix()
}

// consenting declares customers with one purpose.
func consenting(t testing.TB, content string, u config.Purpose) *config.Party {
	p := partyOf(t, content)
	p.Purposes = map[string]config.Purpose{"planning": u}
	return p
}

// mays returns which customers may take part at a time, a letter each.
func mays(s *customers.Snapshot, purpose int, now int64) string {
	text := ""
	for i := range s.IDs {
		text += map[bool]string{true: "y", false: "n"}[s.May(i, purpose, now)]
	}
	return text
}

// Whoever consents takes part, and nobody else: NULL is no consent, and one row that says no, or nothing, outweighs all others.
func TestConsent(t *testing.T) {
	const content = "id,agreed,letter\n1,true,y\n2,false,n\n3,,\n4,true,y\n4,false,y\n5,true,y\n5,,y\n6,true,y\n6,true,\n"
	for sql, want := range map[string]string{
		"agreed": "ynnnny", "letter = 'y'": "ynnyyn", "true": "yyyyyy", "false": "nnnnnn", "NULL::BOOLEAN": "nnnnnn", "agreed IS NULL": "nnynnn",
		"agreed OR true": "yyyyyy", "agreed -- AND false": "ynnnny",
	} {
		s := mustLoad(t, consenting(t, content, config.Purpose{Consent: sql}))
		if got := mays(s, 0, plain.Now.Unix()); got != want || s.Validity[0].From != nil || s.Validity[0].Until != nil {
			t.Errorf("%s: %s may, want %s; validity %v", sql, got, want, s.Validity)
		}
	}
	// Purposes do not mix, even 50 of them.
	p := partyOf(t, "id,n\n1,1\n2,2\n3,3\n")
	p.Purposes = map[string]config.Purpose{}
	for i := range config.MaxPurposes {
		u := config.Purpose{Consent: fmt.Sprintf("n = %d", i%3+1)}
		if i%5 == 0 {
			u.Given = fmt.Sprintf("TIMESTAMP '2026-01-01' + INTERVAL (%d) SECOND", i)
		}
		p.Purposes[fmt.Sprintf("p%02d", i)] = u
	}
	s := mustLoad(t, p)
	for i, name := range s.Purposes {
		if want := []string{"ynn", "nyn", "nny"}[i%3]; name != fmt.Sprintf("p%02d", i) || mays(s, i, plain.Now.Unix()) != want {
			t.Errorf("%s: %s may, want %s", name, mays(s, i, plain.Now.Unix()), want)
		}
		if i%5 == 0 {
			if from := s.Validity[i].From; !slices.Equal(from, slices.Repeat([]uint32{uint32(at("2026-01-01T00:00:00Z")) + uint32(i)}, 3)) {
				t.Errorf("%s: consent from %v", name, from)
			}
		} else if s.Validity[i].From != nil {
			t.Errorf("%s has a date", name)
		}
	}
}

// Consent holds from the second in which it was given, until the last day of its validity begins in UTC; without a date there
// is none. Several rows of one customer leave what all of them allow.
func TestConsentWithADate(t *testing.T) {
	const content = `id,given
1,2024-03-15 14:30:00
2,2024-03-15 00:00:00
3,
4,2026-03-01 12:00:00
5,2026-03-01 12:00:01
6,2024-03-15 14:30:00
6,2025-06-01 09:00:00.9
7,2024-03-15 14:30:00
7,
8,1960-01-01 00:00:00
9,2200-01-01 00:00:00
`
	p := consenting(t, content, config.Purpose{Consent: "true", Given: "given", ValidFor: config.Period{Months: 24}})
	s := mustLoad(t, p)
	for _, c := range []struct{ now, want string }{
		{"2024-03-14T23:59:59Z", "nnnnnnnnn"},
		{"2024-03-15T00:00:00Z", "nynnnnnnn"},
		{"2024-03-15T14:29:59Z", "nynnnnnnn"},
		{"2024-03-15T14:30:00Z", "yynnnnnnn"},
		{"2025-06-01T08:59:59Z", "yynnnnnnn"},
		{"2025-06-01T09:00:00Z", "yynnnynnn"}, // fractions of a second are cut off
		{"2026-03-01T11:59:59Z", "yynnnynnn"},
		{"2026-03-01T12:00:00Z", "yynynynnn"},
		{"2026-03-01T12:00:01Z", "yynyyynnn"},
		{"2026-03-14T23:59:59Z", "yynyyynnn"},
		{"2026-03-15T00:00:00Z", "nnnyynnnn"},
		{"2028-02-29T23:59:59Z", "nnnyynnnn"},
		{"2028-03-01T00:00:00Z", "nnnnnnnnn"},
		{"2107-01-01T00:00:00Z", "nnnnnnnnn"},
	} {
		if got := mays(s, 0, at(c.now)); got != c.want {
			t.Errorf("at %s %s may, want %s", c.now, got, c.want)
		}
	}
	p.Purposes["planning"] = config.Purpose{Consent: "id <> '2'", Given: "given"}
	s = mustLoad(t, p)
	for now, want := range map[string]string{"2025-06-01T09:00:00Z": "ynnnnynyn", "2106-01-01T00:00:00Z": "ynnyyynyn"} {
		if got := mays(s, 0, at(now)); got != want {
			t.Errorf("without an end, at %s %s may, want %s", now, got, want)
		}
	}
	// A date begins with its day in UTC.
	s = mustLoad(t, consenting(t, "id,given\n1,2024-02-29\n", config.Purpose{Consent: "true", Given: "given", ValidFor: config.Period{Years: 1}}))
	if v := s.Validity[0]; int64(v.From[0]) != at("2024-02-29T00:00:00Z") || int64(v.Until[0]) != at("2025-03-01T00:00:00Z") {
		t.Errorf("consent holds from %d to %d", v.From[0], v.Until[0])
	}
}

// Moments that 32 bits do not hold become the nearest that they do: nobody's consent comes to life by turning over.
func TestFarDates(t *testing.T) {
	for sql, want := range map[string]customers.Validity{
		"DATE '1969-12-31'":                       {From: []uint32{0}, Until: []uint32{uint32(at("1970-12-31T00:00:00Z"))}},
		"DATE '1900-01-01'":                       {From: []uint32{0}, Until: []uint32{0}},
		"DATE '0001-01-01'":                       {From: []uint32{0}, Until: []uint32{0}},
		"DATE '4000-01-01 (BC)'":                  {From: []uint32{0}, Until: []uint32{0}},
		"TIMESTAMP '1969-12-31 23:59:59.5'":       {From: []uint32{0}, Until: []uint32{uint32(at("1970-12-31T00:00:00Z"))}},
		"TIMESTAMP '2106-02-07 06:28:13'":         {From: []uint32{customers.Never - 2}, Until: []uint32{customers.Always - 1}},
		"TIMESTAMP '2106-02-07 06:28:15'":         {From: []uint32{customers.Never - 1}, Until: []uint32{customers.Always - 1}},
		"TIMESTAMP '2106-02-07 06:28:16'":         {From: []uint32{customers.Never - 1}, Until: []uint32{customers.Always - 1}},
		"DATE '2242-03-17'":                       {From: []uint32{customers.Never - 1}, Until: []uint32{customers.Always - 1}}, // more than 2³³ s
		"DATE '5000000-01-01'":                    {From: []uint32{customers.Never - 1}, Until: []uint32{customers.Always - 1}},
		"DATE 'infinity'":                         {From: []uint32{customers.Never}, Until: []uint32{0}},
		"DATE '-infinity'":                        {From: []uint32{customers.Never}, Until: []uint32{0}},
		"CAST('infinity' AS TIMESTAMP)":           {From: []uint32{customers.Never}, Until: []uint32{0}},
		"CAST('-infinity' AS TIMESTAMPTZ)":        {From: []uint32{customers.Never}, Until: []uint32{0}},
		"NULL::TIMESTAMP":                         {From: []uint32{customers.Never}, Until: []uint32{0}},
		"TIMESTAMPTZ '2024-03-15 00:30:00+02:00'": {From: []uint32{uint32(at("2024-03-14T22:30:00Z"))}, Until: []uint32{uint32(at("2025-03-14T00:00:00Z"))}},
	} {
		s := mustLoad(t, consenting(t, "id\n1\n", config.Purpose{Consent: "true", Given: sql, ValidFor: config.Period{Years: 1}}))
		if v := s.Validity[0]; !slices.Equal(v.From, want.From) || !slices.Equal(v.Until, want.Until) {
			t.Errorf("%s: consent holds from %v to %v, want %v to %v", sql, v.From, v.Until, want.From, want.Until)
		}
	}
}

// A rule that is not one is refused with its purpose, what it is and what it should be.
func TestRefusedConsent(t *testing.T) {
	content := "id,v,n,d,word\n1," + secret + ",1,2024-01-01,01.02.2024\n2,b,2,2024-01-02," + secret + "\n"
	for sql, want := range map[string]string{
		"v": "is of type VARCHAR, consent must be BOOLEAN, such as: newsletter = 'yes'", "n": "is of type BIGINT, consent must be", "d": "is of type DATE, consent must be",
		"optin": `Referenced column "optin" not found`, "true) OR (true": "syntax error", "n > (SELECT 1)": "has a subquery", "max(n) > 1": "aggregate",
		"CAST(v AS BOOLEAN)": "fails on some row: Conversion Error",
	} {
		checkError(t, sql, consenting(t, content, config.Purpose{Consent: sql}), fault.Invalid, `consent for purpose "planning": SQL `, want)
	}
	for sql, want := range map[string]string{
		"v": "is of type VARCHAR, must be a DATE or TIMESTAMP", "word": "is of type VARCHAR", "n": "is of type BIGINT", "true": "is of type BOOLEAN", "d - d": "is of type BIGINT",
		"NULL": "must be a DATE or TIMESTAMP", "TIME '10:00:00'": "is of type another kind", "INTERVAL 1 DAY": "is of type INTERVAL", "optin": `Referenced column "optin" not found`,
		"CAST(v AS DATE)": "fails on some row: Conversion Error", "strptime(v, '%d.%m.%Y')": "fails on some row: Invalid Input Error", "last_day(max(d))": "aggregate",
	} {
		checkError(t, sql, consenting(t, content, config.Purpose{Consent: "true", Given: sql}), fault.Invalid, `given of purpose "planning": SQL `, want)
		p := partyOf(t, content)
		p.Retention = config.Retention{Since: sql, KeepFor: config.Period{Years: 100}}
		checkError(t, sql, p, fault.Invalid, `since of "retention": SQL `, want)
	}
	_, err := customers.Load(context.Background(), consenting(t, content, config.Purpose{Consent: "true", Given: "word"}), plain)
	if hint := fault.From(err).Hint; !strings.Contains(hint, "strptime") {
		t.Errorf("the hint is %q", hint)
	}
	// What the hint says works, and so does a column without any date: nobody consents.
	s := mustLoad(t, consenting(t, content, config.Purpose{Consent: "true", Given: "try_strptime(word, '%d.%m.%Y')"}))
	if got := mays(s, 0, plain.Now.Unix()); got != "yn" {
		t.Errorf("%s may, want yn", got)
	}
	s = mustLoad(t, consenting(t, "id,d\n1,\n2,\n", config.Purpose{Consent: "true", Given: "d"}))
	if got := mays(s, 0, plain.Now.Unix()); got != "nn" {
		t.Errorf("%s may, want nn", got)
	}
}

// Whatever the rows say, who may take part when is what a few lines of plain Go make of the rules, word by word.
func TestConsentAgreesWithPlainGo(t *testing.T) {
	folder := t.TempDir()
	files := 0
	rapid.Check(t, func(t *rapid.T) {
		day := rapid.Custom(func(t *rapid.T) string {
			if rapid.IntRange(0, 5).Draw(t, "missing") == 0 {
				return ""
			}
			moment := time.Date(2023, 1, 1, 0, 0, rapid.IntRange(0, 4*366*24*3600).Draw(t, "second"), 0, time.UTC)
			if rapid.IntRange(0, 9).Draw(t, "midnight") == 0 {
				moment = moment.Truncate(24 * time.Hour)
			}
			return moment.Format(time.DateTime)
		})
		rows := [][]string{{"id", "yes", "given", "since"}, {"last", "true", "2026-03-01 00:00:00", "2026-03-01 00:00:00"}}
		for range rapid.IntRange(0, 30).Draw(t, "rows") {
			rows = append(rows, []string{
				rapid.SampledFrom([]string{"a", "b", "c", "d", ""}).Draw(t, "id"), rapid.SampledFrom([]string{"true", "true", "false", ""}).Draw(t, "yes"),
				day.Draw(t, "given"), day.Draw(t, "since"),
			})
		}
		period := rapid.SampledFrom([]config.Period{{Days: 1}, {Days: 45}, {Months: 1}, {Months: 13}, {Years: 1}, {Years: 3}})
		files++
		path := filepath.Join(folder, fmt.Sprintf("%d.csv", files))
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := csv.NewWriter(f).WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		p := &config.Party{
			Name: "shop", Source: config.Source{CSV: path}, Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, CustomersUpTo: 100,
			Purposes: map[string]config.Purpose{
				"dated": {Consent: "yes", Given: "given", ValidFor: period.Draw(t, "valid for")}, "endless": {Consent: "yes", Given: "given"}, "undated": {Consent: "yes"},
			},
			Measures: map[string]config.Measure{"rows": {SQL: "1", Clip: [2]float64{0, 500}}},
		}
		if rapid.Bool().Draw(t, "retention") {
			p.Retention = config.Retention{Since: "since", KeepFor: period.Draw(t, "keep for")}
		}
		s, err := customers.Load(context.Background(), p, plain)
		if err != nil {
			t.Fatal(err)
		}

		parse := func(text string) time.Time {
			moment, err := time.Parse(time.DateTime, text)
			if err != nil {
				t.Fatal(err)
			}
			return moment
		}
		over := func(from string, period config.Period, now time.Time) bool { // at the beginning of the day on which it ends
			y, m, d := period.After(parse(from)).Date()
			return !now.Before(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
		}
		used := map[string][][]string{}
		for _, row := range rows[1:] {
			if row[0] != "" && (!p.Retention.Declared() || row[3] != "" && !over(row[3], p.Retention.KeepFor, plain.Now)) {
				used[row[0]] = append(used[row[0]], row)
			}
		}
		if len(s.IDs) != len(used) {
			t.Fatalf("%d customers, want %d", len(s.IDs), len(used))
		}
		for range 20 {
			now := plain.Now.Add(time.Duration(rapid.Int64Range(0, 3*365*24*3600).Draw(t, "now")) * time.Second)
			if rapid.Bool().Draw(t, "midnight") {
				now = now.Truncate(24 * time.Hour)
			}
			for name, rows := range used {
				id, _ := normalizer(p).ID(name)
				customer := slices.Index(s.IDs, id)
				if customer < 0 || int(s.Amounts[0][customer]) != len(rows) {
					t.Fatalf("%s is not there, or has other rows than the %d that may be used", name, len(rows))
				}
				for j, purpose := range s.Purposes {
					u, want := p.Purposes[purpose], true
					for _, row := range rows {
						switch {
						case row[1] != "true", p.Retention.Declared() && over(row[3], p.Retention.KeepFor, now):
							want = false
						case u.Given != "" && (row[2] == "" || parse(row[2]).After(now)), u.ValidFor != (config.Period{}) && over(row[2], u.ValidFor, now):
							want = false
						}
					}
					if got := s.May(customer, j, now.Unix()); got != want {
						t.Fatalf("%s may take part in %s at %s: %v, want %v", name, purpose, now, got, want)
					}
				}
			}
		}
	})
}
