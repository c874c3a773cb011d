package journal_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sotto-dev/sotto/internal/journal"
)

const (
	// victimJournal names, in the environment, the journal that this test binary is to work on until it is killed.
	victimJournal = "SOTTO_TEST_VICTIM_JOURNAL"
	// victimPoint says at which point it kills itself, after how many times there: "2 audit: append written".
	victimPoint = "SOTTO_TEST_VICTIM_POINT"

	victimWorkers = 4
	victimGroup   = 3 // records that a victim appends at once
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimJournal); path != "" {
		victim(path)
		return
	}
	os.Exit(m.Run())
}

// victim appends from several goroutines, always a few records with one name, and says the name only after that.
func victim(path string) {
	j, err := journal.Open(path, kind)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	if times, point, ok := strings.Cut(os.Getenv(victimPoint), " "); ok {
		left, _ := strconv.Atoi(times)
		j.Trace(func(at string) {
			if at == point {
				if left--; left == 0 {
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
					select {} // until it arrives
				}
			}
		})
	}
	var wait sync.WaitGroup
	var number atomic.Int64
	begun := j.Head().Rows
	for range victimWorkers {
		wait.Go(func() {
			for {
				name := fmt.Sprintf("%d-%d", begun, number.Add(1))
				if err := j.Append([]byte(name), []byte(name), []byte(name)); err != nil {
					fmt.Println("failed", err)
					return
				}
				fmt.Println(name)
			}
		})
	}
	wait.Wait()
}

// life runs a victim until it has said so many names and kills it, or until it ends by itself; said keeps the names.
func life(t *testing.T, path string, lines int, said map[string]bool, environment ...string) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), append(environment, victimJournal+"="+path)...)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	reader := bufio.NewReader(out)
	for n := 1; ; n++ {
		line, err := reader.ReadString('\n')
		if err != nil { // the end; a line that it cut is not said
			break
		}
		if strings.HasPrefix(line, "failed") {
			t.Errorf("the victim failed: %s", line)
		}
		said[strings.TrimSpace(line)] = true
		if n == lines {
			must(t, command.Process.Kill())
		}
	}
	if command.Wait() == nil {
		t.Error("the victim was not killed")
	}
}

// survived opens a journal after a victim's end: all that was said to be durable is there, what is there is whole groups, and
// at most one group, which was just being written, was not said in each life.
func survived(t *testing.T, path string, lives int, said map[string]bool) {
	t.Helper()
	j, err := journal.Open(path, kind)
	must(t, err)
	defer j.Close()
	found := map[string]int{}
	records := contents(t, j)
	for i, name := range records {
		if found[name]++; records[i-i%victimGroup] != name {
			t.Errorf("row %d is %s in a group of %s", i+1, name, records[i-i%victimGroup])
		}
	}
	for name := range said {
		if found[name] != victimGroup {
			t.Errorf("%s was said to be durable and is there %d times, want %d", name, found[name], victimGroup)
		}
	}
	if unsaid := len(found) - len(said); unsaid > victimWorkers*lives || len(records) != victimGroup*len(found) {
		t.Errorf("%d rows in %d groups, of which %d were not said in %d lives", len(records), len(found), unsaid, lives)
	}
}

// A process may be killed at any moment, over and over.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	path, said, random := create(t, 0), map[string]bool{}, rand.New(rand.NewPCG(3, 4))
	lives := 8
	if long {
		lives = 200
	}
	for n := range lives {
		life(t, path, 1+random.IntN(60), said)
		survived(t, path, n+1, said)
	}
	if len(said) < lives {
		t.Errorf("only %d groups were said: the test shows little", len(said))
	}
}

// The same where it matters: before and after each thing that is written. What was committed stays, though nobody was told.
func TestKilledAtEveryPoint(t *testing.T) {
	times := []int{1, 3}
	if long {
		times = []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	for point, kept := range map[string]int{"before append": 0, "append written": 0, "append committed": 1, "append kept": 1} {
		path, said := create(t, 0), map[string]bool{}
		rows := int64(0)
		for i, n := range times {
			life(t, path, -1, said, fmt.Sprintf("%s=%d audit: %s", victimPoint, n, point))
			survived(t, path, i+1, said)
			rows += int64(victimGroup * (n - 1 + kept))
			if got := open(t, path); got.Head().Rows != rows {
				t.Errorf("%s: killed the %d. time: %d rows, want %d", point, n, got.Head().Rows, rows)
			} else {
				must(t, got.Close())
			}
		}
	}
}
