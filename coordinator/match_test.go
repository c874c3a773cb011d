package coordinator_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/rpc"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards the whole of it, for two to five parties: everybody's slots are right, each list moves only when what it follows from has
// arrived (the parties refuse any other order), what parties send each other arrives byte for byte, all are told to forget, and
// what they say of their ledgers is kept and shown to them the next time.
func TestMatching(t *testing.T) {
	for _, sizes := range [][]int{{30, 50}, {50, 30}, {4097, 3}, {20, 30, 25}, {9, 7, 8, 11, 10}} {
		common := slices.Min(sizes) / 2
		w := newWorld(t, 0, common, sizes...)
		union := common
		for _, size := range sizes {
			union += size - common
		}
		rounds := 2
		if union > protocol.ListChunk {
			rounds = 1 // which takes long enough
		}
		for round := range rounds {
			outcome, done, all, err := w.run(t.Context())
			must(t, err)
			if want := w.work(union); math.Abs(done-want) > 1e-6 || math.Abs(all-want) > 1e-6 {
				t.Errorf("%v: %v exponentiations of %v were noted as done, want %v", sizes, done, all, want)
			}
			var id [32]byte
			for i, s := range w.stands {
				if len(s.kept) != round+1 || s.forgotten != round+1 {
					t.Fatalf("%s has kept %d matchings, and was told to forget %d times", s.name, len(s.kept), s.forgotten)
				}
				if (s.shown != nil) != (round > 0) {
					t.Errorf("round %d: %s was shown a release: %v", round, s.name, s.shown != nil)
				}
				if i == 0 {
					id = s.id
				}
			}
			w.right(t, id, union)
			w.verbatim(t)
			if approved, err := protocol.VerifyApprovals(outcome.GetApprovals(), w.agreement, id); err != nil || approved.Slots != int64(union) {
				t.Errorf("the approvals say %+v, %v", approved, err)
			}
			if len(outcome.GetNotKept()) > 0 {
				t.Errorf("not kept by %v", outcome.GetNotKept())
			}
		}
	}
}

// serve makes a world's coordinator answer its analyst, over TLS.
func (w *world) serve(t *testing.T) *client.Client {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.node.Serve(ctx, w.listener) }()
	t.Cleanup(func() {
		stop()
		must(t, <-served)
	})
	sdk, err := client.New(w.agreement, w.analyst, "")
	must(t, err)
	t.Cleanup(func() { must(t, sdk.Close()) })
	return sdk
}

// Guards what an analyst sees: progress that never goes back, through all stages in their order, and in the end what all parties
// have signed, with what it cost.
func TestAnalystFollowsAMatching(t *testing.T) {
	w := newWorld(t, 0, 10, 400, 300, 200)
	sdk := w.serve(t)
	var seen []client.MatchProgress
	m, err := sdk.Match(t.Context(), func(p client.MatchProgress) { seen = append(seen, p) })
	must(t, err)
	w.right(t, w.stands[0].id, 10+390+290+190)
	stages := []string{client.MatchPrepare, client.MatchTokens, client.MatchSlots, client.MatchKeep}
	for i, p := range seen {
		if !slices.Contains(stages, p.Stage) || p.Share < 0 || p.Share > 1 || p.Remaining < -1 {
			t.Errorf("progress is %+v", p)
		}
		if i > 0 && (p.Share < seen[i-1].Share || slices.Index(stages, p.Stage) < slices.Index(stages, seen[i-1].Stage)) {
			t.Errorf("progress went back from %+v to %+v", seen[i-1], p)
		}
	}
	if len(seen) == 0 || seen[len(seen)-1].Share != 1 || seen[len(seen)-1].Stage != client.MatchKeep {
		t.Errorf("progress ends with %+v", seen)
	}
	held := w.stands[1].held[0]
	if m.Slots != held.Slots || m.Slots != 880 || m.At.Unix() != held.At || !slices.Equal(m.Parties, w.names()) || len(m.NotKept) > 0 || len(m.ID) != 64 || len(m.Spine) != 64 {
		t.Errorf("the matching is %+v, a party has %+v", m, held)
	}
	// Pass A has three hops and pass C two, of 900 customers; pass B has three and the spine two, of the union.
	sent := uint64(0)
	for _, h := range m.Hops {
		sent += h.Bytes
	}
	if least := uint64(match.PointSize * (5*900 + 5*880)); sent < least || sent > least+40_000 { // of keys and signatures
		t.Errorf("%d bytes were sent, want some more than %d: %+v", sent, least, m.Hops)
	}
	if m.Epsilon != 3 || math.Abs(m.Delta/3e-6-1) > 1e-9 {
		t.Errorf("it is said to cost epsilon %v and delta %v, want three times those of a record", m.Epsilon, m.Delta)
	}
}

