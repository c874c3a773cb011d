package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers/postgres"
)

// What is not there, or not SQL, is refused before any row is read, in the server's words.
func TestRefusedWhenOpened(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec(`CREATE TABLE kept (id text); INSERT INTO kept VALUES ('a'); CREATE SCHEMA closed; CREATE TABLE closed.t (id text);
		CREATE ROLE outsider LOGIN`)
	for _, x := range []struct {
		p    config.Postgres
		kind fault.Kind
		says string
	}{
		{config.Postgres{Table: "Kept"}, fault.NotFound, `postgres table Kept: relation "Kept" does not exist (SQLSTATE 42P01)`},
		{config.Postgres{Table: "nowhere.kept"}, fault.NotFound, `relation "nowhere.kept" does not exist`},
		{config.Postgres{Table: `kept" AS x; DROP TABLE kept; --`}, fault.NotFound, "does not exist"},
		{config.Postgres{Table: "closed.t"}, fault.Unavailable, "permission denied for schema closed (SQLSTATE 42501)"},
		{config.Postgres{Query: "SELECT name FROM kept"}, fault.NotFound, `column "name" does not exist (SQLSTATE 42703)`},
		{config.Postgres{Query: "SELEKT 1"}, fault.Invalid, `syntax error at or near "1" (SQLSTATE 42601)`},
		{config.Postgres{Query: "SELECT id FROM kept WHERE id = $1"}, fault.Invalid, "has 1 parameters such as $1, must have none"},
		{config.Postgres{Query: "SELECT 1 AS id; SELECT 2 AS id"}, fault.Invalid, "syntax error"},
		{config.Postgres{Query: "SELECT 1 AS id) AS customers; DELETE FROM kept; SELECT * FROM (SELECT 1 AS id"}, fault.Invalid, "multiple commands"},
		{config.Postgres{Query: "DELETE FROM kept RETURNING id"}, fault.Invalid, "syntax error"},
		{config.Postgres{Query: "WITH gone AS (DELETE FROM kept RETURNING id) SELECT id FROM gone"}, fault.Invalid, "top level"},
	} {
		s, err := postgres.Open(t.Context(), declare(t, c.URL("outsider"), x.p))
		wants(t, err, x.kind, x.says)
		if s != nil {
			t.Errorf("%v: it is open", x.p)
		}
	}
	equal(t, ask(t, c, "SELECT count(*) FROM kept"), "1")
}

// SQL that writes is not stopped by its words, but by the transaction.
func TestWritingFails(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec(`CREATE TABLE counted (n int); CREATE SEQUENCE numbers; CREATE FUNCTION count_up() RETURNS int LANGUAGE plpgsql
		AS $$ BEGIN INSERT INTO counted VALUES (1); RETURN 1; END $$`)
	for _, query := range []string{
		"SELECT count_up() AS id",
		"SELECT nextval('numbers') AS id",
		"SELECT n AS id FROM counted FOR UPDATE",
		"SELECT set_config('transaction_read_only', 'off', true) || count_up() AS id",
	} {
		_, err := read(t.Context(), open(t, c, config.Postgres{Query: query}), 10, "id")
		if !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s: %v", query, err)
		}
	}
	equal(t, ask(t, c, "SELECT count(*) FROM counted"), "0")
}

// Names that are none, or two columns', are refused without asking the server.
func TestNames(t *testing.T) {
	s := open(t, postgrestest.Shared(t), config.Postgres{Query: "SELECT 1 AS id, 2 AS twice, 3 AS twice"})
	_, err := read(t.Context(), s, 10, "id", "Id")
	wants(t, err, fault.NotFound, `postgres query: no column "Id"`)
	_, err = read(t.Context(), s, 10, "twice")
	wants(t, err, fault.Invalid, `2 columns are called "twice", names must differ`)
	equal(t, all(t, s, 10, "id"), [][]string{{"1"}})
}

