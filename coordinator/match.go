package coordinator

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/rpc"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// workPatience is how long a party may take for its customers' part of a matching outside of the lists: it looks up who takes
// part and draws dummies before its list has a length, and in the end writes its slots to the disk.
const workPatience = 5 * time.Minute

// matchRun is a private matching under way ("Matching" in protocol.md): at the coordinator it is relaying what it can't read,
// and merging the final tokens. It holds no secrets.
type matchRun struct {
	*Node
	session  [16]byte
	signed   *sottov1.Signed // the request
	by       string
	progress *matchProgress
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when outcome and err are there

	outcome *sottov1.MatchOutcome
	err     error

	// In the order of the agreement.
	announcements []*sottov1.Signed
	lengths       []*sottov1.Signed
	approvals     []*sottov1.Signed

	hops []*sottov1.HopBytes // once the lists have gone their ways

	id    [32]byte
	route *protocol.Route
}

// Match runs a matching and reports how far it is, at most some ten times a second. It ends with the call, but for its last step:
// once parties begin to store their slots, all of them are let.
func (n *Node) Match(r *sottov1.MatchRequest, stream grpc.ServerStreamingServer[sottov1.MatchProgress]) error {
	name, err := n.analyst(stream.Context())
	if err != nil {
		return err
	}
	request, err := protocol.VerifyMatching(r.GetMatching(), n.Agreement, n.Now())
	if err != nil {
		return err
	}
	if request.By != name {
		return fault.New(fault.NotMember, "the request for a matching is signed by %s and handed in by %s", request.By, name)
	}
	m, err := n.beginMatch(stream.Context(), r.GetMatching(), name)
	if err != nil {
		return err
	}
	rpc.Annotate(stream.Context(), slog.String("session", hex.EncodeToString(m.session[:])))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last *sottov1.MatchProgress
	for {
		if now := m.progress.now(); now.GetStage() != last.GetStage() || now.GetDone() != last.GetDone() {
			if err := stream.Send(now); err != nil { // nobody hears it any more
				m.cancel(err)
				<-m.done
				return err
			}
			last = now
		}
		select {
		case <-m.done:
			if m.err != nil {
				return m.err
			}
			return stream.Send(&sottov1.MatchProgress{Stage: sottov1.MatchStage_MATCH_STAGE_KEEP, Done: 1, Outcome: m.outcome})
		case <-tick.C:
		}
	}
}

// beginMatch runs a matching in the background, if there is none, until ctx or the node ends.
func (n *Node) beginMatch(ctx context.Context, signed *sottov1.Signed, by string) (*matchRun, error) {
	if !n.matching.TryLock() {
		return nil, fault.New(fault.Unavailable, "another matching is under way").WithHint("its result serves everybody; wait for its end")
	}
	parties := len(n.Agreement.Parties)
	m := &matchRun{
		Node: n, session: protocol.NewSession(), signed: signed, by: by, progress: newMatchProgress(), done: make(chan struct{}),
		announcements: make([]*sottov1.Signed, parties), lengths: make([]*sottov1.Signed, parties), approvals: make([]*sottov1.Signed, parties),
	}
	ctx, m.cancel = context.WithCancelCause(ctx)
	detach := context.AfterFunc(n.ctx, func() { m.cancel(context.Cause(n.ctx)) })
	n.waiting.Go(func() {
		m.outcome, m.err = m.run(ctx)
		detach()
		m.cancel(nil)
		n.matching.Unlock()
		close(m.done)
	})
	return m, nil
}

func (m *matchRun) run(ctx context.Context) (*sottov1.MatchOutcome, error) {
	log := m.Logger.With(slog.String("session", hex.EncodeToString(m.session[:])), slog.String("by", m.by))
	log.Info("matching begins")
	notKept, err := m.steps(ctx)
	m.forget()
	if err != nil {
		f := fault.From(err)
		if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
			f = fault.New(fault.Cancelled, "the matching was cancelled")
		} else if cause != nil {
			f = fault.From(cause) // what stopped it, not what broke because of that
		}
		log.Warn("matching failed", slog.String("kind", string(f.Kind)), slog.String("party", f.Party), slog.String("error", f.Error()))
		return nil, f
	}
	log.Info("matching done", slog.Any("not_kept", notKept))
	return &sottov1.MatchOutcome{Session: m.session[:], Announcements: m.announcements, Approvals: m.approvals, NotKept: notKept, Hops: m.hops}, nil
}

