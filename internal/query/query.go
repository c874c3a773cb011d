// Package query is the question: signed by an analyst, checked by everybody, planned into chains. Client, coordinator
// and parties share it, so that each derives the same plan from the same signed bytes.
package query

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
)

// Limits on a question, so that nobody works without bound for somebody else.
const (
	MaxCells      = 1000
	MaxParties    = 8
	MaxDimensions = 3
	MaxChains     = 64
	MaxAudience   = 4096 // bytes of CEL
	MaxPurpose    = agreement.MaxPurposeBytes
	MaxAmount     = 100_000
	MaxLifetime   = 24 * time.Hour
	// MaxSessions is how often one signed question may be begun (R in the protocol).
	MaxSessions = 3
)

// What a question measures.
const (
	Count     = "count"     // people of the audience
	Sum       = "sum"       // of an amount, over the people of the audience
	Mean      = "mean"      // of an amount, over the people of the audience who have one
	Total     = "total"     // customers of several parties, added up: somebody counts at each
	Frequency = "frequency" // people by how many of several audiences, one per party, they are in
)

// Query is what an analyst signs. Everybody downstream works from its canonical bytes; nothing else says what is asked.
type Query struct {
	Collaboration string
	Agreement     [32]byte // hash of the agreement that the analyst holds
	Analyst       string
	Purpose       string        // one of the agreement's
	Measure       string        // Count, Sum, …
	Amount        Amount        // of Sum and Mean
	Audience      string        // CEL: see ParseAudience, for Total and Frequency ParseParts
	Participants  []Participant // the parties of the audience, in the order of the agreement
	GroupBy       []Dimension   // the answer has a cell per combination of values, "unknown" included
	Layout        string        // agreement.LayoutHashed or LayoutMatched
	Precision     string        // in the hashed layout a key of layout.Precisions, else ""
	Spine         [32]byte      // in the matched layout the hash of the matching's spine, else zero
	Slots         int64         // in the matched layout the spine's slots, 1…layout.MaxSlots, else 0
	Noise         string        // "everyone" or "coordinator", as in the agreement
	Mechanism     string        // "laplace" or "gaussian"
	MicroEpsilon  int64         // ε in millionths, of the whole answer
	AttoDelta     int64         // δ of the Gaussian mechanism in 10⁻¹⁸; 0 for Laplace
	Recipient     []byte        // HPKE public key that the answer is sealed to
	Nonce         [16]byte
	Expires       int64 // Unix seconds
}

// Participant is a party of a question with the public facts about it that the plan depends on. Each party checks its
// own entry against its configuration.
type Participant struct {
	Party         string
	IdentityType  string // what it has of the agreement's types of ids, in their order: "email,phone"; its own if none are agreed
	CustomersUpTo int64
	Snapshot      [16]byte // version of its customers
}

// Amount is a declared measure of a participant: one number per customer, a whole number of steps between two bounds.
type Amount struct {
	Party     string
	Name      string
	Unit      string  // what people call it, such as EUR; may be empty
	Step      float64 // of one unit
	Low, High int64   // bounds, in steps; a customer's amount is clipped to them
}

// FullName returns "party.measure".
func (a Amount) FullName() string { return a.Party + "." + a.Name }

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
	if err := q.CheckPurpose(a); err != nil {
		return err
	}
	if q.Noise != string(a.Noise) {
		return fault.New(fault.Invalid, "question has noise %q, the agreement says %q", q.Noise, a.Noise)
	}
	if err := q.checkLayout(a); err != nil {
		return err
	}
	if err := q.checkParticipants(a); err != nil {
		return err
	}
	if err := q.checkMeasure(); err != nil {
		return err
	}
	if err := q.checkGroups(); err != nil {
		return err
	}
	return q.checkPrice(a)
}

// checkPrice checks ε and δ against the ranges of the mechanism and the limits of the agreement.
func (q *Query) checkPrice(a *agreement.Agreement) error {
	if q.AttoDelta < 0 {
		return fault.New(fault.Invalid, "delta %v is below 0", q.Delta())
	}
	noise := q.noise(1)
	if err := noise.Check(); err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	if limit := a.Limits.EpsilonPerQuery; q.MicroEpsilon > int64(limit) {
		return fault.New(fault.Limit, "epsilon %v is above %v, the agreement's limit per question", q.Epsilon(), limit.Float()).
			WithHint(fmt.Sprintf("ask with epsilon %v or less", limit.Float()))
	}
	if limit, total := a.Limits.DeltaPerQuery, q.TotalDelta(); total > limit {
		left := limit - dp.FloodDelta(q.Epsilon(), q.Numbers())
		hint := "ask with a smaller epsilon: delta grows with it"
		if q.AttoDelta > 0 && left > 0 {
			hint = fmt.Sprintf("ask with delta %.2g or less", 0.99*left)
		}
		return fault.New(fault.Limit, "delta %.3g is above %.3g, the agreement's limit per question", total, limit).WithHint(hint)
	}
	return nil
}

// Delta returns δ of the mechanism.
func (q *Query) Delta() float64 { return float64(q.AttoDelta) / 1e18 }

// noise returns the noise that the question pays for.
func (q *Query) noise(sensitivity int64) dp.Noise {
	return dp.Noise{Mechanism: dp.Mechanism(q.Mechanism), Epsilon: q.Epsilon(), Delta: q.Delta(), Sensitivity: sensitivity}
}

// Cells returns how many cells the answer has.
func (q *Query) Cells() int {
	if q.Measure == Frequency {
		return len(q.Participants)
	}
	cells := 1
	for _, d := range q.GroupBy {
		cells *= d.Groups()
	}
	return cells
}

// Numbers returns how many numbers are released: one per cell, for a mean a sum and a count.
func (q *Query) Numbers() int {
	if q.Measure == Mean {
		return 2 * q.Cells()
	}
	return q.Cells()
}

// Loss returns what the question costs a person, in exact integers.
func (q *Query) Loss() dp.Loss {
	return dp.Loss{Mechanism: dp.Mechanism(q.Mechanism), MicroEpsilon: q.MicroEpsilon, AttoDelta: q.AttoDelta, Cells: int64(q.Numbers())}
}

// TotalDelta returns the δ that the question costs: the mechanism's, and what flooding leaves.
func (q *Query) TotalDelta() float64 { return q.Loss().Delta() }

// Content returns what tells questions apart, whoever seals the answer to which key, and when: the hash of all that is
// asked, of which data, at which price. The same content may be answered by the same bytes.
func (q *Query) Content() [32]byte {
	content := *q
	content.Recipient, content.Nonce, content.Expires = nil, [16]byte{}, 0
	return canon.Hash("sotto/v1/content", content)
}

// HexID returns ID in hexadecimal, as it is shown to people.
func (q *Query) HexID() string {
	id := q.ID()
	return hex.EncodeToString(id[:])
}
