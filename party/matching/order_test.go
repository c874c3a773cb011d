package matching_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// call is something that is asked of a party.
type call struct {
	what  string // open, begin, send, receive, approve, finish, erase
	party int
	list  protocol.ListID
}

// course is a matching whose calls come in any order, with what the protocol says of each: whether it is due.
type course struct {
	*play
	t        *rapid.T
	steps    []string // by party, the last one that it has taken: "", open, begin, found, approve, dead
	sent     map[protocol.ListID]bool
	received map[protocol.ListID]bool
	finished int
}

func (c *course) calls() (all []call) {
	for party := range c.sets {
		for _, what := range []string{"open", "begin", "approve", "finish", "erase"} {
			all = append(all, call{what: what, party: party})
		}
		for _, list := range c.lists() {
			all = append(all, call{"send", party, list}, call{"receive", party, list})
		}
	}
	return all
}

func (c *course) due(next call) bool {
	n, step := int64(len(c.sets)), c.steps[next.party]
	from, to, _ := c.route.Way(next.list)
	back := c.received[protocol.ListID{Pass: protocol.PassOwn, Owner: int64(next.party), Hop: n - 1}]
	last := next.list.Pass == protocol.PassSpine || next.list.Pass == protocol.PassSlots && next.list.Hop == n-1
	switch next.what {
	case "open":
		return step == ""
	case "begin":
		return step == "open"
	case "approve":
		return step == "found"
	case "finish":
		return step == "approve" && !slices.Contains(c.approvals, nil)
	case "send":
		return from == next.party && !c.sent[next.list] && slices.Contains([]string{"begin", "found", "approve"}, step) && c.follows(next.list)
	case "receive":
		if to != next.party || c.received[next.list] || step != "begin" && step != "found" || slices.Contains(c.lengths, nil) || last && !back {
			return false
		}
		if from == int(n) {
			known := c.received[protocol.ListID{Pass: protocol.PassTokens, Owner: int64(next.party+1) % n}]
			return len(c.tokens) == int(n) && (n > 2 || known)
		}
		return c.sent[next.list]
	}
	return false
}

// follows tells whether the list that a list is made of has come in.
func (c *course) follows(list protocol.ListID) bool {
	switch {
	case list.Pass == protocol.PassTokens && list.Hop == 0:
		return true
	case list.Pass == protocol.PassSpine:
		return c.received[protocol.ListID{Pass: protocol.PassSlots, Hop: int64(len(c.sets) - 1)}]
	case list.Pass == protocol.PassOwn && list.Hop == 1:
		return c.received[protocol.ListID{Pass: protocol.PassTokens, Owner: list.Owner}]
	}
	list.Hop--
	return c.received[list]
}

func (c *course) do(next call) (err error) {
	run := c.runs[next.party]
	step := map[string]string{"open": "open", "begin": "begin", "approve": "approve", "finish": "dead"}[next.what]
	switch next.what {
	case "open":
		var id [32]byte
		if id, err = run.Open(c.announcements); err == nil {
			c.matching = id
		}
	case "begin":
		var length *sottov1.Signed
		if length, err = run.Begin(slices.Clone(c.sets[next.party])); err == nil {
			c.lengths[next.party] = length
		}
	case "send":
		_, to, _ := c.route.Way(next.list)
		var parts []*sottov1.ListPart
		err = run.Send(next.list, func(part *sottov1.ListPart) error {
			parts = append(parts, clone([]*sottov1.ListPart{part})...)
			return nil
		})
		if err == nil {
			c.sent[next.list], c.play.sent[next.list] = true, parts
		}
		if err == nil && to == len(c.sets) {
			tokens, err := c.read(next.list, parts)
			must(c.t, err)
			c.tokens = append(c.tokens, tokens)
		}
	case "receive":
		if len(c.tokens) == len(c.sets) {
			c.unite()
		}
		if from, _, ok := c.route.Way(next.list); ok && from == len(c.sets) && c.union != nil {
			c.play.sent[next.list] = c.parts(next.list, c.merged)
		}
		if err = c.deliverTo(next.party, next.list, c.play.sent[next.list]); err == nil {
			c.received[next.list] = true
			if next.list.Pass == protocol.PassSpine || next.list == (protocol.ListID{Pass: protocol.PassSlots, Hop: int64(len(c.sets) - 1)}) {
				step = "found"
			}
		}
	case "approve":
		var approval *sottov1.Signed
		if approval, err = run.Approve(); err == nil {
			c.approvals[next.party] = approval
		}
	case "finish":
		var outcome *matching.Outcome
		if outcome, err = run.Finish(c.approvals); (outcome == nil) == (err == nil) {
			return fmt.Errorf("finish: %v, and outcome %v", err, outcome)
		}
		if err == nil {
			c.finished++
			c.outcomes[next.party] = outcome
		}
	}
	if err == nil && step != "" {
		c.steps[next.party] = step
	}
	return err
}