func (m *matchRun) steps(ctx context.Context) (notKept []string, err error) {
	for _, step := range []struct {
		stage  sottov1.MatchStage
		begins float64 // share of the whole; the lists are nearly all of the work
		do     func(context.Context) error
	}{
		{sottov1.MatchStage_MATCH_STAGE_PREPARE, 0, m.prepare},
		{sottov1.MatchStage_MATCH_STAGE_PREPARE, 0.005, m.open},
		{sottov1.MatchStage_MATCH_STAGE_TOKENS, listsBegin, m.lists},
		{sottov1.MatchStage_MATCH_STAGE_KEEP, listsEnd, m.approve},
	} {
		m.progress.enter(step.stage, step.begins)
		if err := step.do(ctx); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m.keep()
}

// prepare is step 1: all parties check, reserve the price, and announce a key.
func (m *matchRun) prepare(ctx context.Context) error {
	err := m.each(ctx, m.Patience, func(ctx context.Context, i int, name string) error {
		last, err := m.Store.LastRelease(ctx, name)
		if err != nil {
			return err
		}
		r, err := m.Parties[name].MatchPrepare(ctx, &sottov1.MatchPrepareRequest{Session: m.session[:], Matching: m.signed, LastRelease: last})
		m.announcements[i] = r.GetAnnouncement()
		return err
	})
	if err != nil {
		return err
	}
	_, m.id, err = protocol.VerifyAnnouncements(m.announcements, m.Agreement, protocol.MatchRequestHash(m.signed), m.session)
	return err
}

// open is step 2: all parties are charged, and say how long their lists are.
func (m *matchRun) open(ctx context.Context) error {
	err := m.each(ctx, max(m.Patience, workPatience), func(ctx context.Context, i int, name string) error {
		r, err := m.Parties[name].MatchOpen(ctx, &sottov1.MatchOpenRequest{Session: m.session[:], Announcements: m.announcements})
		if err != nil {
			return err
		}
		m.lengths[i] = r.GetLength()
		return m.remember(name, r.GetRelease())
	})
	if err != nil {
		return err
	}
	lengths, err := protocol.VerifyLengths(m.lengths, m.Agreement, m.id)
	if err != nil {
		return err
	}
	m.route = protocol.NewRoute(lengths)
	return nil
}

// approve is step 4: all parties have found all that is theirs in the same spine.
func (m *matchRun) approve(ctx context.Context) error {
	err := m.each(ctx, m.Patience, func(ctx context.Context, i int, name string) error {
		r, err := m.Parties[name].MatchApprove(ctx, &sottov1.MatchApproveRequest{Session: m.session[:]})
		m.approvals[i] = r.GetApproval()
		return err
	})
	if err != nil {
		return err
	}
	_, err = protocol.VerifyApprovals(m.approvals, m.Agreement, m.id)
	return err
}

// keep is step 5: all parties store their slots. That the caller leaves stops it no more, for some had the new slots then, and
// others not. It returns who did not confirm; that nobody did is an error.
func (m *matchRun) keep() (notKept []string, err error) {
	failed := make([]error, len(m.Agreement.Parties))
	_ = m.each(m.ctx, max(m.Patience, workPatience), func(ctx context.Context, i int, name string) error {
		_, failed[i] = m.Parties[name].MatchKeep(ctx, &sottov1.MatchKeepRequest{Session: m.session[:], Approvals: m.approvals})
		return nil // the others go on
	})
	for i, p := range m.Agreement.Parties {
		if failed[i] != nil {
			notKept = append(notKept, p.Name)
			m.Logger.Warn("matching not confirmed", slog.String("party", p.Name), slog.String("error", fault.From(failed[i]).Error()))
		}
	}
	if len(notKept) == len(failed) {
		return nil, at(notKept[0], failed[0])
	}
	return notKept, nil
}

// each calls for every party of the agreement at the same time, and gives it so long; the first error stops the others. Errors
// name the party.
func (m *matchRun) each(ctx context.Context, patience time.Duration, call func(ctx context.Context, i int, name string) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range m.Agreement.Parties {
		g.Go(func() error { return at(p.Name, call(ctx, i, p.Name)) })
	}
	return g.Wait()
}

// forget ends the matching everywhere. Parties that have kept their slots keep them.
func (m *matchRun) forget() {
	m.forgetAt(m.Agreement.PartyNames(), m.session)
}
