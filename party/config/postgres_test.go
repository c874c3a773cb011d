package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/strictyaml"
)

// loadPostgres reads and checks a declaration, as it stands in the file of a party.
func loadPostgres(declaration string) (*Postgres, error) {
	var p Postgres
	if err := strictyaml.Decode("party.yaml", strings.NewReader(declaration), &p); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.ResolveFrom("/parties")
	return &p, nil
}

// A declaration arrives as written, with the file of the secret next to it and a time-out that is never none.
func TestPostgres(t *testing.T) {
	p, err := loadPostgres("{connection: {file: pg.url}, table: crm.customers}")
	if err != nil {
		t.Fatal(err)
	}
	if p.Connection.File != "/parties/pg.url" || p.Table != "crm.customers" ||
		p.StatementTimeout() != 10*time.Minute || p.String() != "postgres table crm.customers" {
		t.Errorf("got %+v", p)
	}
	p, err = loadPostgres("{connection: {env: PG_URL}, query: SELECT 1, timeout: 90s}")
	if err != nil {
		t.Fatal(err)
	}
	if p.Connection.Env != "PG_URL" || p.Connection.File != "" || p.StatementTimeout() != 90*time.Second || p.String() != "postgres query" {
		t.Errorf("got %+v", p)
	}
}

// What is not exactly one of two, or cannot be, is named; what may be the secret itself is not.
func TestBadPostgres(t *testing.T) {
	long := strings.Repeat("x", 64)
	for declaration, says := range map[string]string{
		"{table: t}": "connection: neither file nor env",
		"{connection: {file: f, env: E}, table: t}":                       "connection: both file and env",
		"{connection: {env: E}}":                                          "neither table nor query",
		"{connection: {env: E}, query: '  '}":                             "neither table nor query",
		"{connection: {env: E}, table: t, query: SELECT 1}":               "both table and query",
		"{connection: {env: E}, table: a.b.c}":                            `table "a.b.c": must be name or schema.name`,
		"{connection: {env: E}, table: crm.}":                             `table "crm.": an empty name`,
		"{connection: {env: E}, table: ' t'}":                             "without blanks around it",
		"{connection: {env: E}, table: " + long + "}":                     "name of 64 bytes, must be at most 63",
		"{connection: {env: E}, table: t, timeout: 999ms}":                "timeout 999ms: must be 1s to 24h0m0s",
		"{connection: {env: E}, table: t, timeout: 24h1s}":                "timeout 24h0m1s: must be 1s to 24h0m0s",
		"{connection: {env: E}, table: t, timeout: -1s}":                  "timeout -1s: must be",
		"{connection: {env: 'postgres://u:secret@h/d'}, table: t}":        "env: must be the name of an environment variable",
		"{connection: {env: 'host=h password=secret'}, table: t}":         "env: must be the name of an environment variable",
		"{connection: {file: 'postgres://u:secret@h/d'}, table: t}":       "file: must be the path of a file",
		"{connection: 'postgres://u:pw@h/d', table: t}":                   "into config.Secret",
		"{connection: {env: E}, table: t, password: x}":                   "password",
		"{connection: {env: E}, table: t, timeout: 600}":                  "into time.Duration",
		"{connection: {env: E}, table: t, query: SELECT 1, timeout: 10m}": "both table and query",
	} {
		_, err := loadPostgres(declaration)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", declaration, err, says)
		}
	}
}

// A name of 63 bytes, with quotes and of another alphabet, is one that a table can have.
func TestTableNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 63) + "." + strings.Repeat("y", 63), `"The" table`, "客户"} {
		if _, err := loadPostgres("{connection: {env: E}, table: '" + name + "'}"); err != nil {
			t.Error(err)
		}
	}
}

// The connection string is read from where it is safe, without the line's end, and no error repeats it.
func TestConnectionString(t *testing.T) {
	const secret = "host=h password=secret"
	folder := t.TempDir()
	file := func(text string, mode os.FileMode) Secret {
		f, err := os.CreateTemp(folder, "")
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err == nil {
			err = f.Chmod(mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return Secret{File: f.Name()}
	}
	variable := func(text string) Secret {
		t.Setenv("SOTTO_TEST_PG", text)
		return Secret{Env: "SOTTO_TEST_PG"}
	}
	link := filepath.Join(folder, "link") // as secrets are mounted into containers
	if err := os.Symlink(file(secret, 0o400).File, link); err != nil {
		t.Fatal(err)
	}
	for _, from := range []Secret{file(secret, 0o600), file(secret+"\r\n", 0o400), {File: link}, variable(secret), variable(" " + secret + "\n")} {
		if got, err := (&Postgres{Connection: from}).ConnectionString(); err != nil || got != secret {
			t.Errorf("%v: got %q, %v", from, got, err)
		}
	}
	for _, x := range []struct {
		from Secret
		kind fault.Kind
		says string
	}{
		{Secret{File: filepath.Join(folder, "none")}, fault.NotFound, "no such file"},
		{Secret{Env: "SOTTO_TEST_PG_NONE"}, fault.NotFound, "environment variable SOTTO_TEST_PG_NONE: not set"},
		{Secret{File: folder}, fault.Invalid, "not a file"},
		{file(secret, 0o640), fault.Invalid, "mode 0640, others than its owner may read or write it, must be 0600 or 0400"},
		{file(secret, 0o604), fault.Invalid, "mode 0604"},
		{file(secret, 0o620), fault.Invalid, "mode 0620"},
		{file("", 0o600), fault.Invalid, "empty"},
		{file(" \n", 0o600), fault.Invalid, "empty"},
		{file(secret+"\nsecond\n", 0o600), fault.Invalid, "more than one line"},
		{file("\xff"+secret, 0o600), fault.Invalid, "must be printable text in UTF-8"},
		{file(secret+strings.Repeat("x", 1<<20), 0o600), fault.Invalid, "longer than 16384 bytes"},
	} {
		_, err := (&Postgres{Connection: x.from}).ConnectionString()
		if !fault.IsKind(err, x.kind) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s that says %q", err, x.kind, x.says)
		}
	}
	_, err := (&Postgres{Connection: variable("")}).ConnectionString()
	if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), "SOTTO_TEST_PG: empty") {
		t.Errorf("got %v", err)
	}
}

// ResolveFrom leaves alone what is not a relative path.
func TestPostgresResolve(t *testing.T) {
	for file, want := range map[string]string{"": "", "/a/pg.url": "/a/pg.url", "pg.url": "parties/pg.url"} {
		p := Postgres{Connection: Secret{File: file}}
		if p.ResolveFrom("parties"); p.Connection.File != want {
			t.Errorf("%q becomes %q", file, p.Connection.File)
		}
	}
}
