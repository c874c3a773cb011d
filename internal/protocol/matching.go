package protocol

import (
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Matching is a request for a private matching of all parties of a collaboration.
type Matching struct {
	Collaboration string
	Agreement     [32]byte
	By            string // an analyst, or agreement.CoordinatorName, by the agreement's schedule
	Nonce         [16]byte
	Begun         int64 // Unix seconds; the time that the matching has at all parties
}

// MatchAnnouncement is what a party says before anything of a matching leaves it.
type MatchAnnouncement struct {
	Request [32]byte // MatchRequestHash
	Session [16]byte
	Party   string
	Nonce   [32]byte
	Key     []byte     // to seal lists to, of this matching alone
	Holds   [][32]byte // ids of the matchings that the party has, newest first
}

// MatchLength says how long a party's list is: its customers and dummies.
type MatchLength struct {
	Matching [32]byte
	Party    string
	Length   int64
}

// MatchUnion is what the coordinator says about the merged tokens.
type MatchUnion struct {
	Matching [32]byte
	Length   int64
	Digest   [32]byte // match.Points.Digest
}

// ListHandOver is what a sender says about a list.
type ListHandOver struct {
	Matching [32]byte
	List     ListID
	From     string
	Length   int64
	Digest   [32]byte // match.Points.Digest
}

// MatchApproval says that a party has found its whole list in a spine.
type MatchApproval struct {
	Matching [32]byte
	Party    string
	Spine    [32]byte // match.Spine.Hash
	Slots    int64
}

// Matched is a matching that a party has, as it declares it.
type Matched struct {
	ID    [32]byte
	Spine [32]byte // its hash, which questions bind
	Slots int64
	At    int64 // Unix seconds
}

// The domains under which bodies are signed.
func (*Matching) Domain() string          { return "sotto/v1/matching" }
func (*MatchAnnouncement) Domain() string { return "sotto/v1/match/announcement" }
func (*MatchLength) Domain() string       { return "sotto/v1/match/length" }
func (*MatchUnion) Domain() string        { return "sotto/v1/match/union" }
func (*ListHandOver) Domain() string      { return "sotto/v1/match/hand-over" }
func (*MatchApproval) Domain() string     { return "sotto/v1/match/approval" }

// MeasureMatch is a matching's measure, in ledgers and audit logs.
const MeasureMatch = "match"

const (
	// requestLifetime is how long parties may begin a matching after it was asked for.
	requestLifetime = time.Hour
	// clockSkew is how far clocks may differ.
	clockSkew = 5 * time.Minute
	// MaxHeld is the most matchings that an announcement names.
	MaxHeld = 16
)

// NewMatching returns a request for a matching.
func NewMatching(a *agreement.Agreement, by string, now time.Time) *Matching {
	m := &Matching{Collaboration: a.Collaboration, Agreement: a.Hash(), By: by, Begun: now.Unix()}
	rand.Read(m.Nonce[:])
	return m
}

// MatchRequestHash identifies a signed request.
func MatchRequestHash(signed *sottov1.Signed) [32]byte { return sha256.Sum256(signed.GetBody()) }

// VerifyMatching checks a request for a matching: its signature, by an analyst of the agreement or, where the agreement has a
// schedule, by the coordinator; that it is about this agreement, and the time.
func VerifyMatching(signed *sottov1.Signed, a *agreement.Agreement, now time.Time) (*Matching, error) {
	var claimed Matching
	if err := canon.Decode(claimed.Domain(), signed.GetBody(), &claimed); err != nil {
		return nil, fault.New(fault.Invalid, "the request for a matching can't be read").Wrap(err)
	}
	key := a.Coordinator.Key
	if claimed.By != agreement.CoordinatorName {
		analyst, ok := a.Analyst(claimed.By)
		if !ok {
			return nil, fault.New(fault.NotMember, "%.80q is not an analyst of the agreement", claimed.By)
		}
		key = analyst.Key
	}
	var m Matching
	if err := Verify(signed, key, claimed.By, &m); err != nil {
		return nil, fault.New(fault.NotMember, "the request for a matching is not signed by %s", claimed.By).Wrap(err)
	}
	begun := time.Unix(m.Begun, 0).UTC().Format(time.RFC3339) // for people: the years of some seconds overflow
	switch {
	case m.Collaboration != a.Collaboration || m.Agreement != a.Hash():
		return &m, fault.New(fault.Stale, "the matching is under another agreement than this one").
			WithHint("all nodes and the analyst must hold the same agreement file")
	case a.Matching == (agreement.Matching{}):
		return &m, fault.New(fault.Unsupported, "the agreement has no matched layout").
			WithHint("members agree on it with layouts: [hashed, matched] and matching: {epsilon, delta}")
	case m.By == agreement.CoordinatorName && a.Matching.Every <= 0:
		return &m, fault.New(fault.NotMember, "the coordinator asks for a matching, and the agreement has no schedule (matching: every)")
	case m.Begun > now.Add(clockSkew).Unix():
		return &m, fault.New(fault.Invalid, "the matching was asked for at %s, which is in the future", begun).
			WithHint("set the clocks")
	case m.Begun < now.Add(-requestLifetime).Unix():
		return &m, fault.New(fault.Expired, "the matching was asked for at %s, more than %s ago", begun, requestLifetime).
			WithHint("ask anew")
	}
	return &m, nil
}

// VerifyAnnouncements checks the announcements of all parties for a request and session, and returns them with the identifier of the
// matching, which is over all of them.
func VerifyAnnouncements(signed []*sottov1.Signed, a *agreement.Agreement, request [32]byte, session [16]byte) ([]MatchAnnouncement, [32]byte, error) {
	if len(signed) != len(a.Parties) {
		return nil, [32]byte{}, fault.New(fault.Protocol, "there are %d announcements, must be one for each of %d parties", len(signed), len(a.Parties))
	}
	all := make([]MatchAnnouncement, len(signed))
	for i, party := range a.Parties {
		m := &all[i]
		if err := Verify(signed[i], party.Key, party.Name, m); err != nil {
			return nil, [32]byte{}, err
		}
		if m.Request != request || m.Session != session || m.Party != party.Name {
			return nil, [32]byte{}, fault.New(fault.Protocol, "the announcement of %s is of another matching", party.Name)
		}
		if len(m.Holds) > MaxHeld {
			return nil, [32]byte{}, fault.New(fault.Protocol, "the announcement of %s names %d matchings, at most %d", party.Name, len(m.Holds), MaxHeld)
		}
		if err := seal.CheckRecipient(m.Key); err != nil {
			return nil, [32]byte{}, fault.New(fault.Protocol, "the sealing key of %s is not usable", party.Name).Wrap(err)
		}
	}
	return all, canon.Hash("sotto/v1/match/id", struct{ All []MatchAnnouncement }{all}), nil
}

// VerifyLengths checks what all parties say of their lists.
func VerifyLengths(signed []*sottov1.Signed, a *agreement.Agreement, matching [32]byte) ([]int64, error) {
	if len(signed) != len(a.Parties) {
		return nil, fault.New(fault.Protocol, "there are %d lengths of lists, must be one for each of %d parties", len(signed), len(a.Parties))
	}
	lengths := make([]int64, len(signed))
	for i, party := range a.Parties {
		var m MatchLength
		if err := Verify(signed[i], party.Key, party.Name, &m); err != nil {
			return nil, err
		}
		if m.Matching != matching || m.Party != party.Name {
			return nil, fault.New(fault.Protocol, "the length of %s is of another matching", party.Name)
		}
		if m.Length < 0 || m.Length > match.MaxPoints {
			return nil, fault.New(fault.Protocol, "the list of %s has %d points, must be 0 to %d", party.Name, m.Length, match.MaxPoints)
		}
		lengths[i] = m.Length
	}
	return lengths, nil
}

// VerifyUnion checks what the coordinator says of the merged tokens: at least as many as the longest list has, and at most all.
// lengths are what [VerifyLengths] returned.
func VerifyUnion(signed *sottov1.Signed, a *agreement.Agreement, matching [32]byte, lengths []int64) (*MatchUnion, error) {
	var u MatchUnion
	if err := Verify(signed, a.Coordinator.Key, agreement.CoordinatorName, &u); err != nil {
		return nil, err
	}
	if u.Matching != matching {
		return nil, fault.New(fault.Protocol, "the union of the coordinator is of another matching")
	}
	var most, longest int64
	for _, n := range lengths {
		most, longest = most+n, max(longest, n)
	}
	if u.Length < max(1, longest) || u.Length > min(most, match.MaxPoints) {
		return nil, fault.New(fault.Protocol, "the union of the coordinator is shorter than the longest list, or longer than all together or the most that fits")
	}
	return &u, nil
}

// VerifyApprovals checks that all parties approve of the same spine of a matching, and returns it.
func VerifyApprovals(signed []*sottov1.Signed, a *agreement.Agreement, matching [32]byte) (*MatchApproval, error) {
	if len(signed) != len(a.Parties) {
		return nil, fault.New(fault.Protocol, "there are %d approvals, must be one for each of %d parties", len(signed), len(a.Parties))
	}
	var first *MatchApproval
	for i, party := range a.Parties {
		m := &MatchApproval{}
		if err := Verify(signed[i], party.Key, party.Name, m); err != nil {
			return nil, err
		}
		if m.Matching != matching || m.Party != party.Name {
			return nil, fault.New(fault.Protocol, "the approval of %s is of another matching", party.Name)
		}
		if first == nil {
			first = m
		}
		if m.Spine != first.Spine || m.Slots != first.Slots {
			return nil, fault.New(fault.Protocol, "%s has another spine than %s", party.Name, first.Party)
		}
	}
	return first, nil
}
