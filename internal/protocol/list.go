package protocol

import (
	"fmt"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// The passes of a matching ("Matching" in protocol.md), and the spine's way to all.
const (
	PassTokens = 1 + iota // A: a party's list, in an order of each hop's own; the last one sends it to the coordinator
	PassSlots             // B: the union, from the coordinator
	PassOwn               // C: a party's list, in its order; it begins at hop 1, for hop 0 is that of PassTokens
	PassSpine             // the spine, from who has made it to each of the others
)

// ListChunk is how many points travel in one message; the last one has the rest. A list without points has no chunk.
const ListChunk = 4096

// ListID names a list on its way from one party to the next.
type ListID struct {
	Pass  int64
	Owner int64 // in PassTokens and PassOwn the party whose list it is, in PassSpine the one whom it is for; 0 in PassSlots
	Hop   int64 // 0 for the first way, and one more for each next
}

// ID returns the list's name on the wire.
func (l ListID) ID() *sottov1.ListID {
	return &sottov1.ListID{Pass: l.Pass, Owner: l.Owner, Hop: l.Hop}
}

// ParseListID reads a name off the wire. Whether there is such a list, [Route.Way] tells.
func ParseListID(l *sottov1.ListID) ListID { return ListID{l.GetPass(), l.GetOwner(), l.GetHop()} }

// String names the list, for errors; what is none has its numbers.
func (l ListID) String() string {
	switch {
	case l.Pass == PassTokens:
		return fmt.Sprintf("tokens of party %d, hop %d", l.Owner, l.Hop)
	case l.Pass == PassSlots && l.Owner == 0:
		return fmt.Sprintf("union, hop %d", l.Hop)
	case l.Pass == PassOwn:
		return fmt.Sprintf("list of party %d, hop %d", l.Owner, l.Hop)
	case l.Pass == PassSpine && l.Hop == 0:
		return fmt.Sprintf("spine for party %d", l.Owner)
	}
	return fmt.Sprintf("list %d.%d.%d", l.Pass, l.Owner, l.Hop)
}

// Route is the ways of all lists of a matching of N parties, 0…N−1 in the order of the agreement; N stands for the coordinator.
type Route struct {
	Lengths []int64 // of the parties' lists
	order   []int   // of the parties in PassSlots
}

// NewRoute returns the ways of lists of these lengths. The union goes round the ring of parties so that the one with the longest
// list is the last: it saves an exponentiation for each of its own points.
func NewRoute(lengths []int64) *Route {
	last := 0
	for i, n := range lengths {
		if n > lengths[last] {
			last = i
		}
	}
	r := &Route{Lengths: lengths}
	for i := range lengths {
		r.order = append(r.order, (last+1+i)%len(lengths))
	}
	return r
}

// Parties returns N.
func (r *Route) Parties() int { return len(r.Lengths) }

// Last returns the party that makes the spine.
func (r *Route) Last() int { return r.order[len(r.order)-1] }

// Way returns who sends a list and who receives it, and false if there is no such list.
func (r *Route) Way(l ListID) (from, to int, ok bool) {
	n := int64(r.Parties())
	if l.Owner < 0 || l.Owner >= n || l.Hop < 0 || l.Hop >= n {
		return 0, 0, false
	}
	switch l.Pass {
	case PassTokens:
		if l.Hop == n-1 {
			return int((l.Owner + l.Hop) % n), int(n), true
		}
		return int((l.Owner + l.Hop) % n), int((l.Owner + l.Hop + 1) % n), true
	case PassSlots:
		if l.Owner != 0 {
			return 0, 0, false
		}
		if l.Hop == 0 {
			return int(n), r.order[0], true
		}
		return r.order[l.Hop-1], r.order[l.Hop], true
	case PassOwn:
		if l.Hop == 0 {
			return 0, 0, false
		}
		return int((l.Owner + l.Hop) % n), int((l.Owner + l.Hop + 1) % n), true
	case PassSpine:
		if l.Hop != 0 || int(l.Owner) == r.Last() {
			return 0, 0, false
		}
		return r.Last(), int(l.Owner), true
	}
	return 0, 0, false
}

// Length returns how many points a list has that [Route.Way] knows; union is the length of the merged tokens.
func (r *Route) Length(l ListID, union int64) int64 {
	if l.Pass == PassSlots || l.Pass == PassSpine {
		return union
	}
	return r.Lengths[l.Owner]
}

// ListContext is what a sealed list is bound to, for package seal.
func ListContext(matching [32]byte, l ListID, from, to string) []byte {
	return canon.Encode("sotto/v1/match/list-context", struct {
		Matching [32]byte
		List     ListID
		From, To string
	}{matching, l, from, to})
}

// CheckListHandOver compares what a sender has signed of a list with what arrived.
func CheckListHandOver(signed *ListHandOver, arrived ListHandOver) error {
	switch {
	case signed.Matching != arrived.Matching || signed.List != arrived.List || signed.From != arrived.From:
		return fault.New(fault.Protocol, "%s: the hand-over of %s is of another list or matching", arrived.List, arrived.From)
	case *signed != arrived:
		return fault.New(fault.Protocol, "%s: what arrived is not what %s sent", arrived.List, arrived.From)
	}
	return nil
}
