package simulation

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// spent adds up what a ledger says may have left or may yet leave, as the accountant composes it, for some organisation or,
// with "", for all.
func (j journal) spent(organisation string, delta float64) float64 {
	tally := dp.Tally{}
	for _, e := range slices.Concat(j.released, j.reserved) {
		if organisation == "" || e.organisation == organisation {
			tally.Add(e.loss(), 1)
		}
	}
	return float64(tally.MicroEpsilon(delta)) / 1e6
}

func (e entry) loss() dp.Loss {
	return dp.Loss{Mechanism: dp.Mechanism(e.mechanism), MicroEpsilon: e.microEpsilon, AttoDelta: e.attoDelta, Cells: e.cells}
}

// TestHammering guards ledgers against a crowd: 64 clients of eight analysts in three organisations ask at the same time,
// most of them the same few questions, some over one folder, more than the budgets carry. At no moment does a ledger hold
// more than any of its limits, whether released or under way; no signed question is paid twice; what is refused is refused
// for want of budget, or for now; and in the end the budget was used: all parties that a question is about were paid for
// every answer.
func TestHammering(t *testing.T) {
	const perQuestion, total, agency, day = 2., 30., 8., 20.
	limits := config.Limits{
		PeriodLimits:  config.PeriodLimits{EpsilonPerDay: day * 1e6, EpsilonTotal: total * 1e6},
		Organisations: map[string]config.PeriodLimits{"agency": {EpsilonTotal: agency * 1e6}},
	}
	c := start(t, setup{
		parties: 3, analysts: 8, running: 8, seed: 115, total: total, asking: []string{"agency", "agency", "agency", "studio", "studio"},
		limits: map[string]config.Limits{"bank": limits, "cinema": {Organisations: limits.Organisations}},
	})
	c.setNoon()
	questions := []client.Question{
		{Total: []string{"bank.member", "cinema.member"}},
		{Total: []string{"bank.gold", "cinema.gold"}},
		{Total: []string{"bank.member", "florist.member"}},
		{Total: []string{"cinema.gold", "florist.gold"}},
		{Total: []string{"bank.gold", "cinema.gold", "florist.gold"}},
	}
	check := func() {
		delta := c.agreement.Limits.DeltaTotal
		for _, p := range c.parties {
			j := p.journal()
			if j.spent("", delta) > total || p.name != "florist" && j.spent("agency", delta) > agency || p.name == "bank" && j.spent("", delta) > day {
				t.Errorf("%s has spent epsilon %v, of which the agency %v", p.name, j.spent("", delta), j.spent("agency", delta))
			}
		}
	}
	watching, stop := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for watching.Err() == nil {
			check()
			time.Sleep(10 * time.Millisecond)
		}
	}()
	var mu sync.Mutex
	paid := map[string]bool{} // signed questions that were answered
	want := map[string]int{}  // how many of them, by party
	var all sync.WaitGroup
	folders := t.TempDir()
	for i := range 64 {
		folder := ""
		if i < 16 {
			folder = filepath.Join(folders, fmt.Sprint(i%8))
		}
		one := c.analyst(i%8, folder)
		all.Go(func() {
			for n := range 3 {
				q := questions[(i/8+n*i)%len(questions)]
				q.Epsilon = perQuestion
				a, id, err := askAtNoon(one, plain(q))
				switch {
				case err == nil:
					checkAnswer(t, c.people, q, a)
					mu.Lock()
					if !paid[id] {
						paid[id] = true
						for name := range a.Charged {
							want[name]++
						}
					}
					mu.Unlock()
				case !fault.IsKind(err, fault.Budget) && !fault.IsKind(err, fault.Unavailable):
					t.Errorf("%s: %v", wording(q), err)
				}
			}
		})
	}
	all.Wait()
	stop()
	<-watched
	c.tidy()
	check()
	got := map[string]int{}
	for _, p := range c.parties {
		seen := map[[32]byte]bool{}
		for _, e := range p.journal().released {
			if seen[e.query] {
				t.Errorf("%s: a signed question was charged twice", p.name)
			}
			seen[e.query] = true
		}
		got[p.name] = len(seen)
	}
	if !maps.Equal(got, want) || len(paid) == 0 {
		t.Errorf("charged by the ledgers: %v, by the answers: %v", got, want)
	}
	t.Logf("charges: %v", got)
}
