package sample

import "strings"

// The purposes of the sample companies. Everybody's data may be used for planning; for marketing, that of customers who
// consent. The companies of [Bench] have only the first.
const (
	Planning  = "planning"
	Marketing = "marketing"
)

// Question is one of the demo's questions, with its true answer.
type Question struct {
	Name    string         // what is asked, in words
	Count   string         // whom to count, in CEL
	By      []string       // group by these "party.dimension"; may be empty
	Purpose string         // Planning or Marketing
	Epsilon float64        // the privacy that each party spends on it
	Truth   map[string]int // the count of every cell, zero or not, under its [Key]
}

// Key names a cell: the values of its group, in the order of the question's By, joined by " | "; "" without a group-by.
func Key(values ...string) string { return strings.Join(values, " | ") }

// Questions returns four questions: the overlap of two companies by age band, that of all three, a cross-tab of a
// dimension of one company with a dimension of another, and the reach of two companies together.
func (w *World) Questions() []Question {
	questions := []struct {
		Question
		where func(p Person) bool
	}{
		{
			Question{
				Name:    "customers of bank and grocer, by age",
				Count:   `bank.member && grocer.member`,
				By:      []string{"bank.age_band"},
				Purpose: Planning,
				Epsilon: 1,
			},
			func(p Person) bool { return p.Member("bank") && p.Member("grocer") },
		},
		{
			Question{
				Name:    "gold cards with a large basket who fly",
				Count:   `bank.gold && grocer.basket == "large" && airline.member`,
				Purpose: Planning,
				Epsilon: 2,
			},
			func(p Person) bool {
				return p.Has("bank", "gold") && p.Value("grocer", "basket") == "large" && p.Member("airline")
			},
		},
		{
			Question{
				Name:    "customers of bank and airline, by tier and cabin",
				Count:   `bank.member && airline.member`,
				By:      []string{"bank.tier", "airline.cabin"},
				Purpose: Planning,
				Epsilon: 2,
			},
			func(p Person) bool { return p.Member("bank") && p.Member("airline") },
		},
		{
			Question{
				Name:    "whom a campaign of grocer and airline reaches, each person once",
				Count:   `grocer.member || airline.member`,
				Purpose: Marketing,
				Epsilon: 1,
			},
			func(p Person) bool { return p.Consents("grocer") || p.Consents("airline") },
		},
	}
	out := make([]Question, len(questions))
	for i, q := range questions {
		q.Truth = w.tally(q.By, q.where)
		out[i] = q.Question
	}
	return out
}

// tally counts the people for whom where holds, per cell. Every cell that the declared values allow is there.
func (w *World) tally(by []string, where func(p Person) bool) map[string]int {
	cells := [][]string{nil}
	for _, name := range by {
		party, dimension, _ := strings.Cut(name, ".")
		var finer [][]string
		for _, cell := range cells {
			for _, v := range demo[find(party)].dimension(dimension).values {
				finer = append(finer, append(cell[:len(cell):len(cell)], v))
			}
			finer = append(finer, append(cell[:len(cell):len(cell)], unknown))
		}
		cells = finer
	}
	truth := make(map[string]int, len(cells))
	for _, cell := range cells {
		truth[Key(cell...)] = 0
	}
	for i := range w.people {
		if p := w.people[i]; where(p) {
			cell := make([]string, len(by))
			for k, name := range by {
				party, dimension, _ := strings.Cut(name, ".")
				cell[k] = p.Value(party, dimension)
			}
			truth[Key(cell...)]++
		}
	}
	return truth
}
