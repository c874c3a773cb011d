package simulation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
)

// kinds are questions of every kind, with the least number of parties that they need; some only run in the long variant.
var kinds = []struct {
	parties int
	long    bool
	client.Question
}{
	{2, false, client.Question{Count: "bank.member || cinema.member"}},
	{2, false, client.Question{Count: "bank.gold && !cinema.member"}},
	{2, true, client.Question{Count: "bank.member && !cinema.gold || cinema.member && !bank.gold"}},
	{2, true, client.Question{Count: `!(bank.band == "under 40" || !bank.member) && !(cinema.region in ["north", "unknown"])`}},
	{3, false, client.Question{Count: "(bank.gold || cinema.member) && florist.gold"}},
	{3, true, client.Question{Count: "bank.member && !(cinema.gold || florist.gold)"}},
	{4, true, client.Question{Count: "bank.member || cinema.member || florist.member || grocer.member"}},
	{4, true, client.Question{Count: "(bank.gold || cinema.gold) && !(florist.member && grocer.member)"}},
	// Somebody who is not a customer of a party is in the group unknown of its dimensions.
	{2, false, client.Question{Count: "bank.member || cinema.gold", By: []string{"cinema.region"}}},
	{2, true, client.Question{Count: "bank.member || cinema.member", By: []string{"cinema.region", "bank.band"}}},
	{3, true, client.Question{Count: "bank.member && (cinema.member || florist.gold)", By: []string{"florist.band", "bank.region", "cinema.band"}}},

	{2, false, client.Question{Sum: "bank.spend", Where: "bank.member && !cinema.gold"}},
	{2, false, client.Question{Sum: "cinema.balance", Where: "bank.gold && cinema.member", By: []string{"bank.region"}}},
	{3, true, client.Question{Sum: "florist.balance", Where: "florist.member && (bank.member || cinema.gold)", By: []string{"bank.band"}}},
	{2, false, client.Question{Mean: "bank.spend", Where: "bank.member && cinema.member"}},
	{2, true, client.Question{Mean: "cinema.balance", Where: "bank.member && cinema.member", By: []string{"bank.band"}}},
	{3, true, client.Question{Mean: "florist.spend", Where: "(bank.member || cinema.member) && florist.gold", By: []string{"florist.region"}}},

	{2, false, client.Question{Total: []string{"bank.gold", `cinema.band != "unknown"`}}},
	{4, false, client.Question{Total: []string{"bank.member", "cinema.member && !cinema.gold", `florist.region == "south"`, "grocer.gold"}}},
	{2, false, client.Question{Frequency: []string{"bank.member", "cinema.gold"}}},
	{3, true, client.Question{Frequency: []string{"bank.member", "cinema.member", "florist.gold"}}},
	{4, true, client.Question{Frequency: []string{"bank.member", "cinema.member", "florist.gold", "grocer.member"}}},
}

// TestEveryKind guards every kind of question that can be asked, for two to four parties, with both ways to add noise and
// both mechanisms: every number lies within its interval of what is true of the made-up people, of cells without anybody
// too, and the parties that the question is about are charged its price, once, whatever it takes to answer it. That one of
// the some 30 numbers of a short run, or of the 400 of a long one, lies outside by chance has a probability below 4e-7, see
// confidence.
func TestEveryKind(t *testing.T) {
	for i, mode := range []struct {
		noise     agreement.Noise
		mechanism string
	}{{agreement.NoiseEveryone, "laplace"}, {agreement.NoiseCoordinator, "gaussian"}, {agreement.NoiseEveryone, "gaussian"}, {agreement.NoiseCoordinator, "laplace"}} {
		if i >= 2 && !long {
			break
		}
		t.Run(fmt.Sprintf("noise %s, %s", mode.noise, mode.mechanism), func(t *testing.T) {
			c := start(t, setup{parties: 4, noise: mode.noise, seed: 100 + uint64(i)})
			asked := 0
			for _, kind := range kinds {
				if kind.long && !long {
					continue
				}
				if asked++; !long && asked%2 == i {
					continue // every other one in each mode
				}
				q := kind.Question
				if q.Mechanism = mode.mechanism; q.Mechanism == "gaussian" {
					q.Delta = 1e-8
				}
				before := c.charges()
				a := c.answered(q)
				for name, after := range c.charges() {
					want := 0.
					if strings.Contains(fmt.Sprint(q.Count, q.Sum, q.Mean, q.Where, q.Total, q.Frequency), name) {
						want = filled(q).Epsilon
					}
					if after-before[name] != want || a.Charged[name] != want {
						t.Errorf("%s: %s charged %v, and %v says the answer; must be %v", wording(q), name, after-before[name], a.Charged[name], want)
					}
				}
				if unit := map[bool]string{true: "EUR"}[q.Sum+q.Mean != ""]; a.Unit != unit || a.Mechanism != mode.mechanism || a.Earlier {
					t.Errorf("%s: the answer is in %q, by %s, earlier: %v", wording(q), a.Unit, a.Mechanism, a.Earlier)
				}
			}
			for _, p := range c.parties {
				checkReleased(t, p)
			}
		})
	}
}

// checkReleased holds what a ledger says against what the tests ask: which measures, at which price, nothing twice.
func checkReleased(t *testing.T, p *partyNode) {
	t.Helper()
	seen := map[[32]byte]bool{}
	for _, e := range p.journal().released {
		if seen[e.query] {
			t.Errorf("%s: a signed question was charged twice", p.name)
		}
		seen[e.query] = true
		if e.microEpsilon != 10_000_000 || (e.attoDelta != 0) != (e.mechanism == "gaussian") || e.cells < 1 ||
			!slices.Contains([]string{"count", "sum", "mean", "total", "frequency"}, e.measure) {
			t.Errorf("%s: the ledger has %+v", p.name, e)
		}
	}
}

// TestTheirNoiseRemains guards what is left to the one who knows everything but the coordinator's noise, where only the
// coordinator draws (attack 6), for a question that takes no vectors at all, whose parties encrypt their own exact counts,
// and for one that takes several chains: the number is as far off as the noise is wide. With ε = 1e-6 that a draw is below
// 1000 has a probability of 5·10⁻⁴ each; that all of the four numbers are, below 10⁻¹³.
func TestTheirNoiseRemains(t *testing.T) {
	c := start(t, setup{noise: agreement.NoiseCoordinator, seed: 104})
	off := 0
	for _, q := range []client.Question{
		{Total: []string{"bank.member", "cinema.member"}, Epsilon: 1e-6},
		{Total: []string{"bank.gold", "cinema.gold"}, Epsilon: 1e-6},
		{Frequency: []string{"bank.member", "cinema.gold"}, Epsilon: 1e-6},
	} {
		a := c.answered(q)
		known := truth(t, c.people, q)
		for _, cell := range a.Cells {
			if math.Abs(cell.Value-known[groupKey(a.By, cell.Group)]) > 1000 {
				off++
			}
		}
	}
	if off == 0 {
		t.Error("all numbers are without noise")
	}
}
