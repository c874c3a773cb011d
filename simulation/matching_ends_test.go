package simulation

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
)

// ended checks that nothing is left of a matching that failed: no party goes on with it or has stored anything, nobody who had not
// opened it by then was charged, and whoever was, was charged once.
func (c *cluster) ended(what string, session []byte, held map[string][][32]byte, before map[string]float64, mayBePaid bool) {
	c.Helper()
	c.tap.clear()
	c.ends.clear()
	c.tidy()
	c.forgotten(session)
	if now := c.held(); !same(now, held) {
		c.Errorf("%s: the parties have %x, had %x", what, now, held)
	}
	price := float64(c.agreement.Matching.Epsilon) / 1e6 * float64(len(c.parties))
	for name, after := range c.charges() {
		if more := after - before[name]; more != 0 && !(mayBePaid && near(more, price)) {
			c.Errorf("%s: %s was charged %v more", what, name, more)
		}
	}
}

// TestMatchingGivenUp guards that the end of the analyst's context ends a matching in every stage, also in the middle of its lists: all
// parties forget it and its secrets, nothing is stored, nothing is charged before it is opened, and the next one works at once.
func TestMatchingGivenUp(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 600})
	for i, m := range matchMoments {
		party := []string{"bank", "cinema"}[i%2]
		what := fmt.Sprintf("given up on %s of %s", m.name, party)
		held, before, session := c.held(), c.charges(), c.sessionOf()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		happened := c.tap.when(party, m, func(call context.Context) {
			cancel()
			<-call.Done()
		})
		_, err := c.analysts[0].Match(ctx, nil)
		cancel()
		if happened() != 1 || !cancelled(err) {
			t.Fatalf("%s, which happened %d times: %v", what, happened(), err)
		}
		c.eventually(func() error { // the call is back before the coordinator has heard of it
			n, left := c.goroutines("coordinator.(*matchRun)")
			if n > 0 {
				return fmt.Errorf("the coordinator goes on: %s", left)
			}
			return nil
		})
		c.ended(what, session(), held, before, m.late)
		if m.method == "MatchOpen" && m.inward && c.charges()[party] != before[party] {
			t.Errorf("%s: it was charged all the same", what)
		}
		if i%4 == 3 || long {
			c.matchAll()
		}
	}
	c.matchAll()
}

// TestMatchingGivenUpTooLate guards the one stage that is not cut off: once parties store their slots all of them are let, though the
// analyst has left.
func TestMatchingGivenUpTooLate(t *testing.T) {
	c := startMatching(t, setup{seed: 601})
	held := c.held()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	gone := make(chan struct{})
	c.tap.when("bank", moment{method: "MatchKeep", inward: to}, func(context.Context) {
		cancel()
		<-gone
	})
	_, err := c.analysts[0].Match(ctx, nil)
	close(gone)
	if !cancelled(err) {
		t.Errorf("given up on a matching: %v", err)
	}
	c.eventually(func() error {
		now := c.held()
		if len(now["bank"]) != 1 || len(now["cinema"]) != 1 || now["bank"][0] != now["cinema"][0] {
			return fmt.Errorf("the parties have %x, had %x", now, held)
		}
		return nil
	})
	c.tidy()
	if a := c.answered(c.everybody()); a.Layout != "matched" {
		t.Errorf("the layout is %s", a.Layout)
	}
}

// TestMatchingWithoutCoordinator guards what is left of a matching when the coordinator is shut down, or lost together with its
// connections: all parties forget it by themselves, the analyst is told, and the next one works when the coordinator is back.
func TestMatchingWithoutCoordinator(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 602, parties: 3})
	for i, m := range []moment{matchMoments[1], matchMoments[6], matchMoments[9], matchMoments[13]} {
		for _, end := range []struct {
			name string
			do   func()
		}{{"stops", c.coordinator.stop}, {"crashes", c.coordinator.crash}} {
			if !long && (i%2 == 0) == (end.name == "stops") {
				continue
			}
			what := "the coordinator " + end.name + " " + m.name
			held, before, session := c.held(), c.charges(), c.sessionOf()
			ended := make(chan struct{})
			happened := c.tap.when("cinema", m, func(call context.Context) {
				go func() {
					end.do()
					close(ended)
				}()
				<-call.Done()
			})
			_, err := c.match()
			if happened() != 1 {
				t.Fatalf("%s: that did not happen: %v", what, err)
			}
			failed(t, err, fault.Unavailable, "")
			<-ended
			c.ended(what, session(), held, before, m.late)
			c.coordinator.stop() // what is left of it
			c.coordinator.restart()
			c.back()
			c.matchAll()
		}
	}
}

