package simulation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestSlowParty guards that a party that stops answering in any stage, its connection alive, is given up on after the
// coordinator's patience and is the one that is named, not those who wait for it.
func TestSlowParty(t *testing.T) {
	stuck := func(party string, m moment) {
		t.Run(party+" hangs "+m.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, setup{parties: 3, patience: 3 * time.Second, seed: 30})
			happened := make(chan struct{}, 99)
			c.ends.on(m.inward, party, m.method, watching(func(got message) {
				if got.at == m.at {
					happened <- struct{}{}
					<-got.ctx.Done()
				}
			}))
			_, err := c.ask(c.everybody())
			failed(t, err, fault.Unavailable, party)
			if len(happened) != 1 {
				t.Errorf("%s came to the point %s %d times, must be once", party, m.name, len(happened))
			}
			c.ends.clear()
			c.tidy()
			if c.charges()[party] != 0 {
				t.Errorf("%s released nothing and was charged %v", party, c.charges()[party])
			}
		})
	}
	stuck("cinema", moments[0])
	stuck("cinema", moments[2])
	stuck("cinema", moments[3])
	stuck("bank", moments[4])
	stuck("cinema", moments[4])
	stuck("florist", lastMoments[4])
	stuck("florist", lastMoments[8])
	if long {
		for i := range moments {
			if moments[i].method != "Prepare" {
				stuck("bank", moments[i])
				stuck("florist", lastMoments[i])
			}
		}
	}
}

// cancelled is what questions end with when their analyst gives up.
func cancelled(err error) bool {
	return fault.IsKind(err, fault.Cancelled) && errors.Is(err, context.Canceled)
}

// TestAnalystGivesUp guards that the end of an analyst's context in any stage ends the question at all parties within
// seconds: no sessions, no reservations, no charges before a release, and the next question works.
func TestAnalystGivesUp(t *testing.T) {
	c := start(t, setup{seed: 31})
	for party, all := range map[string][]moment{"bank": moments, "cinema": lastMoments} {
		for i, m := range all {
			if !long && (m.late || (party == "bank") != (i%2 == 0)) {
				continue
			}
			before := c.charges()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			happened := c.once(party, m, cancel)
			_, err := c.analysts[0].Ask(ctx, filled(c.everybody()), nil)
			cancel()
			if happened() != 1 {
				t.Fatalf("%s did not come to the point %s: %v", party, m.name, err)
			}
			if !cancelled(err) {
				t.Errorf("given up on %s of %s: %v", m.name, party, err)
			}
			c.tap.clear()
			c.tidy()
			if after := c.charges(); !m.late && len(before) == len(after) && (before["bank"] != after["bank"] || before["cinema"] != after["cinema"]) {
				t.Errorf("given up on %s of %s: charges went from %v to %v", m.name, party, before, after)
			}
		}
	}
	c.answered(c.everybody())
}

// TestAnalystGivesUpWhilePreparing guards the narrow case in which the coordinator tells a party to forget a session that
// the party is still preparing: what is made after that must not stay.
func TestAnalystGivesUpWhilePreparing(t *testing.T) {
	c := start(t, setup{seed: 32})
	release := make(chan struct{})
	c.ends.on(to, "bank", "Prepare", watching(func(message) { <-release }))
	forgotten := c.ends.on(from, "bank", "Forget", watching(func(message) { close(release) }))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.tap.on(from, "cinema", "Prepare", watching(func(message) { cancel() }))
	if _, err := c.analysts[0].Ask(ctx, filled(c.everybody()), nil); !cancelled(err) {
		t.Errorf("given up while bank prepares: %v", err)
	}
	if forgotten() != 1 {
		t.Fatalf("bank was told to forget %d times, must be once", forgotten())
	}
	c.tidy()
}

// TestAnalystGivesUpWhileSubmitting guards that a question is not asked behind the back of an analyst who gave up before
// the coordinator had confirmed it: nobody could open its answer.
func TestAnalystGivesUpWhileSubmitting(t *testing.T) {
	c := start(t, setup{seed: 37})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.tap.on(to, "bank", "Prepare", watching(func(m message) { <-m.ctx.Done() }))
	submitted := c.ends.on(from, "coordinator", "Submit", watching(func(m message) {
		cancel()
		<-m.ctx.Done()
	}))
	_, err := c.analysts[0].Ask(ctx, filled(c.everybody()), nil)
	if !cancelled(err) || submitted() != 1 {
		t.Errorf("given up on a question that was submitted %d times: %v", submitted(), err)
	}
	c.tidy()
}

// TestCancelByName guards that a question can be stopped by its analyst from elsewhere, that its watchers learn why it
// ended, and that stopping one that has its answer changes nothing.
func TestCancelByName(t *testing.T) {
	c := start(t, setup{seed: 33})
	ctx := context.Background()
	analyst := c.analysts[0]
	reached := make(chan struct{})
	c.tap.on(from, "bank", "Contribute", watching(func(m message) {
		if m.at == blocks/2 {
			close(reached)
			<-m.ctx.Done()
		}
	}))
	ticket, err := analyst.Submit(ctx, filled(c.everybody()))
	c.must(err)
	<-reached
	watched := make(chan error, 1)
	go func() { watched <- analyst.Watch(ctx, ticket.ID, nil) }()
	stopped := make(chan error, 1)
	go func() { stopped <- analyst.Cancel(ctx, ticket.ID) }()
	failed(t, <-watched, fault.Cancelled, "")
	c.must(<-stopped)
	if _, err := analyst.Result(ctx, ticket); !fault.IsKind(err, fault.Cancelled) {
		t.Errorf("result of a question that was cancelled: %v", err)
	}
	c.tap.clear()
	ticket, err = analyst.Submit(ctx, filled(c.everybody()))
	c.must(err)
	c.must(analyst.Watch(ctx, ticket.ID, nil))
	c.must(analyst.Cancel(ctx, ticket.ID))
	a, err := analyst.Result(ctx, ticket)
	c.must(err)
	checkAnswer(t, c.people, c.everybody(), a)
}

