package simulation

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// What is at a party that died in a matching, once it is back.
const (
	kept   = 1 << iota // it has the slots
	paid               // it was charged
	others             // the other parties have the slots
	broken             // it did not even come to the lists: another party breaks the protocol, and this one is told to forget
)

// matchDeath is a point of a matching at which a party's process is killed.
type matchDeath struct {
	point string
	times int // it dies when it comes there so many times
	which string
	left  int
}

func (d matchDeath) name() string     { return fmt.Sprintf("%s %s", d.point, d.which) }
func (d matchDeath) is(left int) bool { return d.left&left != 0 }

// matchDeaths are all points that a party comes to in a matching of two, where it has the longer list and two matchings of before.
var matchDeaths = []matchDeath{
	{"match: received", 1, "", 0},
	{"match: checked", 1, "", 0},
	{"ledger: before reserve", 1, "", 0},
	{"ledger: reserve written", 1, "", 0},
	{"ledger: reserve committed", 1, "", 0},
	{"ledger: reserve kept", 1, "", 0},
	{"match: reserved", 1, "", 0},
	{"audit: before append", 1, "of the request", 0},
	{"audit: append written", 1, "of the request", 0},
	{"audit: append committed", 1, "of the request", 0},
	{"audit: append kept", 1, "of the request", 0},
	{"match: announced", 1, "", 0},
	{"match: opened", 1, "", 0},
	{"ledger: before release", 1, "", 0},
	{"ledger: release signed", 1, "", 0},
	{"ledger: release written", 1, "", 0},
	{"ledger: release committed", 1, "", paid},
	{"ledger: release kept", 1, "", paid},
	{"match: charged", 1, "", paid},
	{"audit: before append", 2, "of the charge", paid},
	{"audit: append written", 2, "of the charge", paid},
	{"audit: append committed", 2, "of the charge", paid},
	{"audit: append kept", 2, "of the charge", paid},
	{"match: recorded", 1, "", paid},
	{"match: begun", 1, "", paid},
	{"match: part sent", 1, "first", paid},
	{"match: part sent", 2, "in the middle of a list", paid},
	{"match: part sent", 11, "last", paid},
	{"match: list sent", 1, "first", paid},
	{"match: list sent", 4, "last", paid},
	{"match: part received", 1, "first", paid},
	{"match: part received", 3, "hand-over", paid},
	{"match: part received", 9, "last", paid},
	{"match: list received", 1, "first", paid},
	{"match: list received", 3, "last", paid},
	{"match: approved", 1, "", paid},
	{"match: agreed", 1, "", paid | others},
	{"match: people settled", 1, "", paid | others},
	{"file: begun", 1, "", paid | others},
	{"file: written", 1, "", paid | others},
	{"file: synced", 1, "", paid | others},
	{"file: renamed", 1, "", kept | paid | others},
	{"file: kept", 1, "", kept | paid | others},
	{"match: kept", 1, "", kept | paid | others},
	{"matches: purged", 1, "", kept | paid | others},
	{"match: others dropped", 1, "", kept | paid | others},
	{"match: exchanged", 1, "", kept | paid | others},
	{"audit: before append", 3, "of the slots", kept | paid | others},
	{"audit: append written", 3, "of the slots", kept | paid | others},
	{"audit: append committed", 3, "of the slots", kept | paid | others},
	{"audit: append kept", 3, "of the slots", kept | paid | others},
	{"ledger: before lapse", 1, "", broken},
	{"ledger: lapse written", 1, "", broken},
	{"ledger: lapse committed", 1, "", broken},
	{"ledger: lapse kept", 1, "", broken},
	{"audit: append written", 2, "of the failure", broken},
}

// runMatch runs the matching in which a party comes to a point.
func (c *cluster) runMatch(breaks bool) (*client.Matching, error) {
	if breaks {
		c.tap.on(from, "cinema", "MatchPrepare", as(func(r *sottov1.MatchPrepareResponse) { proto.Reset(r) }))
	}
	return c.match()
}

// TestMatchDeathsAreAllPoints guards the list of deaths: it has every point that a party comes to in a matching, as often as it says,
// and no other.
func TestMatchDeathsAreAllPoints(t *testing.T) {
	var mu sync.Mutex
	seen, listed := map[string]int{}, map[string]int{}
	c := startMatching(t, setup{seed: 620})
	bank := c.party("bank")
	bank.stop()
	bank.trace = func(point string) {
		mu.Lock()
		defer mu.Unlock()
		seen[point]++
	}
	bank.restart()
	c.back()
	c.matchAll()
	c.matchAll()
	count := func(breaks bool) map[string]int {
		c.tidy()
		mu.Lock()
		clear(seen)
		mu.Unlock()
		if _, err := c.runMatch(breaks); (err != nil) != breaks {
			t.Errorf("breaks %v: %v", breaks, err)
		}
		c.tap.clear()
		c.tidy()
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(seen)
	}
	all := count(false)
	for point, times := range count(true) {
		all[point] = max(all[point], times)
	}
	names := map[string]bool{}
	for _, d := range matchDeaths {
		listed[d.point] = max(listed[d.point], d.times)
		names[d.name()] = true
	}
	if !maps.Equal(all, listed) || len(names) != len(matchDeaths) {
		t.Errorf("bank comes to\n%v\nthe list has\n%v\nand %d distinct names of %d", all, listed, len(names), len(matchDeaths))
	}
}