// TestPartyHangsInMatching guards that a party that stops responding, its connection alive, ends the matching after the coordinator's
// patience and is the one that is named, not those who wait for it.
func TestPartyHangsInMatching(t *testing.T) {
	t.Parallel()
	stuck := func(party string, m moment) {
		t.Run(party+" "+m.name, func(t *testing.T) {
			t.Parallel()
			c := startMatching(t, setup{seed: 603, parties: 3, patience: 4 * time.Second})
			held, before, session := c.held(), c.charges(), c.sessionOf()
			happened := c.ends.when(party, m, func(call context.Context) { <-call.Done() })
			_, err := c.match()
			if happened() != 1 {
				t.Errorf("%s came to the point %s %d times, must be once", party, m.name, happened())
			}
			failed(t, err, fault.Unavailable, party)
			c.ended("after "+party+" hung", session(), held, before, m.late)
			c.matchAll()
		})
	}
	stuck("bank", matchMoments[6])
	stuck("florist", matchMoments[9])
	stuck("cinema", matchMoments[12])
	if long {
		for _, party := range partyNames[:3] {
			for _, m := range matchMoments {
				if m.method != "MatchOpen" { // for which a party has minutes
					stuck(party, m)
				}
			}
		}
	}
}

// TestPartyLeavesMatching guards that a party that is shut down, or dies, in the middle of a matching ends it at once for all, is
// named, and that the next one works when it is back.
func TestPartyLeavesMatching(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 604, parties: 3})
	cinema := c.party("cinema")
	for i, m := range []moment{matchMoments[1], matchMoments[6], matchMoments[9], matchMoments[12]} {
		for name, end := range map[string]func(){"stops": cinema.stop, "crashes": cinema.crash} {
			if !long && (i%2 == 0) == (name == "stops") {
				continue
			}
			what := "cinema " + name + " " + m.name
			held, before, session := c.held(), c.charges(), c.sessionOf()
			ended := make(chan struct{})
			happened := c.tap.when("cinema", m, func(context.Context) {
				go func() {
					end()
					close(ended)
				}()
				select {
				case <-ended:
				case <-time.After(7 * time.Second): // a server that stops waits 10 s for calls that go on
					t.Errorf("%s: it waits for the coordinator", what)
				}
			})
			began := time.Now()
			_, err := c.match()
			if happened() != 1 {
				t.Fatalf("%s: that did not happen: %v", what, err)
			}
			failed(t, err, fault.Unavailable, "cinema")
			if took := time.Since(began); took > c.patience/2 {
				t.Errorf("%s: it took %v to notice", what, took)
			}
			<-ended
			delete(held, "cinema")
			c.ended(what, session(), held, before, m.late || m.inward == from) // the others may have opened before it is missed
			cinema.restart()
			c.back()
			c.matchAll()
		}
	}
}

// TestTwoMatchingsAtOnce guards that there is one matching at a time, at the coordinator and at every party, whoever asks; the one
// that is under way is not harmed.
func TestTwoMatchingsAtOnce(t *testing.T) {
	c := startMatching(t, setup{seed: 605, analysts: 2})
	goOn, reached := make(chan struct{}), make(chan struct{})
	c.tap.when("bank", matchMoments[6], func(context.Context) {
		close(reached)
		<-goOn
	})
	first := make(chan error, 1)
	go func() {
		_, err := c.match()
		first <- err
	}()
	<-reached
	for _, analyst := range c.analysts {
		_, err := analyst.Match(context.Background(), nil)
		refused(t, err, fault.Unavailable, "another matching is under way")
	}
	k := c.askMatch(c.agreement.Analysts[1].Name)
	err := k.prepare()
	refused(t, err, fault.Unavailable, "has a matching under way")
	if hint := fault.From(err).Hint; !strings.Contains(hint, "try again") {
		t.Errorf("the hint is %q", hint)
	}
	close(goOn)
	c.must(<-first)
	c.tap.clear()
	c.tidy()
	if charges := c.charges(); !maps.Equal(charges, map[string]float64{"bank": 2, "cinema": 2}) {
		t.Errorf("the charges are %v, must be those of one matching", charges)
	}
}
