package simulation

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// TestExplained guards what is said of a question before any owner is asked: nobody takes part and nothing is charged; the
// answer, when it is asked for, costs and moves what was said, and no cell's interval is wider than it was said to be.
func TestExplained(t *testing.T) {
	c := start(t, setup{parties: 3, seed: 130})
	ctx := context.Background()
	for _, q := range []client.Question{
		{Count: "bank.member && cinema.gold", By: []string{"bank.band", "cinema.band"}, Epsilon: 1},
		{Sum: "bank.balance", Where: "bank.member && !cinema.member", Epsilon: 2},
		{Total: []string{"bank.member", "cinema.gold", "florist.member"}, Epsilon: 0.1},
		{Frequency: []string{"bank.member", "cinema.gold"}, Epsilon: 3, Mechanism: "gaussian", Delta: 1e-7},
	} {
		calls, rows := c.takingPart(), c.rows()
		e, err := c.analysts[0].Explain(ctx, plain(q), 0)
		c.must(err)
		if calls() > 0 || !slices.Equal(rows, c.rows()) {
			t.Errorf("%s: explaining took %d calls, and ledgers from %v rows to %v", wording(q), calls(), rows, c.rows())
		}
		c.tap.clear()
		a := c.answered(q)
		if e.Bytes != a.Bytes() || e.Epsilon != a.Epsilon || e.Delta != a.Delta || e.Draws != a.Draws || e.Unit != a.Unit || !slices.Equal(e.By, a.By) {
			t.Errorf("%s: explained as %+v, answered as %+v", wording(q), e, a)
		}
		for i, cell := range a.Cells {
			if within := e.Cells[i].Within; (cell.High-cell.Low)/2 > within*(1+1e-9) || groupKey(a.By, cell.Group) != groupKey(e.By, e.Cells[i].Group) {
				t.Errorf("%s: cell %v is %v to %v, was to be within %v of cell %v", wording(q), cell.Group, cell.Low, cell.High, within, e.Cells[i].Group)
			}
		}
		charged := map[string]float64{}
		for _, b := range e.Budgets {
			charged[b.Party] = b.Epsilon
		}
		if fmt.Sprint(charged) != fmt.Sprint(a.Charged) {
			t.Errorf("%s: explained to cost %v, cost %v", wording(q), charged, a.Charged)
		}
	}
	if e, err := c.analysts[0].Explain(ctx, plain(client.Question{Total: []string{"bank.member", "cinema.gold", "florist.member"}, Epsilon: 0.1}), 0); err != nil || !e.Earlier {
		t.Errorf("a question that was asked before: %+v, %v", e, err)
	}
}

// TestExplainedWithin guards the search for an accuracy: asked with the ε that is named, no cell is less exact than that;
// with one percent less, one is said to be; where collisions or the limit of the agreement leave too little room, it says so.
func TestExplainedWithin(t *testing.T) {
	c := start(t, setup{seed: 131, total: 10})
	ctx := context.Background()
	for _, test := range []struct {
		client.Question
		within float64
	}{
		{client.Question{Count: "bank.member && cinema.gold", By: []string{"cinema.band"}}, 50},
		{client.Question{Sum: "bank.spend", Where: "bank.member && cinema.member"}, 2500},
		{client.Question{Total: []string{"bank.member", "cinema.gold"}}, 7},
		{client.Question{Total: []string{"bank.member", "cinema.gold"}, Mechanism: "gaussian", Delta: 1e-8}, 1000},
	} {
		q := plain(test.Question)
		e, err := c.analysts[0].Explain(ctx, q, test.within)
		c.must(err)
		q.Epsilon = e.Epsilon
		for _, cell := range c.answered(q).Cells {
			if half := (cell.High - cell.Low) / 2; half > test.within*(1+1e-9) {
				t.Errorf("%s: with epsilon %v a cell is within ± %v, must be ± %v", wording(q), q.Epsilon, half, test.within)
			}
		}
		q.Epsilon = math.Floor(e.Epsilon*0.99*1e6) / 1e6
		e, err = c.analysts[0].Explain(ctx, q, 0)
		c.must(err)
		if !slices.ContainsFunc(e.Cells, func(x client.Expected) bool { return x.Within > test.within }) {
			t.Errorf("%s: with epsilon %v already, all cells are within ± %v", wording(q), q.Epsilon, test.within)
		}
	}
	_, err := c.analysts[0].Explain(ctx, plain(client.Question{Count: "bank.member && cinema.gold"}), 0.5)
	refused(t, err, fault.Limit, "can't be had")
	if hint := client.ErrorHint(err); !strings.Contains(hint, "collisions of the hashed layout alone") {
		t.Errorf("the hint is %q", hint)
	}
}

