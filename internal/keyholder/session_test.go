package keyholder

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// A whole session among two parties and the coordinator: what the analyst opens is the truth plus the noise of all three,
// of every cell, and every key-holder has signed the same commitments.
func TestSessionOpensToTheTruthAndAllNoise(t *testing.T) {
	truth := []int64{700, 0, -3}
	x := sit(t, len(truth), agreement.NoiseEveryone)
	want := slices.Clone(truth)
	for _, s := range x.holders {
		for cell, z := range s.noise {
			want[cell] += z
		}
	}
	c := x.hops(truth)
	releases := x.release(c)
	if got := x.answer(c, releases); !slices.Equal(got, want) {
		t.Errorf("the answer is %v, truth and noise are %v", got, want)
	}
	for i, r := range releases {
		var body protocol.Release
		x.must(protocol.Verify(r.GetRelease(), x.keys[x.plan.KeyHolders[i]].Public(), "", &body))
		charge := x.plan.Charge(x.plan.KeyHolders[i])
		if body.MicroEpsilon != charge.MicroEpsilon || body.AttoDelta != charge.AttoDelta || body.Cells != charge.Cells ||
			(charge.MicroEpsilon == 1_000_000) != (i < 2) || body.LedgerRows != 0 {
			t.Errorf("release says that %d, %d, %d were charged", body.MicroEpsilon, body.AttoDelta, body.Cells)
		}
	}
}

// Two sessions of one question share nothing: other shares, other noise, other salts.
func TestNothingIsDrawnTwice(t *testing.T) {
	x := sit(t, 50, agreement.NoiseEveryone)
	again := x.prepare("a")
	first := x.holders[0]
	if slices.Equal(again.share.Public(), first.share.Public()) || slices.Equal(again.noise, first.noise) || again.nonce == first.nonce {
		t.Error("a second session of one key-holder repeats what the first drew")
	}
	if bytes.Equal(first.Commitment().GetBody(), again.Commitment().GetBody()) {
		t.Error("two commitments are the same")
	}
}

// improbable returns an upper bound on the probability of a binomial count as far from its mean as hits: Chernoff's.
func improbable(hits, trials int, p float64) float64 {
	q := float64(hits) / float64(trials)
	divergence := 0.
	if q > 0 {
		divergence += q * math.Log(q/p)
	}
	if q < 1 {
		divergence += (1 - q) * math.Log((1-q)/(1-p))
	}
	return math.Exp(-float64(trials) * divergence)
}

// fullNoise fails the test unless the numbers are draws of integer Laplace noise of scale b, for which
// P(|draw| ≥ k) = exp(−(k−½)/b): six counts, each with a false alarm below 2·10⁻⁸.
func fullNoise(t *testing.T, of string, draws []int64, b float64) {
	t.Helper()
	count := func(what string, p float64, is func(z int64) bool) {
		hits := 0
		for _, z := range draws {
			if is(z) {
				hits++
			}
		}
		if improbable(hits, len(draws), p) < 1e-8 {
			t.Errorf("noise of %s: %d of %d draws are %s, want about %.0f", of, hits, len(draws), what, p*float64(len(draws)))
		}
	}
	for _, k := range []int64{1, 3, 6, 10} {
		count("large", math.Exp(-(float64(k)-0.5)/b), func(z int64) bool { return max(z, -z) >= k })
	}
	count("above 0", math.Exp(-0.5/b)/2, func(z int64) bool { return z > 0 })
	odd := 0. // shifts by a constant, or doubled noise, show here
	for k := 1; k < 400; k += 2 {
		odd += math.Exp(-(float64(k)-0.5)/b) - math.Exp(-(float64(k)+0.5)/b)
	}
	count("odd", odd, func(z int64) bool { return z&1 == 1 })
}

// Attack 6: everybody else pools what they know, the truth and their own noise included, and subtracts it from the opened
// answer. What remains is one key-holder's noise, all of it: at the scale that suffices alone. 700 cells, three honest
// key-holders in turn and together, six counts each: false alarm below 5·10⁻⁷.
func TestOneKeyHoldersFullNoiseRemains(t *testing.T) {
	truth := make([]int64, 700)
	for i := range truth {
		truth[i] = int64(i)
	}
	x := sit(t, len(truth), agreement.NoiseEveryone)
	scale := float64(x.plan.Noise.Sensitivity) / x.plan.Query.Epsilon()
	var noise [][]int64
	for _, s := range x.holders {
		noise = append(noise, slices.Clone(s.noise))
	}
	c := x.hops(truth)
	answer := x.answer(c, x.release(c))
	var all []int64
	for honest, name := range x.plan.KeyHolders {
		rest := slices.Clone(answer)
		for cell := range rest {
			rest[cell] -= truth[cell]
			for i := range noise {
				if i != honest {
					rest[cell] -= noise[i][cell]
				}
			}
		}
		fullNoise(t, name, rest, scale)
		all = append(all, rest...)
	}
	fullNoise(t, "all in turn", all, scale)
}

