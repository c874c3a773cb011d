package simulation

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// shown is what a coordinator shows a party to have it open a question of several chains.
type shown struct {
	handOvers []*sottov1.Signed
	results   [][]byte
}

// TestResultsBetweenChains guards a question of several chains (attacks 3 and 4): each result is opened as the one of its own
// chain, or not at all. A coordinator that swaps results or hand-overs of chains, or shows one twice, or leaves one out,
// could reweight what is added up; so could a party that passes off another's ciphertext as its own count, or more or fewer
// of them. Nothing is opened, the session is dead, nobody is charged.
func TestResultsBetweenChains(t *testing.T) {
	c := start(t, setup{seed: 160})
	// Two chains of one hop each, which only count; and a third one of two hops.
	counts, _ := c.question(client.Question{Total: []string{"bank.gold", "cinema.member"}})
	union, _ := c.question(client.Question{Count: "bank.gold || cinema.member"})
	var k, other *conductor
	handOver := func(s *shown, chain int, change func(b *protocol.HandOver)) {
		party := k.plan.Chains[chain].Hops[0].Party
		s.handOvers[chain] = c.resigned(party, s.handOvers[chain], change)
	}
	attacks := []struct {
		name   string
		change func(s *shown)
		text   string
	}{
		{"results swapped", func(s *shown) { slices.Reverse(s.results) }, "result 0 is not the one that bank signed"},
		{"one result twice", func(s *shown) { s.results[1] = s.results[0] }, "result 0 is not the one that cinema signed"},
		{"a result of another session", func(s *shown) { s.results[1] = other.results()[1] }, "result 0 is not the one that cinema signed"},
		{"a result left out", func(s *shown) { s.results = s.results[:1] }, "the results end early"},
		{"hand-overs swapped", func(s *shown) { slices.Reverse(s.handOvers) }, "hand-over from bank is not signed by its key"},
		{"all swapped", func(s *shown) { slices.Reverse(s.handOvers); slices.Reverse(s.results) }, "hand-over from bank is not signed by its key"},
		{"a hand-over twice", func(s *shown) { s.handOvers[1] = s.handOvers[0] }, "hand-over from cinema is not signed by its key"},
		{"a hand-over left out", func(s *shown) { s.handOvers = s.handOvers[:1] }, "there are 1 hand-overs, the plan has 2"},
		{"a hand-over more", func(s *shown) { s.handOvers = append(s.handOvers, s.handOvers[0]) }, "there are 3 hand-overs, the plan has 2"},
		{"one of another session", func(s *shown) { s.handOvers[0] = other.handOvers()[0] }, "hand-over of bank is of another session"},
		{"cinema's count for the chain of bank", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Chain = 0 })
			s.handOvers[0] = s.handOvers[1]
		}, "hand-over from bank is not signed by its key"},
		{"cinema's hand-over as of the chain of bank", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Chain = 0 })
		}, "hand-over of cinema is of another session or hop"},
		{"cinema counts what bank counted", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Results = resultsOf(c, s.handOvers[0]) })
			s.results[1] = s.results[0]
		}, "a result ciphertext occurs twice"},
		{"cinema counts twice", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Results = append(b.Results, b.Results[0]) })
			s.results = append(s.results, s.results[1])
		}, "hand-over of cinema has 2 results, must have 1"},
		{"cinema counts nothing", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Results = nil })
			s.results = s.results[:1]
		}, "hand-over of cinema has 0 results, must have 1"},
		{"cinema has a lane too many", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Results[0].C0 = append(b.Results[0].C0, b.Results[0].C0[0]) })
		}, "has 2 lanes"},
		{"cinema has no lane", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.Results[0].C0 = nil })
		}, "has 0 lanes"},
		{"cinema was handed something", func(s *shown) {
			handOver(s, 1, func(b *protocol.HandOver) { b.In[3] = 1 })
		}, "has a hash where nothing passed"},
	}
	for i, attack := range attacks {
		k, other = c.conduct(newNonce(counts)), k
		k.prepareAll()
		c.must(k.contribute())
		if other == nil {
			other = k
		}
		s := shown{k.handOvers(), k.results()}
		attack.change(&s)
		_, err := k.release(partyNames[i%2], s.handOvers, s.results)
		t.Run(attack.name, func(t *testing.T) { refused(t, err, fault.Protocol, attack.text) })
		_, err = k.release(partyNames[i%2], k.handOvers(), k.results())
		refused(t, err, fault.Unavailable, "not under way")
		k.forget()
	}
	for i, attack := range attacks[:2] { // a count for the product of two vectors, and the other way round
		k = c.conduct(newNonce(union))
		k.prepareAll()
		c.must(k.contribute())
		s := shown{k.handOvers(), k.results()}
		if len(s.results) != 3 {
			t.Fatalf("the union has %d results, must have 3", len(s.results))
		}
		attack.change(&s)
		_, err := k.release(partyNames[i], s.handOvers, s.results)
		refused(t, err, fault.Protocol, "is not the one that")
		k.forget()
	}
	if charges := c.charges(); charges["bank"]+charges["cinema"] != 0 {
		t.Errorf("charges are %v", charges)
	}
}

