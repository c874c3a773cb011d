package coordinator

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// matchLists moves the lists of a matching.
type matchLists struct {
	*matchRun
	all   []*list
	by    map[protocol.ListID]*list
	moved atomic.Int64 // goes up whenever anything has moved

	tokens []match.Points // by party, the final ones of pass A: each of the goroutine of its list until that has arrived

	// These change when the first list of the union moves, before any other of them does.
	union  *sottov1.Signed // protocol.MatchUnion
	length int64           // of the union; before that, the most that it can be
}

// list is one list on its way.
type list struct {
	protocol.ListID
	from, to int           // parties, or N for the coordinator
	arrived  chan struct{} // closed when its receiver is done with it
	waits    atomic.Int64  // for whom the coordinator waits: a party, or nobody
	bytes    uint64        // of its chunks; of the goroutine that moves it, until it has arrived
}

const nobody = -1

// lists is step 3. Each list moves as soon as what it follows from has arrived, so that all parties work at the same time.
func (m *matchRun) lists(ctx context.Context) error {
	n := m.route.Parties()
	l := &matchLists{matchRun: m, by: map[protocol.ListID]*list{}, tokens: make([]match.Points, n)}
	for _, length := range m.route.Lengths {
		l.length += length
	}
	for place := range protocol.PassSpine * n * n {
		id := protocol.ListID{Pass: int64(protocol.PassTokens + place/(n*n)), Owner: int64(place / n % n), Hop: int64(place % n)}
		if from, to, ok := m.route.Way(id); ok {
			one := &list{ListID: id, from: from, to: to, arrived: make(chan struct{})}
			one.waits.Store(nobody)
			l.all, l.by[id] = append(l.all, one), one
			l.weigh(one)
		}
	}
	finished := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.watch(ctx, finished, l.moved.Load, l.toBlame) })
	g.Go(func() error {
		defer close(finished)
		// The first that fails ends all the others, which would wait for it.
		g, ctx := errgroup.WithContext(ctx)
		for _, one := range l.all {
			g.Go(func() error { return l.inTurn(ctx, one) })
		}
		return g.Wait()
	})
	if err := g.Wait(); err != nil {
		return err
	}
	l.addUp()
	return nil
}

// addUp counts how many bytes have gone from whom to whom.
func (l *matchLists) addUp() {
	type way struct{ from, to int }
	bytes := map[way]*sottov1.HopBytes{}
	for _, one := range l.all {
		w := way{one.from, one.to}
		if bytes[w] == nil {
			bytes[w] = &sottov1.HopBytes{From: l.nameOf(one.from), To: l.nameOf(one.to)}
			l.hops = append(l.hops, bytes[w])
		}
		bytes[w].Bytes += one.bytes
	}
}

// ofUnion tells whether a list is one of the union's.
func (l *matchLists) ofUnion(one *list) bool {
	return one.Pass == protocol.PassSlots || one.Pass == protocol.PassSpine
}

// lengthOf returns how many points a list has.
func (l *matchLists) lengthOf(one *list) int64 {
	if l.ofUnion(one) {
		return l.length
	}
	return l.route.Lengths[one.Owner]
}

// weigh tells the progress what there is to do for a list, in exponentiations.
func (l *matchLists) weigh(one *list) {
	n := int64(l.route.Parties())
	length := l.lengthOf(one)
	var sends, receives float64
	switch {
	case one.Pass == protocol.PassTokens && one.Hop == 0:
		sends, receives = float64(length), 1.5*float64(length) // two multiples at once, of passes A and C
	case one.Pass == protocol.PassSlots && one.Hop == 0 && n == 2:
		receives = float64(length - l.route.Lengths[l.route.Last()]) // match.Known has the other's
	case one.Pass == protocol.PassTokens && one.Hop == n-1, one.Pass == protocol.PassSpine: // only compared
	case one.Pass == protocol.PassOwn && one.Hop == n-1 && one.to == l.route.Last(): // match.Finish only looks it up
	default:
		receives = float64(length)
	}
	l.progress.weigh(one.ListID, length, sends, receives)
}

// after returns the lists that one follows from: those that who sends it, and who receives it, must have before.
func (l *matchLists) after(one *list) []protocol.ListID {
	n := int64(l.route.Parties())
	before := protocol.ListID{Pass: one.Pass, Owner: one.Owner, Hop: one.Hop - 1}
	own := func(party int64) protocol.ListID {
		return protocol.ListID{Pass: protocol.PassOwn, Owner: party, Hop: n - 1}
	}
	switch {
	case one.Pass == protocol.PassTokens && one.Hop == 0:
		return nil
	case one.Pass == protocol.PassOwn && one.Hop == 1, one.Pass == protocol.PassSlots && one.Hop == 0:
		// Own lists could go home at once. They wait for all tokens, for while the union is at one party, all others have time.
		var all []protocol.ListID
		for owner := range n {
			all = append(all, protocol.ListID{Pass: protocol.PassTokens, Owner: owner, Hop: n - 1})
		}
		return all
	case one.Pass == protocol.PassSlots && one.Hop == n-1:
		return []protocol.ListID{before, own(int64(one.to))}
	case one.Pass == protocol.PassSpine:
		return []protocol.ListID{{Pass: protocol.PassSlots, Hop: n - 1}, own(one.Owner)}
	}
	return []protocol.ListID{before}
}

// inTurn moves a list when its turn has come.
func (l *matchLists) inTurn(ctx context.Context, one *list) error {
	for _, id := range l.after(one) {
		select {
		case <-l.by[id].arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	move := l.relay
	switch l.route.Parties() {
	case one.from:
		move = l.merge
	case one.to:
		move = l.collect
	}
	if err := move(ctx, one); err != nil {
		return err
	}
	one.waits.Store(nobody)
	close(one.arrived)
	return nil
}

// nameOf returns the name of a party, or of the coordinator, by its place in the route.
func (l *matchLists) nameOf(place int) string {
	if place == l.route.Parties() {
		return agreement.CoordinatorName
	}
	return l.Agreement.Parties[place].Name
}

// toBlame is whom a list waits for, when nothing has moved for too long: who sends it, while it waits for the next part; else who
// receives it. Nil if none waits for anybody.
func (l *matchLists) toBlame() error {
	for _, one := range l.all {
		if party := one.waits.Load(); party != nobody {
			return at(l.nameOf(int(party)), fault.New(fault.Unavailable, "%s: nothing has moved within %s", one.ListID, l.Patience))
		}
	}
	return nil
}
