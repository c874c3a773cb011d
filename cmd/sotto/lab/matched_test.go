package lab_test

import (
	"cmp"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/dp"
)

// The promise of the matched layout, that noise is the only error, on all that TestRealData asks: of each set once matched,
//
//   - every question is answered as there, and its error is that of noise alone; no question says that it wants the matched layout;
//   - every count, of an audience or by how many companies people are customers of, is answered once more without noise, by the
//     truth itself: see noiseless;
//   - one question is forced into the hashed layout, which goes on beside, with the precision that it names.
//
// False alarms: as for TestRealData, with the 10⁻⁷ more that are counted there, at most 10⁻⁶ together. A cell without noise is
// wrong in three independent answers with probability 6·10⁻¹², less than the 10⁻⁹ that are allowed each cell there.
func TestRealDataMatched(t *testing.T) {
	var questions []*question
	for _, set := range []string{"telco", "adventureworks", "febrl"} {
		asked := realQuestions(t, set)
		file := new(*asked[0].file)
		file.Precision = ""
		file.Agreement.Matching = lab.DefaultMatching
		allowAll(file)
		ask := func(q *question) *question {
			changed := new(*q)
			changed.file = file
			questions = append(questions, changed)
			return changed
		}
		for _, q := range asked {
			if ask(q); q.Sum == "" && q.Mean == "" && len(q.Total) == 0 {
				ask(q).Epsilon = dp.MaxEpsilon
			}
		}
		hashed := ask(asked[0])
		hashed.Layout, hashed.Precision = "hashed", "high"
	}
	checkAnswers(t, questions)
}

// allowAll raises the limits of a file, so that its questions can be asked at the greatest ε.
func allowAll(file *lab.File) {
	limits := &file.Agreement
	limits.EpsilonPerQuery, limits.EpsilonTotal, limits.DeltaPerQuery = dp.MaxEpsilon*1_000_000, 1_000_000_000, 0.01
}

// noiseAnyway bounds the probability that a cell of a question that is [question.noiseless] has noise. Noise can't be switched
// off, but at the greatest ε that is allowed, and one person changing the answer by 1, a draw is 0 but with probability
// e^(−ε/2) = 4.5·10⁻⁵: of Laplace noise of scale 1/ε, rounded, it is what is ½ or more from 0. No number has more than four draws.
var noiseAnyway = 4 * math.Exp(-dp.MaxEpsilon/2)

// noiseless tells whether the question is answered by the truth itself, nearly always.
func (q *question) noiseless() bool {
	scale, _ := q.scale()
	return q.matched() && q.Epsilon == dp.MaxEpsilon && scale*q.matchedSensitivity() == 1
}

// matched tells whether the question is answered in the matched layout.
func (q *question) matched() bool {
	return q.file.Matched() && q.file.Ask(q.Question).Layout != "hashed"
}

// matchedSensitivity returns how far one person moves all numbers together, as a multiple of what they count: they are in one
// cell, whatever the terms are; only a total adds them up once for each company.
func (q *question) matchedSensitivity() float64 { return float64(max(1, len(q.Total))) }

// matched matches the customers of a lab that was just started, all of them.
func matched(t *testing.T, file *lab.File, running *lab.Lab) (*client.Matching, error) {
	began := time.Now()
	m, err := running.Match(t.Context(), nil)
	if err != nil {
		return nil, fmt.Errorf("match %s: %w", file.Collaboration, err)
	}
	t.Logf("%-75s %d slots %27.2f s", "matching of "+file.Collaboration, m.Slots, time.Since(began).Seconds())
	if math.Abs(m.Epsilon-matchingPrice(file)) > 1e-9 || len(m.NotKept) > 0 || len(m.Parties) != len(file.Parties) {
		t.Errorf("the matching of %s is %+v, must be of all parties, for epsilon %v", file.Collaboration, m, matchingPrice(file))
	}
	return m, nil
}

// matchingPrice returns what a matching of the file's parties costs in ε: its price for a record, by each party.
func matchingPrice(file *lab.File) float64 {
	price := cmp.Or(file.Agreement.Matching, lab.DefaultMatching).Epsilon.Float()
	return price * float64(len(file.Parties))
}

// checkLayout checks that a question was explained and answered in the layout that it is to be in, and over the matching.
func (q *question) checkLayout(t *testing.T, m *client.Matching, e *client.Explanation, answer *client.Answer) {
	layout, spine, slots := "hashed", "", int64(0)
	if q.matched() {
		layout, spine, slots = "matched", m.Spine, m.Slots
		if people := q.matchedSensitivity(); float64(e.Sensitivity) != people*q.weight() || e.HashingOnly != 0 {
			t.Errorf("%s: explained with sensitivity %d and ± %v by hashing, must be %v and 0", q.Name, e.Sensitivity, e.HashingOnly, people*q.weight())
		}
	}
	if e.Layout != layout || answer.Layout != layout || answer.Spine != spine || answer.Slots != slots {
		t.Errorf("%s: explained in the %s layout, answered in the %s layout over %q of %d slots; must be %s, %q, %d",
			q.Name, e.Layout, answer.Layout, answer.Spine, answer.Slots, layout, spine, slots)
	}
	if (e.Matching != nil) != q.matched() || e.Matching != nil && (e.Matching.Spine != spine || e.Matching.ID != m.ID) {
		t.Errorf("%s: explained over %+v, must be %+v", q.Name, e.Matching, m)
	}
}

// weight returns by how much one person can change the numbers of a cell together, in steps.
func (q *question) weight() float64 {
	scale, _ := q.scale()
	if q.Mean != "" {
		return 2 * scale // the sum, and the count that is multiplied as much
	}
	return scale
}
