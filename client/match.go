package client

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Matching is a private matching that is complete. From then on questions use it by themselves, where all their parties have it.
type Matching struct {
	ID      string    `json:"id"`    // in hexadecimal
	Spine   string    `json:"spine"` // hash of all slots, in hexadecimal: what questions and answers name
	Slots   int64     `json:"slots"` // customers of all parties, each once, and dummies
	At      time.Time `json:"at"`    // when it was asked for, in UTC, to the second
	Parties []string  `json:"parties"`
	Epsilon float64   `json:"epsilon"` // what a person was charged at every party
	Delta   float64   `json:"delta"`
	// NotKept are the parties that did not confirm that they have stored their slots. Questions with them go on in what they have.
	NotKept []string `json:"not_kept"`
	Hops    []Hop    `json:"hops"` // lists on the wire
}

// Stages of a matching, as MatchProgress names them.
const (
	MatchPrepare = "prepare" // checks and charges
	MatchTokens  = "tokens"  // every party's list goes round
	MatchSlots   = "slots"   // the union goes round
	MatchKeep    = "keep"    // all agree on the result and store their slots
)

var matchStageNames = map[sottov1.MatchStage]string{
	sottov1.MatchStage_MATCH_STAGE_PREPARE: MatchPrepare, sottov1.MatchStage_MATCH_STAGE_TOKENS: MatchTokens,
	sottov1.MatchStage_MATCH_STAGE_SLOTS: MatchSlots, sottov1.MatchStage_MATCH_STAGE_KEEP: MatchKeep,
}

// MatchProgress is how far a matching is.
type MatchProgress struct {
	Stage     string
	Share     float64       // of the whole, 0 to 1; it never goes back
	Remaining time.Duration // estimated; −1 while it is too early to tell
}

// MatchCost returns what one matching is charged for each person, at every party: ε and δ of somebody who is a customer of all.
func (c *Client) MatchCost() (epsilon, delta float64, err error) {
	if c.agreement.Matching == (agreement.Matching{}) {
		return 0, 0, fault.New(fault.Unsupported, "the agreement has no matched layout").
			WithHint("members agree on it with layouts: [hashed, matched] and matching: {epsilon, delta}")
	}
	loss, err := c.agreement.Cover().Loss()
	if err != nil {
		return 0, 0, fault.New(fault.Invalid, "%v", err)
	}
	return agreement.MicroEpsilon(loss.MicroEpsilon).Float(), loss.Delta(), nil
}

// Match runs a private matching of all parties, calling report (unless nil) with its progress, and returns what all parties have
// signed. Questions go on meanwhile. It is charged to every party's ledger before any list leaves a party, even if it fails after
// that: see [Client.MatchCost]. If ctx ends first, the matching ends at the coordinator and at every party, and nothing is stored,
// unless parties had begun to store it already.
func (c *Client) Match(ctx context.Context, report func(MatchProgress)) (*Matching, error) {
	request := protocol.NewMatching(c.agreement, c.name, c.now())
	signed := protocol.Sign(c.key, request)
	if _, err := protocol.VerifyMatching(signed, c.agreement, c.now()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcome, err := c.followMatch(ctx, signed, report)
	if err != nil {
		return nil, err
	}
	return c.matched(request, signed, outcome)
}

// followMatch asks for a matching and follows it to its outcome.
func (c *Client) followMatch(ctx context.Context, signed *sottov1.Signed, report func(MatchProgress)) (*sottov1.MatchOutcome, error) {
	stream, err := c.rpc.Match(ctx, &sottov1.MatchRequest{Matching: signed})
	if err != nil {
		return nil, fault.From(err)
	}
	began := c.now()
	for {
		p, err := stream.Recv()
		switch {
		case ctx.Err() != nil:
			return nil, fault.From(ctx.Err())
		case errors.Is(err, io.EOF):
			return nil, fault.New(fault.Unavailable, "the coordinator stopped reporting before the matching ended")
		case err != nil:
			return nil, fault.From(err)
		}
		if report != nil {
			report(MatchProgress{matchStageNames[p.GetStage()], p.GetDone(), remaining(c.now().Sub(began), p.GetDone())})
		}
		if p.GetOutcome() != nil {
			return p.GetOutcome(), nil
		}
	}
}

// remaining estimates how long it takes until the whole is done, of which a share took so long; −1 if that says too little.
func remaining(elapsed time.Duration, share float64) time.Duration {
	if share < 0.02 || share > 1 || elapsed < 3*time.Second {
		return -1
	}
	return time.Duration(float64(elapsed) * (1 - share) / share)
}

// matched checks what all parties have signed of a matching.
func (c *Client) matched(request *protocol.Matching, signed *sottov1.Signed, outcome *sottov1.MatchOutcome) (*Matching, error) {
	session, err := protocol.ParseSession(outcome.GetSession())
	if err != nil {
		return nil, err
	}
	_, id, err := protocol.VerifyAnnouncements(outcome.GetAnnouncements(), c.agreement, protocol.MatchRequestHash(signed), session)
	if err != nil {
		return nil, err
	}
	agreed, err := protocol.VerifyApprovals(outcome.GetApprovals(), c.agreement, id)
	if err != nil {
		return nil, err
	}
	m := &Matching{
		ID: hex.EncodeToString(id[:]), Spine: hex.EncodeToString(agreed.Spine[:]), Slots: agreed.Slots,
		At: time.Unix(request.Begun, 0).UTC(), Parties: c.agreement.PartyNames(), NotKept: []string{}, Hops: []Hop{},
	}
	for _, name := range outcome.GetNotKept() {
		if _, ok := c.agreement.Party(name); !ok {
			return nil, fault.New(fault.Protocol, "%.80q is not a party of the agreement", name)
		}
		m.NotKept = append(m.NotKept, name)
	}
	for _, h := range outcome.GetHops() {
		m.Hops = append(m.Hops, Hop{h.GetFrom(), h.GetTo(), h.GetBytes()})
	}
	m.Epsilon, m.Delta, err = c.MatchCost()
	return m, err
}
