package coordinator

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

const (
	// firstLook is when the schedule is first looked at after the start: other nodes may be starting too.
	firstLook = time.Minute
	// mostBetweenLooks bounds the time between looks at the schedule.
	mostBetweenLooks = time.Hour
	// leastAfterFailure is how long it takes until a matching that failed is asked for again; with every further failure it is twice
	// as long, up to the time between matchings. Parties refuse it until that time is over if the one that failed was paid for.
	leastAfterFailure = time.Hour
)

// schedule runs a matching whenever the agreement says that it is time, until the node is closed.
func (n *Node) schedule() {
	every := n.Agreement.Matching.Every
	wait, pause := firstLook, time.Duration(0)
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(every/10, mostBetweenLooks)
		due, err := n.due()
		if err != nil {
			n.Logger.Info("schedule of matchings waits", slog.String("party", fault.From(err).Party), slog.String("error", fault.From(err).Error()))
			continue
		}
		if !due {
			continue
		}
		if n.matchNow() != nil { // the log says why
			pause = min(max(2*pause, leastAfterFailure), every)
			wait = max(wait, pause)
		} else {
			pause = 0
		}
	}
}

// due tells whether the newest matching that all parties have is as old as the agreement lets it be, or there is none. That a party
// can't be asked is an error.
func (n *Node) due() (bool, error) {
	held := make([][]protocol.Matched, len(n.Agreement.Parties))
	failed := make([]error, len(n.Agreement.Parties))
	n.everybody(n.ctx, func(ctx context.Context, i int, party string) {
		held[i], failed[i] = n.heldBy(ctx, n.Agreement.Parties[i])
	})
	for i, p := range n.Agreement.Parties {
		if failed[i] != nil {
			return false, at(p.Name, failed[i])
		}
	}
	var newest int64
	for _, m := range held[0] {
		if !slices.ContainsFunc(held, func(all []protocol.Matched) bool { return !slices.Contains(all, m) }) {
			newest = max(newest, m.At)
		}
	}
	return newest == 0 || n.Now().Sub(time.Unix(newest, 0)) >= n.Agreement.Matching.Every, nil
}

// heldBy returns which matchings a party declares that it has.
func (n *Node) heldBy(ctx context.Context, party agreement.Party) ([]protocol.Matched, error) {
	r, err := n.Parties[party.Name].Describe(ctx, &sottov1.DescribeRequest{})
	if err != nil {
		return nil, err
	}
	var d protocol.Descriptor
	if err := protocol.Verify(r.GetDescriptor_(), party.Key, party.Name, &d); err != nil {
		return nil, err
	}
	if d.Party != party.Name || d.Agreement != n.Agreement.Hash() {
		return nil, fault.New(fault.Stale, "the descriptor is of another party or agreement")
	}
	return d.Matchings, nil
}

// matchNow runs a matching by the schedule, to its end.
func (n *Node) matchNow() error {
	m, err := n.beginMatch(n.ctx, protocol.Sign(n.Key, protocol.NewMatching(n.Agreement, agreement.CoordinatorName, n.Now())), agreement.CoordinatorName)
	if err != nil {
		return err // an analyst's is under way
	}
	<-m.done
	return m.err
}