// With `noise: coordinator` the parties' scalars carry none, and the coordinator's all of it: the last hop as the analyst,
// who knows c0, its own share's scalar and even the truth, still has the coordinator's full noise before it. False alarm
// below 2·10⁻⁷.
func TestCoordinatorsNoiseAlone(t *testing.T) {
	truth := make([]int64, 700)
	truth[5] = 900
	x := sit(t, len(truth), agreement.NoiseCoordinator)
	if x.holders[0].noise != nil || x.holders[1].noise != nil {
		t.Fatal("a party draws noise")
	}
	noise := slices.Clone(x.holders[2].noise)
	c := x.hops(truth)
	rest := x.answer(c, x.release(c))
	for cell := range rest {
		rest[cell] -= truth[cell]
	}
	if !slices.Equal(rest, noise) {
		t.Error("there is other noise in the answer than the coordinator's")
	}
	fullNoise(t, "the coordinator", rest, float64(x.plan.Noise.Sensitivity)/x.plan.Query.Epsilon())
}

// A step out of order or taken twice kills the session and erases its secrets, and nothing works after that. Only Joint
// may be called again, once per chain.
func TestStepsOutOfOrder(t *testing.T) {
	type call struct {
		name string
		do   func(x *table, s *Session, c *chain) error
	}
	var (
		open  = call{"open", func(x *table, s *Session, _ *chain) error { _, err := s.Open(x.commitments()); return err }}
		agree = call{"agree", func(_ *table, s *Session, _ *chain) error { _, err := s.Agree(make([]*sottov1.Opening, 3)); return err }}
		joint = call{"joint", func(_ *table, s *Session, _ *chain) error { _, err := s.Joint(make([]*sottov1.Signed, 3)); return err }}
		check = call{"check", func(_ *table, s *Session, c *chain) error {
			_, err := s.CheckHandOvers(c.signed, c.own("a"))
			return err
		}}
		share = call{"release", func(_ *table, s *Session, c *chain) error {
			_, _, err := s.Release(c.bodies, results(c.c1))
			return err
		}}
	)
	for _, c := range []struct {
		after string
		reach func(x *table) *chain
		wrong []call
	}{
		{"prepare", func(*table) *chain { return nil }, []call{agree, joint, check, share}},
		{"open", func(x *table) *chain { x.open(); return nil }, []call{open, joint, check, share}},
		{"agree", func(x *table) *chain { x.agree(); return nil }, []call{open, agree}},
		{"the hops", func(x *table) *chain { return x.hops([]int64{1}) }, []call{open, agree}},
		{"release", func(x *table) *chain { c := x.hops([]int64{1}); x.release(c); return c }, []call{open, agree, joint, check, share}},
		{"the end", func(x *table) *chain { x.holders[0].Erase(); x.holders[0].Erase(); return nil }, []call{open, agree, joint, check, share}},
	} {
		for _, wrong := range c.wrong {
			x := sit(t, 1, agreement.NoiseEveryone)
			s := x.holders[0]
			left := c.reach(x)
			if left == nil {
				left = &chain{bodies: make([]protocol.HandOver, 2)}
			}
			what := wrong.name + " after " + c.after
			refused(t, what, s, wrong.do(x, s, left))
			for _, next := range []call{open, agree, joint, check, share} {
				refused(t, what+", then "+next.name, s, next.do(x, s, left))
			}
		}
	}
}

// However a session ends, its secrets are overwritten where they were, not only forgotten.
func TestSecretsAreOverwritten(t *testing.T) {
	for name, end := range map[string]func(x *table){
		"erased":   func(x *table) { x.holders[0].Erase() },
		"released": func(x *table) { x.release(x.hops(make([]int64, 40))) },
		"failed":   func(x *table) { _, _ = x.holders[0].Open(nil) },
	} {
		x := sit(t, 40, agreement.NoiseEveryone)
		s := x.holders[0]
		share, noise := s.share, s.noise
		end(x)
		if slices.ContainsFunc(noise, func(z int64) bool { return z != 0 }) {
			t.Errorf("%s: the noise is still in memory", name)
		}
		if _, err := share.Scalars(make([]byte, s.Ring().PolyBytes()), 1); err == nil {
			t.Errorf("%s: the key share still opens", name)
		}
		refused(t, name, s, fault.New(fault.Protocol, ""))
	}
}