// resultsOf are the results that a hand-over signs.
func resultsOf(c *cluster, signed *sottov1.Signed) []protocol.Result {
	var body protocol.HandOver
	c.must(canon.Decode(body.Domain(), signed.Body, &body))
	return body.Results
}

// TestOnlyOwnChains guards that a party does its part in its own chains, each once: two encryptions of one count, or its
// vector in a chain that it is not in, tell more than was asked for.
func TestOnlyOwnChains(t *testing.T) {
	c := start(t, setup{seed: 161})
	q, _ := c.question(client.Question{Total: []string{"bank.gold", "cinema.member"}})
	for name, attack := range map[string]struct {
		hops func(k *conductor) error
		text string
	}{
		"the chain of another": {func(k *conductor) error { _, err := k.hop("bank", k.startOf(1)); return err }, "bank is not in chain 1"},
		"a chain that is none": {func(k *conductor) error { _, err := k.hop("bank", k.startOf(2)); return err }, "there is no chain 2"},
		"a chain twice": {func(k *conductor) error {
			_, err := k.hop("bank", k.startOf(0))
			c.must(err)
			sent, err := k.hop("bank", k.startOf(0))
			if len(sent) > 0 {
				t.Errorf("the second call was sent %d messages", len(sent))
			}
			return err
		}, "contribute was called twice for chain 0"},
	} {
		t.Run(name, func(t *testing.T) {
			k := c.conduct(newNonce(q))
			k.prepareAll()
			refused(t, attack.hops(k), fault.Protocol, attack.text)
			_, err := k.hop("bank", k.startOf(0))
			refused(t, err, fault.Unavailable, "not under way")
			k.forget()
		})
	}
}

