package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/query"
)

// groupKey names a cell of an answer.
func groupKey(by []string, group map[string]string) string {
	var key strings.Builder
	for _, name := range by {
		fmt.Fprintf(&key, "%s=%s ", name, group[name])
	}
	return key.String()
}

// of returns what a party knows of a person.
func (p person) of(party string) customer { return p.knows[slices.Index(partyNames, party)] }

// in tells whether a person is in an audience.
func (p person) in(audience *query.Expr) bool {
	return audience.Holds(func(leaf *query.Expr) bool {
		c := p.of(leaf.Party)
		switch leaf.Op {
		case query.Member:
			return c.is
		case query.Segment:
			return c.is && c.gold
		}
		return c.is && slices.Contains(leaf.Values, c.dimensions[leaf.Name])
	})
}

// group returns a person's values of some dimensions: unknown for those of a party that does not know the person.
func (p person) group(by []string) map[string]string {
	group := map[string]string{}
	for _, name := range by {
		party, dimension, _ := strings.Cut(name, ".")
		if group[name] = query.Unknown; p.of(party).is {
			group[name] = p.of(party).dimensions[dimension]
		}
	}
	return group
}

// truth answers a question from all that everybody knows, cell by cell; of a mean, only the cells that have somebody.
func truth(t testing.TB, all []person, q client.Question) map[string]float64 {
	t.Helper()
	parse := func(text string) *query.Expr {
		audience, err := query.ParseAudience(text)
		if err != nil {
			t.Fatal(err)
		}
		return audience
	}
	cells, people := map[string]float64{}, map[string]float64{}
	parts := slices.Concat(q.Total, q.Frequency)
	if len(parts) == 0 {
		measured := q.Sum + q.Mean
		party, measure, _ := strings.Cut(measured, ".")
		audience := parse(q.Count + q.Where)
		for _, p := range all {
			amount, has := p.knows[max(0, slices.Index(partyNames, party))].amounts[measure]
			if !p.in(audience) || measured != "" && !has {
				continue
			}
			key := groupKey(q.By, p.group(q.By))
			people[key]++
			cells[key] += float64(amount) * float64(measures[measure].Step)
		}
		switch {
		case q.Count != "":
			return people
		case q.Mean != "":
			for key := range cells {
				cells[key] /= people[key]
			}
		}
		return cells
	}
	var audiences []*query.Expr
	for _, part := range parts {
		audiences = append(audiences, parse(part))
	}
	for _, p := range all {
		held := 0
		for _, audience := range audiences {
			if p.in(audience) {
				held++
			}
		}
		switch {
		case len(q.Total) > 0:
			cells[""] += float64(held)
		case held > 0:
			cells[groupKey([]string{"parties"}, map[string]string{"parties": strconv.Itoa(held)})]++
		}
	}
	return cells
}

// wording shows what a question asks.
func wording(q client.Question) string {
	text := q.Count
	switch {
	case q.Sum != "":
		text = "sum of " + q.Sum + " where " + q.Where
	case q.Mean != "":
		text = "mean of " + q.Mean + " where " + q.Where
	case len(q.Total) > 0:
		text = "total of " + strings.Join(q.Total, ", ")
	case len(q.Frequency) > 0:
		text = "frequency of " + strings.Join(q.Frequency, ", ")
	}
	if len(q.By) > 0 {
		text += " by " + strings.Join(q.By, ", ")
	}
	return text
}

// cellsOf returns how many cells the answer to a question has.
func cellsOf(q client.Question) int {
	if len(q.Frequency) > 0 {
		return len(q.Frequency)
	}
	cells := 1
	for range q.By {
		cells *= 3
	}
	return cells
}

// confidence of the intervals in which answers must lie. Their part for collisions in the hashed layout is computed for
// customersUpTo, twice what the parties have, so that the true share of answers outside is far below its complement, 1e-9,
// though the tails of a few dozen collisions are heavier than a normal distribution's.
const confidence = 1 - 1e-9

// checkAnswer compares an answer with the truth, cell by cell.
func checkAnswer(t testing.TB, all []person, q client.Question, a *client.Answer) {
	t.Helper()
	want := truth(t, all, q)
	if len(a.Cells) != cellsOf(q) {
		t.Fatalf("the answer has %d cells, must have %d", len(a.Cells), cellsOf(q))
	}
	left := maps.Clone(want)
	seen := map[string]bool{}
	for _, cell := range a.Cells {
		key := groupKey(a.By, cell.Group)
		if seen[key] {
			t.Errorf("cell %q occurs twice", key)
		}
		seen[key] = true
		delete(left, key)
		exact, some := want[key]
		if q.Mean != "" && !some {
			continue // of nobody
		}
		low, high, err := cell.Interval(confidence)
		if err != nil {
			t.Fatal(err)
		}
		if exact < low || exact > high {
			t.Errorf("cell %q of %s: %v in truth, answer %v, interval %v to %v", key, wording(q), exact, cell.Value, low, high)
		}
		if low, high := cell.Low, cell.High; !(low <= cell.Value && cell.Value <= high) {
			t.Errorf("cell %q of %s: %v is not within its interval, %v to %v", key, wording(q), cell.Value, low, high)
		}
	}
	if len(left) > 0 {
		t.Errorf("%s: the answer has no cells for %v", wording(q), left)
	}
}
