package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// traffic is what passes between a coordinator and three parties in a matching.
type traffic struct {
	*cluster
	mu      sync.Mutex
	lists   map[context.Context]protocol.ListID // by the context of the call that moves one
	lengths []int64                             // as the parties have announced them
	union   int64
	chunks  map[string]int // points in each chunk, by call and place
	rest    map[string]int // bytes of all else
}

// listen takes all messages in that pass.
func (w *traffic) listen() {
	for _, inward := range []bool{to, from} {
		for _, p := range w.parties {
			w.ends.on(inward, p.name, "", watching(func(m message) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.take(m)
			}))
		}
	}
}

func (w *traffic) take(m message) {
	body := proto.Clone(m.body)
	var part *sottov1.ListPart
	sealed := 0
	switch body := body.(type) {
	case *sottov1.MatchOpenResponse:
		var said protocol.MatchLength
		w.must(canon.Decode(said.Domain(), body.GetLength().GetBody(), &said))
		w.lengths[w.party(said.Party).index] = said.Length
	case *sottov1.MatchSendRequest:
		w.lists[m.ctx] = protocol.ParseListID(body.GetList())
	case *sottov1.MatchReceiveRequest:
		if start := body.GetStart(); start != nil {
			w.lists[m.ctx] = protocol.ParseListID(start.GetList())
			if start.GetUnion() != nil {
				var said protocol.MatchUnion
				w.must(canon.Decode(said.Domain(), start.GetUnion().GetBody(), &said))
				w.union = said.Length
			}
		}
		part = body.GetPart()
	case *sottov1.ListPart:
		part = body
	case *sottov1.MatchReceiveResponse:
		w.chunks[fmt.Sprintf("%s worked %d", w.lists[m.ctx], m.at)] = int(body.GetWorked())
		body.Worked = 1
	}
	call := fmt.Sprintf("%s %s inward=%v %d", m.node, m.method, m.inward, m.at)
	if list, ok := w.lists[m.ctx]; ok {
		call = fmt.Sprintf("%s: %s", list, call)
	}
	if chunk := part.GetChunk(); chunk != nil {
		if len(chunk)%32 != 0 {
			sealed = 16
		}
		w.chunks[call], part.GetPart().(*sottov1.ListPart_Chunk).Chunk = (len(chunk)-sealed)/32, nil
		if (len(chunk)-sealed)%32 != 0 {
			w.Errorf("%s: a chunk has %d bytes", call, len(chunk))
		}
	}
	w.rest[call] += proto.Size(body) + sealed
}

// TestMatchingTrafficTellsNothing guards that the messages of a matching depend on what is announced and nothing else: their number,
// and their lengths, follow from the lengths of the parties' lists and of the union, whoever overlaps with whom: nobody at all, or
// everybody of the two smaller parties with the other, or with one another.
func TestMatchingTrafficTellsNothing(t *testing.T) {
	t.Parallel()
	knows := map[string][3]func(i int) bool{
		"nobody":           {func(i int) bool { return i < 60 }, func(i int) bool { return i >= 60 && i < 80 }, func(i int) bool { return i >= 80 }},
		"all with the one": {func(i int) bool { return i < 60 }, func(i int) bool { return i < 20 }, func(i int) bool { return i >= 20 && i < 40 }},
		"all three":        {func(i int) bool { return i < 60 }, func(i int) bool { return i < 20 }, func(i int) bool { return i < 20 }},
		"the small ones":   {func(i int) bool { return i < 60 }, func(i int) bool { return i >= 60 && i < 80 }, func(i int) bool { return i >= 60 && i < 80 }},
	}
	c := startMatching(t, setup{seed: 640, parties: 3})
	c.matchAll() // parties say which matchings they have: from here on two, each time
	c.matchAll()
	var first *traffic
	for _, name := range slices.Sorted(maps.Keys(knows)) {
		c.again(func() {
			for i := range c.people {
				for party, has := range knows[name] {
					c.people[i].knows[party] = customer{is: has(i)}
				}
			}
		})
		w := &traffic{cluster: c, lists: map[context.Context]protocol.ListID{}, lengths: make([]int64, 3), chunks: map[string]int{}, rest: map[string]int{}}
		c.back()
		w.listen()
		_, err := c.match()
		c.must(err)
		c.ends.clear()
		c.tidy()
		w.mu.Lock()
		for call, points := range w.chunks {
			var list protocol.ListID
			for _, l := range w.lists {
				if len(call) > len(l.String()) && call[:len(l.String())] == l.String() {
					list = l
				}
			}
			if want := protocol.NewRoute(w.lengths).Length(list, w.union); int64(points) != want {
				t.Errorf("%s: %s is of %d points, announced are %d", name, call, points, want)
			}
		}
		if len(w.chunks) < 2*3*5 {
			t.Errorf("%s: only %d chunks were seen", name, len(w.chunks))
		}
		w.mu.Unlock()
		if first == nil {
			first = w
			continue
		}
		for call := range w.rest {
			if w.rest[call] != first.rest[call] {
				t.Errorf("%s: %d bytes where %s, %d otherwise", call, w.rest[call], name, first.rest[call])
			}
		}
		if len(w.rest) != len(first.rest) {
			t.Errorf("%d messages where %s, %d otherwise", len(w.rest), name, len(first.rest))
		}
	}
}
