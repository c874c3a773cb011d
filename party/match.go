package party

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/ledger"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// matchLifetime bounds how long a matching keeps its secrets, whatever the coordinator does.
const matchLifetime = 24 * time.Hour

// matchSession is a matching that is under way.
type matchSession struct {
	*matching.Run
	id         [16]byte
	request    [32]byte
	matching   *protocol.Matching
	charge     ledger.Charge
	asked      audit.Entry
	connection any // as in session

	ctx    context.Context // ends with the matching, and with it all its streams; its cause says why
	cancel context.CancelCauseFunc
	expiry *time.Timer
	ended  sync.Once

	snapshot  *customers.Snapshot // whose people are matched: set by MatchOpen
	forgotten []ids.ID            // who was erased since: guarded by Node.changing
}

// MatchPrepare checks a request for a matching, reserves its price and announces a key.
func (n *Node) MatchPrepare(ctx context.Context, r *sottov1.MatchPrepareRequest) (*sottov1.MatchPrepareResponse, error) {
	id, err := protocol.ParseSession(r.GetSession())
	if err != nil {
		return nil, err
	}
	n.preparing.Lock()
	defer n.preparing.Unlock()
	if err := ctx.Err(); err != nil { // as in Prepare
		return nil, err
	}
	request := protocol.MatchRequestHash(r.GetMatching())
	if s, err := n.findMatching(id[:]); err == nil {
		if s.request != request {
			return nil, fault.New(fault.Protocol, "the session was prepared for another matching")
		}
		return &sottov1.MatchPrepareResponse{Announcement: s.Announcement()}, nil
	}
	n.trace("match: received")
	s := &matchSession{
		id: id, request: request, connection: ctx.Value(connectionKey{}),
		asked: audit.Entry{Action: audit.Match, Session: hex.EncodeToString(id[:]), Query: hex.EncodeToString(request[:])},
	}
	if err := n.admitMatching(ctx, s, r); err != nil {
		return nil, n.refused(s.asked, err)
	}
	entry := s.asked
	entry.Verdict = audit.Accepted
	err = n.state.Audit.Record(entry)
	if err == nil {
		s.Run, err = matching.New(n.agreement, n.config.Name, n.key, request, id, n.heldMatchings())
	}
	if err != nil {
		return nil, n.refused(s.asked, fault.New(fault.Internal, "prepare a matching").Wrap(errors.Join(err, n.ledger.Lapse(id))))
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.expiry = time.AfterFunc(matchLifetime, func() {
		_ = n.endMatching(s, fault.New(fault.Expired, "the matching took longer than %s", matchLifetime))
	})
	n.mu.Lock()
	n.matching = s
	n.mu.Unlock()
	n.trace("match: announced")
	if ctx.Err() != nil { // as in Prepare
		return nil, n.abortMatching(s, ctx.Err())
	}
	return &sottov1.MatchPrepareResponse{Announcement: s.Announcement()}, nil
}

// admitMatching decides whether this party takes part in a matching, and reserves its price.
func (n *Node) admitMatching(ctx context.Context, s *matchSession, r *sottov1.MatchPrepareRequest) error {
	if err := n.checkLedger(r.GetLastRelease()); err != nil {
		return err
	}
	m, err := protocol.VerifyMatching(r.GetMatching(), n.agreement, n.now())
	if m != nil {
		s.asked.Actor, s.asked.Measure = m.By, protocol.MeasureMatch
	}
	if err != nil {
		return err
	}
	s.matching = m
	organisation := agreement.CoordinatorName
	if analyst, ok := n.agreement.Analyst(m.By); ok {
		organisation = analyst.Budget()
	} else if err := n.checkSchedule(); err != nil {
		return err
	}
	loss, err := n.agreement.Cover().Loss()
	if err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	s.asked.Organisation, s.asked.MicroEpsilon = organisation, loss.MicroEpsilon
	rpc.Annotate(ctx, slog.String("matching", s.asked.Query[:16]), slog.String("by", m.By))
	n.mu.Lock()
	busy := n.matching != nil
	n.mu.Unlock()
	if busy {
		return fault.New(fault.Unavailable, "%s has a matching under way, no more at a time", n.config.Name).WithHint("try again when it is done")
	}
	n.trace("match: checked")
	s.charge = ledger.Charge{
		Session: s.id, Query: s.request, Analyst: m.By, Organisation: organisation, Measure: protocol.MeasureMatch,
		Loss: loss, Sensitivity: 1, Begun: n.now(),
	}
	if err := n.ledger.Reserve(ctx, s.charge, n.limits(organisation)); err != nil {
		return err
	}
	n.trace("match: reserved")
	return nil
}

// checkSchedule refuses the coordinator a matching before its time: what it asks for is paid for by the members, also if nothing
// comes of it.
func (n *Node) checkSchedule() error {
	n.mu.Lock()
	last := n.scheduled
	n.mu.Unlock()
	if usable := n.matchings(); len(usable) > 0 && usable[0].At.After(last) {
		last = usable[0].At
	}
	if next := last.Add(n.agreement.Matching.Every); !last.IsZero() && n.now().Before(next) {
		return fault.New(fault.Limit, "the next matching by schedule is due at %s", next.Format(time.RFC3339)).
			WithHint("an analyst can ask for one at any time")
	}
	return nil
}

// heldMatchings returns the ids of the matchings that the party has, newest first.
func (n *Node) heldMatchings() [][32]byte {
	var held [][32]byte
	for _, m := range n.matchings() {
		held = append(held, m.ID)
	}
	return held[:min(len(held), protocol.MaxHeld)]
}

// MatchOpen charges the price and draws the party's secrets.
func (n *Node) MatchOpen(ctx context.Context, r *sottov1.MatchOpenRequest) (*sottov1.MatchOpenResponse, error) {
	s, err := n.findMatching(r.GetSession())
	if err != nil {
		return nil, err
	}
	rpc.Annotate(ctx, slog.String("matching", s.asked.Query[:16]))
	response, err := n.openMatching(ctx, s, r)
	if err != nil {
		return nil, n.abortMatching(s, err)
	}
	return response, nil
}

func (n *Node) openMatching(ctx context.Context, s *matchSession, r *sottov1.MatchOpenRequest) (*sottov1.MatchOpenResponse, error) {
	id, err := s.Open(r.GetAnnouncements())
	if err != nil {
		return nil, err
	}
	n.trace("match: opened")
	if err := ctx.Err(); err != nil { // nobody waits for it: it would be paid for and come to nothing
		return nil, err
	}
	var release *sottov1.Signed
	if err := n.ledger.Release(s.id, id, func(head ledger.Head) ([]byte, error) {
		release = protocol.Sign(n.key, &protocol.Release{
			Transcript: id, KeyHolder: n.config.Name, MicroEpsilon: s.charge.Loss.MicroEpsilon, AttoDelta: s.charge.Loss.AttoDelta,
			LedgerRows: head.Rows, LedgerHash: head.Hash,
		})
		return proto.Marshal(&sottov1.SealedRelease{KeyHolder: n.config.Name, Release: release}) // there is nothing that is sealed
	}); err != nil {
		return nil, err
	}
	n.trace("match: charged")
	if s.matching.By == agreement.CoordinatorName {
		n.mu.Lock()
		n.scheduled = n.now()
		n.mu.Unlock()
	}
	entry := s.asked
	entry.Verdict, entry.Detail = audit.Done, fmt.Sprintf("matching %x begun and paid for", id[:8])
	if err := n.state.Audit.Record(entry); err != nil {
		return nil, err
	}
	n.trace("match: recorded")
	n.changing.Lock() // who is erased from now on is noted
	v := n.view()
	s.snapshot = v.snapshot
	n.changing.Unlock()
	length, err := s.Begin(v.everybody())
	if err != nil {
		return nil, err
	}
	n.trace("match: begun")
	return &sottov1.MatchOpenResponse{Length: length, Release: release}, nil
}

// everybody returns the ids of those who may take part in questions for any purpose now.
func (v *view) everybody() []ids.ID {
	var all []ids.ID
	for customer, id := range v.snapshot.IDs {
		if slices.ContainsFunc(v.taking, func(p people) bool { return p.has(customer) }) {
			all = append(all, id)
		}
	}
	return all
}

// MatchApprove returns which spine this party has found its whole list in.
func (n *Node) MatchApprove(_ context.Context, r *sottov1.MatchApproveRequest) (*sottov1.MatchApproveResponse, error) {
	s, err := n.findMatching(r.GetSession())
	if err != nil {
		return nil, err
	}
	approval, err := s.Approve()
	if err != nil {
		return nil, n.abortMatching(s, err)
	}
	n.trace("match: approved")
	return &sottov1.MatchApproveResponse{Approval: approval}, nil
}
