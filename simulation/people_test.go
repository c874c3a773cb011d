package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

const (
	universe      = 2400 // people, of whom each party knows some 1000
	customersUpTo = 2000 // what each party declares
)

// partyNames are in the order of the agreement.
var partyNames = []string{"bank", "cinema", "florist", "grocer", "insurer"}

// Every party declares the same names.
var (
	segments   = map[string]string{"gold": "tier = 'gold'"}
	dimensions = map[string]config.Dimension{
		"band":   {SQL: "band", Values: []string{"under 40", "40 and over"}},
		"region": {SQL: "region", Values: []string{"north", "south"}},
	}
)

// person is somebody, with what each party knows of them.
type person struct {
	id    ids.ID
	knows []customer
}

// customer is what one party knows of a person, the zero value if nothing.
type customer struct {
	is         bool
	gold       bool
	dimensions map[string]string
}

// people makes up a population. Half of it are people who buy everywhere, so that overlaps of many parties are not empty.
func people(random *rand.Rand, parties int) []person {
	all := make([]person, universe)
	for i := range all {
		for j := range all[i].id {
			all[i].id[j] = byte(random.Uint32())
		}
		likely := 0.7
		if random.IntN(2) == 0 {
			likely = 0.15
		}
		for range parties {
			c := customer{is: random.Float64() < likely}
			if c.is {
				c.gold = random.IntN(2) == 0
				c.dimensions = map[string]string{}
				for _, name := range []string{"band", "region"} {
					values := append(slices.Clone(dimensions[name].Values), query.Unknown)
					c.dimensions[name] = values[random.IntN(len(values))]
				}
			}
			all[i].knows = append(all[i].knows, c)
		}
	}
	return all
}

// snapshot is what a party that knows these people would have loaded.
func snapshot(all []person, party int) *customers.Snapshot {
	s := &customers.Snapshot{
		SegmentNames: []string{"gold"}, DimensionNames: []string{"band", "region"}, Dimensions: make([][]uint16, 2),
	}
	for _, p := range all {
		c := p.knows[party]
		if !c.is {
			continue
		}
		s.IDs = append(s.IDs, p.id)
		mask := uint64(0)
		if c.gold {
			mask = 1
		}
		s.Segments = append(s.Segments, mask)
		for d, name := range s.DimensionNames {
			code := slices.Index(dimensions[name].Values, c.dimensions[name])
			if code < 0 {
				code = len(dimensions[name].Values)
			}
			s.Dimensions[d] = append(s.Dimensions[d], uint16(code))
		}
	}
	return s
}

// groupKey names a cell of an answer.
func groupKey(by []string, group map[string]string) string {
	var key strings.Builder
	for _, name := range by {
		fmt.Fprintf(&key, "%s=%s ", name, group[name])
	}
	return key.String()
}

// truth counts the people of a question, group by group; groups without people are absent.
func truth(t testing.TB, all []person, q client.Question) map[string]int64 {
	t.Helper()
	audience, err := query.ParseAudience(q.Count)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, p := range all {
		known := func(party string) customer { return p.knows[slices.Index(partyNames, party)] }
		if !audience.Holds(func(leaf *query.Expr) bool {
			c := known(leaf.Party)
			switch leaf.Op {
			case query.Member:
				return c.is
			case query.Segment:
				return c.is && c.gold
			}
			return c.is && slices.Contains(leaf.Values, c.dimensions[leaf.Name])
		}) {
			continue
		}
		group := map[string]string{}
		for _, name := range q.By {
			party, dimension, _ := strings.Cut(name, ".")
			group[name] = known(party).dimensions[dimension]
		}
		counts[groupKey(q.By, group)]++
	}
	return counts
}

// confidence of the intervals in which answers must lie. Their part for collisions in the hashed layout is computed for
// customersUpTo, twice what the parties have, so that the true share of answers outside is far below its complement, 1e-7,
// though the tails of a few dozen collisions are heavier than a normal distribution's.
const confidence = 1 - 1e-7

// checkAnswer compares an answer with the truth, cell by cell.
func checkAnswer(t testing.TB, all []person, q client.Question, a *client.Answer) {
	t.Helper()
	want := truth(t, all, q)
	cells := 1
	for range q.By {
		cells *= 3
	}
	if len(a.Cells) != cells {
		t.Fatalf("the answer has %d cells, must have %d", len(a.Cells), cells)
	}
	seen := map[string]bool{}
	for _, cell := range a.Cells {
		key := groupKey(q.By, cell.Group)
		if seen[key] {
			t.Errorf("cell %q occurs twice", key)
		}
		seen[key] = true
		low, high, err := cell.Interval(confidence)
		if err != nil {
			t.Fatal(err)
		}
		if exact := float64(want[key]); exact < low || exact > high {
			t.Errorf("cell %q of %s: %v people in truth, answer %d, interval %v to %v", key, q.Count, exact, cell.Value, low, high)
		}
	}
}
