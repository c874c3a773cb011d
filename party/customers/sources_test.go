package customers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// columns is a table as both DuckDB and PostgreSQL understand it, and inserts fills it, in the words of both.
const columns = `id TEXT, small INTEGER, n BIGINT, price DECIMAL(9,2), whole DECIMAL(12,0), ratio DOUBLE PRECISION, single REAL,
	flag BOOLEAN, born DATE, seen TIMESTAMP, zoned TIMESTAMP WITH TIME ZONE, note TEXT, code TEXT`

func inserts(table string, from, to int) string {
	random := rand.New(rand.NewSource(1))
	pick := func(values ...string) string {
		if random.Intn(5) == 0 {
			return "NULL"
		}
		return values[random.Intn(len(values))]
	}
	var rows []string
	for i := range to {
		day := fmt.Sprintf("20%02d-%02d-%02d", 15+random.Intn(12), 1+random.Intn(12), 1+random.Intn(28))
		row := fmt.Sprintf("('%d é', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", random.Intn(2500),
			pick("1", "-7", "2000000000"), pick("1", "2", "12345678901234"), pick("1.50", "2.00", "-0.05", "1234567.89"), pick("7", "999999999999"),
			pick("0.5", "-1e-7", "15000000000.5", "3.25"), pick("0.1", "2.5"), pick("true", "false", "true", "true"), pick("DATE '"+day+"'", "DATE '2024-02-29'"),
			pick("TIMESTAMP '"+day+" 23:59:59.999999'", "TIMESTAMP '2025-06-30 00:00:00'", "TIMESTAMP '2025-06-30 12:00:00.5'"),
			pick("TIMESTAMP WITH TIME ZONE '"+day+" 00:30:00+02'", "TIMESTAMP WITH TIME ZONE '2026-02-28 23:00:00-01'"),
			pick("''", "'Zoë'", "'it''s \"quoted\", twice'", "'two\nlines'", "' pad '", "'日本'", "'NULL'"), pick("'007'", "'7'", "'1.50'", "'x'"))
		if i >= from {
			rows = append(rows, row)
		}
	}
	return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ")
}

// declared makes use of all columns in all roles.
func declared(source config.Source) *config.Party {
	return &config.Party{
		Name: "shop", Source: source, Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, CustomersUpTo: 10_000,
		Segments: prefixed("is_", map[string]string{
			"times": "small * small > 49", "sum": "n + 1 = 2", "half": "ratio < 1", "tenth": "single = 0.1", "flag": "flag", "leap": "born = DATE '2024-02-29'",
			"late": "seen > TIMESTAMP '2025-06-30 11:00:00'", "zoned": "zoned >= TIMESTAMP '2026-03-01 00:00:00'", "noted": "note IS NOT NULL",
			"empty": "note = ''", "not_empty": "note <> ''", "padded": "note LIKE ' %'", "seven": "code = '7'", "cheap": "price < 1.6 AND whole > 7", "text": "id LIKE '1%'",
		}),
		Dimensions: map[string]config.Dimension{
			"note":     {SQL: "note", Values: []string{"Zoë", `it's "quoted", twice`, " pad ", "日本", "NULL"}},
			"code":     {SQL: "code", Values: []string{"7", "007", "1.50"}},
			"n":        {SQL: "n", Values: []string{"1", "12345678901234"}},
			"price":    {SQL: "price", Values: []string{"1.50", "2.00", "-0.05"}},
			"whole":    {SQL: "whole", Values: []string{"7"}},
			"ratio":    {SQL: "ratio", Values: []string{"0.5", "3.25"}},
			"flag":     {SQL: "flag", Values: []string{"true"}},
			"born":     {SQL: "born", Values: []string{"2024-02-29"}},
			"seen":     {SQL: "seen", Values: []string{"2025-06-30 00:00:00", "2025-06-30 12:00:00.5"}},
			"computed": {SQL: "concat(upper(note), price * 2)", Values: []string{"ZOË3.0", "日本4.0"}},
			"year":     {SQL: "year(born)", Values: []string{"2024", "2025"}},
			"cast":     {SQL: "CAST(small AS VARCHAR)", Values: []string{"-7"}},
			"half":     {SQL: "small // 2", Values: []string{"-3", "0", "1000000000"}},
		},
		Measures: prefixed("of_", map[string]config.Measure{
			"n": {SQL: "n", Clip: [2]float64{0, 1000}}, "price": {SQL: "price", Clip: [2]float64{-10, 1000}, Step: 0.01}, "ratio": {SQL: "ratio * 3", Clip: [2]float64{0, 100}},
			"single": {SQL: "single", Clip: [2]float64{0, 100}, Step: 0.1}, "product": {SQL: "price * small", Clip: [2]float64{-100, 100}, Step: 0.5},
		}),
		Purposes: map[string]config.Purpose{
			"planning":  {Consent: "flag"},
			"marketing": {Consent: "flag", Given: "born", ValidFor: config.Period{Years: 5}},
			"research":  {Consent: "true", Given: "zoned"},
			"reporting": {Consent: "COALESCE(code, '') <> 'x'", Given: "seen + INTERVAL 1 DAY", ValidFor: config.Period{Months: 24}},
		},
		Retention: config.Retention{Since: "seen", KeepFor: config.Period{Years: 6}},
	}
}

