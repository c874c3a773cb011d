package customers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// fromPostgres declares customers of a query, told apart by the column id.
func fromPostgres(t *testing.T, query string) *config.Party {
	c := postgrestest.Shared(t)
	t.Setenv("SOTTO_TEST_CUSTOMERS", c.URL(postgrestest.Superuser))
	p := partyOf(t, "")
	p.Source = config.Source{Postgres: &config.Postgres{Connection: config.Secret{Env: "SOTTO_TEST_CUSTOMERS"}, Query: query}}
	return p
}

// Rows come in batches, each of which DuckDB sees alone: customers whose rows are far apart are still one, in the server's
// order, and values that are declared nowhere are counted together.
func TestPostgresBatches(t *testing.T) {
	const people = 60_000 // of two rows each: more than two batches
	p := fromPostgres(t, fmt.Sprintf("SELECT i %% %d AS id, i AS n, CASE WHEN i < %[1]d THEN 'first' ELSE 'second' END AS pass FROM generate_series(0, %d) AS i ORDER BY i", people, 2*people-1))
	p.Dimensions["pass"] = config.Dimension{SQL: "pass", Values: []string{"first"}}
	p.Measures = map[string]config.Measure{"n": {SQL: "n % 2", Clip: [2]float64{0, 2}, Step: 1}}
	s := mustLoad(t, p)
	if len(s.IDs) != people {
		t.Fatalf("%d customers, want %d", len(s.IDs), people)
	}
	for i, id := range s.IDs {
		if want, _ := normalizer(p).ID(fmt.Sprint(i)); id != want || s.Dimensions[0][i] != 0 || int(s.Amounts[0][i]) != i%2*2 {
			t.Fatalf("customer %d is another, or has code %d and amount %d", i, s.Dimensions[0][i], s.Amounts[0][i])
		}
	}
	profile := mustCheck(t, p, plain)
	if d := profile.Dimensions[0]; len(d.Undeclared) != 1 || d.Undeclared[0] != (customers.ValueCount{Value: "second", Rows: people}) || profile.Rows != 2*people || profile.Duplicates != people {
		t.Errorf("the profile is %+v", profile)
	}
}

// What fails, at the server or here, is told by name and kind; no value of a row, which PostgreSQL quotes as DuckDB does, gets
// into an error.
func TestPostgresErrors(t *testing.T) {
	row := "SELECT '" + secret + "' AS id, '" + secret + "' AS v, 1 AS n, DATE '2024-01-01' AS d"
	for name, c := range map[string]struct {
		query, segment string
		kind           fault.Kind
		want           []string
	}{
		"cast here":      {row, "CAST(v AS INTEGER) = 1", fault.Invalid, []string{`segment "s": SQL "CAST(v AS INTEGER) = 1": fails on some row: Conversion Error`}},
		"error here":     {row, "error(v) IS NULL", fault.Invalid, []string{`segment "s": `, "fails on some row: Invalid Input Error"}},
		"cast there":     {"SELECT id, v::int AS v FROM (" + row + ") AS rows", "v = 1", fault.Invalid, []string{"postgres query", "SQLSTATE 22P02"}},
		"division there": {"SELECT id, 1 / (n - 1) AS v FROM (" + row + ") AS rows", "v = 1", fault.Invalid, []string{"SQLSTATE 22012"}},
		"no id":          {"SELECT v FROM (" + row + ") AS rows", "v = ''", fault.Invalid, []string{`source postgres query: no column "id"; its columns are "v"`}},
		"two of a name":  {row + ", 'x' AS \"V\"", "v = 'x'", fault.Invalid, []string{`segment "s": SQL "v = 'x'": 2 columns are called "v"`}},
		"no column":      {row, "w = 'x'", fault.Invalid, []string{`Referenced column "w" not found`}},
		"no such table":  {"SELECT * FROM nothing", "true", fault.NotFound, []string{"SQLSTATE 42P01"}},
		"no rows":        {row + " LIMIT 0", "true", fault.Invalid, []string{"source postgres query: has no rows"}},
		"nobody":         {"SELECT NULL::text AS id UNION ALL SELECT '  '", "true", fault.Invalid, []string{`no row that may be used has an id in column "id" (opaque)`}},
		"no boolean":     {row, "n", fault.Invalid, []string{"is of type BIGINT, a segment must be BOOLEAN"}},
		"a subquery":     {row, "n IN (SELECT n FROM batch)", fault.Invalid, []string{"has a subquery"}},
		"its own table":  {row, "raw.c0 = ''", fault.Invalid, []string{`Referenced table "raw" not found`}},
		"two statements": {row + "; DROP TABLE x", "true", fault.Invalid, []string{"postgres query"}},
		"writes":         {"SELECT set_config('a.b', '" + secret + "', false) AS id, nextval('s') AS n", "true", fault.NotFound, []string{"SQLSTATE 42P01"}},
	} {
		p := fromPostgres(t, c.query)
		p.Segments["s"] = c.segment
		checkError(t, name, p, c.kind, c.want...)
	}
	p := fromPostgres(t, row)
	p.Measures = map[string]config.Measure{"m": {SQL: "n / (n - 1)", Clip: [2]float64{0, 500}}}
	checkError(t, "infinite", p, fault.Invalid, `measure "m": SQL "n / (n - 1)": is not a finite number on some row`)
	p = fromPostgres(t, row)
	p.Source.Postgres.Connection.Env = "SOTTO_TEST_NOTHING"
	checkError(t, "no connection string", p, fault.NotFound, "SOTTO_TEST_NOTHING: not set")
	t.Setenv("SOTTO_TEST_CUSTOMERS", "postgres://postgres:"+secret+"@localhost:1/postgres?connect_timeout=5")
	p.Source.Postgres.Connection.Env = "SOTTO_TEST_CUSTOMERS"
	checkError(t, "no server", p, fault.Unavailable, "postgres connection: ")
}