// work returns how many exponentiations a matching takes. For a customer of a party: one by the party, two at once (which cost one
// and a half) by the next, two by each other, one by the party in the end, unless it makes the spine. For each of the union: one by
// every party, but the first of two parties has those of the other's customers already.
func (w *world) work(union int) float64 {
	n, all, longest := float64(len(w.stands)), 0.0, 0.0
	for _, s := range w.stands {
		size := float64(len(s.people))
		all += size * (1 + 1.5 + 2*(n-2) + 1)
		longest = max(longest, size)
	}
	all += n*float64(union) - longest
	if n == 2 {
		all -= longest
	}
	return all
}

// Guards the matching against whoever is not to ask for it, and against two at a time; questions' slots it does not take.
func TestWhoMayAsk(t *testing.T) {
	w := newWorld(t, 0, 1, 5, 5)
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.stands[0].failing = func(step string) error {
		if step == "prepare" {
			close(begun)
			<-goOn
		}
		return nil
	}
	sdk := w.serve(t)
	first := make(chan error, 1)
	go func() {
		_, err := sdk.Match(context.Background(), nil)
		first <- err
	}()
	<-begun
	conn, err := grpc.NewClient("passthrough:///"+w.agreement.Coordinator.Address,
		append(rpc.DialOptions(), rpc.ClientCredentials(w.another.ClientTLS(w.agreement.Coordinator.Key)))...)
	must(t, err)
	defer conn.Close()
	for what, c := range map[string]struct {
		request *protocol.Matching
		by      *identity.Key
		kind    fault.Kind
		says    string
	}{
		"a second one at a time": {protocol.NewMatching(w.agreement, "another", w.now()), w.another, fault.Unavailable, "another matching is under way"},
		"handed in by another":   {protocol.NewMatching(w.agreement, "analyst", w.now()), w.analyst, fault.NotMember, "signed by analyst and handed in by another"},
		"not signed by its name": {protocol.NewMatching(w.agreement, "analyst", w.now()), w.another, fault.NotMember, "not signed by analyst"},
		"of yesterday":           {protocol.NewMatching(w.agreement, "another", w.now().Add(-24*time.Hour)), w.another, fault.Expired, "ask"},
	} {
		stream, err := sottov1.NewCoordinatorClient(conn).Match(t.Context(), &sottov1.MatchRequest{Matching: protocol.Sign(c.by, c.request)})
		must(t, err)
		if _, err = stream.Recv(); !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want one of kind %s with %q", what, err, c.kind, c.says)
		}
	}
	close(goOn)
	must(t, <-first)
	w.stands[0].failing = nil
	_, err = sdk.Match(t.Context(), nil)
	must(t, err)
}