// TestCoordinatorStops guards that a coordinator that is shut down with a question under way ends it everywhere, says so
// to the analyst, and works again when it is back.
func TestCoordinatorStops(t *testing.T) {
	c := start(t, setup{seed: 34})
	for _, m := range []moment{moments[1], moments[5]} {
		stopped := make(chan struct{})
		c.once("bank", m, func() {
			go func() {
				c.coordinator.stop()
				close(stopped)
			}()
		})
		_, err := c.ask(c.everybody())
		failed(t, err, fault.Unavailable, "")
		<-stopped
		c.tidy()
		c.tap.clear()
		c.coordinator.restart()
		c.back()
	}
	c.answered(c.everybody())
}

// TestCoordinatorCrashes guards what is left when the coordinator dies between two steps, or with blocks under way: the
// parties forget the session by themselves, charge nothing, and the coordinator, when it is back, knows that the question
// has failed.
func TestCoordinatorCrashes(t *testing.T) {
	c := start(t, setup{parties: 3, seed: 35})
	for _, m := range []moment{moments[1], moments[3], moments[5]} {
		c.once("cinema", m, c.coordinator.crash)
		ctx := context.Background()
		ticket, err := c.analysts[0].Submit(ctx, filled(c.everybody()))
		c.must(err)
		err = c.analysts[0].Watch(ctx, ticket.ID, nil)
		if !fault.IsKind(err, fault.Unavailable) {
			t.Errorf("watching a coordinator that crashes %s: %v", m.name, err)
		}
		c.tap.clear()
		c.tidy()
		if c.charges()["bank"]+c.charges()["cinema"]+c.charges()["florist"] != 0 {
			t.Errorf("charges without an answer: %v", c.charges())
		}
		c.coordinator.stop() // what is left of it
		c.coordinator.restart()
		c.back()
		failed(t, c.analysts[0].Watch(ctx, ticket.ID, nil), fault.Unavailable, "coordinator")
		if _, err := c.analysts[0].Result(ctx, ticket); !fault.IsKind(err, fault.Unavailable) {
			t.Errorf("result of a question that the coordinator lost: %v", err)
		}
	}
	c.answered(client.Question{Count: "bank.member && florist.gold"})
}

// TestForgetEndsStreams guards that Forget ends what waits for a coordinator that is silent, its connection alive: for
// blocks, for somebody to take blocks, for results to open. Nothing of the session is left, and the stream says why.
func TestForgetEndsStreams(t *testing.T) {
	c := start(t, setup{seed: 38})
	q, _ := c.question(c.everybody())
	ctx := context.Background()
	for _, wait := range []struct {
		party, at string
		begin     func(k *conductor) func() error // returns what receives until the end
	}{
		{"cinema", "sotto/party.(*hop).receive", func(k *conductor) func() error {
			stream, err := k.parties["cinema"].Contribute(ctx)
			c.must(err)
			c.must(stream.Send(k.start()))
			return func() error { _, err := stream.Recv(); return err }
		}},
		{"bank", "sotto/party.send", func(k *conductor) func() error {
			stream, err := k.parties["bank"].Contribute(ctx)
			c.must(err)
			c.must(stream.Send(k.start()))
			return func() error {
				for {
					if _, err := stream.Recv(); err != nil {
						return err
					}
				}
			}
		}},
		{"bank", "sotto/party.(*Node).release", func(k *conductor) func() error {
			c.must(k.contribute())
			stream, err := k.parties["bank"].Release(ctx)
			c.must(err)
			c.must(stream.Send(&sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_Start{Start: &sottov1.ReleaseStart{
				Session: k.id[:], HandOvers: k.handOvers(),
			}}}))
			return func() error { return stream.RecvMsg(&sottov1.ReleaseResponse{}) }
		}},
	} {
		k := c.conduct(newNonce(q))
		k.prepareAll()
		receive := wait.begin(k)
		c.eventually(func() error { // until it has been at the same place for a while
			for range 10 {
				if n, _ := c.goroutines(wait.at); n == 0 {
					return errors.New("nothing waits in " + wait.at)
				}
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		})
		k.forget()
		c.tidy()
		refused(t, receive(), fault.Cancelled, "the coordinator ended the session")
	}
	if charges := c.charges(); charges["bank"]+charges["cinema"] != 0 {
		t.Errorf("charges are %v", charges)
	}
}

// TestPartyStops guards that a party that is shut down in the midst of its blocks, or of a release that does not come to
// an end, goes at once and says why, rather than waiting for a coordinator that may never speak again.
func TestPartyStops(t *testing.T) {
	for _, m := range []moment{lastMoments[5], lastMoments[9]} {
		c := start(t, setup{seed: 36})
		cinema := c.party("cinema")
		stopped := make(chan struct{})
		c.once("cinema", m, func() {
			go func() {
				cinema.stop()
				close(stopped)
			}()
			select {
			case <-stopped:
			case <-time.After(7 * time.Second): // a server that stops waits 10 s for calls that go on
				t.Errorf("the party waits for the coordinator %s", m.name)
			}
		})
		_, err := c.ask(c.everybody())
		failed(t, err, fault.Unavailable, "cinema")
		<-stopped
		c.tidy()
	}
}
