package simulation

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/matches"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// matching is one that nobody made: drawn slots of people, with gaps between them where dummies would be.
type matching struct {
	matches.Matching
	slots []uint32       // by person
	added []map[int]bool // by person: parties whose customer the person became later
}

// matchedSlots takes three blocks of a vector.
const matchedSlots = 20_000

// draw makes up the nth matching. One customer in ten was added since.
func (c *cluster) draw(n byte) *matching {
	random := rand.New(rand.NewPCG(uint64(n), c.seed))
	m := &matching{Matching: matches.Matching{
		ID: [32]byte{n}, Basis: c.agreement.Basis(), Participants: c.agreement.PartyNames(), At: time.Unix(1_800_000_000+int64(n), 0).UTC(),
		Slots: matchedSlots, Spine: [32]byte{n, 1},
	}}
	for _, slot := range random.Perm(matchedSlots)[:len(c.people)] {
		m.slots = append(m.slots, uint32(slot))
	}
	for range c.people {
		added := map[int]bool{}
		for party := range c.parties {
			added[party] = random.IntN(10) == 0
		}
		m.added = append(m.added, added)
	}
	return m
}

// keep has some parties keep a matching, as after one that was complete at them.
func (c *cluster) keep(m *matching, parties ...string) {
	c.Helper()
	for _, p := range c.parties {
		if !slices.Contains(parties, p.name) {
			continue
		}
		var people []ids.ID
		var slots []uint32
		for i, person := range c.people {
			if person.knows[p.index].is && !m.added[i][p.index] {
				people, slots = append(people, person.id), append(slots, m.slots[i])
			}
		}
		c.must(p.state.Matches.Keep(m.Matching, people, slots))
		_, err := p.node.Refresh(context.Background(), "owner")
		c.must(err)
	}
}

// known are the people as the matched layout has them: no customers of parties that have no slot for them.
func (m *matching) known(all []person) []person {
	known := slices.Clone(all)
	for i := range known {
		known[i].knows = slices.Clone(known[i].knows)
		for party, added := range m.added[i] {
			if added {
				known[i].knows[party] = customer{}
			}
		}
	}
	return known
}

// truthOf is the truth of a question over a matching. A total needs no slots, and counts all customers.
func (c *cluster) truthOf(q client.Question, m *matching) map[string]float64 {
	all := c.people
	if len(q.Total) == 0 {
		all = m.known(all)
	}
	return truth(c, all, q)
}

// matchedKinds are questions about five parties, besides kinds.
var matchedKinds = []client.Question{
	{Count: "bank.member && cinema.member && florist.member && grocer.member && insurer.member"},
	{Count: "bank.member && cinema.member && (florist.gold || !grocer.member) && insurer.member", By: []string{"insurer.band"}},
	{Frequency: []string{"bank.member", "cinema.member", "florist.gold", "grocer.member", "insurer.gold"}},
}

// TestMatchedIsExact guards the promise of the matched layout: questions of every kind, about two to five parties, are answered
// with zero error but for the noise, which is left out here. Whoever became a customer since the matching is none, and never half.
// That one of the some 130 numbers has noise has a probability of 5·10⁻⁷.
func TestMatchedIsExact(t *testing.T) {
	c := start(t, setup{parties: 5, noise: agreement.NoiseCoordinator, matched: true, seed: 500, total: 100_000})
	m := c.draw(1)
	c.keep(m, partyNames...)
	questions := slices.Clone(matchedKinds)
	for _, kind := range kinds {
		if !kind.long || long {
			questions = append(questions, kind.Question)
		}
	}
	for _, q := range questions {
		plan, numbers := c.released(q, m)
		got, want := cellsWithout(plan, q, numbers), c.truthOf(q, m)
		for key := range maps.Keys(got) {
			if !(math.Abs(got[key]-want[key]) < 1e-9) {
				t.Errorf("%s, cell %q: %v, in truth %v", wording(q), key, got[key], want[key])
			}
			delete(want, key)
		}
		if len(want) > 0 {
			t.Errorf("%s: there is nothing of %v", wording(q), want)
		}
	}
}

