package simulation

import (
	"context"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestStatements guards what an analyst is told of budgets against the coordinator that hands it on: another party's
// statement, one for another analyst, one that answers another question, one that was altered or that the coordinator has
// signed is refused; one that is missing is said to be missing.
func TestStatements(t *testing.T) {
	c := start(t, setup{analysts: 2, seed: 170})
	ctx := context.Background()
	record := func(do func() error) *sottov1.BudgetResponse {
		var kept *sottov1.BudgetResponse
		c.ends.on(from, agreement.CoordinatorName, "Budget", watching(func(m message) {
			kept = proto.Clone(m.body).(*sottov1.BudgetResponse)
		}))
		c.must(do())
		c.ends.clear()
		return kept
	}
	budget := func(analyst int) error {
		_, err := c.analysts[analyst].Budget(ctx)
		return err
	}
	question := plain(client.Question{Total: []string{"bank.gold", "cinema.member"}, Epsilon: 1})
	explain := func() error {
		_, err := c.analysts[0].Explain(ctx, question, 0)
		return err
	}
	theirs := record(func() error { return budget(1) })
	unpriced := record(func() error { return budget(0) })
	priced := record(explain)
	reworded := func(entry *sottov1.BudgetEntry, change func(b *protocol.Budget)) *sottov1.Signed {
		var body protocol.Budget
		c.must(canon.Decode(body.Domain(), entry.Budget.Body, &body))
		change(&body)
		return &sottov1.Signed{Body: canon.Encode(body.Domain(), body), Signature: entry.Budget.Signature}
	}
	for name, change := range map[string]func(r *sottov1.BudgetResponse){
		"another party's":   func(r *sottov1.BudgetResponse) { r.Entries[0].Budget = r.Entries[1].Budget },
		"another analyst's": func(r *sottov1.BudgetResponse) { r.Entries[0].Budget = theirs.Entries[0].Budget },
		"more left": func(r *sottov1.BudgetResponse) {
			r.Entries[1].Budget = reworded(r.Entries[1], func(b *protocol.Budget) { b.Windows[0].Left++ })
		},
		"no windows": func(r *sottov1.BudgetResponse) {
			r.Entries[1].Budget = reworded(r.Entries[1], func(b *protocol.Budget) { b.Windows = nil })
		},
		"a bit": func(r *sottov1.BudgetResponse) {
			r.Entries[0].Budget = flipped(r.Entries[0].Budget, 97).(*sottov1.Signed)
		},
		"no signature":                      func(r *sottov1.BudgetResponse) { r.Entries[0].Budget.Signature = nil },
		"empty":                             func(r *sottov1.BudgetResponse) { r.Entries[0].Budget = &sottov1.Signed{} },
		"something else that bank has said": func(r *sottov1.BudgetResponse) { r.Entries[0].Budget = c.described("bank") },
		"signed by the coordinator": func(r *sottov1.BudgetResponse) {
			var body protocol.Budget
			c.must(canon.Decode(body.Domain(), r.Entries[0].Budget.Body, &body))
			r.Entries[0].Budget = protocol.Sign(c.keys[agreement.CoordinatorName], &body)
		},
		"names swapped": func(r *sottov1.BudgetResponse) {
			r.Entries[0].Party, r.Entries[1].Party = r.Entries[1].Party, r.Entries[0].Party
		},
	} {
		for _, ask := range []func() error{func() error { return budget(0) }, explain} {
			c.ends.on(from, agreement.CoordinatorName, "Budget", as(change))
			if err := ask(); !fault.IsKind(err, fault.Protocol) {
				t.Errorf("%s: %v", name, err)
			}
			c.ends.clear()
		}
	}
	// One that says how many questions are left is none of one that asks only for the budget, and the other way round.
	for _, swap := range []struct {
		ask   func() error
		shown *sottov1.BudgetResponse
	}{{func() error { return budget(0) }, priced}, {explain, unpriced}} {
		c.ends.on(from, agreement.CoordinatorName, "Budget", as(func(r *sottov1.BudgetResponse) {
			proto.Reset(r)
			proto.Merge(r, swap.shown)
		}))
		refused(t, swap.ask(), fault.Protocol, "is of another party, analyst or question")
		c.ends.clear()
	}
	c.ends.on(from, agreement.CoordinatorName, "Budget", as(func(r *sottov1.BudgetResponse) { r.Entries = r.Entries[1:] }))
	budgets, err := c.analysts[0].Budget(ctx)
	c.must(err)
	if budgets[0].Unavailable == "" || len(budgets[0].Windows) > 0 || budgets[1].Unavailable != "" {
		t.Errorf("with one left out: %+v", budgets)
	}
	c.ends.clear()

	// Nobody but the coordinator asks a party, and that for analysts of the agreement only, at prices that there are.
	for name, request := range map[string]*sottov1.PartyBudgetRequest{
		"nobody": {}, "a stranger": {Analyst: "stranger"}, "a party": {Analyst: "bank"},
		"no mechanism":  {Analyst: "analyst_0", Price: &sottov1.Price{MicroEpsilon: 1}},
		"no epsilon":    {Analyst: "analyst_0", Price: &sottov1.Price{Mechanism: "laplace"}},
		"below 0":       {Analyst: "analyst_0", Price: &sottov1.Price{Mechanism: "laplace", MicroEpsilon: -1, Cells: 1}},
		"a huge price":  {Analyst: "analyst_0", Price: &sottov1.Price{Mechanism: "laplace", MicroEpsilon: math.MaxInt64, Cells: 1}},
		"huge cells":    {Analyst: "analyst_0", Price: &sottov1.Price{Mechanism: "laplace", MicroEpsilon: 1, Cells: math.MaxInt64}},
		"delta below 0": {Analyst: "analyst_0", Price: &sottov1.Price{Mechanism: "gaussian", MicroEpsilon: 1, AttoDelta: -1, Cells: 1}},
	} {
		_, err := c.party("bank").dial().Budget(ctx, request)
		if !fault.IsKind(err, fault.Invalid) && !fault.IsKind(err, fault.NotMember) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(c.party("bank").journal().entries); n > 0 {
		t.Errorf("bank's ledger has %d rows", n)
	}
}
