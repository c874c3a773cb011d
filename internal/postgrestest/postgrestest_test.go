package postgrestest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sotto-dev/sotto/internal/postgrestest"
)

// ask returns the first value of a query.
func ask(t *testing.T, where, sql string) (string, error) {
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, where)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	result := conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	return string(result.Rows[0][0]), nil
}

// processOf returns the id of the server's first process.
func processOf(t *testing.T, folder string) int {
	text, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// gone reports whether neither the process nor the folder is there any more.
func gone(process int, folder string) bool {
	_, err := os.Stat(folder)
	return errors.Is(err, fs.ErrNotExist) && errors.Is(syscall.Kill(process, 0), syscall.ESRCH)
}

// A server answers while its test runs, and is gone with its folder when the test is over.
func TestStart(t *testing.T) {
	var folder string
	var process int
	t.Run("inner", func(t *testing.T) {
		c := postgrestest.Start(t)
		c.Exec("CREATE TABLE t AS SELECT 7 AS n; CREATE ROLE reader LOGIN; GRANT SELECT ON t TO reader")
		if got, err := ask(t, c.URL("reader"), "SELECT n FROM t"); err != nil || got != "7" {
			t.Errorf("got %q, %v", got, err)
		}
		folder, process = c.Folder, processOf(t, c.Folder)
	})
	if folder == "" {
		t.Skip("PostgreSQL is not installed")
	}
	if !gone(process, folder) {
		t.Errorf("process %d or %s is left behind", process, folder)
	}
}

// Members of PasswordRequired are asked for a password, by the socket too.
func TestPasswordRequired(t *testing.T) {
	c := postgrestest.Shared(t)
	c.Exec("CREATE ROLE guarded LOGIN PASSWORD 'correct' IN ROLE " + postgrestest.PasswordRequired)
	where := c.URL("guarded")
	if _, err := ask(t, where, "SELECT 1"); err == nil {
		t.Error("came in without a password")
	}
	if _, err := ask(t, strings.Replace(where, "guarded@", "guarded:correct@", 1), "SELECT 1"); err != nil {
		t.Error(err)
	}
}

// The certificate is good for localhost and 127.0.0.1, and without TLS nobody gets in by TCP.
func TestTLS(t *testing.T) {
	c := postgrestest.StartTLS(t)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		where := func(mode string) string {
			query := url.Values{"sslmode": {mode}, "sslrootcert": {c.RootCert}}
			return fmt.Sprintf("postgres://postgres@%s:%d/postgres?%s", host, c.Port, query.Encode())
		}
		if _, err := ask(t, where("verify-full"), "SELECT 1"); err != nil {
			t.Error(err)
		}
		if _, err := ask(t, where("disable"), "SELECT 1"); err == nil {
			t.Errorf("%s: came in without TLS", host)
		}
	}
}

// Each test finds the shared server as new, whatever the one before made, and whoever of its is still there.
func TestSharedIsCleared(t *testing.T) {
	for range 2 {
		t.Run("inner", func(t *testing.T) {
			c := postgrestest.Shared(t)
			c.Exec(`CREATE ROLE "an Owner" LOGIN CREATEROLE; CREATE SCHEMA "S" AUTHORIZATION "an Owner"; CREATE TABLE "S".t (n int);
				CREATE TABLE t (n int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT SELECT ON t TO "an Owner"`)
			c.Exec(`CREATE DATABASE "a Database" OWNER "an Owner"`)
			conn, err := pgconn.Connect(t.Context(), c.URL("an Owner"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), "BEGIN; SELECT * FROM t").ReadAll(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

const childFolder = "SOTTO_POSTGRESTEST_CHILD"

// A process that is killed leaves neither its server nor a folder: nothing of Go's runs in it any more.
func TestKilled(t *testing.T) {
	if report := os.Getenv(childFolder); report != "" {
		c := postgrestest.Shared(t)
		if err := os.WriteFile(report+".new", fmt.Appendf(nil, "%d %s", processOf(t, c.Folder), c.Folder), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(report+".new", report); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	postgrestest.Shared(t) // skips where there is none
	report := filepath.Join(t.TempDir(), "server")
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), childFolder+"="+report)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var process int
	var folder string
	wait(t, "the child's server", func() bool {
		text, err := os.ReadFile(report)
		if err == nil {
			_, err = fmt.Sscan(string(text), &process, &folder)
		}
		return err == nil
	})
	if gone(process, folder) {
		t.Fatal("the server is gone too early")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	wait(t, "the end of the child's server", func() bool { return gone(process, folder) })
}

// wait returns when something has come true; a minute is far more than it takes.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no sign of %s", what)
		}
	}
}
