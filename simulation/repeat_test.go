package simulation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// taking is what parties are called for when they take part in a question; they are asked what they declare in any case.
var taking = []string{"Prepare", "Open", "Agree", "Contribute", "Release", "Forget"}

// takingPart counts the calls by which parties are made to take part in questions.
func (c *cluster) takingPart() func() int {
	var count atomic.Int64
	for _, method := range taking {
		c.tap.on(to, "", method, watching(func(message) { count.Add(1) }))
	}
	return func() int { return int(count.Load()) }
}

// rows returns how many rows each party's ledger has.
func (c *cluster) rows() []int {
	var all []int
	for _, p := range c.parties {
		all = append(all, len(p.journal().entries))
	}
	return all
}

// results keeps the sealed answers that the coordinator hands out.
func (c *cluster) results() func() []*sottov1.ResultResponse {
	var mu sync.Mutex
	var all []*sottov1.ResultResponse
	c.ends.on(from, agreement.CoordinatorName, "Result", watching(func(m message) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, proto.Clone(m.body).(*sottov1.ResultResponse))
	}))
	return func() []*sottov1.ResultResponse {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestAskedAgain guards that the same question of the same data is answered by the very bytes that answered it before: no
// party takes part, no ledger grows, whoever of the analyst's programs asks, and though the coordinator was shut down or
// has crashed, and the signed question has long expired.
func TestAskedAgain(t *testing.T) {
	c := start(t, setup{parties: 3, analysts: 2, seed: 110})
	folder := t.TempDir()
	analyst := c.analyst(0, folder)
	q := client.Question{Count: "bank.gold && cinema.member", By: []string{"cinema.band"}, Purpose: "planning"}
	sealed := c.results()
	first, err := ask(analyst, plain(q))
	c.must(err)
	checkAnswer(t, c.people, q, first)
	if first.Earlier {
		t.Error("the first answer was given before")
	}
	calls, rows := c.takingPart(), c.rows()
	again := func(when string, by *client.Client) {
		t.Helper()
		a, err := ask(by, plain(q))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			return
		}
		if !a.Earlier || !sameCells(a, first) {
			t.Errorf("%s: earlier %v, cells %v, must be %v", when, a.Earlier, a.Cells, first.Cells)
		}
		if all := sealed(); !proto.Equal(all[0], all[len(all)-1]) {
			t.Errorf("%s: the sealed answer has other bytes", when)
		}
		if calls() > 0 || !slices.Equal(rows, c.rows()) {
			t.Errorf("%s: parties were called %d times, ledgers have %v rows, before %v", when, calls(), c.rows(), rows)
		}
	}
	again("at once", analyst)
	again("by another program of the analyst", c.analyst(0, folder))
	c.coordinator.stop()
	c.coordinator.restart()
	c.back()
	again("when the coordinator was restarted", analyst)
	c.coordinator.crash()
	c.coordinator.stop()
	c.coordinator.restart()
	c.back()
	again("when the coordinator had crashed", c.analyst(0, folder))
	c.setTime(time.Now().Add(1000 * time.Hour))
	again("when the signed question has expired", analyst)
	c.setTime(time.Now())
	for _, p := range c.parties {
		p.stop()
		p.restart()
	}
	c.back()
	again("when the parties were restarted, with the same customers", analyst)

	// Others have nothing of it: neither the key that opens the answer nor the right to it.
	for who, by := range map[string]*client.Client{"another analyst": c.analysts[1], "the analyst without the folder": c.analysts[0]} {
		before := c.charges()
		a, err := ask(by, plain(q))
		c.must(err)
		if all := sealed(); a.Earlier || proto.Equal(all[0], all[len(all)-1]) || c.charges()["bank"] != before["bank"]+10 || c.charges()["cinema"] != before["cinema"]+10 {
			t.Errorf("%s: earlier %v, charges went from %v to %v", who, a.Earlier, before, c.charges())
		}
	}
	if c.charges()["florist"] != 0 {
		t.Errorf("florist was charged %v for questions that it is not in", c.charges()["florist"])
	}
}

// sameCells tells whether two answers released the same numbers.
func sameCells(a, b *client.Answer) bool {
	return slices.EqualFunc(a.Cells, b.Cells, func(x, y client.Cell) bool { return slices.Equal(x.Released, y.Released) })
}

