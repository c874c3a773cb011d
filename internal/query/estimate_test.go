package query_test

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
)

// town is 120 people, 64 of them customers of each of three parties: a has the first ones, b those from the 30th on, c all of
// the first 20 and those from the 76th on. What else is true of them is drawn.
func town(q *query.Query) []map[string]*record {
	random := rand.New(rand.NewPCG(3, 4))
	people := make([]map[string]*record, 120)
	for n := range people {
		people[n] = map[string]*record{}
		for _, participant := range q.Participants {
			party := participant.Party
			if at := map[string]bool{"a": n < 64, "b": n >= 30 && n < 94, "c": n < 20 || n >= 76}; !at[party] {
				continue
			}
			for people[n][party] == nil { // somebody draws customers one time in two
				people[n][party] = somebody(random, q)[party]
			}
		}
	}
	return people
}

// The answer is right, whatever is asked: over 1500 salts, with 64 customers each on 256 slots, which is the highest load, the
// mean of every number that is released and of all of them together, but for the noise, is the truth to within the bias that
// is stated and 6 standard errors of the mean; and its variance is not above what is stated by more than 6 standard
// deviations of a sample variance. Where the stated error is not only a bound, it is not below half of it either.
//
// A sample variance of n has a relative standard deviation of √((κ−1)/n), for a kurtosis κ ≤ 4.4; 5 % are for terms of a
// relative size of 1/people that are left out. False alarms: 2·10⁻⁹ for each of less than 100 comparisons, 2·10⁻⁷ in all.
func TestAnswersAreUnbiasedWithinTheirStatedError(t *testing.T) {
	salts := 1500
	if os.Getenv("SOTTO_LONG") == "1" {
		salts = 40_000
	}
	dimension := func(q *query.Query, party, name string, values ...string) *query.Query {
		q.GroupBy = append(q.GroupBy, query.Dimension{Party: party, Name: name, Values: values})
		return q
	}
	for name, c := range map[string]struct {
		q     *query.Query
		tight bool
	}{
		"both":               {about("a.member && b.member", 64), true},
		"either":             {about("a.member || b.member", 64), true},
		"one without":        {about("a.member && !b.member", 64), true},
		"any of three":       {about("a.member || b.member || c.member", 64), false},
		"two and not third":  {about("(a.s || b.t) && c.member && !(a.t && b.s)", 64), false},
		"either by both":     {dimension(dimension(about("a.member || b.member", 64), "a", "e", "v0"), "b", "d", truthValues[:2]...), false},
		"sum":                {of(about("a.member && b.member", 64), query.Sum, "b.spend", 0, 9), false},
		"signed sum":         {of(about("a.member && b.member", 64), query.Sum, "b.spend", -9, 9), false},
		"sum without":        {of(about("a.member && !b.s", 64), query.Sum, "a.spend", -4, 9), false},
		"sum of either by":   {dimension(of(about("(a.member || c.s) && b.member", 64), query.Sum, "b.spend", 2, 9), "c", "e", "v0"), false},
		"mean by":            {dimension(of(about("a.member && b.member", 64), query.Mean, "b.spend", 1, 8), "a", "e", "v0"), false},
		"total":              {counting(about("[a.member, b.s, c.t]", 64), query.Total), false},
		"frequency":          {counting(about("[a.member, b.member]", 64), query.Frequency), true},
		"frequency of three": {counting(about("[a.member, b.s || b.t, c.member]", 64), query.Frequency), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, c.q)
			if p.LogSlots > 0 {
				resize(p, 8)
				clip, err := layout.Clip(64, 8)
				if err != nil {
					t.Fatal(err)
				}
				p.Clip = clip
			}
			people := town(c.q)
			want := make([]float64, p.Cells+1)
			for _, person := range people {
				for cell, number := range exactOf(p, person) {
					want[cell] += float64(number)
					want[p.Cells] += float64(number)
				}
			}
			sum, squares := make([]float64, p.Cells+1), make([]float64, p.Cells+1)
			s := begin(p, people, -1)
			for n := range salts {
				all := 0.
				for cell, number := range s.numbers(salt(t.Name(), n)) {
					all += float64(number)
					sum[cell] += float64(number)
					squares[cell] += float64(number) * float64(number)
				}
				sum[p.Cells] += all
				squares[p.Cells] += all * all
			}
			var cells []int
			for cell := range p.Cells + 1 {
				which := []int{cell}
				if cell == p.Cells {
					which = cells
				}
				cells = append(cells, cell)
				e := p.Error(which, int64(want[cell]))
				mean := sum[cell] / float64(salts)
				variance := squares[cell]/float64(salts) - mean*mean
				if math.Abs(mean-want[cell]) > e.Bias+6*e.Std/math.Sqrt(float64(salts))+1e-9 {
					t.Errorf("numbers %v: mean %.3f, truth %.0f, stated bias %.3f, standard error of the mean %.3f", which, mean, want[cell], e.Bias, e.Std/math.Sqrt(float64(salts)))
				}
				stated := e.Std * e.Std
				if allowed := 1.05 + 6*math.Sqrt(3.4/float64(salts)); variance > stated*allowed+1e-6 {
					t.Errorf("numbers %v: variance is %.3f times what is stated, want at most %.3f", which, variance/stated, allowed)
				}
				if c.tight && variance < stated/2 {
					t.Errorf("numbers %v: variance is only %.3f times what is stated", which, variance/stated)
				}
			}
		})
	}
}
