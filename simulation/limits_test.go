package simulation

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/config"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestBudget guards what a party's spent budget does: the question is refused as such in its name, the others' reservations
// lapse, so that they can go on without it, and a question that still fits is answered.
func TestBudget(t *testing.T) {
	c := start(t, setup{total: 40, seed: 90, limits: map[string]config.Limits{"cinema": {EpsilonPerQuery: 11_000_000, PeriodLimits: config.PeriodLimits{EpsilonTotal: 12_000_000}}}})
	_, err := c.ask(client.Question{Count: "bank.member && cinema.member", Epsilon: 11.000001})
	failed(t, err, fault.Limit, "cinema")
	c.answered(client.Question{Count: "bank.member && cinema.member"})
	_, err = c.ask(client.Question{Count: "bank.member && cinema.member"})
	failed(t, err, fault.Budget, "cinema")
	c.tidy()
	if charges := c.charges(); charges["bank"] != 10 || charges["cinema"] != 10 {
		t.Errorf("charges are %v, must be 10 each", charges)
	}
	c.answered(client.Question{Count: "bank.member && cinema.member", Epsilon: 2})
	_, err = c.ask(client.Question{Count: "bank.member && cinema.member", Epsilon: 0.001})
	failed(t, err, fault.Budget, "cinema")
}

// TestBudgetUnderRush guards the budget when many ask at the same time: whatever comes through is paid, and no party spends
// more than it has.
func TestBudgetUnderRush(t *testing.T) {
	c := start(t, setup{total: 10, running: 8, seed: 91})
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := 0
	for range 8 {
		all.Go(func() {
			a, err := c.ask(c.everybody())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answers++
				checkAnswer(t, c.people, c.everybody(), a)
			} else if !fault.IsKind(err, fault.Budget) {
				t.Errorf("refused as %v", err)
			}
		})
	}
	all.Wait()
	c.tidy()
	want := 10 * float64(answers)
	if charges := c.charges(); answers > 1 || charges["bank"] != want || charges["cinema"] != want {
		t.Errorf("%d answers with a budget for one, charges %v", answers, charges)
	}
	if answers == 0 { // each party may have set its budget aside for another question; that is over
		c.answered(c.everybody())
	}
}

// TestCrowd guards concurrency: eight analysts ask eight different questions at the same time, more than the coordinator
// runs at once; each gets the answer to its own, and every party is charged for each once.
func TestCrowd(t *testing.T) {
	c := start(t, setup{parties: 3, analysts: 8, seed: 92})
	questions := []client.Question{
		{Count: "bank.member && cinema.member"},
		{Count: "bank.gold && cinema.member"},
		{Count: "bank.gold && cinema.gold"},
		{Count: "bank.member && florist.member"},
		{Count: "cinema.member && florist.gold"},
		{Count: "cinema.gold && florist.gold"},
		{Count: `bank.member && cinema.band == "unknown"`},
		{Count: "bank.member && florist.member", By: []string{"florist.region"}},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i, analyst := range c.analysts {
		all.Go(func() {
			a, err := analyst.Ask(ctx, filled(questions[i]), nil)
			if err != nil {
				t.Errorf("%s: %v", questions[i].Count, err)
				return
			}
			checkAnswer(t, c.people, questions[i], a)
		})
	}
	all.Wait()
	if charges := c.charges(); charges["bank"] != 60 || charges["cinema"] != 60 || charges["florist"] != 40 {
		t.Errorf("charges are %v, must be 60, 60 and 40", charges)
	}
}

// TestTooManySessions guards a party against more work than it can hold: beyond a bound, sessions are refused, for now, and
// cost nothing; when one ends there is room again.
func TestTooManySessions(t *testing.T) {
	c := start(t, setup{total: 1000, seed: 93})
	q, _ := c.question(c.everybody())
	bank := c.party("bank").dial()
	ctx := context.Background()
	var open [][16]byte
	prepare := func() error {
		id := protocol.NewSession()
		_, err := bank.Prepare(ctx, &sottov1.PrepareRequest{Session: id[:], Query: protocol.Sign(c.keys["analyst_0"], newNonce(q))})
		if err == nil {
			open = append(open, id)
		}
		return err
	}
	var err error
	for err == nil && len(open) < 100 {
		err = prepare()
	}
	refused(t, err, fault.Unavailable, "bank has 16 questions under way")
	if n := c.party("bank").node.Sessions(); n != 16 || len(open) != 16 {
		t.Errorf("%d sessions of %d", n, len(open))
	}
	_, err = c.ask(c.everybody())
	failed(t, err, fault.Unavailable, "bank")
	forget := func(id [16]byte) {
		_, err := bank.Forget(ctx, &sottov1.ForgetRequest{Session: id[:]})
		c.must(err)
	}
	forget(open[3])
	c.must(prepare())
	for _, id := range open {
		forget(id) // one of them a second time, which does nothing
	}
}

// TestClock guards that a question counts only until it expires: a party whose clock is past that takes no part in it.
func TestClock(t *testing.T) {
	c := start(t, setup{seed: 94})
	q, _ := c.question(c.everybody())
	c.party("cinema").clock.Store(int64(59 * time.Minute))
	k := c.conduct(q)
	c.must(k.prepare())
	k.forget()
	c.party("cinema").clock.Store(int64(61 * time.Minute))
	k = c.conduct(newNonce(q))
	refused(t, k.prepare(), fault.Expired, "question expired")
	k.forget()
	_, err := c.ask(c.everybody())
	failed(t, err, fault.Expired, "cinema")
}
