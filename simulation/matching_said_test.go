package simulation

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/matches"
	"github.com/sotto-dev/sotto/party/subjects"
)

// What happens at bank in the middle of a matching, and to whom.
var (
	erasedWhileMatching    = []int{0, 1, 2}
	withdrawnWhileMatching = []int{10, 11, 12}
	goneWhileMatching      = []int{20, 21}
	addedWhileMatching     = []int{30, 31}
)

// TestSaidWhileMatching guards what customers say while a matching is under way, at whatever moment: who is erased is in no table
// afterwards, of this matching or of one before, and counts for nothing; who withdraws counts for nothing at once; who has gone or
// came in with a refresh has no slot, or one that counts for nothing. The matching itself goes through, and nobody else is touched.
// That one of the some 30 numbers has noise has a probability below 10⁻⁶: see released.
func TestSaidWhileMatching(t *testing.T) {
	t.Parallel()
	inLists := func(c *cluster, do func()) { c.tap.when("bank", matchMoments[9], func(context.Context) { do() }) }
	beforeKeep := func(c *cluster, do func()) {
		c.tap.when("bank", moment{method: "MatchKeep", inward: to}, func(context.Context) { do() })
	}
	at := func(point string) func(c *cluster, do func()) { // in the code of MatchKeep
		return func(c *cluster, do func()) {
			bank := c.party("bank")
			bank.stop()
			var once sync.Once
			done := make(chan struct{})
			bank.trace = func(at string) {
				if at == point {
					once.Do(func() {
						go func() {
							defer close(done)
							do()
						}()
						select { // what must wait for the end of MatchKeep is left to
						case <-done:
						case <-time.After(100 * time.Millisecond):
						}
					})
				}
			}
			c.Cleanup(func() { <-done })
			bank.restart()
			c.back()
		}
	}
	for name, when := range map[string]func(c *cluster, do func()){
		"in its lists": inLists, "before it is kept": beforeKeep, "when all have agreed": at("match: agreed"), "before its file is written": at("match: people settled"),
		"while its file is written": at("file: written"),
		"before the exchange":       at("match: others dropped"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startMatching(t, setup{seed: 630, noise: agreement.NoiseCoordinator, total: 100_000})
			for i := range 40 { // whoever is concerned is a customer of both but for those who come
				c.people[i].knows[0] = customer{is: !slices.Contains(addedWhileMatching, i), gold: true, dimensions: map[string]string{}}
				c.people[i].knows[1] = c.people[i].knows[0]
				c.people[i].knows[1].is = true
			}
			bank := c.party("bank")
			for _, p := range c.parties {
				_, err := p.node.Refresh(context.Background(), "owner")
				c.must(err)
			}
			c.matchAll()
			var all sync.WaitGroup
			all.Add(1)
			when(c, func() {
				defer all.Done()
				hear := func(kind subjects.Kind, who []int) {
					var texts []string
					for _, i := range who {
						texts = append(texts, written(i))
					}
					heard, err := bank.node.Hear("desk", kind, "", ids.Opaque, texts, c.now())
					if err != nil || heard.Customers != len(who) {
						t.Errorf("heard %+v: %v", heard, err)
					}
				}
				hear(subjects.Erase, erasedWhileMatching)
				hear(subjects.Withdraw, withdrawnWhileMatching)
				for _, i := range goneWhileMatching {
					c.people[i].knows[0] = customer{}
				}
				for _, i := range addedWhileMatching {
					c.people[i].knows[0].is = true
				}
				_, err := bank.node.Refresh(context.Background(), "owner")
				c.must(err)
			})
			m, err := c.match()
			c.must(err)
			all.Wait()
			c.tap.clear()
			c.tidy()
			if len(m.NotKept) > 0 {
				t.Errorf("%v did not keep the matching", m.NotKept)
			}

			of := func(people []int) (out []ids.ID) {
				for _, i := range people {
					out = append(out, c.people[i].id)
				}
				return out
			}
			for _, stored := range bank.state.Matches.All() {
				slots, _, err := bank.state.Matches.Slots(stored.ID, of(erasedWhileMatching))
				c.must(err)
				if slices.ContainsFunc(slots, func(slot uint32) bool { return slot != matches.NoSlot }) {
					t.Errorf("matching %x has somebody who was erased", stored.ID[:4])
				}
			}
			tables := map[string]table{"bank": c.tables(0, bank.state)[hash(c, m.ID)], "cinema": c.tables(1, c.party("cinema").state)[hash(c, m.ID)]}
			c.whole(map[string]table{"cinema": tables["cinema"]}, nil)
			c.whole(map[string]table{"bank": tables["bank"]}, of(slices.Concat(erasedWhileMatching, addedWhileMatching)))
			for id, slot := range tables["bank"] {
				if other, ok := tables["cinema"][id]; ok && slot != matches.NoSlot && slot != other {
					t.Error("somebody has two slots")
				}
			}
			known := slices.Clone(c.people)
			for _, i := range slices.Concat(erasedWhileMatching, withdrawnWhileMatching, addedWhileMatching) {
				known[i].knows = slices.Clone(known[i].knows)
				known[i].knows[0] = customer{}
			}
			q := client.Question{Count: "bank.member && cinema.member"}
			plan, numbers := c.released(q, c.asMatching(m))
			if got, want := cellsWithout(plan, q, numbers), truth(t, known, q); !maps.Equal(got, want) {
				t.Errorf("%s: %v, in truth %v", wording(q), got, want)
			}
		})
	}
}
