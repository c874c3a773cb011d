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
	"strings"
	"sync"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// victimLedger names, in the environment, the ledger that this test binary is to work on until it is killed.
const victimLedger = "SOTTO_TEST_VICTIM_LEDGER"

const (
	crashPrice   = agreement.MicroEpsilon(7)
	crashLimit   = agreement.MicroEpsilon(7 * 400)
	crashWorkers = 4
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimLedger); path != "" {
		victim(path)
		return
	}
	os.Exit(m.Run())
}

// victim reserves and releases from several goroutines, and says what it has done only after it is done.
func victim(path string) {
	l, err := ledger.Open(path)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	var wait sync.WaitGroup
	for range crashWorkers {
		wait.Go(func() {
			for {
				c := charge(0, crashPrice)
				rand.Read(c.Session[:])
				rand.Read(c.Query[:])
				err := l.Reserve(context.Background(), c, ledger.Limit{Total: crashLimit, Sessions: 1})
				if fault.IsKind(err, fault.Budget) {
					fmt.Println("full")
					return
				}
				fmt.Printf("reserved %x\n", c.Session)
				if c.Session[0] < 64 { // a question that fails
					err = l.Lapse(c.Session)
				} else if err == nil {
					if err = l.Release(c.Session, stored(c)); err == nil {
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

// Budget is spent durably before anything leaves: a node that is killed at any moment (kill −9, from the first line to
// the limit) finds, when it starts again, everything that it had said was released, with its bytes; what was merely
// reserved has lapsed; at most the releases of that moment are counted and were not yet said; and over all lives together
// nothing goes beyond the limit.
func TestKilledAtAnyPoint(t *testing.T) {
	path := create(t)
	random := mathrand.New(mathrand.NewPCG(3, 4))
	said := map[[16]byte]bool{}
	full := false
	for life := 0; !full; life++ {
		full = kill(t, path, 1+random.IntN(60), said)
		l := open(t, path)
		reserved, released := spent(t, l)
		if reserved != 0 {
			t.Errorf("life %d: %d still reserved", life, reserved)
		}
		if released > crashLimit {
			t.Errorf("life %d: %d released, more than the limit of %d", life, released, crashLimit)
		}
		if unsaid := int(released/crashPrice) - len(said); unsaid < 0 || unsaid > crashWorkers*(life+1) {
			t.Errorf("life %d: %d more releases are counted than were said", life, unsaid)
		}
		for session := range said {
			c := ledger.Charge{Session: session}
			if sealed, err := l.Released(t.Context(), session); err != nil || !bytes.Equal(sealed, stored(c)) {
				t.Fatalf("life %d: what was released came back as %d bytes, %v", life, len(sealed), err)
			}
		}
		must(t, l.Close())
		if life > 1000 {
			t.Fatal("the budget is never spent")
		}
	}
	if len(said) < 100 {
		t.Errorf("only %d releases were said: the test shows little", len(said))
	}
}

// kill runs a victim until it has said so many lines, kills it, and notes what it said was released. It reports whether
// the budget was spent.
func kill(t *testing.T, path string, lines int, said map[[16]byte]bool) (full bool) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), victimLedger+"="+path)
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
			said[[16]byte(id)] = true
		case "full":
			full = true
		case "failed":
			t.Errorf("the victim failed: %s", line)
		}
		if n+1 == lines {
			must(t, command.Process.Kill())
		}
	}
	_ = command.Wait() // killed, or done because the budget was spent
	return full
}