// TestKilledAtEveryPointOfAMatching guards what a party has, and what it has paid, against the death of its process by kill -9 at every
// point of a matching: its ledger holds the charge before anything of the list is shown, and never half of one; it has all of the
// slots or none, as the other has; once it is back, questions are over the newest matching that both have, of which there is always one;
// and the next matching reaches both.
//
// A seeded choice of a dozen points, the moments about a charge and about what is stored among them, is tried; with SOTTO_LONG=1 all.
func TestKilledAtEveryPointOfAMatching(t *testing.T) {
	t.Parallel()
	c := startMatching(t, setup{seed: 621, outside: "bank", total: 10_000})
	bank := c.startProcess()
	c.back()
	c.matchAll()
	c.matchAll()
	for _, d := range chosenMatchDeaths(t) {
		c.dieMatching(bank, d)
	}
}

func (c *cluster) dieMatching(bank *process, d matchDeath) {
	c.Helper()
	var mu sync.Mutex
	var shown []protocol.Release
	c.tap.on(from, "bank", "MatchOpen", watching(func(m message) {
		var body protocol.Release
		c.must(canon.Decode(body.Domain(), m.body.(*sottov1.MatchOpenResponse).GetRelease().GetBody(), &body))
		mu.Lock()
		defer mu.Unlock()
		shown = append(shown, body)
	}))
	before, had := c.party("bank").journal(), c.held()["cinema"]
	bank.dieAt(d.times, d.point)
	m, err := c.runMatch(d.is(broken))
	if !bank.died() {
		c.Fatalf("%s: bank did not come to the point: %+v, %v", d.name(), m, err)
	}
	switch {
	case d.is(others) != (err == nil):
		c.Errorf("%s: %+v, %v", d.name(), m, err)
	case d.is(others) && !slices.Equal(m.NotKept, []string{"bank"}):
		c.Errorf("%s: the matching was not kept by %v, must be by bank", d.name(), m.NotKept)
	case err != nil && !d.is(broken):
		failed(c, err, fault.Unavailable, "bank")
	}
	c.tap.clear()
	c.tidy()

	left := c.party("bank").journal() // as the dead process left it
	if more := len(left.released) - len(before.released); more < len(shown) || more != map[bool]int{true: 1}[d.is(paid)] {
		c.Errorf("%s: %d matchings are charged more, %d were shown", d.name(), more, len(shown))
	}
	for _, r := range shown {
		if r.MicroEpsilon != 2_000_000 || r.LedgerRows > int64(len(left.entries)) {
			c.Errorf("%s: bank has said that it charged %d, in row %d of %d", d.name(), r.MicroEpsilon, r.LedgerRows, len(left.entries))
		}
	}
	dead, err := openState(c.party("bank").folder)
	c.must(err)
	atBank, atCinema := c.tables(0, dead), c.tables(1, c.party("cinema").state)
	c.must(dead.Close())
	for id, t := range atBank {
		c.whole(map[string]table{"bank": t}, nil)
		if other, ok := atCinema[id]; ok {
			c.whole(map[string]table{"bank": t, "cinema": other}, nil)
		}
	}
	for _, t := range atCinema {
		c.whole(map[string]table{"cinema": t}, nil)
	}
	if now := c.held()["cinema"]; d.is(others) == slices.Equal(now, had) {
		c.Errorf("%s: cinema has %x, had %x", d.name(), now, had)
	} else if _, ok := atBank[now[0]]; d.is(others) && ok != d.is(kept) {
		c.Errorf("%s: that bank has kept the matching is %v", d.name(), ok)
	}

	bank.run()
	c.back()
	if after := c.party("bank").journal(); len(after.released) != len(left.released) || len(after.reserved) > 0 {
		c.Errorf("%s: after the restart %d matchings are charged, were %d; %d are reserved", d.name(), len(after.released), len(left.released), len(after.reserved))
	}
	if a, want := c.answered(c.everybody()), c.newestCommon(); want == "" || a.Spine != want || a.Layout != "matched" {
		c.Errorf("%s: the question is over spine %q in the layout %s, the newest that both have is %q", d.name(), a.Spine, a.Layout, want)
	}
	charged := len(c.party("bank").journal().released)
	c.matchAll()
	if more := len(c.party("bank").journal().released) - charged; more != 1 {
		c.Errorf("%s: the next matching was charged %d times", d.name(), more)
	}
}

// newestCommon is the spine of the newest matching that all parties declare, "" if there is none.
func (c *cluster) newestCommon() string {
	c.Helper()
	catalog, err := c.analysts[0].Catalog(context.Background())
	c.must(err)
	for _, m := range catalog.Parties[0].Matchings {
		if !slices.ContainsFunc(catalog.Parties, func(p client.Party) bool { return !slices.Contains(p.Matchings, m) }) {
			return m.Spine
		}
	}
	return ""
}

// chosenMatchDeaths returns the deaths to die.
func chosenMatchDeaths(t *testing.T) []matchDeath {
	seed := uint64(3)
	if text := os.Getenv("SOTTO_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SOTTO_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 10))
	all := slices.Clone(matchDeaths)
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if !long {
		always := []string{"ledger: release written", "match: charged", "match: list received first", "match: agreed", "file: synced", "file: renamed", "matches: purged"}
		var chosen []matchDeath
		for _, d := range all {
			if slices.ContainsFunc(always, func(begin string) bool { return strings.HasPrefix(d.name(), begin) }) {
				chosen = append(chosen, d)
			}
		}
		for _, d := range all {
			if len(chosen) < 12 && !slices.Contains(chosen, d) {
				chosen = append(chosen, d)
			}
		}
		all = chosen
	}
	return all
}
