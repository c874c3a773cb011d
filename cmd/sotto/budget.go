package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
	"github.com/sotto-dev/sotto/party/state"
)

type budgetCommand struct {
	Agreement string `required:"" env:"SOTTO_AGREEMENT" placeholder:"FILE" help:"Agreement file."`
	Identity  string `env:"SOTTO_IDENTITY" placeholder:"DIR" help:"An analyst's identity: what every party lets that analyst see."`
	Config    string `placeholder:"FILE" help:"At a party, with --state: its file."`
	State     string `placeholder:"DIR" help:"At a party, with --config: its node's state. The node may be running."`
	JSON      bool   `name:"json" help:"Print one JSON object per party."`
}

func (k *budgetCommand) Help() string {
	return `At an analyst's:

  sotto budget --agreement agreement.yaml --identity keys/marketing

At a party's, all that it has spent, by analysts' organisation and period:

  sotto budget --agreement agreement.yaml --config bank.yaml --state state`
}

func (k *budgetCommand) Run(ctx context.Context, c console) error {
	var budgets []client.Budget
	var err error
	switch {
	case k.State != "" && k.Config != "":
		budgets, err = k.atParty()
	case k.State != "" || k.Config != "":
		return fault.New(fault.Invalid, "a party's budget takes both --config and --state")
	case k.Identity != "":
		budgets, err = k.atAnalyst(ctx)
	default:
		return fault.New(fault.Invalid, "whose budget?").WithHint("give --identity as an analyst, --config and --state at a party")
	}
	if err != nil {
		return err
	}
	if k.JSON {
		for _, b := range budgets {
			if err := printJSON(c.out, b); err != nil {
				return err
			}
		}
		return nil
	}
	return printBudgets(c.out, budgets)
}

func (k *budgetCommand) atAnalyst(ctx context.Context) ([]client.Budget, error) {
	sdk, err := client.Dial(k.Agreement, k.Identity)
	if err != nil {
		return nil, err
	}
	defer sdk.Close()
	return sdk.Budget(ctx)
}

// atParty reads the ledger, of which nothing is hidden from its owner.
func (k *budgetCommand) atParty() ([]client.Budget, error) {
	a, err := agreement.Load(k.Agreement)
	if err != nil {
		return nil, err
	}
	declared, err := config.Load(k.Config)
	if err != nil {
		return nil, err
	}
	book, err := ledger.OpenReadOnly(state.Ledger(k.State))
	if err != nil {
		return nil, err
	}
	defer book.Close()
	now := time.Now()
	b := client.Budget{Party: declared.Name, At: now.UTC()}
	seen := map[ledger.Limit]bool{}
	for _, organisation := range append([]string{""}, book.Organisations()...) {
		for _, u := range book.Usage(withEver(party.Limits(declared, a, organisation), organisation), nil, now) {
			if seen[u.Limit] {
				continue
			}
			seen[u.Limit] = true
			w := client.Window{Organisation: u.Limit.Organisation, Period: u.Limit.Period.String(), Left: u.Left.Float()}
			spent, reserved := u.Spent.Float(), u.Reserved.Float()
			w.Spent, w.Reserved = &spent, &reserved
			if limit := u.Limit.MicroEpsilon.Float(); u.Limit.MicroEpsilon < unlimited {
				w.Limit = &limit
			} else {
				w.Left = -1
			}
			b.Windows = append(b.Windows, w)
		}
	}
	return []client.Budget{b}, nil
}

// unlimited stands for the limit of an organisation that has none.
const unlimited agreement.MicroEpsilon = 1 << 60

// withEver adds what an organisation spent ever, where that has no limit of its own.
func withEver(limits ledger.Limits, organisation string) ledger.Limits {
	for _, l := range limits.Windows {
		if l.Organisation == organisation && l.Period == ledger.Ever {
			return limits
		}
	}
	limits.Windows = append(limits.Windows, ledger.Limit{Organisation: organisation, Period: ledger.Ever, MicroEpsilon: unlimited})
	return limits
}

func printBudgets(w io.Writer, budgets []client.Budget) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row(out, []string{"party", "analysts of", "period", "spent", "reserved", "left", "limit"})
	hidden := false
	amount := func(e *float64) string {
		if e == nil {
			return "–"
		}
		return fmt.Sprintf("%.6g", *e)
	}
	for _, b := range budgets {
		switch {
		case b.Unavailable != "":
			row(out, []string{b.Party, b.Unavailable, "", "", "", "", ""})
		case len(b.Windows) == 0:
			row(out, []string{b.Party, "does not show its budget", "", "", "", "", ""})
		}
		for _, window := range b.Windows {
			hidden = hidden || window.Spent == nil
			who := window.Organisation
			if who == "" {
				who = "everybody"
			}
			left := amount(&window.Left)
			if window.Limit == nil && window.Spent != nil {
				left = "–"
			}
			row(out, []string{b.Party, who, window.Period, amount(window.Spent), amount(window.Reserved), left, amount(window.Limit)})
		}
	}
	if err := out.Flush(); err != nil || !hidden {
		return err
	}
	_, err := fmt.Fprintln(w, "– is what the party does not show")
	return err
}
