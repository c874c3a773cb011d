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

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// Loads here match by the party's one identity and have no retention; everybody consents.
var (
	plain  = customers.Options{Agreement: &agreement.Agreement{}, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	anyone = map[string]config.Purpose{"planning": {Consent: "true"}}
)

// partyOf declares customers in a new file with that content, told apart by the column id.
func partyOf(t testing.TB, content string) *config.Party {
	path := filepath.Join(t.TempDir(), "customers.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return &config.Party{
		Name: "shop", Source: config.Source{CSV: path}, Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, Purposes: anyone,
		CustomersUpTo: 1 << 20, Segments: map[string]string{}, Dimensions: map[string]config.Dimension{},
	}
}

func mustLoad(t testing.TB, p *config.Party) *customers.Snapshot {
	t.Helper()
	s, err := customers.Load(context.Background(), p, plain)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// show writes a snapshot as text: per customer the segments that hold and the value of each dimension. Ids are looked up
// among the given ones.
func show(p *config.Party, s *customers.Snapshot, raws ...string) string {
	names := map[ids.ID]string{}
	for _, raw := range raws {
		if id, ok := normalizer(p).ID(raw); ok {
			names[id] = raw
		}
	}
	var lines []string
	for i, id := range s.IDs {
		line := names[id]
		for j, name := range s.SegmentNames {
			if s.Segments[i]>>j&1 == 1 {
				line += " " + name
			}
		}
		for d, name := range s.DimensionNames {
			values := slices.Concat(p.Dimensions[name].Values, []string{config.Unknown})
			line += " " + name + "=" + values[s.Dimensions[d][i]]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Several rows of one id are one customer, as the issue defines it: any row for segments, the first row for dimensions.
// What is missing or not declared is unknown, and rows without an id are nobody.
func TestRowsOfOneIDAreOneCustomer(t *testing.T) {
	p := partyOf(t, `id,churn,tier,age
b,No,gold,70
a,No,silver,20
,Yes,gold,30
b,Yes,silver,80
"  ",Yes,gold,30
c,,,
a,No,gold,90
d,Yes,bronze,
`)
	p.Segments = map[string]string{"churned": "churn = 'Yes'", "old": "age >= 65"}
	p.Dimensions["tier"] = config.Dimension{SQL: "tier", Values: []string{"silver", "gold"}}
	p.Dimensions["band"] = config.Dimension{SQL: "CASE WHEN age < 65 THEN 'under 65' WHEN age >= 65 THEN '65+' END", Values: []string{"under 65", "65+"}}
	s := mustLoad(t, p)
	const want = `b churned old band=65+ tier=gold
a old band=under 65 tier=silver
c band=unknown tier=unknown
d churned band=unknown tier=unknown`
	if got := show(p, s, "a", "b", "c", "d"); got != want {
		t.Errorf("customers are\n%s\nwant\n%s", got, want)
	}
	if !slices.Equal(s.SegmentNames, []string{"churned", "old"}) || !slices.Equal(s.DimensionNames, []string{"band", "tier"}) {
		t.Errorf("names are %v and %v, want them sorted", s.SegmentNames, s.DimensionNames)
	}
}

// A party without segments and dimensions has members all the same.
func TestMembersOnly(t *testing.T) {
	p := partyOf(t, "id\n1\n\n2\n1\n")
	s := mustLoad(t, p)
	if got := show(p, s, "1", "2"); got != "1\n2" || len(s.Segments) != 2 || s.Segments[0] != 0 {
		t.Errorf("customers are %q, segments %v", got, s.Segments)
	}
}

// All 63 segments and the 999 values fit: the last of each is not mistaken for the bit or code of something else.
func TestMostSegmentsAndValues(t *testing.T) {
	var content strings.Builder
	content.WriteString("id,n\n")
	for i := range 1001 {
		fmt.Fprintf(&content, "%d,%d\n", i, i)
	}
	p := partyOf(t, content.String())
	var values []string
	for i := range config.MaxValues {
		values = append(values, fmt.Sprint(i))
	}
	p.Dimensions["n"] = config.Dimension{SQL: "n", Values: values}
	for j := range config.MaxSegments {
		p.Segments[fmt.Sprintf("s%02d", j)] = fmt.Sprintf("n %% %d = 0", j+1)
	}
	s := mustLoad(t, p)
	for i := range s.IDs {
		if want := min(i, config.MaxValues); int(s.Dimensions[0][i]) != want {
			t.Fatalf("customer %d has code %d, want %d", i, s.Dimensions[0][i], want)
		}
		for j := range config.MaxSegments {
			if got, want := s.Segments[i]>>j&1 == 1, i%(j+1) == 0; got != want {
				t.Fatalf("customer %d in segment %d: %v, want %v", i, j, got, want)
			}
		}
		if s.Segments[i]>>63 != 0 {
			t.Fatalf("customer %d has bit 63", i)
		}
	}
}

// The loader agrees with ten lines of plain Go on any file: quoted or not, with repeated, empty and odd ids, values that
// look like numbers, booleans and dates in one column.
func TestAgreesWithPlainGo(t *testing.T) {
	folder := t.TempDir()
	files := 0
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SampledFrom([]string{"", "a", "b", "Yes", "no", "true", "1", "007", "1.50", "-0", "2024-02-29", "x,y", "a\"b", "two\nlines", " pad ", "é", "NULL", "'"})
		rows := rapid.SliceOfN(rapid.SliceOfN(words, 3, 3), 1, 30).Draw(t, "rows")
		rows = append(rows, []string{"last", "", ""}) // somebody
		values := rapid.SliceOfNDistinct(words.Filter(func(v string) bool { return v != "" && !strings.Contains(v, "\n") }), 1, 5, rapid.ID).Draw(t, "values")

		files++
		path := filepath.Join(folder, fmt.Sprintf("%d.csv", files))
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w := csv.NewWriter(f)
		if err := w.WriteAll(append([][]string{{"id", "left", "right"}}, rows...)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		p := &config.Party{
			Name: "shop", Source: config.Source{CSV: path}, Identity: config.Identities{{Column: "ID", Type: ids.Opaque}}, Purposes: anyone, CustomersUpTo: 100,
			Segments:   map[string]string{"same": `CAST("left" AS VARCHAR) = CAST("right" AS VARCHAR)`, "filled": `"left" IS NOT NULL`},
			Dimensions: map[string]config.Dimension{"d": {SQL: `"right"`, Values: values}},
		}
		s, err := customers.Load(context.Background(), p, plain)
		if err != nil {
			t.Fatal(err)
		}

		var want []string
		seen := map[string]int{}
		for _, row := range rows {
			if strings.TrimSpace(row[0]) == "" {
				continue
			}
			if _, ok := seen[row[0]]; !ok {
				seen[row[0]] = len(want)
				code := slices.Index(values, row[2])
				want = append(want, fmt.Sprintf("%s %d", row[0], (code+len(values)+1)%(len(values)+1)))
			}
		}
		var got []string
		names := map[ids.ID]string{}
		for raw := range seen {
			id, _ := normalizer(p).ID(raw)
			names[id] = raw
		}
		for i, id := range s.IDs {
			code := int(s.Dimensions[0][i])
			if code == len(values) {
				code = -1
			}
			got = append(got, fmt.Sprintf("%s %d", names[id], (code+len(values)+1)%(len(values)+1)))
			filled := slices.ContainsFunc(rows, func(r []string) bool { return r[0] == names[id] && r[1] != "" })
			if s.Segments[i]&1 == 1 != filled {
				t.Fatalf("%q filled: %v, want %v", names[id], !filled, filled)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("customers and codes are %q, want %q", got, want)
		}
	})
}

// A big file is read by several threads; customers still come in the order of the file, and the first row still decides.
func TestOrderOfABigFile(t *testing.T) {
	const people = 60_000
	var content strings.Builder
	content.WriteString("id,first\n")
	for _, first := range []string{"yes", "no"} {
		for i := range people {
			fmt.Fprintf(&content, "customer number %d,%s\n", i, first)
		}
	}
	p := partyOf(t, content.String())
	p.Dimensions["first"] = config.Dimension{SQL: "first", Values: []string{"yes", "no"}}
	s := mustLoad(t, p)
	if len(s.IDs) != people {
		t.Fatalf("%d customers, want %d", len(s.IDs), people)
	}
	for i, id := range s.IDs {
		if want, _ := normalizer(p).ID(fmt.Sprintf("customer number %d", i)); id != want {
			t.Fatalf("customer %d is another", i)
		}
		if s.Dimensions[0][i] != 0 {
			t.Fatalf("customer %d has the value of a later row", i)
		}
	}
}

// The declared bound is public and others plan with it: reaching it is fine, exceeding it is an error that does not tell
// by how much.
func TestCustomersUpTo(t *testing.T) {
	p := partyOf(t, "id\n1\n2\n3\n1\n2\n3\n4\n5\n6\n7\n")
	p.CustomersUpTo = 7
	mustLoad(t, p)
	p.CustomersUpTo = 4
	_, err := customers.Load(context.Background(), p, plain)
	if err == nil {
		t.Fatal("loaded more customers than declared")
	}
	message := strings.ReplaceAll(err.Error(), p.Source.CSV, "")
	if !fault.IsKind(err, fault.Limit) || !strings.Contains(message, "customers_up_to says, 4") || strings.ContainsAny(message, "567") {
		t.Errorf("error is %v, want a fault of kind limit that names 4 and no other count", err)
	}
}

// normalizer returns that of a party's one identity.
func normalizer(p *config.Party) ids.Normalizer {
	return ids.Normalizer{Type: p.Identity[0].Type, Country: p.Identity[0].Country}
}
