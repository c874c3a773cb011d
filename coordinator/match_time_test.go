package coordinator_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-dev/sotto/coordinator"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
)

// Guards who is blamed for a matching that stands still: the party that the lists wait for, whether it does not send, does not
// take, or takes and never ends; after the coordinator's patience, and no earlier.
func TestStallIsBlamed(t *testing.T) {
	stall := func(list protocol.ListID) func(context.Context, protocol.ListID) error {
		return func(ctx context.Context, at protocol.ListID) error {
			if at != list {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
	}
	for _, c := range []struct {
		list         protocol.ListID
		sends, takes string
	}{ // of lists of 3, 3 and 4 customers the union goes from party 0 over 1 to 2
		{protocol.ListID{Pass: protocol.PassTokens, Owner: 1}, "party_1", "party_2"},
		{protocol.ListID{Pass: protocol.PassTokens, Owner: 1, Hop: 2}, "party_0", ""},
		{protocol.ListID{Pass: protocol.PassOwn, Owner: 0, Hop: 2}, "party_2", "party_0"},
		{protocol.ListID{Pass: protocol.PassSlots}, "", "party_0"},
		{protocol.ListID{Pass: protocol.PassSlots, Hop: 1}, "party_0", "party_1"},
		{protocol.ListID{Pass: protocol.PassSpine, Owner: 1}, "party_2", "party_1"},
	} {
		for _, sending := range []bool{true, false} {
			blamed := c.takes
			if sending {
				blamed = c.sends
			}
			if blamed == "" {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 0, 1, 3, 3, 4)
				for _, s := range w.stands {
					if sending {
						s.sending = stall(c.list)
					} else {
						s.taking = stall(c.list)
					}
				}
				began := time.Now()
				_, err := w.match(t.Context())
				refused(t, c.list.String(), err, fault.Unavailable, blamed)
				if took := time.Since(began); took < coordinator.DefaultPatience || took > 2*coordinator.DefaultPatience {
					t.Errorf("%s: it took %s", c.list, took)
				}
				w.ended(t, c.list.String())
			})
		}
	}
}

// Guards against a list that is lost: a receiver that ends before it has it is named, and not who sends it.
func TestReceiverQuits(t *testing.T) {
	for _, list := range []protocol.ListID{
		{Pass: protocol.PassTokens, Owner: 0}, {Pass: protocol.PassOwn, Owner: 1, Hop: 2}, {Pass: protocol.PassSlots, Hop: 1}, {Pass: protocol.PassSpine, Owner: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 0, 1, 3, 3, 4)
			w.stands[1].taking = func(_ context.Context, at protocol.ListID) error {
				if at == list {
					return errQuit
				}
				return nil
			}
			for _, s := range w.stands {
				s.sending = func(ctx context.Context, at protocol.ListID) error {
					if at == list {
						<-ctx.Done()
					}
					return ctx.Err()
				}
			}
			_, err := w.match(t.Context())
			refused(t, list.String(), err, fault.Protocol, "party_1")
			w.ended(t, list.String())
		})
	}
}

// Guards a party that is slow against being blamed: as long as it says that it works, it may take any time.
func TestSlownessIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, 1, 5, 5)
		w.stands[1].slow = coordinator.DefaultPatience * 2 / 3
		began := time.Now()
		_, err := w.match(t.Context())
		must(t, err)
		if took := time.Since(began); took < 3*coordinator.DefaultPatience {
			t.Errorf("it took %s, which shows nothing", took)
		}
		w.right(t, w.stands[0].id, 9)
	})
}

// Guards the time that a party has for what is not a list: what looks up or stores customers has minutes, the rest the
// coordinator's patience.
func TestSilenceIsBlamed(t *testing.T) {
	for step, least := range map[string]time.Duration{"prepare": time.Minute, "open": 5 * time.Minute, "approve": time.Minute, "keep": 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 0, 1, 3, 4)
			w.stands[1].failing = func(at string) error {
				if at == step {
					time.Sleep(time.Hour)
				}
				return nil
			}
			defer time.Sleep(2 * time.Hour) // until it has come back
			began := time.Now()
			outcome, err := w.match(t.Context())
			if took := time.Since(began); took < least || took > least+10*time.Second {
				t.Errorf("%s: it took %s, want %s", step, took, least)
			}
			if step == "keep" {
				must(t, err)
				if !slices.Equal(outcome.GetNotKept(), []string{"party_1"}) {
					t.Errorf("not kept by %v", outcome.GetNotKept())
				}
				return
			}
			refused(t, step, err, fault.Unavailable, "party_1")
			w.ended(t, step)
		})
	}
}

// Guards the schedule: the first matching comes soon after the start, the next when the newest that all have is old enough, and
// after one that failed there is a pause that doubles, for each may have been paid for.
func TestSchedule(t *testing.T) {
	const every = 240 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, every, 1, 3, 4)
		var mu sync.Mutex
		began, failing := 0, ""
		fail := func(step string) {
			mu.Lock()
			defer mu.Unlock()
			failing = step
		}
		w.stands[0].failing = func(at string) error {
			mu.Lock()
			defer mu.Unlock()
			if at == "prepare" {
				began++
			}
			if at == failing {
				return fault.New(fault.Unavailable, "out of order")
			}
			return nil
		}
		// after waits, and then wants that many matchings to have begun, and to be complete.
		after := func(wait time.Duration, wantBegun, wantHeld int) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			w.stands[0].mu.Lock()
			defer w.stands[0].mu.Unlock()
			if held := len(w.stands[0].held); began != wantBegun || held != wantHeld {
				t.Errorf("after %s: %d matchings were begun and %d are complete, want %d and %d", wait, began, held, wantBegun, wantHeld)
			}
		}
		w.node.Schedule()
		after(30*time.Second, 0, 0)
		after(time.Minute, 1, 1)
		if w.stands[1].request.By != agreement.CoordinatorName {
			t.Errorf("asked for by %q", w.stands[1].request.By)
		}
		after(every-time.Hour, 1, 1)
		after(2*time.Hour, 2, 2)

		// One that an analyst asked for counts as well; one that not all have does not.
		time.Sleep(every / 2)
		_, err := w.match(t.Context())
		must(t, err)
		after(every-2*time.Hour, 3, 3)
		w.stands[1].mu.Lock()
		w.stands[1].held = w.stands[1].held[2:]
		w.stands[1].mu.Unlock()
		after(time.Hour+time.Minute, 4, 4)

		// As long as a party can't be asked, nothing is begun.
		fail("describe")
		after(2*every, 4, 4)
		fail("open")
		after(time.Hour+time.Minute, 5, 4) // then pauses of 1, 2, 4, 8, … hours
		after(time.Hour, 6, 4)
		after(time.Hour, 6, 4)
		after(time.Hour, 7, 4)
		after(3*time.Hour, 7, 4)
		after(time.Hour, 8, 4)
		after(7*time.Hour, 8, 4)
		after(time.Hour, 9, 4)
		fail("")
		after(16*time.Hour, 10, 5)
		after(every-time.Hour, 10, 5)
		after(2*time.Hour, 11, 6)
		w.node.Close() // ends the schedule
		after(2*every, 11, 6)
	})
}
