package customers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// secret stands for a customer's value in files that cannot be loaded. It must never be in an error.
const secret = "s3cret"

// checkError checks that loading fails with a fault of that kind, with all the words of want in it and nothing of a customer.
func checkError(t *testing.T, name string, p *config.Party, kind fault.Kind, want ...string) {
	t.Helper()
	_, err := customers.Load(context.Background(), p, plain)
	if err == nil {
		t.Errorf("%s: loaded", name)
		return
	}
	for _, words := range want {
		if !fault.IsKind(err, kind) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error is %v (%s), want %s with %q", name, err, fault.From(err).Kind, kind, words)
		}
	}
	if text := fmt.Sprintf("%v %+v %s", err, err, fault.From(err).Hint); strings.Contains(text, secret) || len(text) > 2000 {
		t.Errorf("%s: a customer's value is in the error, or it is too long: %.3000s", name, text)
	}
}

// Every broken file is refused with its name and, where there is one, the line and the rule; never read in part, and
// never quoted.
func TestBrokenFiles(t *testing.T) {
	million := strings.Repeat(secret, 1_000_000/len(secret))
	late := strings.Repeat("1,"+secret+"\n", 100_000) // so that rows were taken in before the error
	for name, c := range map[string]struct{ content, want string }{
		"empty":                      {"", "is empty"},
		"only blanks":                {" \r\n\n", "is empty"},
		"only a mark":                {"\ufeff", "is empty"},
		"only a header":              {"id,v\n", "has no rows"},
		"blank first line":           {"\nid,v\n1,a\n", "line 1: empty"},
		"no header":                  {"1," + "a\n2,b\n", `no column "id"; its columns are "1", "a"`},
		"without the id column":      {"key,v\n1," + secret + "\n", `no column "id"; its columns are "key", "v"`},
		"without it, semicolons":     {"key;v\n1;" + secret + "\n", `no column "id"; its columns are "key", "v"`},
		"two id columns":             {"id,v,ID\n1,a,2\n", `2 columns are called "id"`},
		"nobody":                     {"id,v\n,a\n  ,b\n", `no row that may be used has an id in column "id" (opaque)`},
		"open quote":                 {"id,v\n1,a\n2,\"" + secret + "\n3,b\n", "line 3: a quote is not closed"},
		"open quote in the header":   {"id,\"v\n1,a\n", "line 1: broken quoting"},
		"text after a quote":         {"id,v\n1,\"" + secret + "\"" + secret + "\n2,b\n", "line 2: a quote is not closed, or not followed by a delimiter"},
		"late open quote":            {"id,v\n" + late + "2,\"" + secret + "\n", "line 100002: a quote is not closed"},
		"too few values":             {"id,v\n1,a\n" + secret + "\n", "line 3: not as many values as the header has columns"},
		"too many values":            {"id,v\n1,a\n" + secret + ",b,c\n", "line 3: not as many values as the header has columns"},
		"late too many values":       {"id,v\n" + late + "2,3,4\n", "line 100002: not as many values"},
		"million characters":         {"id,v\n1," + million + "\n2,b\n", "line 2: longer than 262144 bytes"},
		"million characters of id":   {"id,v\n" + million + ",a\n", "line 2: longer than 262144 bytes"},
		"million, quoted":            {"id,v\n1,\"" + million + "\"\n", "line 2: longer than 262144 bytes"},
		"million, unused":            {"id,v,x\n1,a," + million + "\n", "line 2: longer than 262144 bytes"},
		"million in the header":      {million + ",id,v\n1,2,3\n", "line 1: longer than 262144 bytes"},
		"late million":               {"id,v\n" + late + "1," + million + "\n", "line 100002: longer than 262144 bytes"},
		"Latin-1":                    {"id,v\n1,a\n2," + secret + "\xe9\n", "line 3: not UTF-8"},
		"Latin-1 id":                 {"id,v\n1,a\n" + secret + "\xe9,b\n", "line 3: not UTF-8"},
		"Latin-1 header":             {"id,v,\xe9\n1,a,b\n", "line 1: not text in UTF-8"},
		"UTF-16":                     {inUTF16("id,v\n1,a\n"), "line 1: not text in UTF-8"},
		"zero byte in the header":    {"id,v,\x00\n1,a,b\n", "line 1: not text in UTF-8"},
		"compressed":                 {"\x1f\x8b\x08\x00" + secret, "line 1: not text in UTF-8"},
		"mixed line ends":            {"id,v\r\n1," + secret + "\n2,b\r\n", "lines end now in LF, now in CR LF"},
		"error's words in the value": {"id,v\nMaximum line size of " + secret + ",\"a\n", "line 2: "},
	} {
		p := partyOf(t, c.content)
		p.Segments["s"] = "v = 'a'"
		checkError(t, name, p, fault.Invalid, c.want, "source "+p.Source.CSV)
	}
}