// TestWrongCharge guards that an answer says what was paid for it: a release in which a party claims to have charged more or
// less, or the coordinator to have charged anything, is refused by the coordinator and by the analyst, though it is signed.
func TestWrongCharge(t *testing.T) {
	c := start(t, setup{seed: 162})
	q := client.Question{Total: []string{"bank.gold", "cinema.member"}, Epsilon: 1}
	ctx := context.Background()
	ticket, err := c.analysts[0].Submit(ctx, filled(q))
	c.must(err)
	c.must(c.analysts[0].Watch(ctx, ticket.ID, nil))
	for name, change := range map[string]func(b *protocol.Release){
		"less":       func(b *protocol.Release) { b.MicroEpsilon-- },
		"nothing":    func(b *protocol.Release) { b.MicroEpsilon, b.AttoDelta, b.Cells = 0, 0, 0 },
		"more":       func(b *protocol.Release) { b.MicroEpsilon += 1_000_000 },
		"more delta": func(b *protocol.Release) { b.AttoDelta++ },
		"less delta": func(b *protocol.Release) { b.AttoDelta-- },
		"more cells": func(b *protocol.Release) { b.Cells++ },
		"less cells": func(b *protocol.Release) { b.Cells-- },
	} {
		lie := func(holder string, r *sottov1.SealedRelease) {
			var body protocol.Release
			c.must(canon.Decode(body.Domain(), r.GetRelease().GetBody(), &body))
			change(&body)
			r.Release = protocol.Sign(c.keys[holder], &body)
		}
		c.tap.on(from, "cinema", "Release", as(func(r *sottov1.ReleaseResponse) { lie("cinema", r.Release) }))
		_, err := c.ask(q)
		refused(t, err, fault.Protocol, "cinema charged another price than the question's")
		c.tap.clear()
		for i, holder := range []string{"bank", "cinema", agreement.CoordinatorName} {
			c.ends.on(from, agreement.CoordinatorName, "Result", as(func(r *sottov1.ResultResponse) { lie(holder, r.Releases[i]) }))
			a, err := c.analysts[0].Result(ctx, ticket)
			if holder == agreement.CoordinatorName && name == "nothing" {
				c.must(err) // which it had charged anyway
			} else if refused(t, err, fault.Protocol, holder+" charged another price"); err == nil {
				t.Errorf("%s by %s: the answer says %v", name, holder, a.Charged)
			}
			c.ends.clear()
		}
	}
	a, err := c.analysts[0].Result(ctx, ticket)
	c.must(err)
	if a.Charged["bank"] != 1 || a.Charged["cinema"] != 1 || len(a.Charged) != 2 {
		t.Errorf("the answer says that it cost %v", a.Charged)
	}
}

// TestHandedInByOthers guards that a signed question is its analyst's alone for ever: whoever else hands it in, before it was
// asked, when it was answered, and when it has expired, is told the same as about one that was never asked, and starts
// nothing. Its own analyst gets the answer, without its being asked again, though the signature is cut off: what counts is
// whose connection it is.
func TestHandedInByOthers(t *testing.T) {
	c := start(t, setup{analysts: 2, seed: 163})
	ctx := context.Background()
	asked, _ := c.question(client.Question{Total: []string{"bank.gold", "cinema.member"}})
	never := newNonce(asked)
	mine, theirs := c.dialCoordinator(c.keys["analyst_0"]), c.dialCoordinator(c.keys["analyst_1"])
	steal := func(kind fault.Kind, text string) {
		t.Helper()
		for _, q := range []*query.Query{asked, never} {
			signed := protocol.Sign(c.keys["analyst_0"], q)
			_, err := theirs.Submit(ctx, &sottov1.SubmitRequest{Query: signed})
			refused(t, err, kind, text)
			_, err = theirs.Submit(ctx, &sottov1.SubmitRequest{Query: &sottov1.Signed{Body: signed.Body}})
			refused(t, err, fault.NotMember, "the question is not signed by analyst")
		}
	}
	steal(fault.NotMember, "signed by analyst_0 and handed in by analyst_1")
	c.must(c.submit(asked))
	calls, rows := c.takingPart(), c.rows()
	steal(fault.NotMember, "signed by analyst_0 and handed in by analyst_1")
	c.setTime(time.Now().Add(2 * time.Hour))
	steal(fault.Expired, "question expired")
	for _, signed := range []*sottov1.Signed{protocol.Sign(c.keys["analyst_0"], asked), {Body: asked.Encode()}} {
		r, err := mine.Submit(ctx, &sottov1.SubmitRequest{Query: signed})
		if err != nil || r.GetQueryId() != asked.HexID() || r.GetStage() != sottov1.Stage_STAGE_DONE {
			t.Errorf("handed in again by its own analyst: %v, %v", r, err)
		}
	}
	_, err := mine.Submit(ctx, &sottov1.SubmitRequest{Query: protocol.Sign(c.keys["analyst_0"], never)})
	refused(t, err, fault.Expired, "question expired")
	if calls() > 0 || !slices.Equal(rows, c.rows()) {
		t.Errorf("parties were called %d times", calls())
	}
}
