package simulation

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"
)

// tidy checks that within seconds no living node has a session, a reservation or a goroutine at work.
func (c *cluster) tidy() {
	c.Helper()
	c.eventually(func() error {
		for _, p := range c.parties {
			if err := p.tidy(); err != nil {
				return err
			}
		}
		if n, busy := c.goroutines(atWork...); n > 0 {
			return errors.New("goroutines at work though nothing is:\n" + busy)
		}
		return nil
	})
}

// eventually tries for some seconds until check returns nil, and fails the test otherwise.
func (c *cluster) eventually(check func() error) bool {
	c.Helper()
	const patience = 8 * time.Second
	var err error
	for since := time.Now(); time.Since(since) < patience; time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return true
		}
	}
	c.Errorf("after %v: %v", patience, err)
	return false
}

// atWork are the packages whose functions are on the stack of a goroutine that works for a question.
var atWork = []string{"sotto/party.", "sotto/coordinator.", "sotto/internal/keyholder.", "sotto/internal/pipeline.", "sotto/internal/he."}

// waitingForTheEnd are on the stacks of the goroutines in which a node serves, and in which a party waits to refresh.
var waitingForTheEnd = []string{"sotto/internal/rpc.Serve+", "sotto/party.(*Node).Serve+", "sotto/party.(*Node).keep+"}

// goroutines returns how many goroutines of the cluster's nodes work with one of the texts in their stack, and their stacks;
// all of them without any text.
func (c *cluster) goroutines(containing ...string) (int, string) {
	var profile bytes.Buffer
	c.must(pprof.Lookup("goroutine").WriteTo(&profile, 1))
	count := 0
	var found []string
	for _, stack := range strings.Split(profile.String(), "\n\n") { // those that are alike stand once, with their number
		if !strings.Contains(stack, fmt.Sprintf("%q", c.label)) {
			continue
		}
		has := func(text string) bool { return strings.Contains(stack, text) }
		if len(containing) == 0 || slices.ContainsFunc(containing, has) && !slices.ContainsFunc(waitingForTheEnd, has) {
			alike := 0
			_, _ = fmt.Sscan(stack, &alike)
			count += alike
			found = append(found, stack)
		}
	}
	return count, strings.Join(found, "\n\n")
}

// logBuffer gathers log lines of many goroutines.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
