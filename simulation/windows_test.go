package simulation

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/config"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// submit hands in a question that was made by hand, at the nodes' time, and waits until it has an answer or none.
func (c *cluster) submit(q *query.Query) error {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	signed := protocol.Sign(c.keys[q.Analyst], q)
	if _, err := c.dialCoordinator(c.keys[q.Analyst]).Submit(ctx, &sottov1.SubmitRequest{Query: signed}); err != nil {
		return err
	}
	for i, a := range c.agreement.Analysts {
		if a.Name == q.Analyst {
			return c.analysts[i].Watch(ctx, q.HexID(), nil)
		}
	}
	c.Fatalf("there is no analyst %q", q.Analyst)
	return nil
}

// account is a party's limits and what it was charged, by another reading of what limits mean than the ledger's: everything
// is kept, and added up anew for every window.
type account struct {
	config.Limits
	total   float64 // the agreement's
	delta   float64
	charges []charge
}

type charge struct {
	at           time.Time
	organisation string
	loss         dp.Loss
}

// window is a limit of an account: the ε that it allows the charges within it.
type window struct {
	organisation, period string
	limit                float64
	within               func(charge) bool
}

// micro is an amount of ε as the files have it.
func micro(epsilon float64) agreement.MicroEpsilon {
	return agreement.MicroEpsilon(math.Round(epsilon * 1e6))
}

// windows returns those that an organisation's questions count in at a time.
func (a *account) windows(organisation string, at time.Time) []window {
	var all []window
	add := func(whose string, own config.PeriodLimits) {
		for _, w := range []window{
			{period: "per day", limit: own.EpsilonPerDay.Float(), within: func(c charge) bool { return c.at.Format("2006-01-02") == at.Format("2006-01-02") }},
			{period: "per month", limit: own.EpsilonPerMonth.Float(), within: func(c charge) bool { return c.at.Format("2006-01") == at.Format("2006-01") }},
			{period: "in total", limit: own.EpsilonTotal.Float(), within: func(charge) bool { return true }},
		} {
			if inPeriod := w.within; whose != "" {
				w.organisation, w.within = whose, func(c charge) bool { return c.organisation == whose && inPeriod(c) }
			}
			if w.limit > 0 {
				all = append(all, w)
			}
		}
	}
	everybody := a.PeriodLimits
	if everybody.EpsilonTotal == 0 || everybody.EpsilonTotal.Float() > a.total {
		everybody.EpsilonTotal = micro(a.total)
	}
	add("", everybody)
	own := a.PerOrganisation
	if special, ok := a.Organisations[organisation]; ok {
		own.EpsilonPerDay = cmp.Or(special.EpsilonPerDay, own.EpsilonPerDay)
		own.EpsilonPerMonth = cmp.Or(special.EpsilonPerMonth, own.EpsilonPerMonth)
		own.EpsilonTotal = cmp.Or(special.EpsilonTotal, own.EpsilonTotal)
	}
	add(organisation, own)
	return all
}

// spent composes the charges within a window, and some more.
func (a *account) spent(w window, more ...dp.Loss) float64 {
	tally := dp.Tally{}
	for _, c := range a.charges {
		if w.within(c) {
			tally.Add(c.loss, 1)
		}
	}
	for _, l := range more {
		tally.Add(l, 1)
	}
	return float64(tally.MicroEpsilon(a.delta)) / 1e6
}

// room returns how many more of a loss fit into a window.
func (a *account) room(w window, l dp.Loss) int64 {
	var more []dp.Loss
	for {
		if more = append(more, l); a.spent(w, more...) > w.limit {
			return int64(len(more) - 1)
		}
	}
}

