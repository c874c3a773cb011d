// Package matching is one party's part in one private matching (protocol.md, "Matching"): its secrets, and what becomes of each list
// that reaches it. It knows nothing of the network, of customers but their ids, or of budgets: what a party does on top is in
// package party. The arithmetic is in package match.
package matching

import (
	"slices"
	"sync"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// step is how far a run is. A call out of order kills it.
type step int

const (
	announced step = iota
	opened
	begun
	found
	approved
	dead
)

// Run is one party's part in one matching. Its secrets exist only in memory and are erased when it ends, in whatever way it ends.
// Safe for concurrent use.
type Run struct {
	agreement    *agreement.Agreement
	self         int // among the agreement's parties
	key          *identity.Key
	request      [32]byte
	session      [16]byte
	holds        [][32]byte
	announcement *sottov1.Signed

	working sync.WaitGroup // calls that use secrets or lists

	mu            sync.Mutex // guards all below
	step          step
	sealing       *seal.Key
	announcements []protocol.MatchAnnouncement
	matching      [32]byte
	entries       *match.Entries
	people        []ids.ID
	secrets       *match.Secrets
	length        *sottov1.Signed // this party's
	route         *protocol.Route // nil before all lengths are known
	union         *protocol.MatchUnion
	served        map[way]bool                     // lists that were begun to be sent or received
	ready         map[protocol.ListID]match.Points // lists that can be sent
	known         *match.Known                     // of two parties, at the one that goes first in pass B
	own           match.Points                     // this party's list as pass C brings it back; turned, except at who makes the spine
	spine         [32]byte
	slots         []uint32 // of people
	approval      *sottov1.Signed
}

// way is a list in one direction.
type way struct {
	list     protocol.ListID
	received bool
}

// New begins a run: it announces a fresh key that lists are sealed to, and which matchings the party holds already, newest first. name
// and key are those of a party of the agreement; request is the hash of the signed request.
func New(a *agreement.Agreement, name string, key *identity.Key, request [32]byte, session [16]byte, holds [][32]byte) (*Run, error) {
	sealing, err := seal.NewKey()
	if err != nil {
		return nil, fault.New(fault.Internal, "begin a matching").Wrap(err)
	}
	r := &Run{
		agreement: a, self: slices.IndexFunc(a.Parties, func(p agreement.Party) bool { return p.Name == name }), key: key,
		request: request, session: session, holds: holds, sealing: sealing,
		served: map[way]bool{}, ready: map[protocol.ListID]match.Points{},
	}
	r.announcement = protocol.Sign(key, &protocol.MatchAnnouncement{
		Request: request, Session: session, Party: name, Nonce: protocol.NewNonce(), Key: sealing.Public(), Holds: holds,
	})
	return r, nil
}

// Announcement returns the signed announcement, the same bytes each time.
func (r *Run) Announcement() *sottov1.Signed { return r.announcement }

func (r *Run) name() string { return r.agreement.Parties[r.self].Name }

// nameOf returns the name of a party, or of the coordinator, by its place in a route.
func (r *Run) nameOf(place int) string {
	if place == len(r.agreement.Parties) {
		return agreement.CoordinatorName
	}
	return r.agreement.Parties[place].Name
}

func (r *Run) keyOf(place int) identity.PublicKey {
	if place == len(r.agreement.Parties) {
		return r.agreement.Coordinator.Key
	}
	return r.agreement.Parties[place].Key
}

// advance moves from one step to the next; from any other it kills the run. The caller holds r.mu.
func (r *Run) advance(from, to step) error {
	if r.step != from {
		return r.fail(fault.New(fault.Protocol, "a step of the matching came out of order or twice; the matching is dead"))
	}
	r.step = to
	return nil
}

// fail kills the run and returns err. The caller holds r.mu. What it holds is erased by Erase, once nobody uses it.
func (r *Run) fail(err error) error {
	r.step = dead
	return err
}

// Open checks the announcements of all parties, in the order of the agreement, and returns the identifier of the matching.
func (r *Run) Open(signed []*sottov1.Signed) ([32]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.advance(announced, opened); err != nil {
		return [32]byte{}, err
	}
	all, matching, err := protocol.VerifyAnnouncements(signed, r.agreement, r.request, r.session)
	if err != nil {
		return [32]byte{}, r.fail(err)
	}
	if !slices.Equal(signed[r.self].GetBody(), r.announcement.GetBody()) {
		return [32]byte{}, r.fail(fault.New(fault.Protocol, "the announcement of %s is not the one that it made", r.name()))
	}
	r.announcements, r.matching = all, matching
	return matching, nil
}

// Begin draws the party's secrets and dummies and returns the signed length of its list. The caller has charged the price durably: the
// length is the first thing that shows. people must be distinct; they are kept.
func (r *Run) Begin(people []ids.ID) (*sottov1.Signed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.advance(opened, begun); err != nil {
		return nil, err
	}
	dummies, err := r.agreement.Cover().Draw(r.self)
	if err != nil {
		return nil, r.fail(fault.New(fault.Invalid, "%v", err))
	}
	if r.entries, err = match.NewEntries(r.matching, people, dummies); err != nil {
		return nil, r.fail(fault.New(fault.Size, "%v", err))
	}
	r.people, r.secrets = people, match.NewSecrets()
	r.length = protocol.Sign(r.key, &protocol.MatchLength{Matching: r.matching, Party: r.name(), Length: int64(r.entries.Len())})
	return r.length, nil
}

// Approve returns a signed statement of the spine in which this party has found its whole list.
func (r *Run) Approve() (*sottov1.Signed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.advance(found, approved); err != nil {
		return nil, err
	}
	r.approval = protocol.Sign(r.key, &protocol.MatchApproval{Matching: r.matching, Party: r.name(), Spine: r.spine, Slots: r.union.Length})
	return r.approval, nil
}

// Outcome is what a party has of a matching that all have approved of.
type Outcome struct {
	Matching [32]byte
	Spine    [32]byte
	Slots    int64
	People   []ids.ID
	SlotOf   []uint32 // of People
	// Common are those matchings of before that all parties held when this one began.
	Common [][32]byte
}

// Finish checks that all parties approve of the same spine, ends the run, and returns what has come of it.
func (r *Run) Finish(signed []*sottov1.Signed) (*Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.advance(approved, dead); err != nil {
		return nil, err
	}
	all, err := protocol.VerifyApprovals(signed, r.agreement, r.matching)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(signed[r.self].GetBody(), r.approval.GetBody()) {
		return nil, fault.New(fault.Protocol, "the approval of %s is not the one that it gave", r.name())
	}
	people, slots := r.people, r.slots
	r.people, r.slots = nil, nil // they are the caller's now, whom no Erase concerns
	return &Outcome{Matching: r.matching, Spine: all.Spine, Slots: all.Slots, People: people, SlotOf: slots, Common: r.common()}, nil
}

// common returns which matchings all parties said they hold, newest first.
func (r *Run) common() [][32]byte {
	var common [][32]byte
	for _, id := range r.holds {
		if !slices.ContainsFunc(r.announcements, func(m protocol.MatchAnnouncement) bool { return !slices.Contains(m.Holds, id) }) {
			common = append(common, id)
		}
	}
	return common
}

// Erase ends the run and overwrites its secret exponents, which dummies it has, and the lists that it still holds, once all calls that
// use them have come back: the caller sees to it that they do. Of the sealing key, which package hpke keeps, it lets go.
// It may be called at any time, any number of times.
func (r *Run) Erase() {
	r.mu.Lock()
	r.step = dead
	r.mu.Unlock()
	r.working.Wait() // none can begin any more
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets != nil {
		r.secrets.Forget()
	}
	if r.entries != nil {
		r.entries.Forget()
	}
	r.known.Forget()
	clear(r.own)
	clear(r.slots)
	for _, list := range r.ready {
		clear(list)
	}
	r.sealing, r.entries, r.people, r.known, r.own, r.ready, r.slots = nil, nil, nil, nil, nil, nil, nil
}

// use lets a call use secrets until it calls done; a run that is dead has none. The caller holds r.mu.
func (r *Run) use() (done func(), err error) {
	if r.step == dead {
		return nil, fault.New(fault.Protocol, "the matching has ended")
	}
	r.working.Add(1)
	return r.working.Done, nil
}
