package subjects

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sotto-dev/sotto/party/vault"
)

const (
	// victimList names, in the environment, the list that this test binary is to work on until it is killed.
	victimList = "SOTTO_TEST_VICTIM_LIST"
	// victimPoint says at which point it kills itself, after how many times there: "2 subjects: append written".
	victimPoint = "SOTTO_TEST_VICTIM_POINT"
	victimKey   = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="

	// victimGroup is how many people ask at once: more than a record holds.
	victimGroup = perRecord + 10
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimList); path != "" {
		if err := victim(path); err != nil {
			fmt.Println("failed", err)
		}
		return
	}
	os.Exit(m.Run())
}

// victim withdraws group after group, then restores the first and erases the second, and says so each time only after that.
func victim(path string) error {
	v, err := vault.FromText(victimKey)
	if err != nil {
		return err
	}
	l, err := Open(path, v)
	if err != nil {
		return err
	}
	times, point, _ := strings.Cut(os.Getenv(victimPoint), " ")
	left, _ := strconv.Atoi(times)
	l.Trace(func(at string) {
		if at == point {
			if left--; left == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until it arrives
			}
		}
	})
	for i, kind := range []Kind{Withdraw, Withdraw, Erase, Restore} {
		first := i % 2 * victimGroup
		if err := l.Record(Request{Kind: kind, IDs: customers(first, first+victimGroup), At: at(i)}); err != nil {
			return err
		}
		fmt.Println("said", i)
	}
	return nil
}

// A node that is killed at any step of a request knows after that all of it or nothing of it, all of it if anybody was told so;
// and whoever sends it again gets what was asked for.
func TestKilledAtEveryPoint(t *testing.T) {
	v, err := vault.FromText(victimKey)
	must(t, err)
	states := []string{"", "all 1700000000", "all 1700000000", "erased 1700000002, all 1700000000", "erased 1700000002, all 1700000000"}
	others := []string{"", "", "all 1700000001", "all 1700000001", ""}
	times := []int{1, 4}
	if long {
		times = []int{1, 2, 3, 4}
	}
	for point, kept := range map[string]int{"before append": 0, "append written": 0, "append committed": 1, "append kept": 1} {
		for _, n := range times {
			path := filepath.Join(t.TempDir(), "subjects.db")
			must(t, Create(path, v))
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), victimList+"="+path, fmt.Sprintf("%s=%d subjects: %s", victimPoint, n, point))
			out, err := command.StdoutPipe()
			must(t, err)
			must(t, command.Start())
			said := 0
			for lines := bufio.NewScanner(out); lines.Scan(); said++ {
				if strings.HasPrefix(lines.Text(), "failed") {
					t.Error(lines.Text())
				}
			}
			if command.Wait() == nil || said != n-1 {
				t.Errorf("%s, the %d. time: killed after %d requests", point, n, said)
			}
			l := open(t, path, v)
			done := n - 1 + kept
			found := make([]string, 2*victimGroup)
			l.Apply(customers(0, len(found)), func(position int, s State) { found[position] = written(s) })
			for i, got := range found {
				want := states[done]
				if i >= victimGroup {
					want = others[done]
				}
				if got != want {
					t.Fatalf("%s, the %d. time: customer %d is %q, want %q", point, n, i, got, want)
				}
			}
			must(t, l.Record(Request{Kind: Erase, IDs: customers(0, victimGroup), At: at(9)}))
			if s, _ := l.State(customer(victimGroup - 1)); s.Erased.IsZero() || s.Allows("planning") {
				t.Errorf("%s, the %d. time: %s after it was sent again", point, n, written(s))
			}
			must(t, l.Close())
		}
	}
}

func BenchmarkApply(b *testing.B) {
	l, _ := create(b, fresh(b))
	must(b, l.Record(Request{Withdraw, "planning", customers(0, 100_000), at(0)}))
	all := customers(0, 10_000_000)
	for b.Loop() {
		found := 0
		l.Apply(all, func(int, State) { found++ })
		if found != 100_000 {
			b.Fatal(found)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	l, _ := create(b, fresh(b))
	all := customers(0, 1_000_000)
	for b.Loop() {
		must(b, l.Record(Request{Withdraw, "planning", all, at(0)}))
	}
}

func BenchmarkOpen(b *testing.B) {
	v := fresh(b)
	l, path := create(b, v)
	must(b, l.Record(Request{Withdraw, "planning", customers(0, 1_000_000), at(0)}))
	must(b, l.Close())
	for b.Loop() {
		l, err := Open(path, v)
		must(b, err)
		must(b, l.Close())
	}
}