// The end of the context ends a load that the server is busy with.
func TestCancelPostgres(t *testing.T) {
	p := fromPostgres(t, "SELECT i AS id FROM generate_series(1, 1000000) AS i WHERE pg_sleep(0.1) IS NOT NULL") // a day
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := customers.Load(ctx, p, plain); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want context.DeadlineExceeded", err)
	}
}

// A column that is empty, or that PostgreSQL and DuckDB write in two ways, is what it is: infinite dates are no dates,
// ancient ones are, and texts that look like numbers are texts.
func TestPostgresValues(t *testing.T) {
	p := fromPostgres(t, `SELECT * FROM (VALUES (1, 'infinity'::date, '2026-01-01'::timestamptz, '007', ''::text, 1e20::float8), (2, '0044-03-15 BC', '4713-01-01 00:00:00 BC', '1e3', 'x', 2), (4, NULL, '-infinity', '1', NULL, 3),
		(3, '2026-01-01', NULL, NULL, NULL, -0.5)) AS rows (id, day, moment, code, note, amount)`)
	p.Segments = map[string]string{"ancient": "day < DATE '0001-01-01'", "dated": "day IS NOT NULL", "old": "moment < TIMESTAMP '0001-01-01'", "noted": "note IS NOT NULL", "zeros": "code LIKE '0%'", "big": "amount > 1e19"}
	p.Dimensions = map[string]config.Dimension{"amount": {SQL: "amount", Values: []string{"2", "-0.5", "1e+20"}}, "code": {SQL: "code", Values: []string{"7", "1e3"}}}
	p.Purposes = map[string]config.Purpose{"planning": {Consent: "true", Given: "moment"}}
	s := mustLoad(t, p)
	if got, want := show(p, s, "1", "2", "3", "4"), "1 big zeros amount=1e+20 code=unknown\n2 ancient dated noted old amount=2 code=1e3\n4 amount=unknown code=unknown\n3 dated amount=-0.5 code=unknown"; got != want {
		t.Errorf("customers are\n%s\nwant\n%s", got, want)
	}
	if got := mays(s, 0, plain.Now.Unix()); got != "yynn" {
		t.Errorf("%s may, want yynn", got)
	}
}
