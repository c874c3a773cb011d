package simulation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/config"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestMatchingIsCharged guards the price of a matching: N times ε and δ of a record, at every party exactly once, on the account of
// the analyst's organisation; and that a signed request buys one matching, whatever a coordinator does with it, also if nothing came
// of that one.
func TestMatchingIsCharged(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 610, parties: 3, asking: []string{"agency"}})
	var signed *sottov1.Signed
	c.tap.on(to, "bank", "MatchPrepare", watching(func(m message) {
		signed = proto.Clone(m.body.(*sottov1.MatchPrepareRequest).GetMatching()).(*sottov1.Signed)
	}))
	m := c.matchAll()
	c.tap.clear()
	check := func(matchings int) {
		t.Helper()
		c.tidy()
		for _, p := range c.parties {
			released := p.journal().released
			if len(released) != matchings {
				t.Fatalf("%s has %d charges for %d matchings", p.name, len(released), matchings)
			}
			for _, e := range released {
				if e.microEpsilon != 3_000_000 || e.attoDelta != 3e12 || e.measure != protocol.MeasureMatch || e.organisation != "agency" || e.analyst != "analyst_0" {
					t.Errorf("%s is charged %+v", p.name, e)
				}
			}
		}
	}
	check(1)
	if !near(m.Epsilon, 3) || m.Delta != 3e-6 {
		t.Errorf("the analyst is told that it cost %v and %v", m.Epsilon, m.Delta)
	}
	if last := c.party("bank").journal().released[0]; last.query != protocol.MatchRequestHash(signed) {
		t.Errorf("the charge is for %x", last.query)
	}
	replayed := func(request *sottov1.Signed) {
		t.Helper()
		for _, p := range c.parties {
			id := protocol.NewSession()
			_, err := p.dial().MatchPrepare(context.Background(), &sottov1.MatchPrepareRequest{Session: id[:], Matching: request})
			refused(t, err, fault.Protocol, "answered already")
		}
	}
	replayed(signed)
	k := c.askMatch("analyst_0")
	c.must(k.prepare())
	c.must(k.open())
	refused(t, k.open(), fault.Protocol, "out of order or twice")
	k.forget()
	check(2)
	replayed(k.signed)
	check(2)
	k = c.askMatch("analyst_0") // one that was never opened is free, and is asked for again
	c.must(k.prepare())
	k.forget()
	check(2)
	k = c.replay(k.signed)
	c.must(k.prepare())
	c.must(k.open())
	k.forget()
	check(3)
}

// TestMatchingBudget guards what a party's spent budget does to a matching: it is refused in that party's name and in words, nobody is
// charged, what others have reserved lapses, and nothing leaves anybody.
func TestMatchingBudget(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 611, parties: 3, limits: map[string]config.Limits{"cinema": {PeriodLimits: config.PeriodLimits{EpsilonTotal: 5_000_000}}}})
	c.matchAll() // 3 of 5
	before, held := c.charges(), c.held()
	var left []func() int
	for _, method := range []string{"MatchOpen", "MatchSend", "MatchReceive", "MatchApprove", "MatchKeep"} {
		left = append(left, c.ends.on(to, "", method, watching(func(message) {})))
	}
	_, err := c.match()
	failed(t, err, fault.Budget, "cinema")
	if text := fault.From(err).Message; !strings.Contains(text, "epsilon 3") || !strings.Contains(text, "2") {
		t.Errorf("the words are %q", text)
	}
	for i, calls := range left {
		if calls() > 0 {
			t.Errorf("%d calls of kind %d followed", calls(), i)
		}
	}
	c.ends.clear()
	c.tidy()
	if now := c.charges(); now["bank"] != before["bank"] || now["cinema"] != before["cinema"] || now["florist"] != before["florist"] || !same(held, c.held()) {
		t.Errorf("charges went from %v to %v, matchings from %x to %x", before, now, held, c.held())
	}
	if a := c.answered(client.Question{Count: "bank.member && cinema.member", Epsilon: 2}); a.Layout != "matched" {
		t.Errorf("the layout is %s", a.Layout)
	}
}

