package matching_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards that a run can be ended at any time: Erase lets the call end that is under way, which then has come to nothing unless all that it
// did was to send, and overwrites what the run held. Run with -race.
func TestEraseMeanwhile(t *testing.T) {
	for parties := 2; parties <= 3; parties++ {
		model := newPlay(t, tiny, few(parties)...)
		must(t, model.run())
		for at, list := range model.lists() {
			if parties > 2 && !long && at%3 > 0 {
				continue
			}
			from, to, _ := model.route.Way(list)
			for _, party := range []int{from, to} {
				if party < parties {
					t.Run(fmt.Sprintf("%d parties, %s, party %d", parties, list, party), func(t *testing.T) {
						t.Parallel()
						eraseMeanwhile(t, model.again(), list, party)
					})
				}
			}
		}
	}
}

func eraseMeanwhile(t *testing.T, p *play, list protocol.ListID, party int) {
	must(t, p.begin())
	must(t, p.until(list))
	from, to, _ := p.route.Way(list)
	run, erased, before := p.runs[party], make(chan struct{}), *matching.Secrets(p.runs[party])
	erase := func() { // once
		if matching.Dead(run) {
			return
		}
		go func() { run.Erase(); close(erased) }()
		for !matching.Dead(run) {
			runtime.Gosched()
		}
		for range 100 { // time for an Erase that does not wait
			runtime.Gosched()
		}
		select {
		case <-erased:
			t.Error("erased under a call that uses it")
		default:
		}
		if *matching.Secrets(run) != before {
			t.Error("the secrets are erased under a call that uses them")
		}
	}
	if party == from {
		must(t, run.Send(list, func(*sottov1.ListPart) error { erase(); return nil }))
	} else {
		parts, err := p.send(list)
		must(t, err)
		next := reader(parts)
		start := &sottov1.MatchReceiveStart{Session: p.session[:], List: list.ID(), Lengths: p.lengths, Union: p.union}
		err = run.Receive(start, func() (*sottov1.ListPart, error) { erase(); return next() }, func(int64) error { return nil })
		p.refused(t, to, err, "received meanwhile")
	}
	<-erased
	run.Erase() // once more
	if matching.Keeps(run) {
		t.Error("something is kept")
	}
	mustBeForgotten(t, run)
	p.mustBeDead(t, party, "erased")
}

func mustBeForgotten(t *testing.T, run *matching.Run) {
	t.Helper()
	s := matching.Secrets(run)
	for name, secret := range map[string]*match.Exponent{"token": &s.Token, "slot": &s.Slot, "turn": &s.Turn} {
		if _, err := match.Raise(nil, foreign(1), secret); !errors.Is(err, match.ErrForgotten) {
			t.Errorf("secret %s: %v, want %v", name, err, match.ErrForgotten)
		}
	}
}

// Guards that lists and slots are overwritten, not only let go of, wherever a matching ends, and that nothing is wrong with a run that is
// erased before it has anything.
func TestEraseOverwrites(t *testing.T) {
	p := newPlay(t, tiny, few(3)...)
	run, err := matching.New(p.agreement, p.name(0), p.keys[0], p.request, p.session, nil)
	must(t, err)
	run.Erase()
	if _, err := run.Open([]*sottov1.Signed{run.Announcement()}); err == nil || matching.Keeps(run) {
		t.Error("a run goes on that was erased at its beginning")
	}

	must(t, p.begin())
	var slots [][]uint32
	for _, list := range p.lists() {
		must(t, p.carry(list))
		for _, run := range p.runs {
			_, found := matching.Held(run)
			slots = append(slots, found)
		}
	}
	_, found := matching.Held(p.runs[0])
	if len(found) != len(p.sets[0]) || !slices.ContainsFunc(found, func(slot uint32) bool { return slot > 0 }) {
		t.Fatal("party 0 has not found its slots")
	}
	for _, run := range p.runs {
		run.Erase()
		mustBeForgotten(t, run)
	}
	for _, s := range slots {
		if slices.ContainsFunc(s, func(slot uint32) bool { return slot != 0 }) {
			t.Error("slots are not overwritten")
		}
	}

	// A list that waits to be sent, and one that is back.
	p = p.again()
	must(t, p.begin())
	must(t, p.until(protocol.ListID{Pass: protocol.PassSlots}))
	must(t, p.carry(protocol.ListID{Pass: protocol.PassSlots}))
	for i, run := range p.runs {
		held, _ := matching.Held(run)
		if len(held) == 0 {
			t.Fatal("party", i, "holds no list")
		}
		run.Erase()
		for _, list := range held {
			if slices.ContainsFunc(list, func(point match.Point) bool { return point != match.Point{} }) {
				t.Error("a list is not overwritten")
			}
		}
	}
}

// Guards that whatever goes wrong outside kills a run as anything else does: the stream of a sender or receiver that breaks.
func TestBrokenStreams(t *testing.T) {
	broken := errors.New("the stream is broken")
	list := protocol.ListID{Pass: protocol.PassTokens}
	for at := range 3 { // parts
		p := newPlay(t, tiny, few(2)...)
		must(t, p.begin())
		left := at
		err := p.runs[0].Send(list, func(*sottov1.ListPart) error {
			if left--; left == -1 {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("sent up to part %d: %v", at, err)
		}
		p.mustBeDead(t, 0, "a broken stream")
	}
	for at := range 5 { // parts, what is after the last, and what tells how far it is
		p := newPlay(t, tiny, few(2)...)
		must(t, p.begin())
		parts, err := p.send(list)
		must(t, err)
		left, next := at, reader(parts)
		err = p.runs[1].Receive(&sottov1.MatchReceiveStart{List: list.ID(), Lengths: p.lengths}, func() (*sottov1.ListPart, error) {
			if left--; left == -1 {
				return nil, broken
			}
			return next()
		}, func(worked int64) error {
			if worked != p.route.Lengths[0] {
				t.Errorf("%d points are worked on", worked)
			}
			if at == 4 {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("received up to part %d: %v", at, err)
		}
		p.mustBeDead(t, 1, "a broken stream")
	}
}
