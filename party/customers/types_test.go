package customers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// Ids are what is written, never numbers: leading zeros, signs and exponents tell people apart.
func TestIDsStayText(t *testing.T) {
	p := partyOf(t, "id,n\n007,1\n7,2\n7.0,3\n1e3,4\n1000,5\n+7,6\n")
	p.Segments["text"] = "id LIKE '0%'" // text in SQL too
	if s := mustLoad(t, p); len(s.IDs) != 6 || s.Segments[0] != 1 || s.Segments[1] != 0 {
		t.Errorf("%d customers, segments %v; want 6, and only the first in the segment", len(s.IDs), s.Segments)
	}
}

// A dimension's values are compared as they stand in the file. (DuckDB's own guess makes Yes true, 0150 150 and 1.50 1.5,
// and every customer unknown.)
func TestDimensionsStayText(t *testing.T) {
	for _, values := range [][]string{
		{"Yes", "No"},
		{"yes", "no"},
		{"true", "false"},
		{"T", "F"},
		{"0150", "0151"},
		{"1", "2"},
		{"1.50", "2.00"},
		{"2024-01-31", "2024-02-29"},
		{"31/01/2024", "29/02/2024"},
		{"2024-01-31 10:00:00", "2024-01-31T10:00:00Z"},
		{"under 65", "65+"},
		{"it's", `"quoted"`},
	} {
		p := partyOf(t, fmt.Sprintf("id,v\n1,%s\n2,%s\n", quoted(values[0]), quoted(values[1])))
		p.Dimensions["plain"] = config.Dimension{SQL: ` "V" -- the column`, Values: values}
		s := mustLoad(t, p)
		if s.Dimensions[0][0] != 0 || s.Dimensions[0][1] != 1 {
			t.Errorf("%q have codes %v", values, s.Dimensions[0])
		}
	}
}

func quoted(v string) string { return `"` + strings.ReplaceAll(v, `"`, `""`) + `"` }

// A column's type follows from all its values: SQL of a type works if every value has it, wherever in the file it
// stands, and a value of no type makes the column text.
func TestTypes(t *testing.T) {
	filler := func(value string) []string { return strings.Split(strings.Repeat(value+"\n", 3000), "\n")[:3000] }
	for name, c := range map[string]struct {
		values []string
		sql    string // must hold for the last value only
	}{
		"integers":                 {[]string{"1", "2", "10"}, "v > 9"},
		"negative integers":        {[]string{"1", "2", "-10"}, "v < 0"},
		"decimals":                 {[]string{"1.5", "2", "10.25"}, "v > 9"},
		"small decimals":           {[]string{"0", "0.05", "0.5"}, "v > 0.1"},
		"leading zeros are text":   {[]string{"10", "9", "009"}, "v LIKE '00%'"},
		"many digits are text":     {[]string{"12345678901234567890", "1", "12345678901234567891"}, "v = '12345678901234567891'"},
		"booleans":                 {[]string{"false", "false", "true"}, "v"},
		"yes and no are text":      {[]string{"No", "No", "Yes"}, "v = 'Yes'"},
		"dates":                    {[]string{"2024-01-31", "2023-12-01", "2024-02-29"}, "v > DATE '2024-01-31'"},
		"impossible dates":         {[]string{"2024-01-31", "2023-12-01", "2024-02-30"}, "v LIKE '%30'"},
		"times":                    {[]string{"2024-01-31 10:00:00", "2024-01-31", "2024-01-31 10:00:01"}, "v > TIMESTAMP '2024-01-31 10:00:00'"},
		"times with a gap":         {[]string{"2024-01-31 10:00:00", "", "2024-01-31 10:00:01"}, "v > TIMESTAMP '2024-01-31 10:00:00'"},
		"dates with a gap":         {[]string{"2024-01-31", "", "2024-02-29"}, "v > DATE '2024-01-31'"},
		"booleans with a gap":      {[]string{"false", "", "true"}, "v"},
		"decimals with a gap":      {[]string{"1.5", "", "10.25"}, "v > 9"},
		"late times":               {append(filler(""), "2024-01-31 10:00:01"), "v > TIMESTAMP '2024-01-31 10:00:00'"},
		"words":                    {[]string{"a", "b", "ab"}, "length(v) = 2"},
		"infinity is a word":       {[]string{"1", "nan", "inf"}, "v = 'inf'"},
		"nothing":                  {[]string{"", "", "last"}, "v IS NOT NULL"},
		"late words":               {append(filler("1"), "word"), "v = 'word'"},
		"late words, as integers":  {append(filler("1"), "x2"), "TRY_CAST(v AS INTEGER) IS NULL"},
		"late decimals":            {append(filler("1"), "1.5"), "v > 1.2"},
		"late integers":            {append(filler(""), "12"), "v > 9"},
		"late zeros":               {append(filler("1"), "01"), "v LIKE '0%'"},
		"late words after nothing": {append(append(filler(""), filler("7")...), "x"), "v = 'x'"},
	} {
		var content strings.Builder
		content.WriteString("id,v\n")
		for i, value := range c.values {
			fmt.Fprintf(&content, "%d,%s\n", i, value)
		}
		p := partyOf(t, content.String())
		p.Segments["s"] = c.sql
		s := mustLoad(t, p)
		for i, mask := range s.Segments {
			if last := i == len(c.values)-1; mask == 1 != last {
				t.Errorf("%s: value %d, %q, is in the segment: %v", name, i, c.values[i], !last)
			}
		}
	}
}

