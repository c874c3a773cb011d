package matching_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// play is a whole matching in memory: all parties, and a coordinator that relays between them.
type play struct {
	agreement   *agreement.Agreement
	keys        []*identity.Key // of the parties
	coordinator *identity.Key
	sets        [][]ids.ID
	request     [32]byte
	session     [16]byte
	holds       [][][32]byte // by party; nil for none

	runs          []*matching.Run
	announcements []*sottov1.Signed
	matching      [32]byte
	lengths       []*sottov1.Signed
	route         *protocol.Route
	union         *sottov1.Signed
	tokens        []match.Points // the final lists of pass A
	approvals     []*sottov1.Signed
	outcomes      []*matching.Outcome

	// relay, if set, may change what a list consists of on its way.
	relay func(list protocol.ListID, parts []*sottov1.ListPart) []*sottov1.ListPart
	// merged, if set, may change the union before the coordinator signs it.
	merged func(union match.Points) match.Points
}

func newPlay(t testing.TB, sets ...[]ids.ID) *play {
	t.Helper()
	p := &play{
		sets: sets, request: [32]byte{1}, session: [16]byte{2}, holds: make([][][32]byte, len(sets)),
		agreement: &agreement.Agreement{
			Collaboration: "ring", Layouts: []string{agreement.LayoutMatched},
			Matching: agreement.Matching{Epsilon: 1_000_000, Delta: 1e-6},
		},
	}
	newKey := func() *identity.Key {
		key, err := identity.Generate()
		must(t, err)
		return key
	}
	for i := range sets {
		key := newKey()
		p.keys = append(p.keys, key)
		p.agreement.Parties = append(p.agreement.Parties, agreement.Party{Name: fmt.Sprintf("party%d", i), Key: key.Public()})
	}
	p.coordinator = newKey()
	p.agreement.Coordinator.Key = p.coordinator.Public()
	return p
}

// run goes from the announcements to the outcomes.
func (p *play) run() error {
	if err := p.begin(); err != nil {
		return err
	}
	n := len(p.sets)
	for owner := range n {
		for hop := range n {
			list := protocol.ListID{Pass: protocol.PassTokens, Owner: int64(owner), Hop: int64(hop)}
			if hop == n-1 {
				tokens, err := p.final(list)
				if err != nil {
					return err
				}
				p.tokens = append(p.tokens, tokens)
				continue
			}
			if err := p.carry(list); err != nil {
				return err
			}
		}
		for hop := 1; hop < n; hop++ {
			if err := p.carry(protocol.ListID{Pass: protocol.PassOwn, Owner: int64(owner), Hop: int64(hop)}); err != nil {
				return err
			}
		}
	}
	if err := p.turn(); err != nil {
		return err
	}
	return p.end()
}

// begin is all that comes before lists.
func (p *play) begin() error {
	for i, party := range p.agreement.Parties {
		run, err := matching.New(p.agreement, party.Name, p.keys[i], p.request, p.session, p.holds[i])
		if err != nil {
			return err
		}
		p.runs, p.announcements = append(p.runs, run), append(p.announcements, run.Announcement())
	}
	for i, run := range p.runs {
		id, err := run.Open(p.announcements)
		if err != nil {
			return err
		}
		length, err := run.Begin(slices.Clone(p.sets[i]))
		if err != nil {
			return err
		}
		p.matching, p.lengths = id, append(p.lengths, length)
	}
	lengths, err := protocol.VerifyLengths(p.lengths, p.agreement, p.matching)
	p.route = protocol.NewRoute(lengths)
	return err
}

// send returns the parts of a list as its sender sends them, or as the coordinator does.
func (p *play) send(list protocol.ListID) (parts []*sottov1.ListPart, err error) {
	from, _, ok := p.route.Way(list)
	if !ok {
		return nil, fmt.Errorf("there is no %s", list)
	}
	if from == len(p.runs) {
		return p.parts(list, p.mergedTokens()), nil
	}
	err = p.runs[from].Send(list, func(part *sottov1.ListPart) error {
		if chunk, ok := part.GetPart().(*sottov1.ListPart_Chunk); ok { // which is used again
			part = &sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: slices.Clone(chunk.Chunk)}}
		}
		parts = append(parts, part)
		return nil
	})
	return parts, err
}

