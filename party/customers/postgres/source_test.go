package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers/postgres"
)

// declare returns p with a connection to where.
func declare(t testing.TB, where string, p config.Postgres) *config.Postgres {
	p.Connection.File = filepath.Join(t.TempDir(), "connection")
	if err := os.WriteFile(p.Connection.File, []byte(where+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &p
}

// open returns an open source, as the superuser.
func open(t testing.TB, c *postgrestest.Cluster, p config.Postgres) *postgres.Source {
	t.Helper()
	return openAs(t, c.URL(postgrestest.Superuser), p)
}

func openAs(t testing.TB, where string, p config.Postgres) *postgres.Source {
	t.Helper()
	s, err := postgres.Open(t.Context(), declare(t, where, p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// all returns all rows of the named columns, NULL as "NULL".
func all(t testing.TB, s *postgres.Source, rows int, names ...string) [][]string {
	t.Helper()
	got, err := read(t.Context(), s, rows, names...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func read(ctx context.Context, s *postgres.Source, rows int, names ...string) (got [][]string, err error) {
	err = s.Read(ctx, names, rows, func(b *postgres.Batch) error {
		if n := b.Len(); n < 1 || n > rows {
			return fmt.Errorf("a batch of %d rows", n)
		}
		for row := range b.Len() {
			values := make([]string, len(names))
			for i := range names {
				text, null := b.Text(row, i)
				values[i] = string(text)
				if null {
					values[i] = "NULL"
				}
			}
			got = append(got, values)
		}
		return nil
	})
	return got, err
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// wants checks that err is a fault of a kind and says something.
func wants(t *testing.T, err error, kind fault.Kind, says string) {
	t.Helper()
	if !fault.IsKind(err, kind) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %s that says %q", err, kind, says)
	}
}

// ask returns the first value of a query, as the superuser.
func ask(t *testing.T, c *postgrestest.Cluster, sql string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, c.URL(postgrestest.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	result := conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	return string(result.Rows[0][0])
}

// database makes a database in an encoding, and returns where it is.
func database(t *testing.T, c *postgrestest.Cluster, name, encoding string) string {
	t.Helper()
	c.Exec(fmt.Sprintf("CREATE DATABASE %s ENCODING %s LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", name, encoding))
	where, err := url.Parse(c.URL(postgrestest.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	where.Path = "/" + name
	return where.String()
}

// The same customers come from a table, a view and a query, whatever their names are, with a semicolon and comments too.
func TestTableViewQuery(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec(`CREATE SCHEMA "The CRM"`)
	c.Exec(`CREATE TABLE "The CRM"."Cust""omers" ("E-Mail" text, "select" int, unused text)`)
	c.Exec(`INSERT INTO "The CRM"."Cust""omers" VALUES ('a@x.de', 1), ('b@x.de', NULL), ('', 3)`)
	c.Exec(`CREATE VIEW all_of_them AS SELECT "E-Mail", "select" FROM "The CRM"."Cust""omers"`)
	for _, p := range []config.Postgres{
		{Table: `The CRM.Cust"omers`},
		{Table: `all_of_them`},
		{Query: `SELECT "select", "E-Mail" FROM all_of_them`},
		{Query: "\n SELECT * FROM all_of_them -- all;\n ; \n"},
		{Query: "TABLE all_of_them --"},
	} {
		s := open(t, c, p)
		equal(t, all(t, s, 2, "E-Mail", "select"), [][]string{{"a@x.de", "1"}, {"b@x.de", "NULL"}, {"", "3"}})
		equal(t, all(t, s, 3, "select"), [][]string{{"1"}, {"NULL"}, {"3"}})
	}
	s := open(t, c, config.Postgres{Table: `The CRM.Cust"omers`})
	var names []string
	for _, column := range s.Columns() {
		names = append(names, column.Name+" "+column.Type)
	}
	equal(t, names, []string{"E-Mail VARCHAR", "select BIGINT", "unused VARCHAR"})
}

// Batches are as large as asked for, whether the rows divide by that or not, and a table without rows has no batch.
func TestBatches(t *testing.T) {
	c := postgrestest.Shared(t)
	for _, count := range []int{0, 1, 9, 10, 11, 20} {
		s := open(t, c, config.Postgres{Query: fmt.Sprintf("SELECT n FROM generate_series(1, %d) AS n", count)})
		var sizes []int
		if err := s.Read(t.Context(), []string{"n"}, 10, func(b *postgres.Batch) error {
			sizes = append(sizes, b.Len())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var want []int
		for left := count; left > 0; left -= 10 {
			want = append(want, min(left, 10))
		}
		equal(t, sizes, want)
	}
}

// Long texts neither fill the memory nor get lost: a batch ends early. One that is beyond all measure is refused.
func TestLongTexts(t *testing.T) {
	c := postgrestest.Shared(t)
	s := open(t, c, config.Postgres{Query: "SELECT n, repeat(chr(64 + n % 26), 500000) AS long FROM generate_series(1, 100) AS n"})
	batches, next := 0, 0
	if err := s.Read(t.Context(), []string{"n", "long"}, 1000, func(b *postgres.Batch) error {
		batches++
		for row := range b.Len() {
			next++
			n, _ := b.Text(row, 0)
			long, _ := b.Text(row, 1)
			if string(n) != fmt.Sprint(next) || string(long) != strings.Repeat(string(rune(64+next%26)), 500000) {
				t.Fatalf("row %d is %s with %d bytes", next, n, len(long))
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if next != 100 || batches < 2 {
		t.Errorf("%d rows in %d batches", next, batches)
	}
	s = open(t, c, config.Postgres{Query: "SELECT repeat('x', 2000000) AS long"})
	_, err := read(t.Context(), s, 10, "long")
	wants(t, err, fault.Invalid, "a row of more than 1048576 bytes")
}

// All that is read while a source is open is of the moment at which it was opened, also by a second reading, while others
// change the table between two fetches.
func TestOneVersion(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec("CREATE TABLE versioned AS SELECT n, 'old' AS v FROM generate_series(1, 100) AS n")
	s := open(t, c, config.Postgres{Table: "versioned"})
	changed := false
	var got []string
	note := func(b *postgres.Batch) error {
		if !changed {
			changed = true
			c.Exec("DELETE FROM versioned WHERE n > 50; UPDATE versioned SET v = 'new'; INSERT INTO versioned VALUES (1000, 'new')")
		}
		for row := range b.Len() {
			n, _ := b.Text(row, 0)
			v, _ := b.Text(row, 1)
			got = append(got, string(n)+string(v))
		}
		return nil
	}
	var want []string
	for n := 1; n <= 100; n++ {
		want = append(want, fmt.Sprintf("%dold", n))
	}
	for range 2 {
		got = nil
		if err := s.Read(t.Context(), []string{"n", "v"}, 7, note); err != nil {
			t.Fatal(err)
		}
		equal(t, got, want)
	}
	if fresh := all(t, open(t, c, config.Postgres{Table: "versioned"}), 100, "n", "v"); len(fresh) != 51 || fresh[0][1] != "new" {
		t.Errorf("after the change there are %d rows, the first %v", len(fresh), fresh[0])
	}
}

// Only the named columns are read: a role needs no right to others, and what others would say is never worked out.
func TestOnlyNamedColumns(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec(`CREATE TABLE narrow (id text, salary int); INSERT INTO narrow VALUES ('a', 0);
		CREATE VIEW explosive AS SELECT id, 1 / salary AS share FROM narrow;
		CREATE ROLE narrow_reader LOGIN; GRANT SELECT (id) ON narrow TO narrow_reader`)
	s := openAs(t, c.URL("narrow_reader"), config.Postgres{Table: "narrow"})
	equal(t, len(s.Columns()), 2)
	equal(t, all(t, s, 10, "id"), [][]string{{"a"}})
	_, err := read(t.Context(), s, 10, "id", "salary")
	wants(t, err, fault.Unavailable, "the role has no right to all that the declaration names (SQLSTATE 42501)")

	equal(t, all(t, open(t, c, config.Postgres{Table: "explosive"}), 10, "id"), [][]string{{"a"}})
}

// What the reader of rows returns comes back as it is, and the source can be read again.
func TestReaderStops(t *testing.T) {
	s := open(t, postgrestest.Shared(t), config.Postgres{Query: "SELECT n FROM generate_series(1, 100) AS n"})
	stop := fmt.Errorf("enough")
	calls := 0
	err := s.Read(t.Context(), []string{"n"}, 10, func(*postgres.Batch) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	equal(t, len(all(t, s, 10, "n")), 100)
}