// An error that comes from a row tells nothing of it, whatever class it pretends to be of: not even the owner's own functions
// can make it.
func TestErrorsTellNoValues(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec(`CREATE TABLE private AS SELECT 'jon@example.com' AS email;
		CREATE FUNCTION tell(v text, state text) RETURNS text STABLE LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'it is %', v USING ERRCODE = state, DETAIL = v, HINT = v, COLUMN = v, TABLE = v; END $$`)
	for _, x := range []struct {
		query string
		kind  fault.Kind
		says  string
	}{
		{"SELECT email::int AS id FROM private", fault.Invalid, "the SQL fails on a value (SQLSTATE 22P02)"},
		{"SELECT to_date(email, 'YYYY') AS id FROM private", fault.Invalid, "the SQL fails on a value"},
		{"SELECT length(email) / 0 AS id FROM private", fault.Invalid, "SQLSTATE 22012"},
		{"SELECT tell(email, '42703') AS id FROM private", fault.NotFound, "no such column (SQLSTATE 42703)"},
		{"SELECT tell(email, 'P0001') AS id FROM private", fault.Invalid, "the SQL is refused (SQLSTATE P0001)"},
		{"SELECT tell(email, '23505') AS id FROM private", fault.Invalid, "SQLSTATE 23505"},
		{"SELECT tell(email, '53200') AS id FROM private", fault.Unavailable, "out of memory"},
		{"SELECT 1 AS id FROM private WHERE email = tell((SELECT email FROM private), '42601')", fault.Invalid, "SQLSTATE 42601"},
	} {
		_, err := read(t.Context(), open(t, c, config.Postgres{Query: x.query}), 10, "id")
		wants(t, err, x.kind, x.says)
		for ; err != nil; err = errors.Unwrap(err) {
			if text := fmt.Sprintf("%+v %#v", err, err); strings.Contains(text, "jon") {
				t.Errorf("%s: %s", x.query, text)
			}
		}
	}
}

// A statement that takes too long ends at the server.
func TestStatementTimeout(t *testing.T) {
	c := postgrestest.Shared(t)
	s := open(t, c, config.Postgres{Query: "SELECT pg_sleep(600)::text AS id", Timeout: time.Second})
	_, err := read(t.Context(), s, 10, "id")
	wants(t, err, fault.Unavailable, "a statement took longer than 1s, or was cancelled at the server (SQLSTATE 57014)")
}

// Whoever gives up is free at once, and so is the server: it does not go on with what nobody waits for.
func TestCancel(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec("CREATE ROLE sleeper LOGIN")
	const running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'sleeper' AND state = 'active' AND application_name = 'sotto'"
	s := openAs(t, c.URL("sleeper"), config.Postgres{Query: "SELECT pg_sleep(600)::text AS id"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		await(t, c, running, "1")
	}()
	_, err := read(ctx, s, 10, "id")
	wants(t, err, fault.Cancelled, "cancelled")
	await(t, c, running, "0")

	_, err = postgres.Open(ctx, declare(t, c.URL("sleeper"), config.Postgres{Query: "SELECT 1 AS id"}))
	wants(t, err, fault.Cancelled, "cancelled")
}

// A server that ends the connection, between two batches too, has no say in what is read: rows are never taken for all.
func TestServerEnds(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec("CREATE ROLE unlucky LOGIN")
	s := openAs(t, c.URL("unlucky"), config.Postgres{Query: "SELECT n FROM generate_series(1, 100) AS n"})
	err := s.Read(t.Context(), []string{"n"}, 10, func(*postgres.Batch) error {
		c.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'unlucky'")
		await(t, c, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'unlucky'", "0")
		return nil
	})
	if !fault.IsKind(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	_, err = read(t.Context(), s, 10, "n")
	wants(t, err, fault.Unavailable, "the connection broke")
}

// A source that is closed leaves no transaction behind.
func TestClose(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec("CREATE ROLE leaver LOGIN")
	s := openAs(t, c.URL("leaver"), config.Postgres{Query: "SELECT 1 AS id"})
	const open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'leaver'"
	equal(t, ask(t, c, open), "1")
	s.Close()
	s.Close()
	await(t, c, open, "0")
}

// await returns when a query gives what is wanted. It always does, a minute is far more than it takes.
func await(t *testing.T, c *postgrestest.Cluster, sql, want string) {
	for deadline := time.Now().Add(time.Minute); ask(t, c, sql) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%s is not %s", sql, want)
			return
		}
	}
}