// TestNearCopies guards that only the very same question is free (attack 7): each of these differs from the first in one
// thing, has noise of its own, and is paid for; asked again, each is free. So is a question to be asked anew on purpose.
func TestNearCopies(t *testing.T) {
	c := start(t, setup{seed: 111})
	base := client.Question{Total: []string{"bank.gold", "cinema.member"}, Purpose: "planning", Epsilon: 0.5}
	with := func(change func(q *client.Question)) client.Question {
		q := base
		change(&q)
		return q
	}
	questions := []client.Question{
		base,
		with(func(q *client.Question) { q.Purpose = "measurement" }),
		with(func(q *client.Question) { q.Epsilon = 0.500001 }),
		with(func(q *client.Question) { q.Precision = "medium" }),
		with(func(q *client.Question) { q.Mechanism, q.Delta = "gaussian", 1e-8 }),
		with(func(q *client.Question) { q.Mechanism, q.Delta = "gaussian", 2e-8 }),
		with(func(q *client.Question) { q.Total = []string{"cinema.member", "bank.gold"} }),
		with(func(q *client.Question) { q.Total = []string{"bank.gold && bank.gold", "cinema.member"} }),
		with(func(q *client.Question) { q.Total = []string{" bank.gold", "cinema.member"} }),
		{Count: "bank.gold && cinema.member", By: []string{"cinema.band", "cinema.region"}},
		{Count: "bank.gold && cinema.member", By: []string{"cinema.region", "cinema.band"}},
	}
	for i, q := range questions {
		for _, earlier := range []bool{false, true} {
			a, err := ask(c.analysts[0], plain(q))
			c.must(err)
			if charged := len(c.party("bank").journal().released); a.Earlier != earlier || charged != i+1 {
				t.Errorf("%+v: earlier %v, must be %v; %d questions were paid, must be %d", q, a.Earlier, earlier, charged, i+1)
			}
		}
	}
	// How long a question may wait to be begun makes no other question of it.
	a, err := ask(c.analysts[0], plain(with(func(q *client.Question) { q.Lifetime = 2 * time.Hour })))
	c.must(err)
	if charged := len(c.party("bank").journal().released); !a.Earlier || charged != len(questions) {
		t.Errorf("with another lifetime: earlier %v, %d questions were paid", a.Earlier, charged)
	}
	first := a
	a, err = ask(c.analysts[0], filled(base))
	c.must(err)
	if charged := len(c.party("bank").journal().released); a.Earlier || charged != len(questions)+1 {
		t.Errorf("asked anew: earlier %v, %d questions were paid, must be %d", a.Earlier, charged, len(questions)+1)
	}
	last := a
	if a, err = ask(c.analysts[0], plain(base)); err != nil || !a.Earlier || !sameCells(a, last) {
		t.Errorf("after that: %+v, %v; must be the latest answer", a, err)
	}
	t.Logf("the first answer was %v, the latest %v", first.Cells[0].Value, last.Cells[0].Value)
}

// TestNewCustomers guards that an answer is reused for as long as the customers are the same, at every party, and no longer:
// when one customer more is loaded at one of them the question is asked of the new ones, and paid.
func TestNewCustomers(t *testing.T) {
	c := start(t, setup{seed: 112})
	q := client.Question{Total: []string{"bank.member", "cinema.gold"}}
	paid := func(what string, want int) {
		t.Helper()
		a, err := ask(c.analysts[0], plain(q))
		c.must(err)
		checkAnswer(t, c.people, q, a)
		if charged := len(c.party("bank").journal().released); charged != want {
			t.Errorf("%s: %d questions were paid, must be %d", what, charged, want)
		}
	}
	version := func() string {
		catalog, err := c.analysts[0].Catalog(context.Background())
		c.must(err)
		return fmt.Sprint(catalog.Parties[0].Snapshot, catalog.Parties[1].Snapshot)
	}
	paid("first", 1)
	old := version()
	if old != version() {
		t.Error("versions of the customers change though nothing does")
	}
	at := slices.IndexFunc(c.people, func(p person) bool { return !p.of("cinema").is })
	c.people[at].knows[1] = customer{is: true, gold: true}
	paid("before the new customer is loaded", 1)
	c.party("cinema").stop()
	c.party("cinema").restart()
	c.back()
	if old == version() {
		t.Error("a customer more has the same version")
	}
	paid("a customer more at cinema", 2)
	paid("the same again", 2)
	c.people[at].knows[1] = customer{}
	c.party("cinema").stop()
	c.party("cinema").restart()
	c.back()
	if old != version() {
		t.Error("the old customers have another version than they had")
	}
}

// TestSameAtOnce guards that many who ask the same at the same time through one client pay once: all get the one answer.
func TestSameAtOnce(t *testing.T) {
	c := start(t, setup{seed: 113})
	analyst := c.analyst(0, t.TempDir()) // where there is a folder, keeping a question takes its time
	q := client.Question{Count: "bank.member && cinema.gold"}
	var all sync.WaitGroup
	answers := make(chan *client.Answer, 64)
	var ready sync.WaitGroup // until all know what there is to ask about
	ready.Add(cap(answers))
	c.ends.on(from, agreement.CoordinatorName, "Catalog", watching(func(message) {
		ready.Done()
		ready.Wait()
	}))
	for range cap(answers) {
		all.Go(func() {
			a, err := ask(analyst, plain(q))
			if err != nil {
				t.Error(err)
				return
			}
			answers <- a
		})
	}
	all.Wait()
	close(answers)
	paid := 0
	var first *client.Answer
	for a := range answers {
		if first == nil {
			first = a
			checkAnswer(t, c.people, q, a)
		}
		if !sameCells(a, first) {
			t.Errorf("one answer is %v, another %v", first.Cells, a.Cells)
		}
		if !a.Earlier {
			paid++
		}
	}
	if charges := c.charges(); paid != 1 || charges["bank"] != 10 || charges["cinema"] != 10 {
		t.Errorf("%d answers were new, charges are %v; must be 1, and 10 each", paid, charges)
	}
}
