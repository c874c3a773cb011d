package matching_test

import (
	"fmt"
	"testing"

	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards that no list leaves a party before the one that it is made of has come in.
func TestListsAskedForTooEarly(t *testing.T) {
	for parties := 2; parties <= 3; parties++ {
		model := newPlay(t, tiny, few(parties)...)
		must(t, model.begin())
		for _, list := range model.lists() {
			from, _, _ := model.route.Way(list)
			before := protocol.ListID{Pass: protocol.PassTokens, Owner: int64((from + parties - 1) % parties)}
			ready := list.Hop == 1 && list.Owner == before.Owner && list.Pass != protocol.PassSlots
			if from == parties || ready || list == (protocol.ListID{Pass: protocol.PassTokens, Owner: int64(from)}) {
				continue
			}
			p := model.again()
			must(t, p.begin())
			must(t, p.carry(before)) // so that it knows the route
			err := p.runs[from].Send(list, func(*sottov1.ListPart) error { t.Errorf("%s is sent", list); return nil })
			p.refused(t, from, err, fmt.Sprintf("%s asked for too early", list))
		}
	}
}

// Guards what must have come in before another list: a party's own list, before the spine or what it is made of, and of two parties the
// other's before the union. What comes too early is not even read.
func TestListsThatComeTooEarly(t *testing.T) {
	for parties := 2; parties <= 3; parties++ {
		last := int64(parties - 1)
		model := newPlay(t, tiny, few(parties)...)
		must(t, model.begin())
		for party := range parties {
			own := protocol.ListID{Pass: protocol.PassOwn, Owner: int64(party), Hop: last}
			list := protocol.ListID{Pass: protocol.PassSpine, Owner: int64(party)}
			if party == model.route.Last() {
				list = protocol.ListID{Pass: protocol.PassSlots, Hop: last}
			}
			p := model.again()
			must(t, p.begin())
			for _, next := range p.lists() {
				if next == list {
					break
				}
				if next != own {
					must(t, p.carry(next))
				}
			}
			p.tooEarly(t, list)
		}
	}
	p := newPlay(t, tiny, few(2)...)
	must(t, p.begin())
	p.merged = foreign(int(p.route.Lengths[0]) + 1)
	p.union = protocol.Sign(p.coordinator, &protocol.MatchUnion{Matching: p.matching, Length: int64(len(p.merged)), Digest: digest(p.merged)})
	p.tooEarly(t, protocol.ListID{Pass: protocol.PassSlots})
}

// Guards that who has found its slots still passes on another's list, as it must where lists travel at their own pace; and that nothing
// comes in any more once it has approved.
func TestAListThatComesLate(t *testing.T) {
	for _, approved := range []bool{false, true} {
		p := newPlay(t, tiny, few(3)...)
		must(t, p.begin())
		last, owner := p.route.Last(), int64(2)
		late := func(list protocol.ListID) bool {
			return list.Owner == owner && (list.Pass == protocol.PassOwn || list.Pass == protocol.PassSpine)
		}
		for _, list := range p.lists() {
			if !late(list) {
				must(t, p.carry(list))
			}
		}
		if _, slots := matching.Held(p.runs[last]); slots == nil {
			t.Fatal("the party that makes the spine has not found its slots")
		}
		if approved {
			_, err := p.runs[last].Approve()
			must(t, err)
		}
		for _, list := range p.lists() {
			if !late(list) {
				continue
			}
			err := p.carry(list)
			if approved {
				p.refused(t, last, err, "a list after the approval")
				break
			}
			must(t, err)
		}
		if !approved {
			must(t, p.end())
			must(t, p.check())
		}
	}
}

func (p *play) tooEarly(t *testing.T, list protocol.ListID) {
	t.Helper()
	parts, err := p.send(list)
	must(t, err)
	_, to, _ := p.route.Way(list)
	start := &sottov1.MatchReceiveStart{Session: p.session[:], List: list.ID(), Lengths: p.lengths, Union: p.union}
	next := reader(parts)
	err = p.runs[to].Receive(start, func() (*sottov1.ListPart, error) {
		t.Errorf("%s is read", list)
		return next()
	}, func(int64) error { return nil })
	p.refused(t, to, err, fmt.Sprintf("%s brought too early", list))
}
