package simulation

import (
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
)

// long says whether the exhaustive variants run.
var long = os.Getenv("SOTTO_LONG") != ""

// moment is a point in the course of a question: a message to or from one party.
type moment struct {
	name   string
	inward bool
	method string
	at     int  // position among the messages of its call and direction
	late   bool // by then the others may come to release
}

// blocks is how many blocks the vectors of these tests have.
const blocks = 128

// moments lists one point of every stage, for a party that is not the last of its chain.
var moments = []moment{
	{"before it prepares", to, "Prepare", 0, false},
	{"when it has prepared", from, "Prepare", 0, false},
	{"before it opens", to, "Open", 0, false},
	{"before it agrees", to, "Agree", 0, false},
	{"at its first block", from, "Contribute", 0, false},
	{"half-way through its blocks", from, "Contribute", blocks / 2, false},
	{"at its last block", from, "Contribute", blocks - 1, true},
	{"when it has handed over", from, "Contribute", blocks, true},
	{"before it releases", to, "Release", 0, true},
	{"while the results come in", to, "Release", 1, true},
}

// lastMoments are the same for the last party, which sends no blocks but receives them.
var lastMoments = []moment{
	moments[0], moments[1], moments[2], moments[3],
	{"at the first block it gets", to, "Contribute", 1, false},
	{"half-way through the blocks it gets", to, "Contribute", 1 + blocks/2, false},
	{"at the hand-over it gets", to, "Contribute", 1 + blocks, false},
	{"at its results", from, "Contribute", 0, true},
	moments[8], moments[9],
}

// once calls do at one moment of one party, the first time that it comes.
func (c *cluster) once(party string, m moment, do func()) (happened func() int) {
	var first sync.Once
	count := 0
	c.tap.on(m.inward, party, m.method, watching(func(got message) {
		if got.at == m.at {
			first.Do(func() {
				count++
				do()
			})
		}
	}))
	return func() int { return count }
}

// charges returns what every party has charged so far.
func (c *cluster) charges() map[string]float64 {
	all := map[string]float64{}
	for _, p := range c.parties {
		all[p.name] = p.charged()
	}
	return all
}

// failed checks that a question failed for a reason of that kind at that node.
func failed(t testing.TB, err error, kind fault.Kind, party string) {
	t.Helper()
	f := fault.From(err)
	if err == nil {
		t.Errorf("the question was answered, must fail as %s at %q", kind, party)
	} else if f.Kind != kind || f.Party != party {
		t.Errorf("the question failed as %s at %q, must be %s at %q: %v", f.Kind, f.Party, kind, party, err)
	}
}

// back waits until the coordinator reaches every party again.
func (c *cluster) back() {
	c.Helper()
	c.eventually(func() error {
		catalog, err := c.analysts[0].Catalog(context.Background())
		if err != nil {
			return err
		}
		for _, p := range catalog.Parties {
			if p.Unavailable != "" {
				return fmt.Errorf("%s: %s", p.Name, p.Unavailable)
			}
		}
		return nil
	})
}

// TestPartyCrashes guards what a party's death does in every stage: the question fails at once with the party's name, the
// others forget it and give their reservations back within seconds, nobody was charged before a release, a question that
// the dead party has no part in works, and once it is back the next one gets as far as the next crash.
func TestPartyCrashes(t *testing.T) {
	c := start(t, setup{parties: 3, seed: 20})
	cases := map[string][]moment{"bank": {moments[5]}, "cinema": {moments[1], moments[5]}, "florist": {lastMoments[3], lastMoments[5], lastMoments[8]}}
	if long {
		cases = map[string][]moment{"bank": moments, "cinema": moments, "florist": lastMoments}
	}
	for _, victim := range c.parties {
		for _, m := range cases[victim.name] {
			before := c.charges()
			happened := c.once(victim.name, m, victim.crash)
			began := time.Now()
			_, err := c.ask(c.everybody())
			if happened() == 0 {
				t.Fatalf("%s did not come to the point %s: %v", victim.name, m.name, err)
			}
			failed(t, err, fault.Unavailable, victim.name)
			if took := time.Since(began); took > c.patience/2 {
				t.Errorf("%s crashes %s: it took %v to notice", victim.name, m.name, took)
			}
			c.tap.clear()
			c.tidy()
			victim.restart()
			c.back()
			c.tidy()
			if after := c.charges(); !m.late && !maps.Equal(before, after) {
				t.Errorf("%s crashes %s: charges went from %v to %v", victim.name, m.name, before, after)
			}
		}
	}
	c.party("florist").crash()
	c.answered(client.Question{Count: "bank.gold && cinema.gold"})
	_, err := c.ask(c.everybody())
	failed(t, err, fault.Unavailable, "florist")
}