// TestMatchedByItself guards the way through the front door: questions use the matching that all their parties have by themselves,
// the answer and the plan say so, and its interval, which is of noise alone, holds the truth of those who were matched. Forced into
// the hashed layout, a question is about those added since, too. See confidence for the rate of false alarms.
func TestMatchedByItself(t *testing.T) {
	c := start(t, setup{parties: 4, matched: true, seed: 501})
	for _, q := range []client.Question{c.everybody(), {Total: []string{"bank.gold", "cinema.member"}}} {
		if a := c.answered(q); a.Layout != "hashed" || a.Spine != "" {
			t.Errorf("%s: without a matching the layout is %s, spine %q", wording(q), a.Layout, a.Spine)
		}
	}
	m := c.draw(1)
	c.keep(m, partyNames...)
	spine := fmt.Sprintf("%x", m.Spine)
	for _, kind := range kinds {
		if kind.long && !long {
			continue
		}
		q := kind.Question
		a, err := c.ask(q)
		c.must(err)
		all := c.people
		if len(q.Total) == 0 {
			all = m.known(all)
		}
		checkAnswer(t, all, q, a)
		if a.Layout != "matched" || a.Spine != spine || a.Slots != matchedSlots || a.Work().LogSlots != 0 {
			t.Errorf("%s: the layout is %s, spine %s, %d slots; work %+v", wording(q), a.Layout, a.Spine, a.Slots, a.Work())
		}
		for _, cell := range a.Cells {
			noise := dp.Noise{Mechanism: "laplace", Epsilon: 10, Sensitivity: 1}
			if want := math.Sqrt(float64(a.Draws)) * noise.Std(); q.Count != "" && math.Abs(cell.Std-want) > 1e-9 {
				t.Errorf("%s: the error is %v, must be that of the noise, %v", wording(q), cell.Std, want)
			}
		}
		e, err := c.analysts[0].Explain(context.Background(), filled(q), 0)
		c.must(err)
		if e.Layout != "matched" || e.HashingOnly != 0 || e.Matching == nil || e.Matching.Spine != spine || !e.Matching.At.Equal(m.At) {
			t.Errorf("%s: the plan has layout %s, matching %+v, ± %v without noise", wording(q), e.Layout, e.Matching, e.HashingOnly)
		}
		q.Layout = "hashed"
		if a := c.answered(q); a.Layout != "hashed" || a.Spine != "" { // of all customers
			t.Errorf("%s: forced, the layout is %s, spine %q", wording(q), a.Layout, a.Spine)
		}
	}
}

// TestVersionsOfMatchings guards what a question is over while parties have different matchings: the newest that all of its parties
// have; those that have none together go on in the hashed layout, and are told why if they insist. A question of other slots than
// one party's is refused by that party, in words.
func TestVersionsOfMatchings(t *testing.T) {
	c := start(t, setup{parties: 3, noise: agreement.NoiseCoordinator, matched: true, seed: 502})
	old, next := c.draw(1), c.draw(2)
	two := client.Question{Count: "bank.member && cinema.member"}
	three := client.Question{Count: "bank.member && cinema.member && florist.member"}
	spineOf := func(q client.Question) byte {
		a, err := c.ask(q)
		c.must(err)
		if a.Layout == "hashed" {
			return 0
		}
		spine, err := strconv.ParseUint(a.Spine[:2], 16, 8)
		c.must(err)
		return byte(spine)
	}
	check := func(when string, ofTwo, ofThree byte) {
		t.Helper()
		if a, b := spineOf(two), spineOf(three); a != ofTwo || b != ofThree {
			t.Errorf("%s: the questions are over matchings %d and %d, must be %d and %d", when, a, b, ofTwo, ofThree)
		}
	}
	forced := func(words string) {
		t.Helper()
		q := three
		q.Layout = "matched"
		_, err := c.ask(q)
		refused(t, err, fault.Unsupported, words)
		if hint := client.ErrorHint(err); !strings.Contains(hint, "sotto match") {
			t.Errorf("the hint is %q", hint)
		}
	}
	check("before any", 0, 0)
	forced("bank has no matching under this agreement")
	c.keep(old, "bank", "cinema")
	check("when two have the first", 1, 0)
	forced("florist has no matching under this agreement")
	c.keep(next, "florist")
	forced("there is no matching that all of bank, cinema, florist have")
	c.keep(old, "florist") // late
	check("when one has the second", 1, 1)
	c.keep(next, "bank")
	check("when two have the second", 1, 1)

	body, _ := c.question(three)
	body.Layout, body.Precision, body.Spine, body.Slots = agreement.LayoutMatched, "", next.Spine, next.Slots
	k := c.conduct(body)
	_, err := k.parties["bank"].Prepare(context.Background(), &sottov1.PrepareRequest{Session: k.id[:], Query: k.signed})
	c.must(err)
	_, err = k.parties["cinema"].Prepare(context.Background(), &sottov1.PrepareRequest{Session: k.id[:], Query: k.signed})
	refused(t, err, fault.Stale, "the question is over another matching than cinema has")
	k.forget()

	c.keep(next, "cinema")
	check("when all have the second", 2, 2)
	for _, m := range []*matching{old, next} { // who stays for as long as others may need it
		plan, numbers := c.released(three, m)
		if got, want := cellsWithout(plan, three, numbers), c.truthOf(three, m); !maps.Equal(got, want) {
			t.Errorf("over matching %d: %v, in truth %v", m.ID[0], got, want)
		}
	}
	catalog, err := c.analysts[0].Catalog(context.Background())
	c.must(err)
	for _, p := range catalog.Parties {
		if len(p.Matchings) != 2 || p.Matchings[0].Slots != matchedSlots {
			t.Errorf("the catalog has of %s %+v", p.Name, p.Matchings)
		}
	}
}