// TestQuestionsGoOnWhileMatching guards what questions are over while a matching is under way: the slots of before, to their end, and
// the new ones by themselves once all parties have them. A matching begun in the middle of a question harms neither.
func TestQuestionsGoOnWhileMatching(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 612})
	q := c.everybody()
	check := func(when, layout, spine string) {
		t.Helper()
		if a := c.answered(q); a.Layout != layout || a.Spine != spine {
			t.Errorf("%s: the question is over spine %q in the layout %s, must be %q, %s", when, a.Spine, a.Layout, spine, layout)
		}
	}
	layout, spine := "hashed", ""
	for round := range 2 {
		var all sync.WaitGroup
		for _, m := range []moment{matchMoments[7], matchMoments[13]} {
			c.tap.when("bank", m, func(context.Context) { check(fmt.Sprintf("round %d, %s", round, m.name), layout, spine) })
		}
		asked := make(chan struct{})
		c.tap.when("cinema", moments[3], func(context.Context) { // of a question that is prepared before the matching ends, and goes on after it
			close(asked)
			time.Sleep(100 * time.Millisecond)
		})
		all.Go(func() {
			if a, err := c.ask(q); err != nil || a.Spine != spine {
				t.Errorf("round %d: a question around a matching: %+v, %v", round, a, err)
			}
		})
		<-asked
		m := c.matchAll()
		all.Wait()
		c.tap.clear()
		layout, spine = "matched", m.Spine
		check(fmt.Sprintf("after round %d", round), layout, spine)
	}
}

// TestMatchingOnSchedule guards the members' budgets against a coordinator that asks for more matchings than the agreement's schedule
// has: each party refuses one that is early, also if the one before failed after it was paid for, and after a restart.
func TestMatchingOnSchedule(t *testing.T) {
	const every = 48 * time.Hour
	c := startMatching(t, setup{seed: 613, agreed: func(a *agreement.Agreement) { a.Matching.Every = every }})
	begun := c.now()
	early := func() {
		t.Helper()
		for _, p := range c.parties {
			id, request := protocol.NewSession(), protocol.Sign(c.keys[agreement.CoordinatorName], protocol.NewMatching(c.agreement, agreement.CoordinatorName, c.now()))
			_, err := p.dial().MatchPrepare(context.Background(), &sottov1.MatchPrepareRequest{Session: id[:], Matching: request})
			refused(t, err, fault.Limit, "the next matching by schedule is due at")
		}
	}
	due := func(paid bool) {
		t.Helper()
		k := c.askMatch(agreement.CoordinatorName)
		c.must(k.prepare())
		if paid {
			c.must(k.open())
		}
		k.forget()
	}
	due(false) // there is none yet; that nothing came of it was free
	c.matchAll()
	c.coordinator.stop() // which would wait for its time
	early()
	c.setTime(begun.Add(every - time.Hour))
	early()
	c.setTime(begun.Add(every + time.Minute))
	due(false)
	due(true)
	early()
	for _, p := range c.parties {
		p.stop()
		p.restart()
	}
	early()
	c.setTime(begun.Add(2 * every))
	early()
	c.setTime(begun.Add(2*every + 2*time.Minute))
	due(true)
	for _, p := range c.parties {
		j := p.journal()
		if len(j.released) != 3 || j.released[0].analyst != "analyst_0" || j.released[1].analyst != agreement.CoordinatorName || j.released[2].organisation != agreement.CoordinatorName {
			t.Errorf("%s was charged %+v", p.name, j.released)
		}
	}
	k := c.askMatch("analyst_0") // analysts pay for theirs, and may ask at any time
	c.must(k.prepare())
	k.forget()
}
