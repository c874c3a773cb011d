// Package postgrestest runs throwaway PostgreSQL servers for tests: on a unix socket in a folder of their own, without fsync,
// and gone when the test or the test's process is over, however it ends.
package postgrestest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Superuser is the role that may do everything.
const Superuser = "postgres"

// PasswordRequired is a role without login. Its members need a password (SCRAM-SHA-256, RFC 7677); all others are trusted.
const PasswordRequired = "password_required"

// Cluster is a running server as one test sees it.
type Cluster struct {
	*server
	t testing.TB
}

type server struct {
	Folder   string // of the unix socket; everything else is below it
	Port     int    // of the socket's name; with TLS, also on 127.0.0.1
	RootCert string // with TLS: path of the certificate (PEM) by which clients recognise the server

	stop func() error
}

var shared struct {
	sync.Once
	server *server
	err    error
}

// Shared returns the one server of the test's process, as new; it is cleared when the test ends, so tests that run at the
// same time MUST NOT share it. It is stopped when the process ends. Where PostgreSQL isn't installed the test is skipped, or
// fails if SOTTO_REQUIRE_POSTGRES is 1.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	programs := installed(t)
	shared.Do(func() { shared.server, shared.err = start(programs, false) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	c := &Cluster{shared.server, t}
	t.Cleanup(c.clear)
	return c
}

// Start returns a server for this test alone, which is stopped and removed when the test ends. It skips and fails as Shared
// does.
func Start(t testing.TB) *Cluster { return launch(t, false) }

// StartTLS is Start with a server that also listens on 127.0.0.1, for connections with TLS only. Its certificate is for
// localhost and 127.0.0.1, and issued by itself.
func StartTLS(t testing.TB) *Cluster { return launch(t, true) }

func launch(t testing.TB, tls bool) *Cluster {
	t.Helper()
	s, err := start(installed(t), tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("stop PostgreSQL: %s", err)
		}
	})
	return &Cluster{s, t}
}

// URL returns where a role connects, by the socket, to the database "postgres".
func (c *Cluster) URL(user string) string {
	query := url.Values{"host": {c.Folder}, "port": {strconv.Itoa(c.Port)}}
	return (&url.URL{Scheme: "postgres", User: url.User(user), Path: "/postgres", RawQuery: query.Encode()}).String()
}

// Exec runs statements as [Superuser] in the database "postgres". The test fails if one does.
func (c *Cluster) Exec(sql string) {
	c.t.Helper()
	if err := execute(c.URL(Superuser), sql); err != nil {
		c.t.Fatalf("%.200s: %s", sql, err)
	}
}

func execute(where, sql string) error {
	_, err := query(where, sql)
	return err
}

// query runs statements, and returns the first column of the last one's rows.
func query(where, sql string) (values []string, err error) {
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, where)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	for _, row := range results[len(results)-1].Rows {
		values = append(values, string(row[0]))
	}
	return values, nil
}

// clearing ends all other sessions and returns the statements that leave a server as it was when it was new.
const clearing = `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
WITH roles AS (SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname NOT IN ('` + Superuser + `', '` + PasswordRequired + `'))
SELECT statement FROM (
	SELECT 1, format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname !~ '^template[01]$' AND datname <> 'postgres'
	UNION SELECT 2, format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
	UNION SELECT 3, format('DROP OWNED BY %I', rolname) FROM roles
	UNION SELECT 4, format('DROP ROLE %I', rolname) FROM roles
	UNION SELECT 5, 'CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC'
) AS all_of_them (position, statement) ORDER BY position`

func (c *Cluster) clear() {
	statements, err := query(c.URL(Superuser), clearing)
	if err != nil {
		c.t.Errorf("clear PostgreSQL: %s", err)
	}
	for _, sql := range statements {
		if err := execute(c.URL(Superuser), sql); err != nil {
			c.t.Errorf("clear PostgreSQL: %s: %s", sql, err)
		}
	}
}

// installed returns the folder of PostgreSQL's programs, the newest if there are several and none is in PATH.
func installed(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path)
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian keeps them out of PATH
	if len(found) == 0 {
		const missing = "PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql/*/bin"
		if os.Getenv("SOTTO_REQUIRE_POSTGRES") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) }))
}

// start tries several times with TLS: the port it picks may be taken by another before the server has it.
func start(programs string, tls bool) (s *server, err error) {
	for range 5 {
		if s, err = startOnce(programs, tls); err == nil || !tls {
			break
		}
	}
	return s, err
}

func startOnce(programs string, tls bool) (*server, error) {
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	folder, err := account.folder()
	if err != nil {
		return nil, err
	}
	s := &server{Folder: folder, Port: 5432}
	settings := "fsync = off\nshared_buffers = 16MB\nmax_connections = 20\nlisten_addresses = ''\n" +
		fmt.Sprintf("unix_socket_directories = '%s'\n", folder)
	if tls {
		if s.Port, err = freePort(); err == nil {
			s.RootCert, err = account.certificate(folder)
		}
		settings += fmt.Sprintf("listen_addresses = '127.0.0.1'\nssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'\n",
			s.RootCert, keyFile(folder))
	}
	settings += fmt.Sprintf("port = %d\n", s.Port)
	if err == nil {
		s.stop, err = account.run(programs, folder, settings)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := execute((&Cluster{server: s}).URL(Superuser), "CREATE ROLE "+PasswordRequired); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
