package postgres_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/postgrestest"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers/postgres"
)

const secret = "h0rse-staple"

// refuses checks that there is no connection to where, for a reason that tells nothing of the secret.
func refuses(t *testing.T, where string, kind fault.Kind, says string) {
	t.Helper()
	s, err := postgres.Open(t.Context(), declare(t, where, config.Postgres{Query: "SELECT 1 AS id"}))
	wants(t, err, kind, says)
	if s != nil {
		t.Errorf("%s: it is open", where)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, fault.From(err).Hint); strings.Contains(text, "h0rse") || strings.Contains(text, "staple") {
		t.Errorf("%s: %s", where, text)
	}
}

// Each way of not getting in has a reason of its own.
func TestConnectionRefused(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec("CREATE ROLE guarded LOGIN PASSWORD 'other' IN ROLE " + postgrestest.PasswordRequired +
		"; CREATE ROLE asleep; CREATE ROLE outside LOGIN")
	c.Exec("CREATE DATABASE closed")
	c.Exec("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
	in := func(user, database string) string {
		return fmt.Sprintf("host='%s' port=%d user=%s dbname=%s password=%s", c.Folder, c.Port, user, database, secret)
	}
	refuses(t, in("guarded", "postgres"), fault.Unavailable, "the server refuses the role or its password (SQLSTATE 28P01)")
	refuses(t, in("nobody_there", "postgres"), fault.Unavailable, "the server refuses the role or its password (SQLSTATE 28000)")
	refuses(t, in("asleep", "postgres"), fault.Unavailable, "the server refuses the role or its password")
	refuses(t, in("outside", secret), fault.Unavailable, "there is no database of that name (SQLSTATE 3D000)")
	refuses(t, in("outside", "closed"), fault.Unavailable, "the role may not connect to the database (SQLSTATE 42501)")
	refuses(t, in("outside", "postgres")+" search_pth="+secret, fault.Unavailable, "the server refuses the connection (SQLSTATE 42704)")
	refuses(t, "host='"+t.TempDir()+"' password="+secret, fault.Unavailable, "no such file or directory")
	refuses(t, "postgres://u:"+secret+"@127.0.0.1:1/db", fault.Unavailable, "connection refused")
	refuses(t, in("outside", "postgres")+" sslrootcert=/nowhere/ca.pem host=127.0.0.1", fault.Invalid, "open /nowhere/ca.pem: no such file or directory")
}

// A broken string is refused without repeating any part of it: nobody knows which part is the password.
func TestMalformedConnections(t *testing.T) {
	for _, where := range []string{
		"postgres://u:h0rse/staple@h/db", "postgres://u:h0rse%zzstaple@h/db", "postgres://u:pw@h:" + secret + "/db",
		"password=h0rse staple host=h", "password='" + secret, secret, "postgres://h/db?" + secret,
		"host=h sslmode=" + secret, "host=h connect_timeout=" + secret, "host=h target_session_attrs=" + secret,
		"http://u:" + secret + "@h/db",
	} {
		refuses(t, where, fault.Invalid, "postgres connection: not a connection string or URL of PostgreSQL")
	}
}

// On the network there is TLS: unless the string says so, with a verified server; never with plain text as the way out.
func TestPlainTextIsRefused(t *testing.T) {
	t.Setenv("PGSSLMODE", "prefer") // what the environment says of it counts as little as pgconn's own default
	const plain = "sslmode allows plain text on the network"
	for _, mode := range []string{"disable", "allow", "prefer"} {
		refuses(t, "host=db.invalid sslmode="+mode+" password="+secret, fault.Invalid, plain)
		refuses(t, "postgres://u:"+secret+"@db.invalid/d?sslmode="+mode, fault.Invalid, plain)
		refuses(t, "postgres://u:"+secret+"@127.0.0.1,db.invalid/d?ssl%6dode="+mode+"&sslmode="+mode, fault.Invalid, plain)
		refuses(t, "postgres://192.0.2.1/d?sslmode="+mode, fault.Invalid, plain)
		refuses(t, "postgres://[2001:db8::1]/d?sslmode="+mode, fault.Invalid, plain)
	}
}

// With TLS, the server has to be the one that the authority says it is, unless the owner asks for less.
func TestTLS(t *testing.T) {
	t.Setenv("HOME", t.TempDir()) // where libpq keeps certificates
	c := postgrestest.StartTLS(t)
	c.Exec("CREATE ROLE guarded LOGIN PASSWORD '" + secret + "' IN ROLE " + postgrestest.PasswordRequired)
	where := func(host string, settings url.Values) string {
		return fmt.Sprintf("postgres://guarded:%s@%s:%d/postgres?%s", secret, host, c.Port, settings.Encode())
	}
	trusting := func(mode string) url.Values { return url.Values{"sslmode": {mode}, "sslrootcert": {c.RootCert}} }
	for _, host := range []string{"localhost", "127.0.0.1"} {
		for _, mode := range []string{"verify-full", "verify-ca", "require"} {
			s := openAs(t, where(host, trusting(mode)), config.Postgres{Query: "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"})
			equal(t, all(t, s, 10, "ssl"), [][]string{{"true"}})
		}
		for _, mode := range []string{"verify-full", "verify-ca"} {
			refuses(t, where(host, url.Values{"sslmode": {mode}}), fault.Unavailable, "the server's certificate is issued by nobody known here")
		}
		refuses(t, where(host, url.Values{"sslmode": {"disable"}}), fault.Unavailable, "the server refuses the role or its password")
	}
}

// A server that does not speak TLS, or is not heard of, is not talked to.
func TestNoTLSAtServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request := make([]byte, 8) // SSLRequest
		n, _ := conn.Read(request)
		_, _ = conn.Write([]byte("N"))
		rest := make([]byte, 100)
		m, _ := conn.Read(rest)
		heard <- string(request[:n]) + string(rest[:m])
	}()
	refuses(t, fmt.Sprintf("postgres://u:%s@%s/db?sslmode=require", secret, l.Addr()), fault.Unavailable, "the server does not speak TLS")
	if got := <-heard; len(got) > 8 {
		t.Errorf("the server heard %q", got)
	}
}

// Where the connection string is not, or not safe, it says where it looked.
func TestNoConnectionString(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pg.url")
	p := &config.Postgres{Query: "SELECT 1", Connection: config.Secret{File: path}}
	_, err := postgres.Open(t.Context(), p)
	wants(t, err, fault.NotFound, path)
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Open(t.Context(), p)
	wants(t, err, fault.Invalid, "mode 0640, others than its owner may read or write it")
}