// prefixed keeps apart names of several kinds.
func prefixed[T any](prefix string, named map[string]T) map[string]T {
	all := map[string]T{}
	for name, value := range named {
		all[prefix+name] = value
	}
	return all
}

// The same rows are the same customers, whatever they come from and in how many parts: equal in every id, bit, code, amount,
// date and so in their version; and so are the profiles.
func TestAllSourcesAlike(t *testing.T) {
	const rows = 5000
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	statements := []string{"CREATE TABLE t (" + columns + ")", "CREATE TABLE part AS FROM t", inserts("t", 0, rows)}
	for i, edge := range []int{0, 1, 2100, 2100 + 2048} {
		next := []int{1, 2100, 2100 + 2048, rows}[i]
		statements = append(statements, "TRUNCATE part", inserts("part", edge, next),
			fmt.Sprintf("COPY part TO '%s' (FORMAT parquet)", path(fmt.Sprintf("part%d.parquet", i))),
			fmt.Sprintf("COPY part TO '%s' (FORMAT csv, HEADER)", path(fmt.Sprintf("part%d.csv", i))))
	}
	customers.Write(t, append(statements, "COPY t TO '"+path("all.parquet")+"' (FORMAT parquet)", "COPY t TO '"+path("all.csv")+"' (FORMAT csv, HEADER)")...)

	sources := map[string]config.Source{
		"several CSV files": {CSV: path("part*.csv")}, "a Parquet file": {Parquet: path("all.parquet")}, "several Parquet files": {Parquet: path("part?.parquet")},
	}
	t.Run("all", func(t *testing.T) {
		want, wantProfile := loadAndCheck(t, config.Source{CSV: path("all.csv")})
		for j, name := range want.SegmentNames {
			ones := 0
			for _, mask := range want.Segments {
				ones += int(mask >> j & 1)
			}
			if (ones == 0 || ones == len(want.IDs)) != (name == "is_empty") {
				t.Errorf("%d of %d customers are in segment %s", ones, len(want.IDs), name)
			}
		}
		for d, name := range want.DimensionNames {
			seen := map[uint16]bool{}
			for _, code := range want.Dimensions[d] {
				seen[code] = true
			}
			if len(seen) != len(declared(config.Source{}).Dimensions[name].Values)+1 {
				t.Errorf("not all values of %s are there: %v", name, seen)
			}
		}
		compare := func(name string, source config.Source) {
			got, profile := loadAndCheck(t, source)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: other customers than a CSV file", name)
				difference(t, got, want)
			}
			if profile != wantProfile {
				got, want := strings.Split(profile, "\n"), strings.Split(wantProfile, "\n")
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Errorf("%s: line %d of the profile is %s, of a CSV file it is %s", name, i, got[i], want[i])
					}
				}
			}
		}
		for name, source := range sources {
			compare(name, source)
		}
		t.Run("postgres", func(t *testing.T) {
			c := postgrestest.Shared(t)
			c.Exec("CREATE SCHEMA alike; CREATE TABLE alike.filled (" + columns + ", row SERIAL)")
			c.Exec(inserts("alike.filled", 0, rows))
			// An INSERT puts small rows into pages that are almost full; this keeps their order.
			c.Exec("CREATE TABLE alike.t AS SELECT * FROM alike.filled ORDER BY row; CREATE VIEW alike.\"A view\" AS SELECT code, id, small, n, " +
				"price, whole, ratio, single, flag, born, seen, zoned, note FROM alike.t")
			t.Setenv("SOTTO_TEST_PG", c.URL(postgrestest.Superuser))
			for name, from := range map[string]config.Postgres{
				"table": {Table: "alike.t"}, "view": {Table: "alike.A view"}, "query": {Query: "SELECT *, 1 AS more FROM alike.filled ORDER BY row;"},
			} {
				from.Connection.Env = "SOTTO_TEST_PG"
				compare(name, config.Source{Postgres: &from})
			}
		})
	})
}

