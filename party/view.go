package party

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/subjects"
)

// view is the customers as questions see them for a while: a snapshot, and who of them may take part in questions for each
// purpose. It does not change: whatever changes who may take part makes another view, of which the next question is. Safe for
// concurrent use.
type view struct {
	snapshot *customers.Snapshot
	taking   []people  // by purpose of the snapshot
	until    int64     // the Unix second at which time alone makes it another one
	version  [16]byte  // as others see it; the same whatever the matchings are, which questions name
	storedAs [32]byte  // name under which it is stored who the customers are
	slotted  []slotted // where they are in the matchings that questions can be about, the newest first
}

// people is a set of customers, a bit each.
type people []uint64

func (m people) has(customer int) bool { return m[customer/64]>>(customer%64)&1 == 1 }

func (m people) remove(customer int) { m[customer/64] &^= 1 << (customer % 64) }

// said is what customers have told the node, by customer: one state for each of their ids that was named.
type said map[int][]subjects.State

func (s said) allows(customer int, purpose string) bool {
	return !slices.ContainsFunc(s[customer], func(state subjects.State) bool { return !state.Allows(purpose) })
}

// erased returns the customers who were erased, in order.
func (s said) erased() []int {
	var gone []int
	for customer, states := range s {
		if slices.ContainsFunc(states, func(state subjects.State) bool { return !state.Erased.IsZero() }) {
			gone = append(gone, customer)
		}
	}
	slices.Sort(gone)
	return gone
}

// without returns what is told of a snapshot from which some customers are gone, in order: the others have moved up.
func (s said) without(gone []int) said {
	if len(gone) == 0 {
		return s
	}
	less := make(said, len(s))
	for customer, states := range s {
		if before, is := slices.BinarySearch(gone, customer); !is {
			less[customer-before] = states
		}
	}
	return less
}

// newView returns who may take part at a time, by what the source says of consent and age, and by what customers have said. heard
// identifies all that customers have ever said to the node: whoever is nobody's customer changes the version too, or else it
// would tell who is.
func newView(key *identity.Key, snapshot *customers.Snapshot, told said, heard [32]byte, now time.Time) *view {
	v := &view{snapshot: snapshot, until: snapshot.Until(now.Unix())}
	sum := sha256.New()
	sum.Write(canon.Encode("sotto/v1/view", struct{ Snapshot, Heard [32]byte }{snapshot.Version, heard}))
	for p, purpose := range snapshot.Purposes {
		taking := make(people, (len(snapshot.IDs)+63)/64)
		for customer := range snapshot.IDs {
			if snapshot.May(customer, p, now.Unix()) {
				taking[customer/64] |= 1 << (customer % 64)
			}
		}
		for customer := range told {
			if !told.allows(customer, purpose) {
				taking.remove(customer)
			}
		}
		_ = binary.Write(sum, binary.LittleEndian, taking) // a hash takes all
		v.taking = append(v.taking, taking)
	}
	v.version = shownVersion(key, [32]byte(sum.Sum(nil)))
	return v
}

// nameOf returns the name under which it is stored who the customers of a snapshot are. People whose erasure was taken back are
// stored under another one than before it: what was erased stays erased.
func (n *Node) nameOf(s *customers.Snapshot) [32]byte {
	return canon.Hash("sotto/v1/stored-snapshot", struct {
		Version  [32]byte
		Unerased int64
	}{s.Version, n.state.Subjects.Unerased()})
}

// shownVersion is what others see of a version of the customers: whoever guesses the customers can't confirm the guess by
// it, since signatures of this key (Ed25519 has one per message) are pseudorandom to others and these are never shown.
func shownVersion(key *identity.Key, version [32]byte) [16]byte {
	signature := key.Sign("sotto/v1/snapshot-secret", struct{ Version [32]byte }{version})
	hash := canon.Hash("sotto/v1/snapshot-version", struct{ Secret []byte }{signature})
	return [16]byte(hash[:16])
}

// purpose returns the members who may take part in questions for a purpose, and whether the party answers for it at all.
func (v *view) purpose(name string) (people, bool) {
	at, found := slices.BinarySearch(v.snapshot.Purposes, name)
	if !found {
		return nil, false
	}
	return v.taking[at], true
}

// id identifies the view for questions of one purpose, in the audit log and among what is kept for customers who ask.
func (v *view) id(purpose string) [16]byte {
	hash := canon.Hash("sotto/v1/view-id", struct {
		Version [16]byte
		Purpose string
	}{v.version, purpose})
	return [16]byte(hash[:16])
}

// expired reports whether it is another view's turn.
func (v *view) expired(now time.Time) bool { return v.until != math.MaxInt64 && now.Unix() >= v.until }
