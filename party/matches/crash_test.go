package matches

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
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
	func(s *Store) error { return s.Keep(matching(1, 100), customers(0, 100), spread(100, 100, 1)) },
	func(s *Store) error { return s.Keep(matching(2, 200), customers(0, 100), spread(100, 200, 2)) },
	func(s *Store) error { return s.Forget([]ids.ID{customer(7), customer(9)}) },
	func(s *Store) error {
		_, err := s.Purge([][32]byte{matching(2, 200).ID}, false)
		return err
	},
}

// states are what a victim's store says after each number of steps.
func states() []string {
	first, second := spread(100, 100, 1), spread(100, 200, 2)
	one, other := fmt.Sprint(first[7:9]), fmt.Sprint(second[7:9])
	oneLess, otherLess := fmt.Sprint([]uint32{NoSlot, first[8]}), fmt.Sprint([]uint32{NoSlot, second[8]})
	return []string{
		"current 0, none, none", "current 1, " + one + ", none", "current 2, " + one + ", " + other,
		"current 2, " + oneLess + ", " + otherLess, "current 2, none, " + otherLess,
	}
}

// state is what a store says of itself, and of customers 7 and 8.
func state(t *testing.T, s *Store) string {
	m, _ := newest(s)
	said := fmt.Sprintf("current %d", m.ID[0])
	for n := 1; n <= 2; n++ {
		slots, _, err := s.Slots(matching(n, 1).ID, customers(7, 9))
		if errors.Is(err, fs.ErrNotExist) {
			said += ", none"
			continue
		}
		must(t, err)
		said += fmt.Sprintf(", %d", slots)
	}
	return said
}

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
	after := states()
	for _, c := range []struct {
		points string
		times  int // that a victim passes there: 2 files are kept, one notes a Forget, and two are replaced
	}{
		{"file: begun", 5},
		{"file: written", 5},
		{"file: synced", 5},
		{"file: renamed", 5},
		{"file: kept", 5},
		{"matches: forget noted", 1},
		{"matches: forgotten in one", 2},
		{"matches: forgotten in all", 1},
		{"matches: purged", 1},
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
			if got := state(t, s); got != after[done] && got != after[done+1] {
				t.Errorf("%s: %s after %d steps", where, got, done)
			}
			entries, err := os.ReadDir(folder)
			must(t, err)
			if left := slices.IndexFunc(entries, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), prefix) }); left >= 0 {
				t.Errorf("%s: left %s", where, entries[left].Name())
			}
			for _, step := range steps[done:] {
				must(t, step(s))
			}
			if got := state(t, s); got != after[len(steps)] {
				t.Errorf("%s: %s in the end", where, got)
			}
			must(t, s.Close())
		}
	}
}

// A disk that fails while a matching is kept leaves the one before, now and when the store is opened again, and the next is kept.
func TestKeepFails(t *testing.T) {
	v, err := vault.FromText(victimKey)
	must(t, err)
	folder := t.TempDir()
	s := opened(t, folder, v)
	must(t, steps[0](s))
	before := state(t, s)
	for _, point := range []string{"file: begun", "file: written", "file: synced", "file: renamed"} {
		v.Trace(func(at string) {
			if at == point {
				must(t, os.RemoveAll(folder)) // together with the draft
			}
		})
		kept, err := os.ReadFile(s.files.Path(nameOf(matching(1, 1).ID)))
		must(t, err)
		if err := steps[1](s); err == nil {
			t.Errorf("%s: kept in a folder that is gone", point)
		}
		if m, _ := newest(s); m.ID[0] != 1 {
			t.Errorf("%s: current is %d", point, m.ID[0])
		}
		v.Trace(func(string) {})
		must(t, os.Mkdir(folder, 0o700))
		must(t, os.WriteFile(s.files.Path(nameOf(matching(1, 1).ID)), kept, 0o600))
		must(t, s.Close())
		if s = opened(t, folder, v); state(t, s) != before {
			t.Errorf("%s: %s, was %s", point, state(t, s), before)
		}
	}
	must(t, steps[1](s))
	if got := state(t, s); got != states()[2] {
		t.Errorf("%s in the end", got)
	}
}
