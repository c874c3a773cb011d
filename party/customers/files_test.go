package customers_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// writeFiles writes files into a new folder and returns it.
func writeFiles(t *testing.T, contents map[string]string) string {
	folder := t.TempDir()
	for name, content := range contents {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// The files of a pattern are one table, in the order of their names: so which row of a customer is the first does not depend
// on the file system, and what the type of a column is depends on all of them.
func TestPattern(t *testing.T) {
	folder := writeFiles(t, map[string]string{
		"b2.csv": "id,v,n\n3,late,1\n1,late,word\n", "a2.csv": "\ufeffid,v,n\r\n2,early,5\r\n4,early,5", "a10.csv": "id,v,n\n1,early,7\n",
		"a1.txt": "no customers", "c/a3.csv": "id,v,n\n9,other,1\n",
	})
	for pattern, want := range map[string]string{
		"*.csv":        "1 v=early\n2 v=early\n4 v=early\n3 v=late",
		"?2.csv":       "2 v=early\n4 v=early\n3 v=late\n1 v=late",
		"[ab]10.csv":   "1 v=early",
		"*/a*.csv":     "9 v=unknown",
		"a2.csv":       "2 v=early\n4 v=early",
		"../*/a10.csv": "1 v=early",
	} {
		p := partyOf(t, "")
		p.Source.CSV = filepath.Join(folder, pattern)
		if pattern == "../*/a10.csv" {
			p.Source.CSV = folder + "/" + pattern // not cleaned
		}
		p.Dimensions["v"] = config.Dimension{SQL: "v", Values: []string{"early", "late"}}
		if got := show(p, mustLoad(t, p), "1", "2", "3", "4", "9"); got != want {
			t.Errorf("%s: customers are %q, want %q", pattern, got, want)
		}
	}
	p := partyOf(t, "")
	p.Source.CSV = filepath.Join(folder, "*.csv")
	p.Segments["word"] = "n = 'word'" // n is text, for the last row of the last file
	if got := show(p, mustLoad(t, p), "1", "2", "3", "4"); got != "1 word\n2\n4\n3" {
		t.Errorf("customers are %q", got)
	}
}

// Files of a pattern that do not belong together are refused, and mistakes name the one that has them.
func TestPatternRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		second string // beside a good file a.csv
		want   string
	}{
		"another column":     {"id,w\n2,b\n", "b.csv: another header line than that of a.csv; all files must have the same"},
		"more columns":       {"id,v,w\n2,b,c\n", "b.csv: another header line"},
		"another order":      {"v,id\nb,2\n", "b.csv: another header line"},
		"another case":       {"id,V\n2,b\n", "b.csv: another header line"},
		"another delimiter":  {"id;v\n2;b\n", "b.csv: another header line"},
		"empty":              {"", "b.csv: is empty"},
		"not text":           {"\x00\x01", "b.csv: line 1: not text in UTF-8"},
		"open quote":         {"id,v\n2,b\n3,\"" + secret + "\n", "b.csv: line 3: a quote is not closed"},
		"too few values":     {"id,v\n" + secret + "\n", "b.csv: line 2: not as many values as the header has columns"},
		"Latin-1":            {"id,v\n2,b\n3," + secret + "\xe9\n", "b.csv: line 3: not UTF-8"},
		"an imitated name":   {"id,v\n\"2\n  file = /" + secret + "\n\",b,c\n", "b.csv: line 2: not as many values"},
		"another file's end": {"id,v\n2,\"\n  file = " + secret + "\n", "b.csv: line 2: a quote is not closed"},
	} {
		folder := writeFiles(t, map[string]string{"a.csv": "id,v\n1,a\n", "b.csv": c.second})
		p := partyOf(t, "")
		p.Source.CSV = filepath.Join(folder, "*.csv")
		p.Segments["s"] = "v = 'a'"
		checkError(t, name, p, fault.Invalid, c.want, "source "+p.Source.CSV)
	}
}