func inUTF16(s string) string {
	b := bytes.NewBuffer([]byte{0xff, 0xfe})
	for _, unit := range utf16.Encode([]rune(s)) {
		b.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	return b.String()
}

// What is not a file at all is told apart from a file that is no good.
func TestNoFile(t *testing.T) {
	p := partyOf(t, "id\n1\n")
	folder := filepath.Dir(p.Source.CSV)
	for name, c := range map[string]struct {
		path string
		kind fault.Kind
		want string
	}{
		"missing":  {filepath.Join(folder, "none.csv"), fault.NotFound, "none.csv: no such file"},
		"folder":   {folder, fault.Invalid, "not a file"},
		"device":   {"/dev/null", fault.Invalid, "not a file"},
		"pattern":  {filepath.Join(folder, "*.tsv"), fault.NotFound, "no file fits the pattern"},
		"a range":  {filepath.Join(folder, "[.csv"), fault.Invalid, "not a pattern"},
		"no name":  {"", fault.Invalid, "source: none"},
		"zero":     {"a\x00b", fault.Invalid, "invalid argument"},
		"internet": {"https://example.com/a.csv", fault.NotFound, "no such file"},
	} {
		p.Source.CSV = c.path
		checkError(t, name, p, c.kind, c.want)
	}
}

// SQL that does not do, each with the name of the segment and why.
func TestRefusedSQL(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.csv")
	if err := os.WriteFile(other, []byte("id\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		"churned = 'Yes'":                `Referenced column "churned" not found`,
		"v = = 'a'":                      "syntax error",
		"v ='a":                          "unterminated quoted string",
		"(v = 'a'":                       "syntax error",
		"v = 'a')":                       "syntax error",
		"true) OR (true":                 "syntax error",
		"v":                              "is of type VARCHAR, a segment must be BOOLEAN",
		"n":                              "is of type BIGINT, a segment must be BOOLEAN",
		"1":                              "is of type INTEGER, a segment must be BOOLEAN",
		"NULL":                           "a segment must be BOOLEAN",
		"v = 'a', n = 1":                 "not one expression",
		"v = 'a';":                       "ends in a semicolon",
		"v = 'a'; ":                      "ends in a semicolon",
		"v = 'a'; SELECT 1":              "not one expression",
		"true; DROP VIEW x":              "Only SELECT statements",
		"v = 'a' FROM customers":         "not one expression",
		"true UNION SELECT true":         "not one expression",
		"true WHERE true":                "",
		"true AS s":                      "syntax error",
		"n = $1":                         "has a parameter",
		"n = ?":                          "has a parameter",
		"#1 = 'a'":                       "has #, must name its columns",
		"COLUMNS(*) = 'a'":               "has *, must name its columns",
		"n > (SELECT 1)":                 "has a subquery",
		"n IN (SELECT n FROM customers)": "has a subquery",
		"EXISTS (SELECT 1 FROM read_csv('" + other + "'))": "has a subquery",
		"row_number() OVER () = 1":                         "has a window function",
		"sum(n) > 1":                                       "aggregate",
		"unnest([true, false])":                            "UNNEST",
		"nothing(n)":                                       "Function with name nothing does not exist",
		"v > 3":                                            "Cannot compare values of type VARCHAR and type INTEGER_LITERAL",
		"v LIKE 1":                                         "No function matches",
		"n LIKE 'a%'":                                      "No function matches",
		"v = 'a\x00'":                                      "zero byte",
		`"row id" = 'a'`:                                   `"row id" not found`,
		"c0 = 'a'":                                         `"c0" not found`,
		"raw.c0 = 'a'":                                     `Referenced table "raw" not found`,
	} {
		p := partyOf(t, "id,v,n\n"+secret+","+secret+",1\n"+secret+"2,b,2\n")
		p.Segments["loyal"] = sql
		checkError(t, sql, p, fault.Invalid, want, `segment "loyal": SQL`)
	}
	p := partyOf(t, "id,v,V\n1,a,"+secret+"\n")
	p.Segments["loyal"] = "v = 'a'"
	checkError(t, "two columns", p, fault.Invalid, `segment "loyal": SQL "v = 'a'": 2 columns are called "v"`)
	p = partyOf(t, "id,v\n1,"+secret+"\n")
	p.Dimensions["tier"] = config.Dimension{SQL: "w", Values: []string{"a"}}
	checkError(t, "dimension", p, fault.Invalid, `dimension "tier": SQL "w": Binder Error: Referenced column "w" not found`)
}

// SQL that fails on some row names the segment and the class of failure; DuckDB's own words would quote the value.
func TestFailingSQL(t *testing.T) {
	late := strings.Repeat("1,1,2024-01-01\n", 50_000)
	for sql, class := range map[string]string{
		"CAST(v AS INTEGER) > 3":                              "Conversion Error",
		"CAST(v AS DATE) > DATE '2024-01-01'":                 "Conversion Error",
		"error(v) IS NULL":                                    "Invalid Input Error",
		"strptime(v, '%Y') > TIMESTAMP '2024-01-01 00:00:00'": "Invalid Input Error",
		"CAST(concat('2', v) AS BIGINT) > 1":                  "Conversion Error",
	} {
		p := partyOf(t, "id,v,d\n"+late+secret+","+secret+",2024-01-01\n")
		p.Segments = map[string]string{"fine": "d IS NULL", "loyal": sql, "zero": "true"}
		checkError(t, sql, p, fault.Invalid, fmt.Sprintf("segment \"loyal\": SQL %q: fails on some row: %s", sql, class))
	}
	p := partyOf(t, "id,v\n1,2\n2,"+secret+"\n")
	p.Dimensions["tier"] = config.Dimension{SQL: "CAST(v AS INTEGER) + 1", Values: []string{"3"}}
	checkError(t, "dimension", p, fault.Invalid, `dimension "tier": SQL "CAST(v AS INTEGER) + 1": fails on some row: Conversion Error`)
}

// A declaration that breaks config's rules is not loaded, whoever made it.
func TestChecksTheDeclaration(t *testing.T) {
	p := partyOf(t, "id\n1\n")
	p.CustomersUpTo = 0
	checkError(t, "bound", p, fault.Invalid, "customers_up_to 0")
	p = partyOf(t, "id\n1\n")
	p.Identity[0].Type = ids.Type("name")
	checkError(t, "type", p, fault.Invalid, `identity type "name"`)
}

// The end of the context ends the load, before it starts and in the middle of a statement that takes long.
func TestCancel(t *testing.T) {
	p := partyOf(t, "id,n\n"+strings.Repeat("1,2\n", 100_000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := customers.Load(ctx, p, plain); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	// About half a minute of work, of which DuckDB does some hundredths of a second at a time.
	p.Segments["slow"] = "levenshtein(repeat('ab', 100 + n), repeat('ba', 100 + n)) > 0"
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := customers.Load(ctx, p, plain); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want context.DeadlineExceeded", err)
	}
}
