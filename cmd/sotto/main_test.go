package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sotto-dev/sotto/internal/postgrestest"
)

// TestMain makes this very test binary the sotto of the scripts and of README.md.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sotto": main})
}

// The command line as people use it: each script says what it guards, each block what must happen.
func TestScripts(t *testing.T) {
	examples := buildExamples(t)
	runScripts(t, "testdata/script", func(e *testscript.Env) error {
		e.Setenv("PATH", examples+string(filepath.ListSeparator)+e.Getenv("PATH"))
		return nil
	})
}

// The same beside a PostgreSQL server, whose address is in PG_URL and in the file pg.url.
func TestPostgresScripts(t *testing.T) {
	where := postgrestest.Start(t).URL(postgrestest.Superuser)
	runScripts(t, "testdata/postgres", func(e *testscript.Env) error {
		e.Setenv("PG_URL", where)
		return os.WriteFile(filepath.Join(e.WorkDir, "pg.url"), []byte(where+"\n"), 0o600)
	})
}

func runScripts(t *testing.T, folder string, setup func(*testscript.Env) error) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 folder,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("REPOSITORY", repository)
			e.Values[nodesKey{}] = map[string]*node{}
			return setup(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": runForCode, "capture": capture, "replace": replace, "refused": refused, "answers": answers, "mode": mode,
			"deploy": deploy, "start": start, "available": available, "halt": halt, "kill9": kill, "interrupt": interrupt, "idle": idle,
			"json": jsonValue, "sqlite": runSQLite, "postgres": runPostgres,
		},
	})
}

// buildExamples returns a folder with the programs of examples/.
func buildExamples(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/", "../../examples/...").CombinedOutput(); err != nil {
		t.Fatalf("build examples: %v\n%s", err, out)
	}
	return dir
}

// ports counts the ports that freeAddress has tried.
var ports atomic.Int32

// freeAddress returns a loopback address that nobody listens on and that no other test here will get. Its port is below
// those that systems hand out by themselves, to outgoing connections above all: what is free now stays free until a node
// listens there.
func freeAddress() (string, error) {
	const first, count = 20000, 8000
	for range count {
		address := fmt.Sprintf("localhost:%d", first+(os.Getpid()+int(ports.Add(1)))%count)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, listener.Close()
	}
	return "", fmt.Errorf("no free port from %d to %d", first, first+count-1)
}
