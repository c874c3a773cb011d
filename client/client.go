// Package client is the SDK for analysts: it signs a question, hands it to the coordinator, follows its progress, and
// opens the sealed answer. Nobody else can open it, and nothing in it has to be believed: every signature is checked
// against the keys of the agreement.
//
//	c, err := client.Dial("agreement.yaml", "keys/marketing")
//	answer, err := c.Ask(ctx, client.Question{Count: "bank.gold && grocer.member", By: []string{"bank.age_band"}, Epsilon: 1}, nil)
//	for _, cell := range answer.Cells {
//		fmt.Println(cell.Group["bank.age_band"], cell.Value, cell.Low, cell.High)
//	}
//
// Errors are of one type with a kind to branch on, see [ErrorKind].
package client

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Client is an analyst's connection to a coordinator. Safe for concurrent use.
type Client struct {
	agreement *agreement.Agreement
	key       *identity.Key
	name      string
	tickets   *tickets
	now       func() time.Time
	rpc       sottov1.CoordinatorClient
	conn      *grpc.ClientConn
}

// Dial prepares a connection for the analyst whose identity is in identityDir (made by "sotto keys new"), under the
// agreement in the file agreementPath. It connects when first used; the coordinator must show the key that the
// agreement pins. The keys of answers are kept in the folder queries of identityDir: by them, the same question gets the
// same answer again without being paid for again.
func Dial(agreementPath, identityDir string) (*Client, error) {
	a, err := agreement.Load(agreementPath)
	if err != nil {
		return nil, err
	}
	key, err := identity.Open(identityDir)
	if err != nil {
		return nil, err
	}
	return New(a, key, filepath.Join(identityDir, "queries"))
}

// New is Dial for an agreement and identity at hand, with a folder for the keys of answers, or "" to keep them in memory.
// It is for programs within this module.
func New(a *agreement.Agreement, key *identity.Key, queries string) (*Client, error) {
	analyst, ok := a.AnalystByKey(key.Public())
	if !ok {
		return nil, fault.New(fault.NotMember, "%s is not an analyst of the agreement of %q", key.Public(), a.Collaboration).
			WithHint("have the key added under analysts: in the agreement")
	}
	conn, err := grpc.NewClient("passthrough:///"+a.Coordinator.Address,
		append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(a.Coordinator.Key)))...)
	if err != nil {
		return nil, fault.New(fault.Invalid, "connect to the coordinator at %s", a.Coordinator.Address).Wrap(err)
	}
	return &Client{
		agreement: a, key: key, name: analyst.Name, tickets: newTickets(queries), now: time.Now,
		rpc: sottov1.NewCoordinatorClient(conn), conn: conn,
	}, nil
}

// Close closes the connection. Questions under way go on.
func (c *Client) Close() error { return c.conn.Close() }

// Find returns the ticket of a question that was asked with this identity.
func (c *Client) Find(id string) (*Ticket, error) { return c.tickets.find(id) }

// ErrorKind returns the kind of an error of this package: "invalid", "unknown_name", "not_a_member", "limit", "size",
// "purpose", "budget", "unsupported", "expired", "stale", "unavailable", "protocol", "cancelled", "not_found" or
// "internal"; "" for nil.
func ErrorKind(err error) string {
	if err == nil {
		return ""
	}
	return string(fault.From(err).Kind)
}

// ErrorHint returns what can be done about an error, or "".
func ErrorHint(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Hint
}

// Stages of a question, as Progress names them.
const (
	Queued     = "queued"
	Prepare    = "prepare"    // checks, reservations, commitments
	Open       = "open"       // the joint key is made
	Contribute = "contribute" // encrypted blocks travel the chain
	Release    = "release"    // every key-holder opens the cells, with its noise
	Done       = "done"
	Failed     = "failed"
)

var stageNames = map[sottov1.Stage]string{
	sottov1.Stage_STAGE_QUEUED: Queued, sottov1.Stage_STAGE_PREPARE: Prepare, sottov1.Stage_STAGE_OPEN: Open,
	sottov1.Stage_STAGE_CONTRIBUTE: Contribute, sottov1.Stage_STAGE_RELEASE: Release, sottov1.Stage_STAGE_DONE: Done,
	sottov1.Stage_STAGE_FAILED: Failed,
}

// Progress is how far a question is.
type Progress struct {
	Stage string
	Share float64 // of the whole, 0 to 1
}

// Watch follows a question until it is done, calling report (unless nil) with its progress. It returns nil when the
// answer is there, and otherwise why there will be none. The end of ctx ends the watching, not the question.
func (c *Client) Watch(ctx context.Context, id string, report func(Progress)) error {
	stream, err := c.rpc.Watch(ctx, &sottov1.WatchRequest{QueryId: id})
	if err != nil {
		return fault.From(err)
	}
	for {
		p, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fault.New(fault.Unavailable, "the coordinator stopped reporting before the question ended")
			}
			return fault.From(err)
		}
		if f := p.GetFailure(); f != nil {
			return fault.New(fault.Kind(f.GetKind()), "%s", f.GetMessage()).WithParty(f.GetParty()).WithHint(f.GetHint())
		}
		if report != nil {
			report(Progress{Stage: stageNames[p.GetStage()], Share: p.GetDone()})
		}
		if p.GetStage() == sottov1.Stage_STAGE_DONE {
			return nil
		}
	}
}

// Cancel stops a question. Parties that have released nothing charge nothing. One that has ended stays as it is.
func (c *Client) Cancel(ctx context.Context, id string) error {
	if _, err := c.rpc.Cancel(ctx, &sottov1.CancelRequest{QueryId: id}); err != nil {
		return fault.From(err)
	}
	return nil
}

// Ask submits a question, follows it and opens the answer. If ctx ends first the question is cancelled, at the
// coordinator and at every party. Where this analyst has asked the same of the same data before, that answer is returned.
func (c *Client) Ask(ctx context.Context, q Question, report func(Progress)) (*Answer, error) {
	ticket, err := c.Submit(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := c.Watch(ctx, ticket.ID, report); err != nil {
		if ctx.Err() != nil && !ticket.Earlier { // else it may be somebody else's who waits
			return nil, c.giveUp(ctx, ticket.ID)
		}
		return nil, err
	}
	return c.Result(ctx, ticket)
}

// giveUp cancels a question whose ctx has ended, and returns why that is.
func (c *Client) giveUp(ctx context.Context, id string) error {
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	err := c.Cancel(last, id)
	if fault.IsKind(err, fault.NotFound) {
		err = nil // it was not taken
	}
	return errors.Join(fault.From(ctx.Err()), err)
}
