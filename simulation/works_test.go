package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestAnswers guards the main job: for two to five parties, with and without groups of several parties, both mechanisms
// and both ways to add noise, every number lies within its interval of the truth, and every party is charged what the
// question said, once, and parties that it is not about nothing.
func TestAnswers(t *testing.T) {
	everyone, coordinator := agreement.NoiseEveryone, agreement.NoiseCoordinator
	gaussian := client.Question{Mechanism: "gaussian", Delta: 1e-7}
	for _, test := range []struct {
		parties int
		noise   agreement.Noise
		count   string
		by      []string
		client.Question
		long bool // runs only then
	}{
		{2, everyone, "bank.member && cinema.member", nil, client.Question{}, false},
		{2, everyone, `bank.gold && (cinema.band != "under 40" || !cinema.gold) && cinema.member`, nil, gaussian, false},
		{2, coordinator, "bank.member && cinema.member", []string{"cinema.region", "bank.band"}, client.Question{Epsilon: 2}, false},
		{3, everyone, "bank.member && cinema.member && florist.member", []string{"bank.band"}, gaussian, true},
		{3, everyone, "bank.member && cinema.member && florist.gold", []string{"florist.region"}, client.Question{}, false},
		{4, everyone, "cinema.member && grocer.gold", []string{"grocer.region"}, client.Question{Epsilon: 0.5}, false},
		{4, coordinator, "bank.member && cinema.member && florist.member && grocer.member", nil, client.Question{}, true},
		{4, everyone, "bank.member && cinema.member && florist.member && grocer.member", []string{"grocer.region", "grocer.band"}, gaussian, true},
		{5, everyone, "bank.member && cinema.member && florist.member && grocer.member && insurer.member", nil, client.Question{}, false},
		{5, coordinator, "bank.member && cinema.member && florist.member && grocer.member && insurer.member", []string{"insurer.band"}, client.Question{}, true},
	} {
		if test.long && !long {
			continue
		}
		t.Run(fmt.Sprintf("%d parties, noise %s, %s by %v", test.parties, test.noise, test.count, test.by), func(t *testing.T) {
			c := start(t, setup{parties: test.parties, noise: test.noise, seed: uint64(test.parties)})
			q := test.Question
			q.Count, q.By = test.count, test.by
			a := c.answered(q)
			q = filled(q)
			for _, p := range c.parties {
				want := 0.0
				if strings.Contains(test.count, p.name) {
					want = q.Epsilon
				}
				if p.charged() != want || a.Charged[p.name] != want {
					t.Errorf("%s charged %v, and %v says the answer; must be %v", p.name, p.charged(), a.Charged[p.name], want)
				}
			}
			if a.Epsilon != q.Epsilon || a.Delta <= q.Delta || a.Delta > q.Delta+1e-6 {
				t.Errorf("the answer cost epsilon %v, delta %v; must be %v and little more than %v", a.Epsilon, a.Delta, q.Epsilon, q.Delta)
			}
			if test.noise == coordinator && a.Draws != 1 || test.noise == everyone && a.Draws != len(a.Charged)+1 {
				t.Errorf("%d noise draws by %d parties, noise %s", a.Draws, len(a.Charged), test.noise)
			}
			if len(a.Hops) != len(a.Charged) || a.Bytes() == 0 || len(a.Stages) != 4 {
				t.Errorf("hops %v, stages %v", a.Hops, a.Stages)
			}
		})
	}
}

// TestNoiseModes guards what "noise: coordinator" buys: with one draw instead of one per key-holder, intervals are smaller,
// and still hold the truth.
func TestNoiseModes(t *testing.T) {
	q := client.Question{Count: "bank.member && cinema.member", Epsilon: 0.2}
	width := map[agreement.Noise]float64{}
	for _, noise := range []agreement.Noise{agreement.NoiseEveryone, agreement.NoiseCoordinator} {
		c := start(t, setup{noise: noise, seed: 15})
		cell := c.answered(q).Cells[0]
		width[noise] = cell.High - cell.Low
	}
	if wide, narrow := width[agreement.NoiseEveryone], width[agreement.NoiseCoordinator]; !(wide > 1.3*narrow) {
		t.Errorf("95 %% intervals: %v wide with noise of everyone, %v with the coordinator's alone", wide, narrow)
	}
}

// TestCoordinatorsNoiseRemains guards the last party as the analyst where only the coordinator draws noise (attack 6). It
// knows both vectors' people, say, its own share and [c0]_0, opens every scalar, and subtracts all that: with ε so small
// that the noise is in the millions, what remains must be as large. That a draw of scale 2·10⁶ is below 1000 in all three
// cells, for the test to fail by chance, has a probability of 1.25·10⁻¹⁰.
func TestCoordinatorsNoiseRemains(t *testing.T) {
	c := start(t, setup{noise: agreement.NoiseCoordinator, seed: 16})
	q := client.Question{Count: "bank.member && cinema.member", By: []string{"cinema.band"}, Epsilon: 1e-6}
	a := c.answered(q)
	known := truth(t, c.people, q)
	if !slices.ContainsFunc(a.Cells, func(cell client.Cell) bool {
		rest := cell.Value - known[groupKey(q.By, cell.Group)]
		return rest > 1000 || rest < -1000
	}) {
		t.Errorf("without noise: %+v", a.Cells)
	}
}

// TestNothingIsLeft guards that what a question takes is given back however it ends: when questions were answered, failed
// and given up on, the nodes have as many goroutines as before, and no session (which every test here checks).
func TestNothingIsLeft(t *testing.T) {
	c := start(t, setup{seed: 17})
	c.answered(c.everybody())
	c.tidy()
	before, _ := c.goroutines()
	c.answered(c.everybody())

	c.tap.on(from, "cinema", "Open", as(func(r *sottov1.OpenResponse) { proto.Reset(r) }))
	_, err := c.ask(c.everybody())
	refused(t, err, fault.Protocol, "opening of cinema")
	c.tap.clear()

	c.tap.on(to, "cinema", "Contribute", atBlock(blocks/2, func([]byte) []proto.Message { return []proto.Message{blockMessage(nil)} }))
	_, err = c.ask(c.everybody())
	refused(t, err, fault.Protocol, "a block of bank has 0 bytes")
	c.tap.clear()

	ctx, cancel := context.WithCancel(context.Background())
	c.once("bank", moments[5], cancel)
	if _, err := c.analysts[0].Ask(ctx, filled(c.everybody()), nil); !cancelled(err) {
		t.Errorf("given up: %v", err)
	}
	c.tap.clear()

	c.eventually(func() error {
		if after, stacks := c.goroutines(); after > before {
			return fmt.Errorf("%d goroutines, before %d:\n%s", after, before, stacks)
		}
		return nil
	})
}
