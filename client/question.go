package client

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Question is what to ask: one of Count, Sum, Mean, Total and Frequency. Zero values of the optional fields stand for the
// defaults.
//
// Audiences are in CEL: party.member, party.segment, party.dimension == "value", != and in [list], joined by &&, || and !.
type Question struct {
	Count     string   // people of an audience
	Sum       string   // of a measure, "party.measure", over the people of Where
	Mean      string   // of a measure, "party.measure", over the people of Where who have one
	Where     string   // audience of Sum and Mean
	Total     []string // audiences of one party each, whose customers are added up; nobody is matched
	Frequency []string // audiences of one party each: how many people are in exactly 1, 2, … of them
	By        []string // dimensions, "party.dimension"; a cell of the answer for every combination of their values
	Epsilon   float64  // privacy loss ε of the whole answer, in (0, 20], a multiple of 10⁻⁶
	Purpose   string   // what the answer is for: one of the agreement's purposes

	Mechanism string        // "laplace" (default) or "gaussian"
	Delta     float64       // δ of the Gaussian mechanism, in (0, 1)
	Precision string        // of the hashed layout, where that is used: "low", "medium" (default) or "high"
	Layout    string        // "matched", "hashed", or "" for matched where all parties of the question have a matching in common, else hashed
	Lifetime  time.Duration // how long parties may begin the question; default one hour, at most 24
	Fresh     bool          // ask, and pay, even where the same question was answered before
}

// measure returns what the question measures, its audience, and the measure's name or "".
func (q *Question) measure() (measure, audience, amount string, err error) {
	list := func(parts []string) string { return "[" + strings.Join(parts, ", ") + "]" }
	given := 0
	for _, m := range []struct {
		given                     bool
		measure, audience, amount string
	}{
		{q.Count != "", query.Count, q.Count, ""},
		{q.Sum != "", query.Sum, q.Where, q.Sum},
		{q.Mean != "", query.Mean, q.Where, q.Mean},
		{len(q.Total) > 0, query.Total, list(q.Total), ""},
		{len(q.Frequency) > 0, query.Frequency, list(q.Frequency), ""},
	} {
		if m.given {
			given++
			measure, audience, amount = m.measure, m.audience, m.amount
		}
	}
	switch {
	case given != 1:
		return "", "", "", fault.New(fault.Invalid, "a question has one of count, sum, mean, total and frequency; this one has %d", given)
	case amount == "" && q.Where != "":
		return "", "", "", fault.New(fault.Invalid, "where is for sum and mean; a %s has its audience itself", measure)
	}
	return measure, audience, amount, nil
}

// Ticket is a question that was submitted, with the key that opens its answer. Keep it as secret as the answer.
type Ticket struct {
	ID      string
	Earlier bool // the same was asked before: nothing is charged again

	query  *query.Query
	signed *sottov1.Signed
	key    *seal.Key
}

// Submit signs a question and hands it to the coordinator. What can be refused without asking anybody is refused here. Where
// this analyst has asked the same of the same data before, the earlier question's ticket comes back, and nothing is
// charged, unless q.Fresh is set.
func (c *Client) Submit(ctx context.Context, q Question) (*Ticket, error) {
	plan, _, err := c.compose(ctx, q)
	if err != nil {
		return nil, err
	}
	body := plan.Query
	defer c.tickets.lock(body.Content())()
	if !q.Fresh {
		if earlier, err := c.earlier(ctx, body.Content()); earlier != nil || err != nil {
			return earlier, err
		}
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, fault.New(fault.Internal, "draw the answer's key").Wrap(err)
	}
	body.Recipient = key.Public()
	rand.Read(body.Nonce[:])
	t := &Ticket{ID: body.HexID(), query: body, signed: protocol.Sign(c.key, body), key: key}
	if err := c.tickets.keep(t); err != nil { // before it is sent: an answer without its key is paid for and lost
		return nil, err
	}
	_, err = c.handIn(ctx, t)
	return t, err
}

// handIn submits a signed question, for the first time or again.
func (c *Client) handIn(ctx context.Context, t *Ticket) (sottov1.Stage, error) {
	response, err := c.rpc.Submit(ctx, &sottov1.SubmitRequest{Query: t.signed})
	if err != nil && ctx.Err() != nil {
		return 0, c.giveUp(ctx, t.ID) // it may have been taken
	}
	if err != nil {
		return 0, fault.From(err)
	}
	if response.GetQueryId() != t.ID {
		return 0, fault.New(fault.Protocol, "the coordinator took the question for another one")
	}
	return response.GetStage(), nil
}

// earlier returns the ticket of the same question if the coordinator has its answer or is at work on it; nil otherwise.
func (c *Client) earlier(ctx context.Context, content [32]byte) (*Ticket, error) {
	t := c.tickets.of(content)
	if t == nil {
		return nil, nil
	}
	stage, err := c.handIn(ctx, t)
	switch {
	case fault.IsKind(err, fault.Expired): // the coordinator has lost it
		return nil, nil
	case err != nil:
		return nil, err
	case stage == sottov1.Stage_STAGE_FAILED:
		return nil, nil
	}
	t.Earlier = stage != sottov1.Stage_STAGE_UNSPECIFIED // else it is begun only now: its first submission got lost
	return t, nil
}