// TestLimits guards the limits of parties by day, month and for ever, of all analysts together and of each organisation: in
// a random course of questions over some weeks, each party takes part in exactly those that its limits have room for, and
// what analysts are shown of the budget is what is so: their own organisation's share, everybody's, or nothing.
func TestLimits(t *testing.T) {
	steps, seed := 60, uint64(120)
	if long {
		steps = 600
	}
	random := rand.New(rand.NewPCG(seed, 0))
	limits := map[string]config.Limits{
		"bank": {
			PeriodLimits:    config.PeriodLimits{EpsilonPerDay: micro(3), EpsilonPerMonth: micro(20), EpsilonTotal: micro(60)},
			PerOrganisation: config.PeriodLimits{EpsilonPerDay: micro(2), EpsilonPerMonth: micro(12)},
			Organisations:   map[string]config.PeriodLimits{"agency": {EpsilonPerDay: micro(1.5), EpsilonTotal: micro(9)}},
		},
		"cinema": {
			PeriodLimits: config.PeriodLimits{EpsilonPerDay: micro(4)}, Show: config.ShowAll,
			PerOrganisation: config.PeriodLimits{EpsilonTotal: micro(30)},
		},
		"florist": {PeriodLimits: config.PeriodLimits{EpsilonPerMonth: micro(6.5)}, Show: config.ShowNone},
	}
	c := start(t, setup{parties: 3, analysts: 4, asking: []string{"agency", "agency"}, limits: limits, total: 100, seed: seed})
	accounts := map[string]*account{}
	for name, l := range limits {
		accounts[name] = &account{Limits: l, total: 100, delta: c.agreement.Limits.DeltaTotal}
	}
	at := time.Date(2031, 1, 29, 20, 0, 0, 0, time.UTC)
	answered, refusals := 0, 0
	for step := range steps {
		at = at.Add([]time.Duration{0, 0, time.Minute, 5 * time.Hour, 25 * time.Hour, 6 * 24 * time.Hour}[random.IntN(6)])
		c.setTime(at)
		analyst := c.agreement.Analysts[random.IntN(4)]
		members := slices.Clone(partyNames[:3])
		random.Shuffle(3, func(i, j int) { members[i], members[j] = members[j], members[i] })
		members = members[:2+random.IntN(2)]
		slices.Sort(members)
		var parts []string
		for _, name := range members {
			parts = append(parts, name+".member")
		}
		asked := client.Question{Total: parts, Epsilon: []float64{0.25, 0.5, 1, 1.000001, 2}[random.IntN(5)]}
		if random.IntN(4) == 0 {
			asked.Mechanism, asked.Delta = "gaussian", 1e-7
		}
		q, _ := c.question(asked)
		q.Analyst = analyst.Name
		var refusing []string
		for _, name := range members {
			a := accounts[name]
			if slices.ContainsFunc(a.windows(analyst.Budget(), at), func(w window) bool { return a.spent(w, q.Loss()) > w.limit }) {
				refusing = append(refusing, name)
			}
		}
		what := fmt.Sprintf("%s, %s, epsilon %v of %v, %s", at.Format(time.RFC3339), analyst.Name, q.Epsilon(), members, q.Mechanism)
		switch err := c.submit(q); {
		case len(refusing) == 0 && err != nil:
			t.Fatalf("%s: %v", what, err)
		case len(refusing) > 0 && (!fault.IsKind(err, fault.Budget) || !slices.Contains(refusing, fault.From(err).Party)):
			t.Fatalf("%s: %v has no room, but: %v", what, refusing, err)
		case err != nil:
			refusals++
		default:
			answered++
			for _, name := range members {
				accounts[name].charges = append(accounts[name].charges, charge{at, analyst.Budget(), q.Loss()})
			}
		}
		c.checkShown(random.IntN(4), accounts, at)
		if step%10 == 0 {
			c.checkLeft(random.IntN(4), accounts, at)
		}
	}
	if min(answered, refusals) < steps/5 {
		t.Errorf("%d questions were answered, %d refused: not enough of each", answered, refusals)
	}
}

// checkShown compares what an analyst is shown of all budgets with the accounts.
func (c *cluster) checkShown(analyst int, accounts map[string]*account, at time.Time) {
	c.Helper()
	budgets, err := c.analysts[analyst].Budget(context.Background())
	c.must(err)
	organisation := c.agreement.Analysts[analyst].Budget()
	for _, b := range budgets {
		a := accounts[b.Party]
		var want []window
		if a.Show != config.ShowNone {
			want = a.windows(organisation, at)
		}
		if len(b.Windows) != len(want) || b.Unavailable != "" {
			c.Errorf("%s shows %s %+v, must be %d windows", b.Party, organisation, b.Windows, len(want))
			continue
		}
		for i, w := range want {
			got, spent := b.Windows[i], a.spent(w)
			if got.Organisation != w.organisation || got.Period != w.period || got.Left != max(0, w.limit-spent) && !near(got.Left, w.limit-spent) || got.Questions != nil {
				c.Errorf("%s shows %s %+v, must be %s's %s with %v left", b.Party, organisation, got, w.organisation, w.period, w.limit-spent)
			}
			shown := w.organisation != "" || a.Show == config.ShowAll
			if shown != (got.Limit != nil) || shown != (got.Spent != nil) || shown != (got.Reserved != nil) {
				c.Errorf("%s shows %s %+v of %s's %s", b.Party, organisation, got, w.organisation, w.period)
			} else if shown && (*got.Limit != w.limit || !near(*got.Spent, spent) || *got.Reserved != 0) {
				c.Errorf("%s shows %s that %v of %v is spent, and %v reserved; must be %v of %v, and none", b.Party, organisation, *got.Spent, *got.Limit, *got.Reserved, spent, w.limit)
			}
		}
	}
}

// checkLeft compares how many questions an analyst is said to have left with the accounts.
func (c *cluster) checkLeft(analyst int, accounts map[string]*account, at time.Time) {
	c.Helper()
	asked := client.Question{Total: []string{"bank.gold", "cinema.gold", "florist.gold"}, Epsilon: 0.5}
	e, err := c.analysts[analyst].Explain(context.Background(), plain(asked), 0)
	c.must(err)
	q, _ := c.question(asked)
	for _, b := range e.Budgets {
		a, want := accounts[b.Party], int64(-1)
		if a.Show != config.ShowNone {
			for _, w := range a.windows(c.agreement.Analysts[analyst].Budget(), at) {
				if room := a.room(w, q.Loss()); want < 0 || room < want {
					want = room
				}
			}
		}
		if b.Questions != want {
			c.Errorf("%s: analyst %d is said to have %d questions left at %s, must be %d", at.Format(time.RFC3339), analyst, b.Questions, b.Party, want)
		}
	}
}

// near tells whether two amounts of ε are the same number of millionths.
func near(a, b float64) bool { return a-b < 1e-7 && b-a < 1e-7 }
