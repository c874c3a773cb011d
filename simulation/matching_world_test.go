package simulation

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/matches"
	"github.com/sotto-dev/sotto/party/state"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// few is of how many people matchings are made here: the first party knows them all, and each other some 40.
const few = 100

// startMatching builds a cluster whose parties agree on matchings of few people, covered by few dummies.
func startMatching(t testing.TB, s setup) *cluster {
	t.Helper()
	s.matched, s.few = true, true
	more := s.agreed
	s.agreed = func(a *agreement.Agreement) {
		a.Matching = agreement.Matching{Epsilon: 1_000_000, Delta: 1e-6}
		a.Limits.DeltaTotal = 1e-3
		if more != nil {
			more(a)
		}
	}
	return start(t, s)
}

// fewPeople are the first of some, with ids that can be written; the first party knows them all, and has the longest list.
func fewPeople(all []person) []person {
	all = all[:few:few]
	for i := range all {
		all[i].id, _ = ids.Normalizer{Type: ids.Opaque}.ID(written(i))
		if !all[i].knows[0].is {
			all[i].knows[0] = customer{is: true, dimensions: map[string]string{}}
		}
	}
	return all
}

// written is the id of a person of startMatching as people write it.
func written(person int) string { return fmt.Sprintf("member-%04d", person) }

// again starts all nodes anew, after something has changed that they know from their start.
func (c *cluster) again(change func()) {
	c.Helper()
	c.coordinator.stop()
	for _, p := range c.parties {
		p.stop()
	}
	change()
	for _, p := range c.parties {
		if p.name != c.outside {
			p.restart()
		}
	}
	c.coordinator.restart()
}

// match runs a matching for the first analyst.
func (c *cluster) match() (*client.Matching, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return c.analysts[0].Match(ctx, nil)
}

// matchAll runs a matching that all parties must have in the end.
func (c *cluster) matchAll() *client.Matching {
	c.Helper()
	m, err := c.match()
	c.must(err)
	if len(m.NotKept) > 0 {
		c.Errorf("%v have not kept the matching", m.NotKept)
	}
	catalog, err := c.analysts[0].Catalog(context.Background())
	c.must(err)
	for _, p := range catalog.Parties {
		if len(p.Matchings) == 0 || p.Matchings[0].ID != m.ID {
			c.Errorf("%s has matchings %+v, the newest must be %s", p.Name, p.Matchings, m.ID)
		}
	}
	tables := map[string]table{}
	for _, p := range c.parties {
		if p.name != c.outside {
			tables[p.name] = c.tables(p.index, p.state)[hash(c, m.ID)]
		}
	}
	c.whole(tables, nil)
	return m
}

// hash reads a hash in hexadecimal.
func hash(c *cluster, text string) [32]byte {
	c.Helper()
	decoded, err := hex.DecodeString(text)
	c.must(err)
	return [32]byte(decoded)
}

// asMatching is what questions by hand name of a matching.
func (c *cluster) asMatching(m *client.Matching) *matching {
	return &matching{Matching: matches.Matching{ID: hash(c, m.ID), Slots: m.Slots, Spine: hash(c, m.Spine)}}
}

// table says which slot each person has that a party knows, matches.NoSlot for none.
type table map[ids.ID]uint32

// tables reads what a party's state has of all its matchings, by their ids.
func (c *cluster) tables(party int, s *state.State) map[[32]byte]table {
	c.Helper()
	var known []ids.ID
	for _, p := range c.people {
		if p.knows[party].is {
			known = append(known, p.id)
		}
	}
	all := map[[32]byte]table{}
	for _, m := range s.Matches.All() {
		slots, _, err := s.Matches.Slots(m.ID, known)
		c.must(err)
		all[m.ID] = table{}
		for i, id := range known {
			all[m.ID][id] = slots[i]
		}
	}
	return all
}

