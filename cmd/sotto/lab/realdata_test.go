package lab_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// tries is how often a question is asked before its answers count as wrong. Salts and noise are drawn anew each time, so
// that what chance does to one answer says nothing about the next.
const tries = 3

// The main promise: on three real customer sets, every question of their truth files, and reach, exclusive audiences,
// sums, means, totals and frequencies beside them, is answered within what the answer says of its own error; the answer
// does not claim more error than noise and hashing have; and it is as exact, and as dear, as was explained before.
//
// Answers are random, so each rule has a rate at which it fails without a defect:
//
//   - Every cell lies within its 99.9 % interval. One in a thousand may be outside; a cell counts as wrong if three
//     independent answers miss: cells·10⁻⁹, by the union bound, whatever the cells of one answer have to do with each other.
//     The same is asked of the consistent cells and marginals of cross-tabs.
//   - Of the first answers, no more than a few cells lie outside of it: the number that a binomial distribution exceeds
//     with probability 10⁻⁷. (The same goes for cells without noise, of which TestRealDataMatched has some.)
//   - At least 90 % of the cells lie within their 95 % intervals. A binomial number of cells at 5 % passes 10 % in about
//     one of four hundred suites; the test fails if it does so in three independent ones.
//
// The binomial rates take the cells of an answer for independent: they share salt and vectors, but each pair of people
// carries a sign of its own. What dependence there is, slack makes up for: an interval is computed from public bounds on
// whole parties, and one group of a party has some third of the error of the whole.
func TestRealData(t *testing.T) {
	checkAnswers(t, allRealQuestions(t))
}

// The same under an agreement with the coordinator's noise alone, and with Gaussian noise. False alarms: as above, for each.
func TestRealDataOtherNoise(t *testing.T) {
	if os.Getenv("SOTTO_LONG") == "" {
		t.Skip("takes another two minutes: SOTTO_LONG=1")
	}
	for name, change := range map[string]func(*lab.File){
		"coordinator": func(f *lab.File) { f.Noise = "coordinator" },
		"gaussian":    func(f *lab.File) { f.Mechanism, f.Delta = "gaussian", 1e-6 },
	} {
		t.Run(name, func(t *testing.T) {
			questions := allRealQuestions(t)
			files := map[*lab.File]*lab.File{}
			for _, q := range questions {
				changed, ok := files[q.file]
				if !ok {
					changed = new(*q.file)
					change(changed)
					files[q.file] = changed
				}
				q.file = changed
			}
			checkAnswers(t, questions)
		})
	}
}

func allRealQuestions(t *testing.T) (questions []*question) {
	for _, name := range []string{"telco", "adventureworks", "febrl"} {
		questions = append(questions, realQuestions(t, name)...)
	}
	return questions
}

// checkAnswers asks the questions and holds the answers to the rules above.
func checkAnswers(t *testing.T, questions []*question) {
	outcomes := askAll(t, questions)
	cells := number(outcomes, released)
	few := cells / 10
	limit := binomialLimit(cells, 0.001, 1e-7)
	tooMany := math.Pow(binomialTail(cells, 0.05, few), tries)
	if rate := float64(len(outcomes))*1e-9 + 2e-7 + tooMany; rate > 1e-6 {
		t.Errorf("with %d cells, chance fails this test at a rate of %g, must be at most 1e-6", len(outcomes), rate)
	}
	if missed := number(outcomes, outside999); missed > limit {
		t.Errorf("%d of %d cells are outside of their 99.9 %% interval, at most %d by chance", missed, cells, limit)
	}
	noiseless := number(outcomes, withoutNoise)
	if noiseless > 0 {
		noisy, limit := number(outcomes, wrong), binomialLimit(noiseless, noiseAnyway, 1e-7)
		t.Logf("%d of %d cells without noise are not the truth", noisy, noiseless)
		if noisy > limit {
			t.Errorf("%d of %d cells without noise are not the truth, at most %d by chance", noisy, noiseless, limit)
		}
	}

	missed := number(outcomes, outside95)
	t.Logf("%d of %d cells are outside of their 95 %% interval", missed, cells)
	insist(t, questions, outcomes)
	for range tries - 1 {
		if missed > few {
			missed = min(missed, number(askAll(t, questions), outside95))
		}
	}
	if missed > few {
		t.Errorf("%d of %d cells or more are outside of their 95 %% interval, %d times in a row; at most %d by chance", missed, cells, tries, few)
	}
}

// Matching bytes instead of addresses loses a third of the people that two shops share: what the type email is for. The
// number that is left is in the truth file too, found by exact comparison. False alarms: 10⁻⁹, as above.
func TestBytesInsteadOfAddresses(t *testing.T) {
	q := *find(t, realQuestions(t, "adventureworks"), "bikes & gear")
	file := *q.file
	file.Parties = slices.Clone(file.Parties)
	for i := range file.Parties {
		file.Parties[i].Identity = config.Identities{{Column: file.Parties[i].Identity[0].Column, Type: ids.Opaque}}
	}
	people := q.truth[""]
	q.file, q.truth = &file, map[string]float64{"": readTruth(t, "adventureworks").ExactBytes}
	if q.truth[""] > people*2/3 {
		t.Fatalf("the trap is not one: %v people by bytes, %v by address", q.truth[""], people)
	}
	questions := []*question{&q}
	insist(t, questions, askAll(t, questions))
}

// cell is one number of the answer to a question, in the truth file's spelling of its group.
type cell struct {
	question *question
	group    string
	table    string // of a consistent table its dimensions, in brackets; "" for what was released
}

// outcome is a number and how it relates to the truth.
type outcome struct {
	value, truth                    float64
	released, outside95, outside999 bool
	noiseless                       bool // and released; its interval is then its value
}