func loadAndCheck(t *testing.T, source config.Source) (*customers.Snapshot, string) {
	t.Helper()
	p := declared(source)
	s := mustLoad(t, p)
	profile, err := customers.Check(context.Background(), p, plain)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(profile, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return s, string(text)
}

// difference says in which fields two snapshots differ, and for how many customers.
func difference(t *testing.T, got, want *customers.Snapshot) {
	var compare func(name string, a, b reflect.Value)
	compare = func(name string, a, b reflect.Value) {
		switch {
		case a.Kind() == reflect.Struct:
			for i := range a.NumField() {
				compare(name+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
			}
		case a.Kind() == reflect.Slice && a.Len() != b.Len():
			t.Logf("%s has %d items, want %d", name, a.Len(), b.Len())
		case a.Kind() == reflect.Slice && a.Len() < 100:
			for i := range a.Len() {
				compare(fmt.Sprintf("%s[%d]", name, i), a.Index(i), b.Index(i))
			}
		case a.Kind() == reflect.Slice:
			differ, first := 0, 0
			for i := range a.Len() {
				if a.Index(i).Interface() != b.Index(i).Interface() {
					if differ++; differ == 1 {
						first = i
					}
				}
			}
			if differ > 0 {
				t.Logf("%s differs in %d of %d, first in %d: %v, want %v", name, differ, a.Len(), first, a.Index(first), b.Index(first))
			}
		}
	}
	compare("snapshot", reflect.ValueOf(*got), reflect.ValueOf(*want))
}

// Ids are text in SQL too, whatever type their column has: what a party's file says does not change with its source.
func TestIDsOfAnyType(t *testing.T) {
	folder := t.TempDir()
	for name, sql := range map[string]string{
		"integers":           "SELECT unnest([1, 20, 300]) AS id",
		"floats":             "SELECT unnest([1.0, 20.0, 300.0])::DOUBLE AS id",
		"floats with a gap":  "SELECT unnest([1.0, NULL, 20.0, 300.0])::FLOAT AS id",
		"large integers":     "SELECT unnest([1, 20, 300])::UBIGINT AS id",
		"decimals":           "SELECT unnest([1, 20, 300])::DECIMAL(30,0) AS id",
		"texts":              "SELECT unnest(['1', '20', '', '300']) AS id",
		"bytes without mark": "SELECT unnest(['1', '20', '300'])::BLOB AS id",
	} {
		path := filepath.Join(folder, strings.ReplaceAll(name, " ", "_")+".parquet")
		customers.Write(t, "COPY ("+sql+") TO '"+path+"' (FORMAT parquet)")
		p := partyOf(t, "")
		p.Source = config.Source{Parquet: path}
		p.Segments["s"] = "id LIKE '2%' OR length(id) = 3"
		p.Dimensions["d"] = config.Dimension{SQL: "ID", Values: []string{"1", "20"}}
		if got, want := show(p, mustLoad(t, p), "1", "20", "300"), "1 d=1\n20 s d=20\n300 s d=unknown"; got != want {
			t.Errorf("%s: customers are %q, want %q", name, got, want)
		}
	}
}

// Moments of all the types that Parquet has mean the same.
func TestTimesOfAnyType(t *testing.T) {
	folder := t.TempDir()
	for _, kind := range []string{"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "VARCHAR"} {
		path := filepath.Join(folder, kind+".parquet")
		customers.Write(t, "SET TimeZone = 'UTC'", "COPY (SELECT unnest(['1', '2', '3']) AS id, unnest(['2026-02-28 23:00:00', '2026-03-02 00:00:00', NULL])::"+kind+" AS moment) TO '"+path+"' (FORMAT parquet)")
		p := partyOf(t, "")
		p.Source = config.Source{Parquet: path}
		p.Segments["s"] = "CAST(moment AS TIMESTAMP) = TIMESTAMP '2026-03-02'"
		p.Dimensions["d"] = config.Dimension{SQL: "moment", Values: []string{"2026-02-28 23:00:00"}}
		p.Purposes = map[string]config.Purpose{"planning": {Consent: "true", Given: "moment"}}
		if kind == "VARCHAR" {
			p.Purposes["planning"] = config.Purpose{Consent: "true", Given: "CAST(moment AS TIMESTAMP)"}
		}
		s := mustLoad(t, p)
		if got, want := show(p, s, "1", "2", "3"), "1 d=2026-02-28 23:00:00\n2 s d=unknown\n3 d=unknown"; got != want {
			t.Errorf("%s: customers are %q, want %q", kind, got, want)
		}
		want := []uint32{uint32(time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC).Unix()), uint32(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Unix()), customers.Never}
		if !reflect.DeepEqual(s.Validity[0].From, want) {
			t.Errorf("%s: consent from %v, want %v", kind, s.Validity[0].From, want)
		}
	}
}

// Folders that are called like Hive's partitions make no columns, and do not stand in for those that there are.
func TestFoldersAreNoColumns(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "tier=gold", "c1=gold") // c1 is what a CSV file's second column is to DuckDB
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	customers.Write(t, "COPY (SELECT 1 AS id, 'silver' AS tier) TO '"+folder+"/a.parquet' (FORMAT parquet)", "COPY (SELECT 1 AS id, 'silver' AS tier) TO '"+folder+"/a.csv' (FORMAT csv)")
	for _, source := range []config.Source{{CSV: folder + "/a.csv"}, {Parquet: folder + "/a.parquet"}} {
		p := partyOf(t, "")
		p.Source = source
		p.Dimensions["tier"] = config.Dimension{SQL: "tier", Values: []string{"gold", "silver"}}
		if got := show(p, mustLoad(t, p), "1"); got != "1 tier=silver" {
			t.Errorf("%s: customers are %q", source, got)
		}
	}
}
