package party

import (
	"context"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Limits returns the windows that a party holds the questions of an organisation against.
func Limits(c *config.Party, a *agreement.Agreement, organisation string) ledger.Limits {
	everybody := c.Limits.Within(a.Limits)
	limits := ledger.Limits{Delta: a.Limits.DeltaTotal, Sessions: query.MaxSessions}
	add := func(organisation string, period ledger.Period, limit agreement.MicroEpsilon) {
		if limit > 0 {
			limits.Windows = append(limits.Windows, ledger.Limit{Organisation: organisation, Period: period, MicroEpsilon: limit})
		}
	}
	add("", ledger.Day, c.Limits.EpsilonPerDay)
	add("", ledger.Month, c.Limits.EpsilonPerMonth)
	add("", ledger.Ever, everybody.EpsilonTotal)
	if organisation != "" {
		own := c.Limits.For(organisation)
		add(organisation, ledger.Day, own.EpsilonPerDay)
		add(organisation, ledger.Month, own.EpsilonPerMonth)
		add(organisation, ledger.Ever, own.EpsilonTotal)
	}
	return limits
}

func (n *Node) limits(organisation string) ledger.Limits {
	return Limits(n.config, n.agreement, organisation)
}

// Budget returns what the party lets an analyst see of its budget.
func (n *Node) Budget(_ context.Context, r *sottov1.PartyBudgetRequest) (*sottov1.PartyBudgetResponse, error) {
	analyst, ok := n.agreement.Analyst(r.GetAnalyst())
	if !ok {
		return nil, fault.New(fault.NotMember, "%.80q is not an analyst of the agreement", r.GetAnalyst())
	}
	body := &protocol.Budget{
		Collaboration: n.agreement.Collaboration, Party: n.config.Name, Analyst: analyst.Name, At: n.now().Unix(),
	}
	var loss *dp.Loss
	if p := r.GetPrice(); p != nil {
		loss = &dp.Loss{Mechanism: dp.Mechanism(p.GetMechanism()), MicroEpsilon: p.GetMicroEpsilon(), AttoDelta: p.GetAttoDelta(), Cells: p.GetCells()}
		if err := loss.Check(); err != nil {
			return nil, fault.New(fault.Invalid, "%v", err)
		}
		body.Price = protocol.Price{Mechanism: p.GetMechanism(), MicroEpsilon: p.GetMicroEpsilon(), AttoDelta: p.GetAttoDelta(), Cells: p.GetCells()}
	}
	if show := n.config.Limits.Shown(); show != config.ShowNone {
		for _, u := range n.ledger.Usage(n.limits(analyst.Budget()), loss, n.now()) {
			w := protocol.Window{
				Organisation: u.Limit.Organisation, Period: u.Limit.Period.String(), Left: int64(u.Left), Questions: u.Questions,
			}
			// What others have spent is theirs to tell.
			if w.Shown = u.Limit.Organisation != "" || show == config.ShowAll; w.Shown {
				w.Limit, w.Spent, w.Reserved = int64(u.Limit.MicroEpsilon), int64(u.Spent), int64(u.Reserved)
			}
			body.Windows = append(body.Windows, w)
		}
	}
	return &sottov1.PartyBudgetResponse{Budget: protocol.Sign(n.key, body)}, nil
}
