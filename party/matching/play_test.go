package matching_test

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
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
	tokens        []match.Points // the final lists of pass A
	merged        match.Points   // of all
	union         *sottov1.Signed
	approvals     []*sottov1.Signed
	outcomes      []*matching.Outcome

	sent    map[protocol.ListID][]*sottov1.ListPart // as their senders sent them
	sealing []*seal.Key                             // of the parties, to read what was sent
	secrets []match.Secrets                         // of the parties, as they were before they were erased

	// relay, if set, may change what a list consists of on its way.
	relay func(list protocol.ListID, parts []*sottov1.ListPart) []*sottov1.ListPart
	// merge, if set, may change the union before the coordinator signs it.
	merge func(union match.Points) match.Points
	// start, if set, may change what a list begins with.
	start func(list protocol.ListID, start *sottov1.MatchReceiveStart)
}

// Dummies, for an agreement: some, as they are hidden in real ones, or two a pool.
var (
	usual = agreement.Matching{Epsilon: 1_000_000, Delta: 1e-6}
	tiny  = agreement.Matching{Epsilon: 10_000_000, Delta: 0.01}
)

func newPlay(t fataler, dummies agreement.Matching, sets ...[]ids.ID) *play {
	t.Helper()
	p := &play{
		sets: sets, request: [32]byte{1}, session: [16]byte{2}, holds: make([][][32]byte, len(sets)),
		agreement: &agreement.Agreement{Collaboration: "ring", Layouts: []string{agreement.LayoutMatched}, Matching: dummies},
		sent:      map[protocol.ListID][]*sottov1.ListPart{},
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

// again is a new matching of the same parties, with the same keys, sets, request and session.
func (p *play) again() *play {
	return &play{
		agreement: p.agreement, keys: p.keys, coordinator: p.coordinator, sets: p.sets, request: p.request, session: p.session,
		holds: p.holds, sent: map[protocol.ListID][]*sottov1.ListPart{},
	}
}

// run goes from the announcements to the outcomes.
func (p *play) run() error {
	if err := p.begin(); err != nil {
		return err
	}
	for _, list := range p.lists() {
		if err := p.carry(list); err != nil {
			return err
		}
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
		p.sealing = append(p.sealing, matching.SealingKey(run))
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
		p.secrets = append(p.secrets, *matching.Secrets(run))
	}
	lengths, err := protocol.VerifyLengths(p.lengths, p.agreement, p.matching)
	p.route = protocol.NewRoute(lengths)
	return err
}

// lists returns all lists of the matching in an order in which they can be carried.
func (p *play) lists() (all []protocol.ListID) {
	n := int64(len(p.sets))
	for owner := range n {
		for hop := range n {
			all = append(all, protocol.ListID{Pass: protocol.PassTokens, Owner: owner, Hop: hop})
		}
		for hop := int64(1); hop < n; hop++ {
			all = append(all, protocol.ListID{Pass: protocol.PassOwn, Owner: owner, Hop: hop})
		}
	}
	for hop := range n {
		all = append(all, protocol.ListID{Pass: protocol.PassSlots, Hop: hop})
	}
	for party := range n {
		if int(party) != p.route.Last() {
			all = append(all, protocol.ListID{Pass: protocol.PassSpine, Owner: party})
		}
	}
	return all
}

// received returns those lists that a party receives, not the coordinator.
func (p *play) received() []protocol.ListID {
	return slices.DeleteFunc(p.lists(), func(list protocol.ListID) bool {
		_, to, _ := p.route.Way(list)
		return to == len(p.sets)
	})
}

// until carries all lists before one.
func (p *play) until(list protocol.ListID) error {
	for _, next := range p.lists() {
		if next == list {
			return nil
		}
		if err := p.carry(next); err != nil {
			return err
		}
	}
	return fmt.Errorf("there is no %s", list)
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
	if _, to, _ := p.route.Way(list); to == len(p.runs) {
		tokens, err := p.read(list, parts)
		p.tokens = append(p.tokens, tokens)
		return err
	}
	return p.deliver(list, parts)
}

// send returns the parts of a list as its sender sends them, or as the coordinator does.
func (p *play) send(list protocol.ListID) ([]*sottov1.ListPart, error) {
	from, _, ok := p.route.Way(list)
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no %s", list)
	case from == len(p.runs):
		p.unite()
		p.sent[list] = p.parts(list, p.merged)
		return p.sent[list], nil
	}
	var parts []*sottov1.ListPart
	err := p.runs[from].Send(list, func(part *sottov1.ListPart) error {
		if chunk, ok := part.GetPart().(*sottov1.ListPart_Chunk); ok { // which is used again
			part = chunkPart(slices.Clone(chunk.Chunk))
		}
		parts = append(parts, part)
		return nil
	})
	p.sent[list] = parts
	return parts, err
}

func (p *play) deliver(list protocol.ListID, parts []*sottov1.ListPart) error {
	_, to, _ := p.route.Way(list)
	return p.deliverTo(to, list, parts)
}

// deliverTo delivers a list to a party, whatever its way.
func (p *play) deliverTo(to int, list protocol.ListID, parts []*sottov1.ListPart) error {
	start := &sottov1.MatchReceiveStart{Session: p.session[:], List: list.ID(), Lengths: p.lengths, Union: p.union}
	if p.start != nil {
		p.start(list, start)
	}
	return p.runs[to].Receive(start, reader(parts), func(int64) error { return nil })
}

func reader(parts []*sottov1.ListPart) func() (*sottov1.ListPart, error) {
	return func() (*sottov1.ListPart, error) {
		if len(parts) == 0 {
			return nil, io.EOF
		}
		part := parts[0]
		parts = parts[1:]
		return part, nil
	}
}

// unite merges the tokens, and signs what has come of it.
func (p *play) unite() {
	if p.union != nil {
		return
	}
	union, _, err := match.Merge(p.tokens)
	if err != nil {
		panic(err)
	}
	if p.merge != nil {
		union = p.merge(union)
	}
	p.merged = union
	p.union = protocol.Sign(p.coordinator, &protocol.MatchUnion{Matching: p.matching, Length: int64(len(union)), Digest: digest(union)})
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