// compose makes the plan of a question, whose body has all but the key, and returns the matching that it is over, nil for none. What
// can be refused without asking anybody is refused here.
func (c *Client) compose(ctx context.Context, q Question) (*query.Plan, *Matched, error) {
	measure, audience, amount, err := q.measure()
	if err != nil {
		return nil, nil, err
	}
	micro, err := agreement.MicroEpsilonOf(q.Epsilon)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "%v", err)
	}
	var atto int64
	if q.Delta != 0 {
		if atto, err = dp.AttoDeltaOf(q.Delta); err != nil {
			return nil, nil, fault.New(fault.Invalid, "%v", err)
		}
	}
	body := &query.Query{
		Collaboration: c.agreement.Collaboration, Agreement: c.agreement.Hash(), Analyst: c.name, Purpose: q.Purpose,
		Measure: measure, Audience: audience,
		Noise: string(c.agreement.Noise), Mechanism: or(q.Mechanism, "laplace"), MicroEpsilon: int64(micro), AttoDelta: atto,
		Expires: c.now().Add(or(q.Lifetime, time.Hour)).Unix(),
	}
	if err := body.CheckPurpose(c.agreement); err != nil {
		return nil, nil, err
	}
	parts, err := parse(measure, audience)
	if err != nil {
		return nil, nil, err
	}
	descriptors, err := c.describe(ctx, body, parts, q.By, amount)
	if err != nil {
		return nil, nil, err
	}
	matching, err := lay(body, q.Layout, q.Precision, c.agreement, descriptors)
	if err != nil {
		return nil, nil, err
	}
	if err := body.Check(c.agreement, c.now()); err != nil {
		return nil, nil, err
	}
	plan, err := query.NewPlan(body)
	return plan, matching, err
}

// parse returns the audience as one expression, or the parts of a total or frequency.
func parse(measure, audience string) ([]*query.Expr, error) {
	if measure == query.Total || measure == query.Frequency {
		return query.ParseParts(audience)
	}
	one, err := query.ParseAudience(audience)
	return []*query.Expr{one}, err
}

// describe fills in what the catalog says about the parties, dimensions and measure of the question, and checks its names. It returns
// the catalog.
func (c *Client) describe(ctx context.Context, body *query.Query, parts []*query.Expr, by []string, amount string) (map[string]*protocol.Descriptor, error) {
	descriptors, unavailable, err := c.descriptors(ctx)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, part := range parts {
		for _, party := range part.Parties() {
			named[party] = true
			d, err := declared(party, descriptors, unavailable)
			if err != nil {
				return nil, err
			}
			if err := part.CheckNames(d.Declared()); err != nil {
				return nil, err
			}
		}
	}
	for _, member := range c.agreement.Parties {
		if named[member.Name] {
			d := descriptors[member.Name]
			body.Participants = append(body.Participants, query.Participant{
				Party: member.Name, IdentityType: d.IdentityType, CustomersUpTo: d.CustomersUpTo, Snapshot: d.Snapshot,
			})
			if err := d.CheckPurpose(body.Purpose); err != nil {
				return nil, err
			}
		}
	}
	for _, fullName := range by {
		party, name, ok := strings.Cut(fullName, ".")
		if !ok {
			return nil, fault.New(fault.Invalid, "group-by %q is not of the form party.dimension", fullName)
		}
		d, err := declared(party, descriptors, unavailable)
		if err != nil {
			return nil, err
		}
		found, err := dimension(fullName, party, name, d)
		if err != nil {
			return nil, err
		}
		body.GroupBy = append(body.GroupBy, found)
	}
	if amount == "" {
		return descriptors, nil
	}
	party, name, ok := strings.Cut(amount, ".")
	if !ok {
		return nil, fault.New(fault.Invalid, "%s of %q: must be of the form party.measure", body.Measure, amount)
	}
	d, err := declared(party, descriptors, unavailable)
	if err != nil {
		return nil, err
	}
	body.Amount, err = measureOf(party, name, d)
	return descriptors, err
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// storedTicket is the encoding of a ticket.
type storedTicket struct {
	Body, Signature, Key []byte
}

const ticketDomain = "sotto/v1/ticket"

// MarshalBinary encodes a ticket, secret key included.
func (t *Ticket) MarshalBinary() ([]byte, error) {
	key, err := t.key.Bytes()
	if err != nil {
		return nil, err
	}
	return canon.Encode(ticketDomain, storedTicket{t.signed.GetBody(), t.signed.GetSignature(), key}), nil
}

// UnmarshalBinary decodes what MarshalBinary returned.
func (t *Ticket) UnmarshalBinary(b []byte) error {
	var stored storedTicket
	if err := canon.Decode(ticketDomain, b, &stored); err != nil {
		return fault.New(fault.Invalid, "the ticket can't be read").Wrap(err)
	}
	key, err := seal.ParseKey(stored.Key)
	if err != nil {
		return fault.New(fault.Invalid, "the ticket can't be read").Wrap(err)
	}
	body := &query.Query{}
	if err := canon.Decode(body.Domain(), stored.Body, body); err != nil {
		return fault.New(fault.Invalid, "the ticket can't be read").Wrap(err)
	}
	*t = Ticket{ID: body.HexID(), query: body, signed: &sottov1.Signed{Body: stored.Body, Signature: stored.Signature}, key: key}
	return nil
}