// whole checks that in one matching everybody has the same slot at all parties, and nobody another's. Those in without have none.
func (c *cluster) whole(tables map[string]table, without []ids.ID) {
	c.Helper()
	slotOf, personAt := map[ids.ID]uint32{}, map[uint32]ids.ID{}
	for name, t := range tables {
		if len(t) == 0 {
			c.Errorf("%s has no slots", name)
		}
		for id, slot := range t {
			if slot == matches.NoSlot || slices.Contains(without, id) {
				if (slot == matches.NoSlot) != slices.Contains(without, id) {
					c.Errorf("%s: somebody has slot %d, without one must be %d people", name, slot, len(without))
				}
				continue
			}
			if before, ok := slotOf[id]; ok && before != slot {
				c.Errorf("%s has somebody at slot %d, another party at %d", name, slot, before)
			}
			if other, ok := personAt[slot]; ok && other != id {
				c.Errorf("%s: two people have slot %d", name, slot)
			}
			slotOf[id], personAt[slot] = slot, id
		}
	}
}

// held are the ids of the matchings that the parties of this process have.
func (c *cluster) held() map[string][][32]byte {
	all := map[string][][32]byte{}
	for _, p := range c.parties {
		p.mu.Lock()
		if p.node != nil {
			for _, m := range p.state.Matches.All() {
				all[p.name] = append(all[p.name], m.ID)
			}
		}
		p.mu.Unlock()
	}
	return all
}

// same tells whether the parties have the same matchings as before.
func same(a, b map[string][][32]byte) bool {
	return maps.EqualFunc(a, b, func(x, y [][32]byte) bool { return slices.Equal(x, y) })
}

// sessionOf keeps the session of the matching that is prepared next.
func (c *cluster) sessionOf() func() []byte {
	session := make(chan []byte, 16)
	c.tap.on(to, c.agreement.Parties[0].Name, "MatchPrepare", watching(func(m message) {
		session <- m.body.(*sottov1.MatchPrepareRequest).GetSession()
	}))
	return func() []byte {
		c.Helper()
		select {
		case id := <-session:
			return id
		default:
			c.Fatal("no matching was prepared")
			return nil
		}
	}
}

// forgotten checks that no living party goes on with a matching: neither with its steps nor with its lists, for which its secrets
// would be needed.
func (c *cluster) forgotten(session []byte) {
	c.Helper()
	ctx := context.Background()
	for _, p := range c.parties {
		if p.down() {
			continue
		}
		conn := c.dialParty(p.name)
		party := sottov1.NewPartyClient(conn)
		_, err := party.MatchApprove(ctx, &sottov1.MatchApproveRequest{Session: session})
		refused(c, err, fault.Unavailable, "the matching is not under way here")
		list, err := party.MatchSend(ctx, &sottov1.MatchSendRequest{Session: session, List: &sottov1.ListID{Pass: 1, Owner: int64(p.index)}})
		c.must(err)
		_, err = list.Recv()
		refused(c, err, fault.Unavailable, "the matching is not under way here")
		_ = conn.Close()
	}
}

// matchMoments are moments of a matching, of every stage; they are late once another party may have been charged.
var matchMoments = []moment{
	{"before it prepares", to, "MatchPrepare", 0, false},
	{"when it has prepared", from, "MatchPrepare", 0, false},
	{"before it opens", to, "MatchOpen", 0, true},
	{"when it has opened", from, "MatchOpen", 0, true},
	{"before it sends a list", to, "MatchSend", 0, true},
	{"at the beginning of a list", from, "MatchSend", 0, true},
	{"in the middle of a list", from, "MatchSend", 1, true},
	{"at a hand-over", from, "MatchSend", 2, true},
	{"before it receives a list", to, "MatchReceive", 0, true},
	{"in the middle of a list that it gets", to, "MatchReceive", 2, true},
	{"at a hand-over that it gets", to, "MatchReceive", 3, true},
	{"when it has worked", from, "MatchReceive", 0, true},
	{"before it approves", to, "MatchApprove", 0, true},
	{"when it has approved", from, "MatchApprove", 0, true},
}

// when calls do at one moment of one party, the first time that it comes, with the context of its call.
func (t *tap) when(party string, m moment, do func(ctx context.Context)) (happened func() int) {
	count := make(chan struct{}, 1)
	t.on(m.inward, party, m.method, watching(func(got message) {
		if got.at == m.at {
			select {
			case count <- struct{}{}:
				do(got.ctx)
			default:
			}
		}
	}))
	return func() int { return len(count) }
}