// Guards against a matching that goes on after nobody wants it: wherever it is when the analyst leaves, or the coordinator is shut
// down, all parties are told to forget it, and nobody keeps anything.
func TestCancelled(t *testing.T) {
	for _, list := range []protocol.ListID{
		{Pass: protocol.PassTokens, Owner: 1},
		{Pass: protocol.PassTokens, Owner: 0, Hop: 2},
		{Pass: protocol.PassOwn, Owner: 2, Hop: 1},
		{Pass: protocol.PassSlots, Hop: 2},
		{Pass: protocol.PassSpine, Owner: 0},
	} {
		for _, receiving := range []bool{false, true} {
			if receiving && list.Pass == protocol.PassTokens && list.Hop == 2 {
				continue // that one is for the coordinator
			}
			for _, how := range []string{"analyst", "shutdown"} {
				w := newWorld(t, 0, 1, 3, 3, 4)
				there := make(chan struct{})
				stop := func(ctx context.Context, at protocol.ListID) error {
					if at == list {
						close(there)
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}
				for _, s := range w.stands {
					if receiving {
						s.taking = stop
					} else {
						s.sending = stop
					}
				}
				sdk := w.serve(t)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					_, err := sdk.Match(ctx, nil)
					ended <- err
				}()
				<-there
				want := "cancelled"
				if how == "analyst" {
					cancel()
				} else {
					want = "unavailable"
				}
				w.node.Close() // which waits for the end in both cases
				if err := <-ended; client.ErrorKind(err) != want {
					t.Errorf("%s, receiving %v, %s: error is %v, want %s", list, receiving, how, err, want)
				}
				w.ended(t, how+" at "+list.String())
				cancel()
			}
		}
	}
}

// Guards who is named when a party refuses: it and nobody else, with its own words; the others are told to forget. Once all have
// approved, a party that fails does not undo it for the others.
func TestPartyFails(t *testing.T) {
	for _, step := range []string{"prepare", "open", "approve", "keep"} {
		w := newWorld(t, 0, 1, 3, 3, 4)
		w.stands[1].failing = func(at string) error {
			if at == step {
				return fault.New(fault.Budget, "nothing left")
			}
			return nil
		}
		outcome, err := w.match(t.Context())
		if step == "keep" {
			must(t, err)
			if !slices.Equal(outcome.GetNotKept(), []string{"party_1"}) || len(w.stands[0].kept) != 1 || len(w.stands[2].kept) != 1 {
				t.Errorf("not kept by %v", outcome.GetNotKept())
			}
			for _, s := range w.stands {
				s.failing = w.stands[1].failing
				clear(s.kept)
			}
			_, err = w.match(t.Context())
			refused(t, "all at "+step, err, fault.Budget, "party_0")
			continue
		}
		refused(t, step, err, fault.Budget, "party_1")
		w.ended(t, step)
	}
	for _, where := range []string{"sending", "taking"} {
		for _, pass := range []int64{protocol.PassTokens, protocol.PassOwn, protocol.PassSlots, protocol.PassSpine} {
			w := newWorld(t, 0, 1, 3, 3, 4)
			fails := func(_ context.Context, list protocol.ListID) error {
				if list.Pass == pass {
					return fault.New(fault.Internal, "out of memory")
				}
				return nil
			}
			// The route of three equally long lists but the last ends at party_2, which sends the spine.
			s := w.stands[1]
			if s.sending = fails; where == "taking" {
				s.sending, s.taking = nil, fails
			}
			if pass == protocol.PassSpine && where == "sending" {
				w.stands[2].sending, s = fails, w.stands[2]
			}
			_, err := w.match(t.Context())
			refused(t, where, err, fault.Internal, s.name)
			w.ended(t, where)
		}
	}
}

