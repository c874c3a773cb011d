package client

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Question is what to count. Zero values of the optional fields stand for the defaults.
type Question struct {
	Count   string   // audience in CEL: party.member, party.segment, party.dimension == "value", &&, ||, !
	By      []string // dimensions, "party.dimension"; a cell of the answer for every combination of their values
	Epsilon float64  // privacy loss ε of the whole answer, in (0, 20], a multiple of 10⁻⁶

	Mechanism string        // "laplace" (default) or "gaussian"
	Delta     float64       // δ of the Gaussian mechanism, in (0, 1)
	Precision string        // of the hashed layout: "low", "medium" (default) or "high"
	Layout    string        // "hashed" (default)
	Purpose   string        // what the answer is for
	Lifetime  time.Duration // how long parties may begin the question; default one hour, at most 24
}

// Ticket is a question that was submitted, with the key that opens its answer. Keep it as secret as the answer.
type Ticket struct {
	ID string

	query  *query.Query
	signed *sottov1.Signed
	key    *seal.Key
}

// Submit signs a question and hands it to the coordinator. What can be refused without asking anybody is refused here.
func (c *Client) Submit(ctx context.Context, q Question) (*Ticket, error) {
	audience, err := query.ParseAudience(q.Count)
	if err != nil {
		return nil, err
	}
	micro, err := agreement.MicroEpsilonOf(q.Epsilon)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%v", err)
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, fault.New(fault.Internal, "draw the answer's key").Wrap(err)
	}
	body := &query.Query{
		Collaboration: c.agreement.Collaboration, Agreement: c.agreement.Hash(), Analyst: c.name, Purpose: q.Purpose,
		Measure: "count", Audience: q.Count, Layout: or(q.Layout, "hashed"), Precision: or(q.Precision, "medium"),
		Noise: string(c.agreement.Noise), Mechanism: or(q.Mechanism, "laplace"), MicroEpsilon: int64(micro), Delta: q.Delta,
		Recipient: key.Public(), Expires: time.Now().Add(or(q.Lifetime, time.Hour)).Unix(),
	}
	rand.Read(body.Nonce[:])
	if err := c.describe(ctx, body, audience, q.By); err != nil {
		return nil, err
	}
	if err := body.Check(c.agreement, time.Now()); err != nil {
		return nil, err
	}
	if _, err := query.NewPlan(body); err != nil {
		return nil, err
	}
	t := &Ticket{query: body, signed: protocol.Sign(c.key, body), key: key}
	response, err := c.rpc.Submit(ctx, &sottov1.SubmitRequest{Query: t.signed})
	if err != nil && ctx.Err() != nil {
		return nil, c.giveUp(ctx, body.HexID()) // it may have been taken
	}
	if err != nil {
		return nil, fault.From(err)
	}
	if t.ID = response.GetQueryId(); t.ID != body.HexID() {
		return nil, fault.New(fault.Protocol, "the coordinator took the question for another one")
	}
	return t, nil
}

// describe fills in what the catalog says about the parties and dimensions of the question, and checks its names.
func (c *Client) describe(ctx context.Context, body *query.Query, audience *query.Expr, by []string) error {
	descriptors, unavailable, err := c.descriptors(ctx)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, party := range audience.Parties() {
		named[party] = true
		d, err := declared(party, descriptors, unavailable)
		if err != nil {
			return err
		}
		if err := audience.CheckNames(d.Declared()); err != nil {
			return err
		}
	}
	for _, member := range c.agreement.Parties {
		if named[member.Name] {
			d := descriptors[member.Name]
			body.Participants = append(body.Participants, query.Participant{Party: member.Name, IdentityType: d.IdentityType, CustomersUpTo: d.CustomersUpTo})
		}
	}
	for _, fullName := range by {
		party, name, ok := strings.Cut(fullName, ".")
		if !ok {
			return fault.New(fault.Invalid, "group-by %q is not of the form party.dimension", fullName)
		}
		d, err := declared(party, descriptors, unavailable)
		if err != nil {
			return err
		}
		found, err := dimension(fullName, party, name, d)
		if err != nil {
			return err
		}
		body.GroupBy = append(body.GroupBy, found)
	}
	return nil
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