// Files as spreadsheets of all kinds write them.
func TestDialects(t *testing.T) {
	for name, content := range map[string]string{
		"LF":                      "id,v\n1,a\n2,b\n",
		"CR LF":                   "id,v\r\n1,a\r\n2,b\r\n",
		"CR":                      "id,v\r1,a\r2,b\r",
		"no line end at the end":  "id,v\n1,a\n2,b",
		"byte order mark":         "\ufeffid,v\n1,a\n2,b\n",
		"mark and quotes":         "\ufeff\"id\",\"v\"\n\"1\",\"a\"\n\"2\",\"b\"\n",
		"semicolons":              "id;v\n1;a\n2;b\n",
		"semicolons and commas":   "id;v;\"a,b\"\n1;a;1,5\n2;b;2,5\n",
		"tabs":                    "id\tv\n1\ta\n2\tb\n",
		"bars":                    "id|v\n1|a\n2|b\n",
		"blank lines":             "id,v\n1,a\n\n2,b\n\n",
		"trailing commas":         "id,v,\n1,a,\n2,b,\n",
		"other case":              "ID,V\n1,a\n2,b\n",
		"more columns":            "x,id,y,v,z\n,1,,a,\n,2,,b,\n",
		"columns of our names":    "c0,id,row,v,row_ id,raw\n,1,,a,,\n,2,,b,,\n",
		"twice the same, unnamed": "id,x,v,x,\n1,,a,,\n2,,b,,\n",
		"quoted delimiter":        "id,x,v\n1,\"x,y\",a\n2,\"x\ny\",b\n",
		"space before a quote":    "id,x,v\n1, \"x,y\",a\n2,,b\n",
		"line end in a column":    "id,\"a\nb\",v\n1,,a\n2,,b\n",
		"odd column":              "id,\"it's \"\"odd\"\"\",v\n1,,a\n2,,b\n",
	} {
		p := partyOf(t, content)
		p.Segments["b"] = "v = 'b'"
		p.Dimensions["v"] = config.Dimension{SQL: "v", Values: []string{"a", "b"}}
		s := mustLoad(t, p)
		if got := show(p, s, "1", "2"); got != "1 v=a\n2 b v=b" {
			t.Errorf("%s: customers are %q", name, got)
		}
	}
}

// E-mail addresses and phone numbers are normalised before they are compared: the mess of one file is one person.
func TestIdentityTypes(t *testing.T) {
	p := partyOf(t, "id,v\n  Jón@Example.com ,a\njón@example.com,b\nJO\u0301N@EXAMPLE.COM,c\nnot an address,d\n,e\n")
	p.Identity[0].Type = ids.Email
	if s := mustLoad(t, p); len(s.IDs) != 1 {
		t.Errorf("%d customers, want one", len(s.IDs))
	}
	p = partyOf(t, "id\n030 12345678\n+49 30 12345678\n12\n")
	p.Identity = config.Identities{{Column: "id", Type: ids.Phone, Country: "DE"}}
	if s := mustLoad(t, p); len(s.IDs) != 1 {
		t.Errorf("%d customers, want one", len(s.IDs))
	}
}

// SQL is the owner's own: comments, strings with semicolons, functions of every kind over one row.
func TestSQL(t *testing.T) {
	for sql, want := range map[string]uint64{
		"v = 'b' -- a comment":               2,
		"v = 'b' /* ; */":                    2,
		"v != 'semi;colon' AND n > 1":        2,
		"n BETWEEN 2 AND 3":                  2,
		"v IN ('b', 'c')":                    2,
		"regexp_matches(v, '^[b-z]$')":       2,
		"list_contains(['b'], v)":            2,
		"list_filter([n], x -> x > 1) = [2]": 2,
		"customers.n = 2":                    2,
		`"n" = 2 OR NULL`:                    2,
		"CASE WHEN n = 2 THEN true END":      2,
		"true":                               3,
		"NULL::BOOLEAN":                      0,
	} {
		p := partyOf(t, "id,v,n\n1,a,1\n2,b,2\n")
		p.Segments["s"] = sql
		s := mustLoad(t, p)
		if got := s.Segments[0] | s.Segments[1]<<1; got != want {
			t.Errorf("%s: rows %b, want %b", sql, got, want)
		}
	}
}
