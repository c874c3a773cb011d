package client

import (
	"context"
	"math"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Budget is what one party lets this analyst see of its budget.
type Budget struct {
	Party       string    `json:"party"`
	Unavailable string    `json:"unavailable,omitempty"` // why the party could not be asked; then all else is empty
	At          time.Time `json:"at"`
	Windows     []Window  `json:"windows"` // none if the party shows nothing
}

// Window is a limit on what questions may spend together in a period.
type Window struct {
	Organisation string   `json:"organisation"`       // whose analysts' questions count; "" for everybody's
	Period       string   `json:"period"`             // "per day" or "per month" (of UTC), or "in total"
	Limit        *float64 `json:"limit,omitempty"`    // ε; nil, as the next two, if the party does not show it
	Spent        *float64 `json:"spent,omitempty"`    // ε, composed
	Reserved     *float64 `json:"reserved,omitempty"` // ε of questions under way, on top of Spent
	Left         float64  `json:"left"`               // ε; −1 where an owner looks at a window without a limit
	Questions    *int64   `json:"questions,omitempty"`
}

// Budget asks every party what it lets this analyst see.
func (c *Client) Budget(ctx context.Context) ([]Budget, error) { return c.budgets(ctx, nil) }

// budgets asks every party, for how many questions of a price the budget lasts too.
func (c *Client) budgets(ctx context.Context, loss *dp.Loss) ([]Budget, error) {
	request := &sottov1.BudgetRequest{}
	if loss != nil {
		request.Price = &sottov1.Price{
			Mechanism: string(loss.Mechanism), MicroEpsilon: loss.MicroEpsilon, AttoDelta: loss.AttoDelta, Cells: loss.Cells,
		}
	}
	response, err := c.rpc.Budget(ctx, request)
	if err != nil {
		return nil, fault.From(err)
	}
	entries := map[string]*sottov1.BudgetEntry{}
	for _, e := range response.GetEntries() {
		entries[e.GetParty()] = e
	}
	var out []Budget
	for _, member := range c.agreement.Parties {
		b := Budget{Party: member.Name, Windows: []Window{}}
		e, ok := entries[member.Name]
		switch {
		case !ok:
			b.Unavailable = "not in the coordinator's answer"
		case e.GetBudget() == nil:
			b.Unavailable = "unavailable: " + e.GetUnavailable()
		default:
			if err := b.read(e.GetBudget(), member, c, loss); err != nil {
				return nil, err
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// read checks and takes over what a party signed.
func (b *Budget) read(signed *sottov1.Signed, member agreement.Party, c *Client, loss *dp.Loss) error {
	var price protocol.Price
	if loss != nil {
		price = protocol.Price{Mechanism: string(loss.Mechanism), MicroEpsilon: loss.MicroEpsilon, AttoDelta: loss.AttoDelta, Cells: loss.Cells}
	}
	var body protocol.Budget
	if err := protocol.Verify(signed, member.Key, member.Name, &body); err != nil {
		return err
	}
	if body.Party != member.Name || body.Collaboration != c.agreement.Collaboration || body.Analyst != c.name || body.Price != price {
		return fault.New(fault.Protocol, "the budget of %s is of another party, analyst or question", member.Name)
	}
	b.At = time.Unix(body.At, 0).UTC()
	for _, w := range body.Windows {
		window := Window{Organisation: w.Organisation, Period: w.Period, Left: epsilon(w.Left)}
		if w.Shown {
			limit, spent, reserved := epsilon(w.Limit), epsilon(w.Spent), epsilon(w.Reserved)
			window.Limit, window.Spent, window.Reserved = &limit, &spent, &reserved
		}
		if loss != nil {
			window.Questions = &w.Questions
		}
		b.Windows = append(b.Windows, window)
	}
	return nil
}

func epsilon(micro int64) float64 { return agreement.MicroEpsilon(micro).Float() }

// Left returns the ε that is left in the party's tightest window, infinite if it shows none.
func (b *Budget) Left() float64 {
	left := math.Inf(1)
	for _, w := range b.Windows {
		left = min(left, w.Left)
	}
	return left
}

// Questions returns how many more questions of the price that was asked about fit in the party's tightest window, −1 if it
// shows none.
func (b *Budget) Questions() int64 {
	least := int64(-1)
	for _, w := range b.Windows {
		if w.Questions != nil && (least < 0 || *w.Questions < least) {
			least = *w.Questions
		}
	}
	return least
}