// DuckDB takes some characters of a path for a pattern, and would read other files than were found.
func TestPatternInAPath(t *testing.T) {
	folder := writeFiles(t, map[string]string{"odd*.csv": "id\n1\n", "odder.csv": "id\n2\n", "x[1]/a.csv": "id\n1\n", "{a,b}.csv": "id\n1\n", "it's %20.csv": "id\n1\n"})
	for name, path := range map[string]string{
		"found by a pattern": "odd?.csv", "escaped": `odd\*.csv`, "escaped folder": `x\[1]/a.csv`,
	} {
		p := partyOf(t, "")
		p.Source.CSV = folder + "/" + path
		checkError(t, name, p, fault.Invalid, "a path with *, ? or [, which DuckDB would take for a pattern")
	}
	for _, path := range []string{"{a,b}.csv", "it's %20.csv"} {
		p := partyOf(t, "")
		p.Source.CSV = filepath.Join(folder, path)
		if s := mustLoad(t, p); len(s.IDs) != 1 {
			t.Errorf("%s: %d customers", path, len(s.IDs))
		}
	}
}

// Parquet files that cannot be read say so and nothing of what they hold; the SQL of the owner is not blamed.
func TestBrokenParquet(t *testing.T) {
	folder := t.TempDir()
	good, many := filepath.Join(folder, "good"), filepath.Join(folder, "many")
	customers.Write(t,
		"COPY (SELECT '"+secret+"' || i AS id, 'word' || i AS v FROM range(5000) t(i)) TO '"+good+"' (FORMAT parquet, COMPRESSION uncompressed)",
		"COPY (SELECT '"+secret+"' AS id, 'a' AS v LIMIT 0) TO '"+many+"' (FORMAT parquet)",
		"COPY (SELECT '"+secret+"\\xE9'::BLOB AS id, 'a'::BLOB AS v) TO '"+filepath.Join(folder, "bytes")+"' (FORMAT parquet)")
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	none, err := os.ReadFile(many)
	if err != nil {
		t.Fatal(err)
	}
	latin1, err := os.ReadFile(filepath.Join(folder, "bytes"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	copy(damaged[10:], bytes.Repeat([]byte{0xff}, 200)) // the first page of the first column
	for name, c := range map[string]struct{ content, want string }{
		"empty":          {"", "not a Parquet file that can be read"},
		"text":           {"id,v\n" + secret + ",a\n", "not a Parquet file that can be read"},
		"cut off":        {string(whole[:len(whole)-10]), "not a Parquet file that can be read"},
		"only the end":   {string(whole[len(whole)-8:]), "not a Parquet file that can be read"},
		"damaged inside": {string(damaged), `column "id" can't be read on some row: `},
		"not UTF-8":      {string(latin1), `column "id" can't be read on some row: Invalid Input Error`},
		"no rows":        {string(none), "has no rows"},
	} {
		p := partyOf(t, "")
		p.Source = config.Source{Parquet: filepath.Join(writeFiles(t, map[string]string{"a.parquet": c.content}), "a.parquet")}
		p.Segments["s"] = "v = 'a'"
		checkError(t, name, p, fault.Invalid, c.want, "source "+p.Source.Parquet)
		two := writeFiles(t, map[string]string{"a.parquet": string(whole), "b.parquet": c.content})
		p.Source.Parquet = filepath.Join(two, "*.parquet")
		if strings.HasPrefix(c.want, "not a") {
			checkError(t, name+", among others", p, fault.Invalid, "b.parquet: "+c.want)
		}
	}
}

// Parquet files that do not have the same columns, of the same types, are refused: DuckDB itself would fill in and cast.
func TestMixedParquet(t *testing.T) {
	for name, second := range map[string]string{
		"another name":  "SELECT 2 AS id, 'b' AS w",
		"another type":  "SELECT 2::BIGINT AS id, 'b' AS v",
		"another order": "SELECT 'b' AS v, 2 AS id",
		"fewer":         "SELECT 2 AS id",
		"more":          "SELECT 2 AS id, 'b' AS v, 1 AS w",
	} {
		folder := t.TempDir()
		customers.Write(t, "COPY (SELECT 1 AS id, 'a' AS v) TO '"+folder+"/a.parquet' (FORMAT parquet)", "COPY ("+second+") TO '"+folder+"/b.parquet' (FORMAT parquet)")
		p := partyOf(t, "")
		p.Source = config.Source{Parquet: folder + "/*.parquet"}
		checkError(t, name, p, fault.Invalid, "b.parquet: other columns than those of a.parquet; all files must have the same, of the same types")
	}
}
