// Package query is the question: signed by an analyst, checked by everybody, planned into chains. Client, coordinator
// and parties share it, so that each derives the same plan from the same signed bytes.
package query

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/layout"
)

// Limits on a question, so that nobody works without bound for somebody else.
const (
	MaxCells      = 1000
	MaxParties    = 8
	MaxDimensions = 3
	MaxAudience   = 4096 // bytes of CEL
	MaxPurpose    = 200  // bytes
	MaxLifetime   = 24 * time.Hour
	// MaxSessions is how often one signed question may be begun (R in the protocol).
	MaxSessions = 3
)

// Query is what an analyst signs. Everybody downstream works from its canonical bytes; nothing else says what is asked.
type Query struct {
	Collaboration string
	Agreement     [32]byte // hash of the agreement that the analyst holds
	Analyst       string
	Purpose       string
	Measure       string        // "count"
	Audience      string        // CEL, see ParseAudience
	Participants  []Participant // the parties of the audience, in the order of the agreement
	GroupBy       []Dimension   // the answer has a cell per combination of values, "unknown" included
	Layout        string        // "hashed"
	Precision     string        // a key of layout.Precisions
	Noise         string        // "everyone" or "coordinator", as in the agreement
	Mechanism     string        // "laplace" or "gaussian"
	MicroEpsilon  int64         // ε in millionths, of the whole answer
	Delta         float64       // δ of the Gaussian mechanism; 0 for Laplace
	Recipient     []byte        // HPKE public key that the answer is sealed to
	Nonce         [16]byte
	Expires       int64 // Unix seconds
}

// Participant is a party of a question with the public facts about it that the plan depends on. Each party checks its
// own entry against its configuration.
type Participant struct {
	Party         string
	IdentityType  string
	CustomersUpTo int64
}

// Dimension is a declared dimension of a participant with its declared values.
type Dimension struct {
	Party  string
	Name   string
	Values []string
}

// Unknown is the value of a dimension for customers whose value is missing or not declared.
const Unknown = "unknown"

// FullName returns "party.dimension".
func (d Dimension) FullName() string { return d.Party + "." + d.Name }

// Groups returns how many groups d divides customers into: its values and unknown.
func (d Dimension) Groups() int { return len(d.Values) + 1 }

// Value returns the name of group i.
func (d Dimension) Value(i int) string {
	if i == len(d.Values) {
		return Unknown
	}
	return d.Values[i]
}

const domain = "sotto/v1/query"

// Encode returns the canonical bytes.
func (q *Query) Encode() []byte { return canon.Encode(domain, q) }

// Domain is the name under which a query is signed.
func (*Query) Domain() string { return domain }

// ID returns the identifier of the question: the hash of its canonical bytes.
func (q *Query) ID() [32]byte { return canon.Hash(domain, q) }

// Epsilon returns ε.
func (q *Query) Epsilon() float64 { return float64(q.MicroEpsilon) / 1e6 }

// Check tells whether q is a question that members of the agreement may ask at that time. It looks at the question and
// the agreement alone; what a party's own configuration and policy say is checked by that party.
func (q *Query) Check(a *agreement.Agreement, now time.Time) error {
	if q.Collaboration != a.Collaboration {
		return fault.New(fault.NotMember, "question is for collaboration %q, this is %q", q.Collaboration, a.Collaboration)
	}
	if q.Agreement != a.Hash() {
		return fault.New(fault.Stale, "question was signed under another agreement").
			WithHint("all nodes and the analyst must hold the same agreement file")
	}
	expires := time.Unix(q.Expires, 0)
	if !now.Before(expires) {
		return fault.New(fault.Expired, "question expired at %s", expires.UTC().Format(time.RFC3339)).WithHint("ask again")
	}
	if expires.After(now.Add(MaxLifetime + time.Hour)) {
		return fault.New(fault.Invalid, "question expires at %s, more than %s ahead", expires.UTC().Format(time.RFC3339), MaxLifetime)
	}
	if q.Measure != "count" {
		return fault.New(fault.Unsupported, "measure %q is not supported: only count is", q.Measure)
	}
	if q.Noise != string(a.Noise) {
		return fault.New(fault.Invalid, "question has noise %q, the agreement says %q", q.Noise, a.Noise)
	}
	if q.Layout != "hashed" || !slices.Contains(a.Layouts, q.Layout) {
		return fault.New(fault.Unsupported, "layout %q is not supported: the agreement has %q", q.Layout, a.Layouts)
	}
	if _, ok := layout.Precisions[q.Precision]; !ok {
		return fault.New(fault.Invalid, "precision %q is not one of low, medium, high", q.Precision)
	}
	if err := q.checkShape(a); err != nil {
		return err
	}
	return q.checkPrice(a)
}