func released(o outcome) bool     { return o.released && !o.noiseless }
func outside95(o outcome) bool    { return released(o) && o.outside95 }
func outside999(o outcome) bool   { return released(o) && o.outside999 }
func withoutNoise(o outcome) bool { return o.noiseless }
func wrong(o outcome) bool        { return o.noiseless && o.outside999 }

func number(outcomes map[cell]outcome, is func(outcome) bool) int {
	n := 0
	for _, o := range outcomes {
		if is(o) {
			n++
		}
	}
	return n
}

// insist asks the questions of cells that are outside of their 99.9 % interval again, and reports those that stay so.
func insist(t *testing.T, questions []*question, outcomes map[cell]outcome) {
	for range tries - 1 {
		var again []*question
		for _, q := range questions {
			missed := false
			for c, o := range outcomes {
				missed = missed || c.question == q && o.outside999
			}
			if missed {
				again = append(again, q)
			}
		}
		for c, o := range askAll(t, again) {
			if before, ok := outcomes[c]; ok && before.outside999 {
				t.Logf("%s, %s%q: %v was outside of its 99.9 %% interval, the truth is %v; asked again, it is %v",
					c.question.Name, c.table, c.group, before.value, o.truth, o.value)
				outcomes[c] = o
			}
		}
	}
	for c, o := range outcomes {
		if o.outside999 {
			t.Errorf("%s, %s%q: %v is outside of its 99.9 %% interval for the %dth time, the truth is %v",
				c.question.Name, c.table, c.group, o.value, tries, o.truth)
		}
	}
}

// askAll asks each question once, in a lab for each file; the labs run at the same time.
func askAll(t *testing.T, questions []*question) map[cell]outcome {
	byFile := map[*lab.File][]*question{}
	for _, q := range questions {
		byFile[q.file] = append(byFile[q.file], q)
	}
	var mu sync.Mutex
	outcomes := map[cell]outcome{} // guarded by mu
	var labs errgroup.Group
	for file, some := range byFile {
		labs.Go(func() error {
			running, err := lab.Start(t.Context(), file, lab.Silent())
			if err != nil {
				return err
			}
			var matching *client.Matching
			if file.Matched() {
				if matching, err = matched(t, file, running); err != nil {
					return errors.Join(err, running.Close())
				}
			}
			for _, q := range some {
				explained, err := running.Explain(t.Context(), file.Ask(q.Question), 0)
				if err != nil {
					return errors.Join(fmt.Errorf("explain %s: %w", q.Name, err), running.Close())
				}
				began := time.Now()
				answer, err := running.Ask(t.Context(), file.Ask(q.Question), nil)
				if err != nil {
					return errors.Join(fmt.Errorf("%s: %w", q.Name, err), running.Close())
				}
				t.Logf("%-75s %2d cells, %s at epsilon %v %6.2f s", q.Name, len(answer.Cells), answer.Layout, q.Epsilon, time.Since(began).Seconds())
				q.checkExplanation(t, explained, answer)
				q.checkLayout(t, matching, explained, answer)
				mu.Lock()
				q.compare(t, answer, outcomes)
				mu.Unlock()
			}
			return running.Close()
		})
	}
	if err := labs.Wait(); err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// compare adds the answer's cells to outcomes, and checks what does not depend on chance.
func (q *question) compare(t *testing.T, answer *client.Answer, outcomes map[cell]outcome) {
	asked := q.file.Ask(q.Question)
	mechanism := cmp.Or(asked.Mechanism, "laplace")
	if answer.Epsilon != q.Epsilon || answer.Mechanism != mechanism || answer.Draws != q.draws() || answer.Earlier {
		t.Errorf("%s: the answer has epsilon %v, %d draws of %s noise, earlier %t",
			q.Name, answer.Epsilon, answer.Draws, answer.Mechanism, answer.Earlier)
	}
	charged := map[string]float64{}
	for _, party := range q.parties {
		charged[party] = q.Epsilon
	}
	if !maps.Equal(answer.Charged, charged) {
		t.Errorf("%s: charged %v, must be %v", q.Name, answer.Charged, charged)
	}
	unseen := map[string]bool{}
	for group := range q.truth {
		unseen[group] = true
	}
	for _, c := range answer.Cells {
		group := q.group(c)
		delete(unseen, group)
		o, low, high := q.outcome(t, c, q.truth[group]) // 0 if there is nobody
		if mechanism == "laplace" {
			q.checkError(t, c, low, high)
		}
		if _, ok := q.truth[group]; ok || q.Mean == "" { // of nobody there is no mean
			o.released = true
			if q.noiseless() {
				o.noiseless, o.outside999 = true, c.Value != o.truth
			}
			outcomes[cell{q, group, ""}] = o
		}
	}
	if len(unseen) > 0 {
		t.Errorf("%s: the answer has no cells for %v", q.Name, unseen)
	}
	if len(q.By) > 0 && q.Mean == "" && !q.noiseless() { // what they do to noise is seen where there is some
		q.compareTables(t, answer, outcomes)
	}
}

// draws returns how many key-holders add noise to each number.
func (q *question) draws() int {
	if q.file.Noise == "coordinator" {
		return 1
	}
	return len(q.parties) + 1
}

// outcome returns how a cell relates to the truth, and its 99.9 % interval.
func (q *question) outcome(t *testing.T, c client.Cell, truth float64) (o outcome, low, high float64) {
	low, high, err := c.Interval(0.999)
	if err != nil {
		t.Error(err)
	}
	return outcome{value: c.Value, truth: truth, outside95: truth < c.Low || truth > c.High, outside999: truth < low || truth > high}, low, high
}
