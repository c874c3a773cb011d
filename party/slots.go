package party

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/matches"
)

// slotted is where the customers of a snapshot are in a matching.
type slotted struct {
	matches.Matching
	slots []uint32 // by customer; matches.NoSlot for those who have none
}

// matchings returns what is stored of matchings that questions can be about, the newest first: those of the parties of this
// agreement, with the identifiers that it has.
func (n *Node) matchings() []matches.Matching {
	return slices.DeleteFunc(n.state.Matches.All(), func(m matches.Matching) bool {
		return m.Basis != n.agreement.Basis() || !slices.Equal(m.Participants, n.agreement.PartyNames())
	})
}

// slotted returns where the customers of a snapshot are in all matchings. Where the current view knows it, it is not looked up again.
// The caller holds n.changing.
func (n *Node) slotted(snapshot *customers.Snapshot) ([]slotted, error) {
	n.viewing.Lock()
	current := n.current
	n.viewing.Unlock()
	known := current != nil && !n.stale && slices.Equal(current.snapshot.IDs, snapshot.IDs)
	var found []slotted
	for _, m := range n.matchings() {
		if known {
			if at := slices.IndexFunc(current.slotted, func(s slotted) bool { return s.ID == m.ID }); at >= 0 {
				found = append(found, current.slotted[at])
				continue
			}
		}
		slots, _, err := n.state.Matches.Slots(m.ID, snapshot.IDs)
		if err != nil {
			return nil, fault.New(fault.Internal, "read what is stored of matching %x", m.ID[:8]).Wrap(err).
				WithHint("restore the state from a backup; or stop the node, remove that file, and run sotto match")
		}
		found = append(found, slotted{m, slots})
	}
	return found, nil
}

// rematched makes the next question see the matchings that are stored now. The caller holds n.changing, and has held it since before
// the last one was kept. If it fails, questions go on with those of before until the next refresh.
func (n *Node) rematched() error {
	n.absent = [32]byte{}
	n.viewing.Lock()
	snapshot := n.current.snapshot
	n.viewing.Unlock()
	found, err := n.slotted(snapshot)
	if err != nil {
		return err
	}
	n.viewing.Lock()
	defer n.viewing.Unlock()
	n.look(snapshot, n.told, found)
	n.stale = false
	return nil
}

// without returns where the customers are when some are gone, in order: the others have moved up.
func (s slotted) without(gone []int) slotted {
	less := slotted{s.Matching, make([]uint32, 0, len(s.slots)-len(gone))}
	from := 0
	for _, customer := range gone {
		less.slots = append(less.slots, s.slots[from:customer]...)
		from = customer + 1
	}
	less.slots = append(less.slots, s.slots[from:]...)
	return less
}

// missing returns how many of the customers who take part in questions for any purpose have no slot.
func (v *view) missing(s slotted) int {
	n := 0
	for customer, slot := range s.slots {
		if slot == matches.NoSlot && slices.ContainsFunc(v.taking, func(p people) bool { return p.has(customer) }) {
			n++
		}
	}
	return n
}

// matched returns the matchings as the party declares them.
func (v *view) matched() []protocol.Matched {
	var all []protocol.Matched
	for _, s := range v.slotted {
		all = append(all, protocol.Matched{ID: s.ID, Spine: s.Spine, Slots: s.Slots, At: s.At.Unix()})
	}
	return all
}

// slotsFor returns the slot of each customer in the matching that a question is over; nil in the hashed layout.
func (n *Node) slotsFor(plan *query.Plan, v *view) ([]uint32, error) {
	if !plan.Matched() {
		return nil, nil
	}
	for _, s := range v.slotted {
		if s.Spine == plan.Query.Spine && s.Slots == plan.Query.Slots {
			return s.slots, nil
		}
	}
	if len(v.slotted) == 0 {
		return nil, fault.New(fault.Stale, "the question is over a matching, and %s has none under this agreement", n.config.Name).
			WithHint("run sotto match, or ask in the hashed layout")
	}
	return nil, fault.New(fault.Stale, "the question is over another matching than %s has", n.config.Name).WithHint("fetch the catalog and ask again")
}

// forget takes people out of all that is stored of customers. Somebody else who has one of these ids, as people of one phone have,
// is out with them, and has a slot again after the next matching. The caller holds n.changing, or is the only one to know n.
func (n *Node) forget(people []ids.ID) error {
	if len(people) == 0 {
		return nil
	}
	n.stale = true
	n.mu.Lock()
	if n.matching != nil {
		n.matching.forgotten = append(n.matching.forgotten, people...)
	}
	n.mu.Unlock()
	return errors.Join(n.state.Members.Forget(people), n.state.Matches.Forget(people))
}

// hashOf tells lists of ids apart.
func hashOf(some []ids.ID) [32]byte {
	sum := sha256.New()
	for i := range some {
		sum.Write(some[i][:])
	}
	return [32]byte(sum.Sum(nil))
}
