package query_test

import (
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/query"
)

// largestChange returns how far one of the people moves the vector of all numbers, in L1, at most: with and without them at
// all parties.
func largestChange(p *query.Plan, salt [32]byte, people []map[string]*record) int64 {
	var largest int64
	all := begin(p, people, -1).numbers(salt)
	for n := range people {
		var change int64
		for cell, number := range begin(p, people, n).numbers(salt) {
			change += max(number-all[cell], all[cell]-number)
		}
		largest = max(largest, change)
	}
	return largest
}

// climb looks for people one of whom moves the numbers far: it changes one person after the other and keeps what is no worse.
func climb(p *query.Plan, random *rand.Rand, people, steps int) (most int64) {
	crowd := make([]map[string]*record, people)
	for i := range crowd {
		crowd[i] = somebody(random, p.Query)
	}
	salt := salt("climb", int(random.Int32()))
	most = largestChange(p, salt, crowd)
	for range steps {
		i := random.IntN(people)
		before := crowd[i]
		crowd[i] = somebody(random, p.Query)
		if change := largestChange(p, salt, crowd); change >= most {
			most = change
		} else {
			crowd[i] = before
		}
	}
	return most
}

// clipped are numbers of customers for which the clip is 1, 2 and 3.
var clipped = []int64{0, 1000, 50_000, 100_000}

// Guards the noise: whatever is asked and whatever the data, one person, there or not at all parties together, never moves
// all released numbers together by more than the noise is made for. Searched for where it is most likely, with so few slots
// that everybody collides with others.
func TestNobodyMovesTheAnswerFurtherThanTheNoiseCovers(t *testing.T) {
	steps := 200
	if os.Getenv("SOTTO_LONG") == "1" {
		steps = 2000
	}
	rapid.Check(t, func(t *rapid.T) {
		clip := rapid.IntRange(1, 3).Draw(t, "clip")
		q, _ := anyExpression(t, clipped[clip])
		if rapid.IntRange(0, 4).Draw(t, "parts") == 0 {
			text, _ := partsOf(t, rapid.IntRange(2, 3).Draw(t, "parties"))
			q = counting(about(text, clipped[clip]), rapid.SampledFrom([]string{query.Total, query.Frequency}).Draw(t, "of"))
		}
		p, err := query.NewPlan(q)
		if err != nil {
			return
		}
		if p.LogSlots > 0 {
			if p.Clip != clip {
				t.Fatalf("clip is %d, want %d", p.Clip, clip)
			}
			resize(p, rapid.IntRange(0, 2).Draw(t, "log slots"))
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		if most := climb(p, random, 2+random.IntN(3*clip), steps); most > p.Noise.Sensitivity {
			t.Fatalf("%s of %s by %v: one person moves the numbers by %d, the sensitivity is %d", q.Measure, q.Audience, q.GroupBy, most, p.Noise.Sensitivity)
		}
	})
}

// Guards the search above, and shows that the noise is not larger than it must be: the sensitivity is reached, but for a few
// questions nearly, and the search finds that.
func TestSearchFindsTheSensitivity(t *testing.T) {
	for _, c := range []struct {
		name string
		q    *query.Query
		want int64
	}{
		{"both", about("a.member && b.member", 1000), 1},
		{"both, clip 2", about("a.member && b.member", 50_000), 3},
		{"both, clip 3", about("a.member && b.member", 100_000), 5},
		{"either", about("a.member || b.member", 1000), 3},
		{"either, clip 2", about("a.member || b.member", 50_000), 5},
		{"one without", about("a.member && !b.member", 1000), 2},
		{"two pairs", about("a.s && b.s || a.t && b.t", 1000), 3},
		{"sum", of(about("a.member && b.member", 1000), query.Sum, "b.spend", -3, 7), 7},
		{"sum, clip 2", of(about("a.member && b.member", 50_000), query.Sum, "b.spend", -3, 7), 21},
		{"sum without", of(about("a.member && !b.member", 1000), query.Sum, "a.spend", -3, 7), 14},
		{"mean", of(about("a.member && b.member", 1000), query.Mean, "b.spend", 0, 10), 10},
		{"by", by(about("a.member && b.member", 1000), "a.e", 1), 2},
		{"by both, clip 2", by(by(about("a.member && b.member", 50_000), "a.e", 1), "b.e", 1), 6},
		{"sum by", by(of(about("a.member && b.member", 1000), query.Sum, "b.spend", -3, 7), "a.e", 1), 14},
		{"either by", by(about("a.member || b.member", 1000), "b.e", 1), 3},
		{"total", counting(about("[a.member, b.s, c.t]", 1000), query.Total), 3},
		{"frequency", counting(about("[a.member, b.member]", 1000), query.Frequency), 5},
		{"frequency of three", counting(about("[a.member, b.member, c.member]", 1000), query.Frequency), 16},
	} {
		p := plan(t, c.q)
		if p.LogSlots > 0 {
			resize(p, 0)
		}
		random := rand.New(rand.NewPCG(1, 2))
		var most int64
		for range 4 {
			most = max(most, climb(p, random, 2*p.Clip+1, 120))
		}
		if most < c.want || most > p.Noise.Sensitivity {
			t.Errorf("%s: found %d, want %d; the sensitivity is %d", c.name, most, c.want, p.Noise.Sensitivity)
		}
	}
}