// checkPrice checks ε and δ against the ranges of the mechanism and the limits of the agreement.
func (q *Query) checkPrice(a *agreement.Agreement) error {
	noise := dp.Noise{Mechanism: dp.Mechanism(q.Mechanism), Epsilon: q.Epsilon(), Delta: q.Delta, Sensitivity: 1}
	if err := noise.Check(); err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	if limit := a.Limits.EpsilonPerQuery; q.MicroEpsilon > int64(limit) {
		return fault.New(fault.Limit, "epsilon %v is above %v, the agreement's limit per question", q.Epsilon(), limit.Float()).
			WithHint(fmt.Sprintf("ask with epsilon %v or less", limit.Float()))
	}
	if limit, total := a.Limits.DeltaPerQuery, q.TotalDelta(); total > limit {
		left := limit - dp.FloodDelta(q.Epsilon(), q.Cells())
		hint := "ask with a smaller epsilon: delta grows with it"
		if q.Delta > 0 && left > 0 {
			hint = fmt.Sprintf("ask with delta %.2g or less", 0.99*left)
		}
		return fault.New(fault.Limit, "delta %.3g is above %.3g, the agreement's limit per question", total, limit).WithHint(hint)
	}
	return nil
}

// Cells returns how many cells the answer has.
func (q *Query) Cells() int {
	cells := 1
	for _, d := range q.GroupBy {
		cells *= d.Groups()
	}
	return cells
}

// TotalDelta returns the δ that the question costs: the mechanism's, and what flooding leaves.
func (q *Query) TotalDelta() float64 { return q.Delta + dp.FloodDelta(q.Epsilon(), q.Cells()) }

func (q *Query) checkShape(a *agreement.Agreement) error {
	if len(q.Audience) > MaxAudience {
		return fault.New(fault.Invalid, "audience has %d bytes, at most %d", len(q.Audience), MaxAudience)
	}
	if len(q.Purpose) > MaxPurpose {
		return fault.New(fault.Invalid, "purpose has %d bytes, at most %d", len(q.Purpose), MaxPurpose)
	}
	if len(q.Participants) > MaxParties {
		return fault.New(fault.Unsupported, "question is about %d parties, at most %d", len(q.Participants), MaxParties)
	}
	last := -1
	for _, p := range q.Participants {
		at := slices.IndexFunc(a.Parties, func(m agreement.Party) bool { return m.Name == p.Party })
		if at < 0 {
			return fault.New(fault.NotMember, "%q is not a party of the agreement", p.Party)
		}
		if at <= last {
			return fault.New(fault.Invalid, "participants are not in the order of the agreement, each once")
		}
		last = at
		if p.CustomersUpTo < 1 || p.CustomersUpTo > math.MaxInt32 {
			return fault.New(fault.Invalid, "%s has customers_up_to %d, out of range", p.Party, p.CustomersUpTo)
		}
		if p.IdentityType != q.Participants[0].IdentityType {
			return fault.New(fault.Unsupported, "%s identifies customers by %s and %s by %s: they can't be compared",
				q.Participants[0].Party, q.Participants[0].IdentityType, p.Party, p.IdentityType)
		}
	}
	if len(q.GroupBy) > MaxDimensions {
		return fault.New(fault.Unsupported, "question groups by %d dimensions, at most %d", len(q.GroupBy), MaxDimensions)
	}
	cells := 1
	for i, d := range q.GroupBy {
		if !slices.ContainsFunc(q.Participants, func(p Participant) bool { return p.Party == d.Party }) {
			return fault.New(fault.Invalid, "group-by %s: %s is not in the audience", d.FullName(), d.Party).
				WithHint(fmt.Sprintf("add && %s.member to the audience", d.Party))
		}
		if slices.ContainsFunc(q.GroupBy[:i], func(e Dimension) bool { return e.FullName() == d.FullName() }) {
			return fault.New(fault.Invalid, "group-by %s is named twice", d.FullName())
		}
		if cells *= d.Groups(); cells > MaxCells {
			return fault.New(fault.Unsupported, "question has more than %d cells", MaxCells).WithHint("group by fewer or smaller dimensions")
		}
	}
	return nil
}

// HexID returns ID in hexadecimal, as it is shown to people.
func (q *Query) HexID() string {
	id := q.ID()
	return hex.EncodeToString(id[:])
}
