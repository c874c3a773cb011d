package members

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

const (
	// victimFolder names, in the environment, the store that this test binary is to work on until it is killed.
	victimFolder = "SOTTO_TEST_VICTIM_FOLDER"
	// victimPoint says at which point it kills itself, after how many times there: "2 file: renamed".
	victimPoint = "SOTTO_TEST_VICTIM_POINT"
	victimKey   = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(victimFolder); folder != "" {
		if err := victim(folder); err != nil {
			fmt.Println("failed", err)
		}
		return
	}
	os.Exit(m.Run())
}

// steps are what a victim does; after each of them it says so.
var steps = []func(s *Store) error{
	func(s *Store) error { return s.KeepSnapshot(version(1), customers(0, 100), at(1)) },
	func(s *Store) error { return s.KeepView(view(1, 1, 100, all)) },
	func(s *Store) error { return s.KeepSnapshot(version(2), customers(0, 50), at(2)) },
	func(s *Store) error { return s.KeepView(view(2, 2, 50, all)) },
	func(s *Store) error { return s.Forget([]ids.ID{customer(7), customer(9)}) },
	func(s *Store) error {
		_, err := s.Purge(at(2), nil, false)
		return err
	},
}

// after is what a victim's store says after each number of steps: the views of customers 7 and 8.
var after = []string{"[] []", "[] []", "[1] [1]", "[1] [1]", "[1 2] [1 2]", "[] [1 2]", "[] [2]"}

func victim(folder string) error {
	v, err := vault.FromText(victimKey)
	if err != nil {
		return err
	}
	times, point, _ := strings.Cut(os.Getenv(victimPoint), " ")
	left, _ := strconv.Atoi(times)
	trace := func(at string) {
		if at == point {
			if left--; left == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until it arrives
			}
		}
	}
	v.Trace(trace)
	s, err := Open(folder, v)
	if err != nil {
		return err
	}
	s.Trace(trace)
	for _, step := range steps {
		if err := step(s); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

// A node that is killed at any step has, when it is opened again, either all of that step or nothing of it, and nothing else in its
// folder; and doing the step again completes it.
func TestKilledAtEveryPoint(t *testing.T) {
	v, err := vault.FromText(victimKey)
	must(t, err)
	for _, c := range []struct {
		points string
		times  int // that a victim passes there: 4 files are kept, one notes a Forget, and two are replaced
	}{
		{"file: begun", 7},
		{"file: written", 7},
		{"file: synced", 7},
		{"file: renamed", 7},
		{"file: kept", 7},
		{"members: forget noted", 1},
		{"members: forgotten in one", 2},
		{"members: forgotten in all", 1},
		{"members: purged some", 2},
	} {
		for n := 1; n <= c.times; n++ {
			where := fmt.Sprintf("%d %s", n, c.points)
			folder := t.TempDir()
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), victimFolder+"="+folder, victimPoint+"="+where)
			out, err := command.Output()
			if err == nil || bytes.Contains(out, []byte("failed")) {
				t.Errorf("%s: killed: %v; %s", where, err, out)
			}
			done := bytes.Count(out, []byte("done"))
			s := opened(t, folder, v)
			state := func() string { return fmt.Sprint(numbers(t, s, customer(7)), numbers(t, s, customer(8))) }
			if got := state(); got != after[done] && got != after[done+1] {
				t.Errorf("%s: %s after %d steps", where, got, done)
			}
			entries, err := os.ReadDir(folder)
			must(t, err)
			if left := slices.IndexFunc(entries, func(e os.DirEntry) bool {
				return !strings.HasPrefix(e.Name(), "snapshot-") && !strings.HasPrefix(e.Name(), "view-")
			}); left >= 0 {
				t.Errorf("%s: left %s", where, entries[left].Name())
			}
			for _, step := range steps[done:] {
				must(t, step(s))
			}
			if got := state(); got != after[len(steps)] {
				t.Errorf("%s: %s in the end", where, got)
			}
			must(t, s.Close())
		}
	}
}

// What was once noted to be forgotten is forgotten, even if the disk fails on the way and others are to be forgotten next.
func TestForgetAfterFailure(t *testing.T) {
	v := fresh(t)
	s := opened(t, t.TempDir(), v)
	must(t, s.KeepSnapshot(version(1), customers(0, 3), at(1)))
	must(t, s.KeepView(view(1, 1, 3, all)))
	broken := "the disk is broken"
	s.Trace(func(point string) {
		if point == "members: forget noted" {
			panic(broken)
		}
	})
	func() {
		defer func() {
			if recover() != broken {
				t.Error("not broken")
			}
		}()
		_ = s.Forget(customers(0, 1))
	}()
	s.Trace(func(string) {})
	must(t, s.Forget(customers(1, 2)))
	for n, want := range [][]int{nil, nil, {1}} {
		if got := numbers(t, s, customer(n)); !slices.Equal(got, want) {
			t.Errorf("customer %d: views %v, want %v", n, got, want)
		}
	}
}