// carry takes a list from its sender to its receiver.
func (p *play) carry(list protocol.ListID) error {
	parts, err := p.send(list)
	if err != nil {
		return err
	}
	if p.relay != nil {
		parts = p.relay(list, parts)
	}
	return p.deliver(list, parts)
}

func (p *play) deliver(list protocol.ListID, parts []*sottov1.ListPart) error {
	_, to, _ := p.route.Way(list)
	start := &sottov1.MatchReceiveStart{Session: p.session[:], List: list.ID(), Lengths: p.lengths, Union: p.union}
	return p.runs[to].Receive(start, func() (*sottov1.ListPart, error) {
		if len(parts) == 0 {
			return nil, io.EOF
		}
		part := parts[0]
		parts = parts[1:]
		return part, nil
	}, func(int64) error { return nil })
}

// final returns a list that is for the coordinator.
func (p *play) final(list protocol.ListID) (match.Points, error) {
	parts, err := p.send(list)
	if err != nil {
		return nil, err
	}
	var bytes []byte
	for _, part := range parts {
		bytes = append(bytes, part.GetChunk()...)
	}
	return match.ParsePoints(bytes)
}

func (p *play) mergedTokens() match.Points {
	var lists []match.Points
	for _, list := range p.tokens {
		lists = append(lists, slices.Clone(list))
	}
	union, _, err := match.Merge(lists)
	if err != nil {
		panic(err)
	}
	if p.merged != nil {
		union = p.merged(union)
	}
	return union
}

// parts returns a list as the coordinator sends it.
func (p *play) parts(list protocol.ListID, points match.Points) (parts []*sottov1.ListPart) {
	for chunk := range slices.Chunk(points, protocol.ListChunk) {
		parts = append(parts, &sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: chunk.AppendBytes(nil)}})
	}
	digest, err := points.Digest()
	if err != nil {
		panic(err)
	}
	return append(parts, &sottov1.ListPart{Part: &sottov1.ListPart_HandOver{HandOver: protocol.Sign(p.coordinator, &protocol.ListHandOver{
		Matching: p.matching, List: list, From: agreement.CoordinatorName, Length: int64(len(points)), Digest: digest,
	})}})
}

// turn is pass B, and the spine.
func (p *play) turn() error {
	union := p.mergedTokens()
	digest, err := union.Digest()
	if err != nil {
		return err
	}
	p.union = protocol.Sign(p.coordinator, &protocol.MatchUnion{Matching: p.matching, Length: int64(len(union)), Digest: digest})
	for hop := range p.sets {
		if err := p.carry(protocol.ListID{Pass: protocol.PassSlots, Hop: int64(hop)}); err != nil {
			return err
		}
	}
	for party := range p.sets {
		if party != p.route.Last() {
			if err := p.carry(protocol.ListID{Pass: protocol.PassSpine, Owner: int64(party)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *play) end() error {
	for _, run := range p.runs {
		approval, err := run.Approve()
		if err != nil {
			return err
		}
		p.approvals = append(p.approvals, approval)
	}
	for _, run := range p.runs {
		outcome, err := run.Finish(p.approvals)
		if err != nil {
			return err
		}
		p.outcomes = append(p.outcomes, outcome)
		run.Erase()
	}
	return nil
}

// check tells whether people have the same slot exactly if they are the same.
func (p *play) check() error {
	slotOf, owner := map[ids.ID]uint32{}, map[uint32]ids.ID{}
	for i, o := range p.outcomes {
		if len(o.SlotOf) != len(p.sets[i]) || !slices.Equal(o.People, p.sets[i]) {
			return errors.New("not everybody has a slot")
		}
		for at, id := range o.People {
			slot := o.SlotOf[at]
			if before, ok := slotOf[id]; ok && before != slot {
				return errors.New("somebody has two slots")
			}
			if before, ok := owner[slot]; ok && before != id {
				return errors.New("two people have one slot")
			}
			if int64(slot) >= o.Slots {
				return errors.New("a slot is beyond the spine")
			}
			slotOf[id], owner[slot] = slot, id
		}
		if o.Matching != p.outcomes[0].Matching || o.Spine != p.outcomes[0].Spine || o.Slots != p.outcomes[0].Slots {
			return errors.New("the outcomes differ")
		}
	}
	return nil
}

// people returns the ids of the numbers from…to−1.
func people(from, to int) []ids.ID {
	var all []ids.ID
	for i := from; i < to; i++ {
		all = append(all, ids.ID{byte(i), byte(i >> 8), 0xaa})
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
