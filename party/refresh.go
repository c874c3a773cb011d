package party

import (
	"context"
	"encoding/hex"
	"log/slog"
	"math/bits"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/subjects"
)

// view returns the customers as the next question sees them.
func (n *Node) view() *view {
	n.viewing.Lock()
	defer n.viewing.Unlock()
	if n.current.expired(n.now()) {
		n.look(n.current.snapshot, n.told, n.current.slotted)
	}
	return n.current
}

// look makes the view of a snapshot, which is stored as n.storedAs, of what its customers have said, and of where they are in
// matchings, the current one. The caller holds n.viewing.
func (n *Node) look(snapshot *customers.Snapshot, told said, where []slotted) {
	n.told = told
	n.current = newView(n.key, snapshot, told, n.state.Subjects.Head().Hash, n.now())
	n.current.storedAs, n.current.slotted = n.storedAs, where
}

// Refresh loads the customers anew for whoever asked, and reports whether they are others than before. Questions go on with
// the old ones until the new ones are there; if they can't be loaded, they go on with the old ones.
func (n *Node) Refresh(ctx context.Context, actor string) (changed bool, err error) {
	n.refreshing.Lock() // one at a time
	defer n.refreshing.Unlock()
	n.trace("refresh: begun")
	changed, err = n.refresh(ctx, actor)
	n.viewing.Lock()
	n.failed = err
	n.viewing.Unlock()
	if err != nil {
		f := fault.From(err)
		n.logger.Error("refresh failed", slog.String("kind", string(f.Kind)), slog.String("error", f.Error()))
		if e := n.state.Audit.Record(audit.Entry{Actor: actor, Action: audit.Refresh, Verdict: audit.Failed, Reason: f.Message}); e != nil {
			return false, e
		}
	}
	return changed, err
}

func (n *Node) refresh(ctx context.Context, actor string) (bool, error) {
	began := time.Now()
	loaded, err := n.load(ctx, customers.Options{Agreement: n.agreement, Now: n.now()})
	if err != nil {
		return false, err
	}
	n.trace("refresh: loaded")
	n.changing.Lock() // what customers say meanwhile waits, and is then about the new snapshot
	defer n.changing.Unlock()
	snapshot, told, err := n.heard(loaded)
	if err != nil {
		return false, err
	}
	where, err := n.slotted(snapshot)
	if err != nil {
		return false, err
	}
	stored := n.nameOf(snapshot)
	if err := n.state.Members.KeepSnapshot(stored, snapshot.IDs, n.now()); err != nil {
		return false, err
	}
	n.trace("refresh: kept")
	n.viewing.Lock()
	changed := n.current == nil || n.current.snapshot.Version != snapshot.Version
	n.storedAs, n.loaded = stored, n.now()
	n.look(snapshot, told, where)
	n.stale = false
	v := n.current
	n.viewing.Unlock()
	n.trace("refresh: exchanged")
	n.logger.Info("customers loaded", slog.Float64("seconds", time.Since(began).Seconds()), slog.Bool("changed", changed))
	if err := n.state.Audit.Record(audit.Entry{
		Actor: actor, Action: audit.Refresh, Verdict: audit.Done, View: hex.EncodeToString(v.version[:]), Coverage: v.coverage(),
	}); err != nil || !n.owing {
		return changed, err
	}
	return changed, n.completed()
}

// heard returns a snapshot without those who were erased, and what the others have said. What else the source says they are known by
// is taken out of what is stored, too. The caller holds n.changing.
func (n *Node) heard(s *customers.Snapshot) (*customers.Snapshot, said, error) {
	told := said{}
	n.state.Subjects.Apply(s.IDs, func(customer int, state subjects.State) {
		told[customer] = append(told[customer], state)
	})
	n.state.Subjects.Apply(s.AliasIDs(), func(alias int, state subjects.State) {
		customer := int(s.Aliases[alias].Customer)
		told[customer] = append(told[customer], state)
	})
	gone := told.erased()
	all := allIDs(s, gone, nil)
	var err error
	if n.owing {
		err = n.forgetErased(all)
	} else if n.absent != hashOf(all) { // also after each start
		err = n.forget(all)
	}
	if err != nil {
		return nil, nil, err
	}
	n.absent = hashOf(all)
	return n.without(s, gone), told.without(gone), nil
}

// without returns a snapshot without some customers, in order.
func (n *Node) without(s *customers.Snapshot, gone []int) *customers.Snapshot {
	return s.Without(n.config, func(customer int) bool { _, is := slices.BinarySearch(gone, customer); return is })
}

// coverage returns, by purpose, how many of a hundred customers may take part.
func (v *view) coverage() map[string]int {
	shares := map[string]int{}
	for p, purpose := range v.snapshot.Purposes {
		if all := len(v.snapshot.IDs); all > 0 {
			shares[purpose] = (100*v.taking[p].count() + all/2) / all
		}
	}
	return shares
}

func (m people) count() int {
	total := 0
	for _, word := range m {
		total += bits.OnesCount64(word)
	}
	return total
}

// keep refreshes by schedule, and purges at once and daily, until ctx ends.
func (n *Node) keep(ctx context.Context) {
	refresh := n.config.Source.Refresh
	if n.config.Retention.Declared() && (refresh == 0 || refresh > 24*time.Hour) {
		refresh = 24 * time.Hour // rows that become too old leave memory
	}
	var ticks <-chan time.Time
	if refresh > 0 {
		ticker := time.NewTicker(refresh)
		defer ticker.Stop()
		ticks = ticker.C
	}
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	n.purge()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			_, _ = n.Refresh(ctx, nodeActor) // it has logged and recorded why it failed
		case <-daily.C:
			n.purge()
		}
	}
}

func (n *Node) purge() {
	if _, err := n.Purge(nodeActor, false); err != nil {
		n.logger.Error("purge failed", slog.String("error", err.Error()))
	}
}