// Guards the final lists of tokens, which are all that the coordinator reads, and the form of what it only relays: whatever is not
// what its sender has signed, or as long as was announced, ends the matching, with the sender's name.
func TestWrongLists(t *testing.T) {
	final := protocol.ListID{Pass: protocol.PassTokens, Owner: 0, Hop: 2} // party_2 sends it
	sealed := protocol.ListID{Pass: protocol.PassOwn, Owner: 1, Hop: 1}   // so it does this one
	type parts = []*sottov1.ListPart
	chunk := func(b []byte) *sottov1.ListPart { return &sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: b}} }
	for name, c := range map[string]struct {
		list  protocol.ListID
		alter func(w *world, p parts) parts
	}{
		"another point": {final, func(_ *world, p parts) parts { p[0].GetChunk()[3] ^= 1; return p }},
		"points swapped": {final, func(_ *world, p parts) parts {
			b := p[0].GetChunk()
			return parts{chunk(append(slices.Clone(b[32:]), b[:32]...)), p[1]}
		}},
		"a point less": {final, func(_ *world, p parts) parts { return parts{chunk(p[0].GetChunk()[32:]), p[1]} }},
		"a point more": {final, func(_ *world, p parts) parts {
			return parts{chunk(append(p[0].GetChunk(), p[0].GetChunk()[:32]...)), p[1]}
		}},
		"half a point more": {final, func(_ *world, p parts) parts { return parts{chunk(append(p[0].GetChunk(), 1)), p[1]} }},
		"two chunks":        {final, func(_ *world, p parts) parts { b := p[0].GetChunk(); return parts{chunk(b[:32]), chunk(b[32:]), p[1]} }},
		"no chunk":          {final, func(_ *world, p parts) parts { return p[1:] }},
		"no hand-over":      {final, func(_ *world, p parts) parts { return p[:1] }},
		"hand-over first":   {final, func(_ *world, p parts) parts { return parts{p[1], p[0]} }},
		"two hand-overs":    {final, func(_ *world, p parts) parts { return append(p, p[1]) }},
		"an empty part":     {final, func(_ *world, p parts) parts { return append(parts{{}}, p...) }},
		"an encapsulated key": {final, func(_ *world, p parts) parts {
			return append(parts{{Part: &sottov1.ListPart_Encapsulated{Encapsulated: random(32)}}}, p...)
		}},
		"nothing":              {final, func(*world, parts) parts { return nil }},
		"somebody's hand-over": {final, func(w *world, p parts) parts { return parts{p[0], w.signed(1, final, p[0])} }},
		"another list's":       {final, func(w *world, p parts) parts { return parts{p[0], w.signed(2, sealed, p[0])} }},
		"a point twice": {final, func(w *world, p parts) parts {
			b := p[0].GetChunk()
			copy(b, b[32:64])
			return parts{p[0], w.signed(2, final, p[0])}
		}},
		"unsigned":              {final, func(_ *world, p parts) parts { p[1].GetHandOver().Signature = nil; return p }},
		"sealed: no key":        {sealed, func(_ *world, p parts) parts { return p[1:] }},
		"sealed: two keys":      {sealed, func(_ *world, p parts) parts { return append(p[:1:1], p...) }},
		"sealed: a byte less":   {sealed, func(_ *world, p parts) parts { return parts{p[0], chunk(p[1].GetChunk()[1:]), p[2]} }},
		"sealed: a chunk more":  {sealed, func(_ *world, p parts) parts { return parts{p[0], p[1], p[1], p[2]} }},
		"sealed: a chunk less":  {sealed, func(_ *world, p parts) parts { return parts{p[0], p[2]} }},
		"sealed: no hand-over":  {sealed, func(_ *world, p parts) parts { return p[:2] }},
		"sealed: goes on after": {sealed, func(_ *world, p parts) parts { return append(p, p[1]) }},
	} {
		w := newWorld(t, 0, 1, 3, 3, 4)
		w.stands[2].altering = func(list protocol.ListID, p parts) parts {
			if list == c.list {
				return c.alter(w, p)
			}
			return p
		}
		_, err := w.match(t.Context())
		refused(t, name, err, fault.Protocol, "party_2")
		w.ended(t, name)
	}
}

// signed returns a hand-over of a list by a party that fits the chunk.
func (w *world) signed(by int, list protocol.ListID, part *sottov1.ListPart) *sottov1.ListPart {
	points, err := match.ParsePoints(part.GetChunk())
	if err != nil {
		panic(err)
	}
	digest, err := points.Digest()
	if err != nil {
		panic(err)
	}
	s := w.stands[by]
	return &sottov1.ListPart{Part: &sottov1.ListPart_HandOver{HandOver: protocol.Sign(s.key, &protocol.ListHandOver{
		Matching: w.stands[0].id, List: list, From: w.stands[2].name, Length: int64(len(points)), Digest: digest,
	})}}
}