// TestQuestionsLeft guards what is said of the budgets: so many such questions as are said to be left are answered, each
// taking the share that was said, and the next is refused, by the party that was said to have the least. (What is spent is a
// little less than the sum: the accountant makes use of the δ that is allowed in all.)
func TestQuestionsLeft(t *testing.T) {
	c := start(t, setup{parties: 3, analysts: 3, asking: []string{"agency", "agency", "studio"}, seed: 132, limits: map[string]config.Limits{
		"bank":    {PeriodLimits: config.PeriodLimits{EpsilonPerDay: micro(6)}, PerOrganisation: config.PeriodLimits{EpsilonTotal: micro(4)}},
		"cinema":  {PeriodLimits: config.PeriodLimits{EpsilonTotal: micro(5)}, Show: config.ShowAll},
		"florist": {PeriodLimits: config.PeriodLimits{EpsilonTotal: micro(5.5)}, Show: config.ShowNone},
	}})
	c.setNoon()
	ctx := context.Background()
	spend := func(analyst int, q client.Question) error {
		_, _, err := askAtNoon(c.analysts[analyst], filled(q))
		return err
	}
	c.must(spend(2, client.Question{Total: []string{"bank.member", "florist.member"}, Epsilon: 1}))
	c.must(spend(1, client.Question{Total: []string{"bank.member", "cinema.member"}, Epsilon: 0.9}))
	ask := client.Question{Total: []string{"bank.gold", "cinema.gold", "florist.gold"}, Epsilon: 0.7}
	for n := int64(4); n >= 0; n-- { // 3.1 is left of the agency's at bank, 4.1 at cinema; at florist 4.5, of which nobody knows
		e, err := c.analysts[0].Explain(ctx, plain(ask), 0)
		c.must(err)
		budgets := map[string]client.Charge{}
		for _, b := range e.Budgets {
			budgets[b.Party] = b
		}
		left := 3.1 - 0.7*float64(4-n)
		want := map[string]client.Charge{
			"bank":    {Party: "bank", Epsilon: 0.7, Share: 0.7 / left, Questions: n},
			"cinema":  {Party: "cinema", Epsilon: 0.7, Share: 0.7 / (left + 1), Questions: n + 1},
			"florist": {Party: "florist", Epsilon: 0.7, Share: -1, Questions: -1},
		}
		for name, w := range want {
			if b := budgets[name]; b.Epsilon != w.Epsilon || math.Abs(b.Share-w.Share) > 0.003*math.Abs(w.Share) || b.Questions != w.Questions {
				t.Errorf("with %d questions left, %s is said to have %+v, must be %+v", n, name, b, w)
			}
		}
		err = spend(int(n%2), ask)
		if n > 0 && err != nil {
			t.Fatalf("with %d questions left: %v", n, err)
		} else if n == 0 {
			failed(t, err, fault.Budget, "bank")
		}
	}
	// Another organisation has a share of its own at bank, and meets the limit of all together.
	if e, err := c.analysts[2].Explain(ctx, plain(ask), 0); err != nil || e.Budgets[0].Questions != 1 || e.Budgets[1].Questions != 1 {
		t.Errorf("to the studio it is explained as %+v, %v", e.Budgets, err)
	}
	c.must(spend(2, ask))
	refused(t, spend(2, ask), fault.Budget, "of all analysts'")
}
