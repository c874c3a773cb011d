package party

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/internal/seal"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/ledger"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Prepare is step 1. Its checks come in the order of "What each one checks" in protocol.md.
func (n *Node) Prepare(ctx context.Context, r *sottov1.PrepareRequest) (*sottov1.PrepareResponse, error) {
	id, err := protocol.ParseSession(r.GetSession())
	if err != nil {
		return nil, err
	}
	n.preparing.Lock()
	defer n.preparing.Unlock()
	if err := ctx.Err(); err != nil { // the caller gave up while this waited, and may have asked to forget the session already
		return nil, err
	}
	if s, err := n.find(id[:]); err == nil {
		if !bytes.Equal(s.query, r.GetQuery().GetBody()) {
			return nil, fault.New(fault.Protocol, "the session was prepared for another question")
		}
		return &sottov1.PrepareResponse{Commitment: s.Commitment()}, nil
	}
	n.trace("prepare: received")
	v := n.view()
	asked := audit.Entry{Action: audit.Question, Session: fmt.Sprintf("%x", id)}
	plan, err := n.admit(ctx, id, r, v, &asked)
	if err != nil {
		return nil, n.refused(asked, err)
	}
	taking, err := n.accepted(id, v, asked)
	if err != nil {
		return nil, n.refused(asked, fault.New(fault.Internal, "prepare").Wrap(errors.Join(err, n.ledger.Lapse(id))))
	}
	n.trace("prepare: recorded")
	prepared, err := keyholder.Prepare(plan, id, n.agreement, n.config.Name, n.key)
	if err != nil {
		return nil, n.refused(asked, fault.New(fault.Internal, "prepare").Wrap(errors.Join(err, n.ledger.Lapse(id))))
	}
	slots, _ := n.slotsFor(plan, v) // check has seen that there are some
	s := &session{
		Session: prepared, id: id, query: r.GetQuery().GetBody(), snapshot: v.snapshot, taking: taking, slots: slots, asked: asked,
		connection: ctx.Value(connectionKey{}), begun: map[int]bool{}, handOvers: map[int]*sottov1.Signed{},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.expiry = time.AfterFunc(sessionLifetime, func() {
		_ = n.end(s, fault.New(fault.Expired, "the session took longer than %s", sessionLifetime))
	})
	n.mu.Lock()
	n.sessions[id] = s
	n.mu.Unlock()
	n.trace("prepare: committed")
	// A coordinator that gave up meanwhile may have said so before there was anything to forget.
	if ctx.Err() != nil {
		return nil, n.abort(s, ctx.Err())
	}
	return &sottov1.PrepareResponse{Commitment: s.Commitment()}, nil
}

// admit decides whether this party takes part in a question over a view, derives its plan and reserves its price. It notes in
// asked what it learns of the question.
func (n *Node) admit(ctx context.Context, id [16]byte, r *sottov1.PrepareRequest, v *view, asked *audit.Entry) (*query.Plan, error) {
	if err := n.checkLedger(r.GetLastRelease()); err != nil {
		return nil, err
	}
	q, plan, err := n.check(r.GetQuery(), v, asked)
	if err != nil {
		return nil, err
	}
	n.trace("prepare: checked")
	rpc.Annotate(ctx, slog.String("query", asked.Query[:16]), slog.String("analyst", q.Analyst))
	if err := n.reserve(ctx, id, q, plan); err != nil {
		return nil, err
	}
	n.trace("prepare: reserved")
	return plan, nil
}

// check holds a question against the agreement, what this party declares, and its policy.
func (n *Node) check(signed *sottov1.Signed, v *view, asked *audit.Entry) (*query.Query, *query.Plan, error) {
	q, err := protocol.VerifyQuery(signed, n.agreement, n.now())
	if q != nil {
		n.describe(q, v, asked)
	}
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(q.Participants, func(p query.Participant) bool { return p.Party == n.config.Name }) {
		return nil, nil, fault.New(fault.Protocol, "the question is not about %s", n.config.Name)
	}
	plan, err := query.NewPlan(q)
	if err != nil {
		return nil, nil, err
	}
	if err := seal.CheckRecipient(q.Recipient); err != nil {
		return nil, nil, fault.New(fault.Invalid, "the key to seal the answer to is not usable").Wrap(err)
	}
	if err := n.checkNames(q, plan, v); err != nil {
		return nil, nil, err
	}
	return q, plan, n.checkPolicy(q, v)
}

// checkNames compares what the question says about this party with what the party declares.
func (n *Node) checkNames(q *query.Query, plan *query.Plan, v *view) error {
	stale := func(what string) error {
		return fault.New(fault.Stale, "the question has another %s than %s declares now", what, n.config.Name).WithHint("fetch the catalog and ask again")
	}
	declared := n.descriptor(v)
	for _, p := range q.Participants {
		if p.Party != n.config.Name {
			continue
		}
		switch {
		case p.CustomersUpTo != declared.CustomersUpTo:
			return stale("customers_up_to")
		case p.IdentityType != declared.IdentityType:
			return stale("identity type")
		case p.Snapshot != declared.Snapshot:
			return stale("version of the customers")
		}
	}
	if _, err := n.slotsFor(plan, v); err != nil {
		return err
	}
	if q.Amount.Party == n.config.Name && !slices.Contains(declared.Measures, q.Amount) {
		return stale("measure " + q.Amount.FullName())
	}
	for _, d := range q.GroupBy {
		if d.Party != n.config.Name {
			continue
		}
		at := slices.IndexFunc(declared.Dimensions, func(e query.Dimension) bool { return e.Name == d.Name })
		if at < 0 || !slices.Equal(declared.Dimensions[at].Values, d.Values) {
			return stale("dimension " + d.FullName())
		}
	}
	for _, chain := range plan.Chains {
		for _, hop := range chain.Hops {
			if hop.Party != n.config.Name {
				continue
			}
			if err := hop.Where.CheckNames(declared.Declared()); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPolicy holds the question against the purposes and limits that this party enforces.
func (n *Node) checkPolicy(q *query.Query, v *view) error {
	if err := n.descriptor(v).CheckPurpose(q.Purpose); err != nil {
		return err
	}
	if limit := n.config.Limits.Within(n.agreement.Limits).EpsilonPerQuery; q.MicroEpsilon > int64(limit) {
		return fault.New(fault.Limit, "epsilon %v is above %v, the limit of %s per question", q.Epsilon(), limit.Float(), n.config.Name).
			WithHint(fmt.Sprintf("ask with epsilon %v or less", limit.Float()))
	}
	return nil
}

// reserve sets the question's price aside, durably, before anything secret exists.
func (n *Node) reserve(ctx context.Context, id [16]byte, q *query.Query, plan *query.Plan) error {
	n.mu.Lock()
	busy := len(n.sessions) >= maxSessions
	n.mu.Unlock()
	if busy {
		return fault.New(fault.Unavailable, "%s has %d questions under way, no more at a time", n.config.Name, maxSessions).WithHint("try again later")
	}
	analyst, _ := n.agreement.Analyst(q.Analyst)
	return n.ledger.Reserve(ctx, ledger.Charge{
		Session: id, Query: q.ID(), Analyst: q.Analyst, Organisation: analyst.Budget(), Purpose: q.Purpose, Measure: q.Measure,
		Loss: q.Loss(), Sensitivity: plan.Noise.Sensitivity, Begun: n.now(),
	}, n.limits(analyst.Budget()))
}

// checkLedger compares the ledger with this party's latest release that the coordinator has. A ledger that was put back
// from an older copy does not hold it, and would spend again what is spent.
func (n *Node) checkLedger(last *sottov1.Signed) error {
	if last == nil {
		return nil // nothing was released yet, or the coordinator has lost what it had
	}
	var release protocol.Release
	if err := protocol.Verify(last, n.key.Public(), n.config.Name, &release); err != nil {
		return err
	}
	return n.ledger.Check(ledger.Head{Rows: release.LedgerRows, Hash: release.LedgerHash})
}
