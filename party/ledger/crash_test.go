package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

const (
	// victimLedger names, in the environment, the ledger that this test binary is to work on until it is killed.
	victimLedger = "SOTTO_TEST_VICTIM_LEDGER"
	// victimPoint says at which point it kills itself, after how many times there: "2 ledger: reserve written".
	victimPoint = "SOTTO_TEST_VICTIM_POINT"

	crashPrice   = agreement.MicroEpsilon(7)
	crashLimit   = agreement.MicroEpsilon(7 * 300)
	crashWorkers = 4
)

// victim reserves and releases from several goroutines, and says what it has done only after it is done.
func victim(path string) {
	l, err := ledger.Open(path)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	if times, point, ok := strings.Cut(os.Getenv(victimPoint), " "); ok {
		left, _ := strconv.Atoi(times)
		var mu sync.Mutex
		l.Trace(func(at string) {
			mu.Lock()
			defer mu.Unlock()
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
	for range crashWorkers {
		wait.Go(func() {
			for {
				c := charge(0, crashPrice)
				rand.Read(c.Session[:])
				rand.Read(c.Query[:])
				err := l.Reserve(context.Background(), c, total(crashLimit))
				if fault.IsKind(err, fault.Budget) {
					fmt.Println("full")
					return
				}
				fmt.Printf("reserved %x\n", c.Session)
				if number.Add(1)%4 == 0 { // a question that fails
					err = l.Lapse(c.Session)
				} else if err == nil {
					if err = release(l, c); err == nil {
						fmt.Printf("released %x\n", c.Session)
					}
				}
				if err != nil {
					fmt.Println("failed", err)
					return
				}
			}
		})
	}
	wait.Wait()
}

// witness is who watches a ledger's victims and remembers what they said.
type witness struct {
	path     string
	lives    int
	said     map[[16]byte]bool // sessions that were released
	released agreement.MicroEpsilon
}

// check opens the ledger after a victim's end. All that was said to be released is there, with its bytes; what was merely
// reserved has lapsed; at most the releases of that moment are counted and were not said; nothing goes beyond the limit.
func (w *witness) check(t *testing.T) {
	t.Helper()
	w.lives++
	l, err := ledger.Open(w.path)
	must(t, err)
	defer l.Close()
	reserved, released := spent(l)
	if reserved != 0 {
		t.Errorf("life %d: %d still reserved", w.lives, reserved)
	}
	if released > crashLimit || released < w.released {
		t.Errorf("life %d: %d released, %d before, the limit is %d", w.lives, released, w.released, crashLimit)
	}
	w.released = released
	if unsaid := int(released/crashPrice) - len(w.said); unsaid < 0 || unsaid > crashWorkers*w.lives {
		t.Errorf("life %d: %d more releases are counted than were said", w.lives, unsaid)
	}
	for session := range w.said {
		c := ledger.Charge{Session: session}
		if sealed, err := l.Released(t.Context(), session); err != nil || !bytes.Equal(sealed, stored(c)) {
			t.Fatalf("life %d: what was released came back as %d bytes, %v", w.lives, len(sealed), err)
		}
	}
}

// watch runs a victim until it has said so many lines and kills it, or until it ends by itself. It reports whether the
// victim was killed, and whether the budget was spent.
func (w *witness) watch(t *testing.T, lines int, environment ...string) (killed, full bool) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), append(environment, victimLedger+"="+w.path)...)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	reader := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := reader.ReadString('\n')
		if err != nil { // the end; a line that it cut is not said
			break
		}
		what, session, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch what {
		case "released":
			id, err := hex.DecodeString(session)
			must(t, err)
			w.said[[16]byte(id)] = true
		case "full":
			full = true
		case "failed":
			t.Errorf("the victim failed: %s", line)
		}
		if n+1 == lines {
			must(t, command.Process.Kill())
		}
	}
	return command.Wait() != nil, full
}

// Budget is spent durably before anything leaves: a node may be killed at any moment, over and over from the first row to the
// limit.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	w := &witness{path: create(t), said: map[[16]byte]bool{}}
	random := mathrand.New(mathrand.NewPCG(3, 4))
	for full := false; !full; w.check(t) {
		_, full = w.watch(t, 1+random.IntN(90))
		if w.lives > 1000 {
			t.Fatal("the budget is never spent")
		}
	}
	if len(w.said) < 100 {
		t.Errorf("only %d releases were said: the test shows little", len(w.said))
	}
}

// The same where it matters: before and after each thing that is written.
func TestKilledAtEveryPoint(t *testing.T) {
	times := []int{1, 3}
	if long {
		times = []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	for _, what := range []string{"reserve", "release", "lapse"} {
		for _, point := range []string{"before " + what, "release signed", what + " written", what + " committed", what + " kept"} {
			w := &witness{path: create(t), said: map[[16]byte]bool{}}
			for _, n := range times {
				killed, full := w.watch(t, -1, fmt.Sprintf("%s=%d ledger: %s", victimPoint, n, point))
				if !killed || full {
					t.Errorf("%s: killed %t, budget spent %t", point, killed, full)
				}
				w.check(t)
			}
		}
	}
}
