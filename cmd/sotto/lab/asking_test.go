package lab_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
)

// hundredfold is small with a hundred customers for each, more to spend, and all parties but delta showing their budgets.
func hundredfold(t *testing.T) *lab.File {
	yaml := strings.Replace(small, "epsilon_total: 10}", "epsilon_total: 80}", 1)
	yaml = strings.ReplaceAll(yaml, "customers_up_to: 9\n", "customers_up_to: 900\n    limits: {show: all}\n")
	yaml = strings.Replace(yaml, "    limits: {show: all}\n    limits:", "    limits:", 1) // delta has limits already
	path := write(t, yaml, alphaRows)
	for name, rows := range map[string]string{"alpha.csv": alphaRows, "beta.csv": betaRows, "gamma.csv": gammaRows} {
		header, rest, _ := strings.Cut(rows, "\n")
		text := header + "\n"
		for i := range 100 {
			for row := range strings.Lines(rest) {
				text += fmt.Sprint(i) + row
			}
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := lab.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Every measure, by hand, in hundreds: alpha's customers are c1 (gold, north), c2 (south), c3 (gold, no declared region), c4
// (gold, north) and c9 (north), beta's c1 to c4 and c7; who is gold has spent 40, of which 30 count, c2 has spent
// 10, and of the others no amount is known. Each number is checked with a false alarm rate of 10⁻⁹.
func TestMeasures(t *testing.T) {
	file := hundredfold(t)
	running := start(t, file)
	defer stop(t, running)
	for _, c := range []struct {
		asked client.Question
		want  map[string]float64 // in hundreds, by the value of the group
		exact float64            // half the width of the interval is at most that, in hundreds
	}{
		{client.Question{Count: "alpha.member || beta.member"}, map[string]float64{"": 6}, 0.4},
		{client.Question{Count: "alpha.member && !beta.member"}, map[string]float64{"": 1}, 0.4},
		{client.Question{Count: "!alpha.gold && beta.member"}, map[string]float64{"": 2}, 0.4},
		{client.Question{Count: "alpha.gold || beta.member", By: []string{"alpha.region"}}, map[string]float64{"north": 2, "south": 1, "unknown": 2}, 0.4},
		{client.Question{Sum: "alpha.spend", Where: "alpha.member && beta.member"}, map[string]float64{"": 100}, 6},
		{client.Question{Sum: "alpha.spend", Where: "alpha.member && beta.member", By: []string{"alpha.region"}}, map[string]float64{"north": 60, "south": 10, "unknown": 30}, 6},
		{client.Question{Mean: "alpha.spend", Where: "alpha.gold || beta.member"}, map[string]float64{"": 0.25}, 0.015}, // of c1 to c4
		{client.Question{Total: []string{"alpha.gold", "beta.member"}}, map[string]float64{"": 8}, 0.4},
		{client.Question{Total: []string{"alpha.member", "gamma.member"}}, map[string]float64{"": 6}, 0.4}, // e-mail or not
		{client.Question{Frequency: []string{"alpha.member", "beta.member"}}, map[string]float64{"1": 2, "2": 4}, 0.4},
		// For profiling, c2 and c9 are nobody's.
		{client.Question{Count: "alpha.member && beta.member", Purpose: "profiling"}, map[string]float64{"": 3}, 0.4},
		{client.Question{Count: "!alpha.member && beta.member", Purpose: "profiling"}, map[string]float64{"": 2}, 0.4},
	} {
		c.asked.Epsilon, c.asked.Purpose = 5, cmp.Or(c.asked.Purpose, "planning")
		name := fmt.Sprintf("%+v", c.asked)
		answer, err := running.Ask(t.Context(), c.asked, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(answer.Cells) != len(c.want) {
			t.Errorf("%s: %d cells, must be %d", name, len(answer.Cells), len(c.want))
		}
		for _, cell := range answer.Cells {
			group := ""
			for _, value := range cell.Group {
				group = value
			}
			want, ok := c.want[group]
			want *= 100
			low, high, err := cell.Interval(1 - 1e-9)
			if !ok || err != nil || want < low || want > high || (high-low)/2 > 100*c.exact {
				t.Errorf("%s, %q: the answer is %v, %v to %v (error %v), the truth is %v", name, group, cell.Value, low, high, err, want)
			}
		}
	}
}

// Whoever asks the same again gets the same answer, of the same noise, and nobody pays: one after the other, or many at
// once. Fresh asks anew, and pays; so does every change of the question.
func TestAskedAgain(t *testing.T) {
	running := start(t, hundredfold(t))
	defer stop(t, running)
	q := client.Question{Count: "alpha.member && beta.member", Epsilon: 1, Purpose: "planning"}
	const clients = 8
	answers := make([]*client.Answer, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			var err error
			if answers[i], err = running.Ask(t.Context(), q, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	first := 0
	for _, a := range answers {
		if !a.Earlier {
			first++
		}
		if a.Cells[0].Value != answers[0].Cells[0].Value || !reflect.DeepEqual(a.Charged, answers[0].Charged) {
			t.Errorf("the same question has the answers %v and %v", a.Cells[0].Value, answers[0].Cells[0].Value)
		}
	}
	if first != 1 {
		t.Errorf("%d of %d answers to the same question were new, must be 1", first, clients)
	}
	checkSpent(t, running, "beta", 1)
	e, err := running.Explain(t.Context(), q, 0)
	if err != nil || !e.Earlier {
		t.Errorf("explained as %+v, error %v, must be free", e, err)
	}
	paid := 1.
	for what, change := range map[string]func(*client.Question){
		"fresh":   func(q *client.Question) { q.Fresh = true },
		"epsilon": func(q *client.Question) { q.Epsilon = 1.5 },
		"purpose": func(q *client.Question) { q.Purpose = "profiling" },
		"order":   func(q *client.Question) { q.Count = "beta.member && alpha.member" },
	} {
		changed := q
		change(&changed)
		if answer, err := running.Ask(t.Context(), changed, nil); err != nil || answer.Earlier {
			t.Errorf("%s: %+v, error %v, must be new", what, answer, err)
		}
		paid += changed.Epsilon
	}
	checkSpent(t, running, "beta", paid)
	// What is new is what comes from now on.
	answer, err := running.Ask(t.Context(), q, nil)
	if err != nil || !answer.Earlier {
		t.Errorf("asked again: %+v, error %v", answer, err)
	}
	checkSpent(t, running, "beta", paid)
}

// checkSpent checks what a party has spent ever; composed, it is a little less than the sum.
func checkSpent(t *testing.T, running *lab.Lab, party string, sum float64) {
	t.Helper()
	budgets, err := running.Budget(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range budgets {
		for _, w := range b.Windows {
			if b.Party == party && w.Organisation == "" { // it has no other limit than the agreement's total
				if *w.Spent > sum || *w.Spent < 0.9*sum || *w.Reserved != 0 || math.Abs(*w.Limit-*w.Spent-w.Left) > 1e-6 {
					t.Errorf("%s has spent %v and reserved %v of %v, %v is left; it was asked for %v", party, *w.Spent, *w.Reserved, *w.Limit, w.Left, sum)
				}
				return
			}
		}
	}
	t.Errorf("%s does not show what it has spent: %+v", party, budgets)
}

// What is explained is true: as many such questions as are said to be left can be asked, and no more; at the epsilon that is
// said to suffice for an accuracy the answer has it, and with less it would not have it.
func TestExplain(t *testing.T) {
	file, err := lab.Load(write(t, small, alphaRows))
	if err != nil {
		t.Fatal(err)
	}
	running := start(t, file)
	defer stop(t, running)
	q := client.Question{Total: []string{"alpha.member", "delta.member"}, Epsilon: 0.9, Purpose: "planning", Fresh: true}
	e, err := running.Explain(t.Context(), q, 0)
	if err != nil {
		t.Fatal(err)
	}
	var left []int64
	for _, b := range e.Budgets {
		left = append(left, b.Questions)
	}
	if len(left) != 2 || left[0] < 11 || left[1] < 5 { // of 10 and 4.5
		t.Fatalf("explained that %v questions are left", left)
	}
	for i := range slices.Min(left) {
		if _, err := running.Ask(t.Context(), q, nil); err != nil {
			t.Errorf("question %d of %d: %v", i+1, slices.Min(left), err)
		}
	}
	_, err = running.Ask(t.Context(), q, nil)
	checkFailure(t, err, "budget", "delta: the question costs epsilon 0.9")
	if e, err = running.Explain(t.Context(), q, 0); err != nil || e.Budgets[1].Party != "delta" || e.Budgets[1].Questions != 0 || e.Budgets[1].Share < 1 {
		t.Errorf("with nothing left, explained as %+v, error %v", e, err)
	}

	for _, q := range []client.Question{
		{Count: "alpha.gold && beta.member"},
		{Count: "alpha.gold || beta.member", By: []string{"alpha.region"}},
		{Sum: "alpha.spend", Where: "alpha.member && beta.member"},
		{Mean: "alpha.spend", Where: "alpha.member && beta.member", Mechanism: "gaussian", Delta: 1e-6},
		{Frequency: []string{"alpha.member", "beta.member"}},
	} {
		q.Epsilon, q.Purpose = 5, "planning"
		best, err := running.Explain(t.Context(), q, 0)
		if err != nil {
			t.Errorf("%+v: %v", q, err)
			continue
		}
		for _, times := range []float64{1, 1.7, 20} {
			within := times * widest(best)
			found, err := running.Explain(t.Context(), q, within)
			if err != nil || widest(found) > within || found.Epsilon > 5 {
				t.Errorf("%+v within %v: epsilon %v gives ± %v, error %v", q, within, found.Epsilon, widest(found), err)
				continue
			}
			less := q
			less.Epsilon = math.Floor(found.Epsilon*0.99e6) / 1e6
			if e, err := running.Explain(t.Context(), less, 0); err != nil || times > 1 && widest(e) <= within {
				t.Errorf("%+v: epsilon %v is said to be needed for ± %v, but %v gives ± %v, error %v", q, found.Epsilon, within, less.Epsilon, widest(e), err)
			}
		}
		_, err = running.Explain(t.Context(), q, 0.9*best.HashingOnly)
		if best.HashingOnly > 0 {
			checkFailure(t, err, "limit", "can't be had: with epsilon 5, the agreement's limit per question, it is ±")
		}
	}
	for _, within := range []float64{-1, math.NaN()} {
		_, err := running.Explain(t.Context(), client.Question{Count: "alpha.gold && beta.member", Purpose: "planning"}, within)
		checkFailure(t, err, "invalid", "within")
	}
}

func widest(e *client.Explanation) float64 {
	if e == nil {
		return math.Inf(1)
	}
	most := 0.
	for _, c := range e.Cells {
		most = max(most, c.Within)
	}
	return most
}