// Guards the order of a matching: of all calls, in any order, exactly those succeed that are due; any other is a fault of the protocol,
// and kills the run at that party for good. A matching whose calls are all due comes to its end, whatever their order.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	wrong, whole := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		parties := rapid.SampledFrom([]int{2, 2, 2, 2, 2, 3}).Draw(t, "parties")
		c := newCourse(t, parties)
		all := c.calls()
		mistakes := rapid.Bool().Draw(t, "mistakes")
		for {
			due := slices.DeleteFunc(slices.Clone(all), func(next call) bool {
				// A party that has found its list may still have to pass on another's, until it approves.
				return !c.due(next) || next.what == "approve" && slices.ContainsFunc(c.steps, func(s string) bool { return s == "begin" })
			})
			if mistakes && rapid.IntRange(0, 20).Draw(t, "is it a mistake") == 1 {
				next := rapid.SampledFrom(all).Draw(t, "any call")
				if next.what == "erase" {
					c.runs[next.party].Erase()
					c.steps[next.party] = "dead"
					continue
				}
				if !c.due(next) {
					wrong++
					err := c.do(next)
					if err == nil || fault.From(err).Kind != fault.Protocol {
						t.Fatalf("%v is not due: %v", next, err)
					}
					if !matching.Dead(c.runs[next.party]) {
						t.Fatalf("%v was not due, and the run goes on", next)
					}
					c.steps[next.party] = "dead"
					continue
				}
			}
			if len(due) == 0 {
				break
			}
			next := rapid.SampledFrom(due).Draw(t, "next call")
			if err := c.do(next); err != nil {
				t.Fatalf("%v is due: %v", next, err)
			}
		}
		if c.finished == parties {
			whole++
			must(t, c.check())
		} else if !mistakes {
			t.Fatal("it came to no end")
		}
	})
	if wrong < 10 || whole < 10 {
		t.Errorf("%d wrong calls and %d whole matchings are too few to tell", wrong, whole)
	}
}

func newCourse(t *rapid.T, parties int) *course {
	p := newPlay(t, tiny, few(parties)...)
	c := &course{
		play: p, t: t, steps: make([]string, parties), sent: map[protocol.ListID]bool{}, received: map[protocol.ListID]bool{},
	}
	p.lengths, p.approvals, p.outcomes = make([]*sottov1.Signed, parties), make([]*sottov1.Signed, parties), make([]*matching.Outcome, parties)
	for i := range p.keys {
		run, err := matching.New(p.agreement, p.name(i), p.keys[i], p.request, p.session, nil)
		must(t, err)
		p.runs, p.announcements = append(p.runs, run), append(p.announcements, run.Announcement())
		p.sealing = append(p.sealing, matching.SealingKey(run))
	}
	lengths := make([]int64, parties)
	for i, set := range p.sets {
		lengths[i] = int64(len(set))
	}
	p.route = protocol.NewRoute(lengths) // the ways are the same with dummies
	return c
}
