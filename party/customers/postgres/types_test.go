package postgres_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
)

// Each type is read as the type of DuckDB that holds it, in the text that means the same there, and NULL as NULL; whatever
// the role's own settings are. Those of the transaction are what keeps the server from changing or waiting.
func TestTypes(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec(`CREATE ROLE stranger LOGIN;
		ALTER ROLE stranger SET DateStyle = 'German'; ALTER ROLE stranger SET TimeZone = 'Asia/Tokyo';
		ALTER ROLE stranger SET extra_float_digits = -15; ALTER ROLE stranger SET client_encoding = 'LATIN1';
		ALTER ROLE stranger SET IntervalStyle = 'iso_8601'; ALTER ROLE stranger SET bytea_output = 'escape';
		CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN age AS int CHECK (VALUE >= 0); CREATE TYPE pair AS (a int, b text)`)
	types := []struct{ value, kind, want string }{
		{"true", "BOOLEAN", "true"},
		{"false", "BOOLEAN", "false"},
		{"(-32768)::int2", "BIGINT", "-32768"},
		{"7::int4", "BIGINT", "7"},
		{"9223372036854775807::int8", "BIGINT", "9223372036854775807"},
		{"42::age", "BIGINT", "42"},
		{"0.1::float4", "DOUBLE", "0.1"},
		{"0.1::float8 + 0.2::float8", "DOUBLE", "0.30000000000000004"},
		{"'NaN'::float8", "DOUBLE", "NaN"},
		{"'-Infinity'::float4", "DOUBLE", "-Infinity"},
		{"12.50::numeric", "DOUBLE", "12.50"},
		{"12.5::numeric(10,2)", "DOUBLE", "12.50"},
		{"'NaN'::numeric", "DOUBLE", "NaN"},
		{"12::numeric(18,0)", "BIGINT", "12"},
		{"'NaN'::numeric(18,0)", "BIGINT", "NULL"},
		{"12::numeric(19,0)", "DOUBLE", "12"},
		{"'2006-01-02'::date", "DATE", "2006-01-02"},
		{"('2006-01-02 23:30:00+00'::timestamptz)::date", "DATE", "2006-01-02"}, // the owner's SQL is in UTC, too
		{"'infinity'::date", "DATE", "NULL"},
		{"'2006-01-02 15:04:05'::timestamp", "TIMESTAMP", "2006-01-02 15:04:05"},
		{"'2006-01-02 15:04:05.120'::timestamp", "TIMESTAMP", "2006-01-02 15:04:05.12"},
		{"'-infinity'::timestamp", "TIMESTAMP", "NULL"},
		{"'2006-01-02 01:04:05.000001+02'::timestamptz", "TIMESTAMP", "2006-01-01 23:04:05.000001"},
		{"'infinity'::timestamptz", "TIMESTAMP", "NULL"},
		{"'15:04'::time", "VARCHAR", "15:04:00"},
		{"'1 day 2 hours'::interval", "VARCHAR", "1 day 02:00:00"},
		{"'Jürgen 李'::text", "VARCHAR", "Jürgen 李"},
		{"''::varchar(10)", "VARCHAR", ""},
		{"'ab '::varchar(10)", "VARCHAR", "ab "},
		{"'ab'::char(5)", "VARCHAR", "ab"},
		{"'glad'::mood", "VARCHAR", "glad"},
		{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "VARCHAR", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{`'{"a" : 1}'::json`, "VARCHAR", `{"a" : 1}`},
		{"ARRAY['a', 'b c']", "VARCHAR", `{a,"b c"}`},
		{"'\\x00ff'::bytea", "VARCHAR", `\x00ff`},
		{"ROW(1, 'x')::pair", "VARCHAR", "(1,x)"},
		{"'unknown'", "VARCHAR", "unknown"},
		{"NULL::bool", "BOOLEAN", "NULL"},
		{"NULL::int", "BIGINT", "NULL"},
		{"NULL::float8", "DOUBLE", "NULL"},
		{"NULL::numeric", "DOUBLE", "NULL"},
		{"NULL::numeric(5)", "BIGINT", "NULL"},
		{"NULL::date", "DATE", "NULL"},
		{"NULL::timestamp", "TIMESTAMP", "NULL"},
		{"NULL::timestamptz", "TIMESTAMP", "NULL"},
		{"NULL::text", "VARCHAR", "NULL"},
		{"NULL::json", "VARCHAR", "NULL"},
	}
	for name, want := range map[string]string{
		"transaction_isolation": "repeatable read", "transaction_read_only": "on", "statement_timeout": "10min",
		"idle_in_transaction_session_timeout": "10min", "synchronize_seqscans": "off", "application_name": "sotto",
	} {
		types = append(types, struct{ value, kind, want string }{"current_setting('" + name + "')", "VARCHAR", want})
	}
	var list, names []string
	for i, x := range types {
		names = append(names, fmt.Sprint("v", i))
		list = append(list, x.value+" AS "+names[i])
	}
	s := openAs(t, c.URL("stranger"), config.Postgres{Query: "SELECT " + strings.Join(list, ", ")})
	got := all(t, s, 10, names...)
	for i, x := range types {
		if kind := s.Columns()[i].Type; kind != x.kind || got[0][i] != x.want {
			t.Errorf("%s is a %s and reads %q, want a %s, %q", x.value, kind, got[0][i], x.kind, x.want)
		}
	}
}

// Every number that a column of floats holds arrives as that number.
func TestFloatsRoundTrip(t *testing.T) {
	c := postgrestest.Shared(t)
	numbers := rapid.SliceOfN(rapid.Float64(), 2000, 2000).Example(1)
	var values []string
	for _, x := range numbers {
		values = append(values, fmt.Sprintf("('%s'::float8)", strconv.FormatFloat(x, 'g', -1, 64)))
	}
	s := open(t, c, config.Postgres{Query: "SELECT v FROM (VALUES " + strings.Join(values, ", ") + ") AS list (v)"})
	for i, row := range all(t, s, 300, "v") {
		got, err := strconv.ParseFloat(row[0], 64)
		if err != nil || math.Float64bits(got) != math.Float64bits(numbers[i]) {
			t.Errorf("%v arrives as %q", numbers[i], row[0])
		}
	}
}

// A database in another encoding gives UTF-8. One that has none may hold bytes that are no text, and the server says so.
func TestEncodings(t *testing.T) {
	c := postgrestest.Shared(t)
	latin := openAs(t, database(t, c, "latin", "'LATIN1'"), config.Postgres{Query: "SELECT chr(233) AS v"})
	equal(t, all(t, latin, 10, "v"), [][]string{{"é"}})

	ascii := openAs(t, database(t, c, "ascii", "'SQL_ASCII'"), config.Postgres{Query: `SELECT 'ok' AS id, E'jon\xe9' AS name`})
	equal(t, all(t, ascii, 10, "id"), [][]string{{"ok"}})
	_, err := read(t.Context(), ascii, 10, "id", "name")
	wants(t, err, fault.Invalid, "a value is not text in the database's encoding, or the database has none (SQLSTATE 22021)")
	if strings.Contains(fmt.Sprintf("%+v", err), "jon") {
		t.Errorf("%v", err)
	}
}
