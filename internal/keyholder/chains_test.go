package keyholder

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// questions are of every kind of plan: one chain and several, with coefficients of both signs, of one hop and two, to one cell
// and many, of one lane, several, and more than a ciphertext has.
func questions() map[string]*query.Query {
	spend := query.Amount{Party: "b", Name: "spend", Step: 1, Low: -3, High: 8}
	parts := "[a.member, b.member]"
	all := map[string]*query.Query{
		"either": {Measure: query.Count, Audience: "a.member || b.member"},
		"either by both": {
			Measure: query.Count, Audience: "a.member || b.member", GroupBy: []query.Dimension{dimension("a", 2), dimension("b", 4)},
		},
		"more groups than lanes": {
			Measure: query.Count, Audience: "a.member && b.member", GroupBy: []query.Dimension{dimension("a", 17), dimension("b", 19)},
		},
		"frequency": {Measure: query.Frequency, Audience: parts},
		"total":     {Measure: query.Total, Audience: parts},
		"sum":       {Measure: query.Sum, Amount: spend, Audience: "b.member && !a.x", GroupBy: []query.Dimension{dimension("b", 1)}},
		"mean":      {Measure: query.Mean, Amount: spend, Audience: "a.member && b.member", GroupBy: []query.Dimension{dimension("a", 2)}},
	}
	for _, q := range all {
		q.Noise = string(agreement.NoiseEveryone)
	}
	return all
}

// truth draws what the chains end in.
func (x *table) truth(random *rand.Rand) [][]int64 {
	var truth [][]int64
	for i := range x.plan.Chains {
		ends := make([]int64, x.plan.Chains[i].Results)
		for result := range ends {
			ends[result] = random.Int64N(201) - 100
		}
		truth = append(truth, ends)
	}
	return truth
}

// Whatever is planned: the analyst opens, in every cell, the chains' ends times their coefficients and the noise of all three,
// nothing else; every one of them was signed, and every party's release says the question's price.
func TestChainsAreAddedUpAsPlanned(t *testing.T) {
	var lanes, products []int
	for name, q := range questions() {
		t.Run(name, func(t *testing.T) {
			x := sitFor(t, q)
			truth := x.truth(rand.New(rand.NewPCG(5, 6)))
			want := make([]int64, x.plan.Cells)
			for _, s := range x.holders {
				for cell, z := range s.noise {
					want[cell] += z
				}
			}
			for i := range x.plan.Chains {
				for result, targets := range x.plan.Chains[i].Into {
					for _, target := range targets {
						want[target.Cell] += target.Coefficient * truth[i][result]
					}
				}
				lanes = append(lanes, x.plan.Chains[i].Lanes)
			}
			products = append(products, x.plan.Need.Products)
			if uint64(x.holders[0].Ring().PolyBytes()) != x.plan.Params.PolyBytes() {
				t.Errorf("a polynomial has %d bytes, planned are %d", x.holders[0].Ring().PolyBytes(), x.plan.Params.PolyBytes())
			}
			c := x.play(truth)
			if got := x.answer(c, x.release(c)); !slices.Equal(got, want) {
				t.Errorf("the answer is %v, the chains and noise add up to %v", got, want)
			}
		})
	}
	if slices.Max(lanes) <= query.MaxLanes/2 || slices.Min(products) != 0 {
		t.Errorf("chains have up to %d lanes, and at least %d products", slices.Max(lanes), slices.Min(products))
	}
}

// Attack 3 and 4 across chains: results are opened each in its chain and place only, and no ciphertext of one chain stands for
// one of another, in the stream or in the hand-overs.
func TestResultsStayInTheirChains(t *testing.T) {
	q := questions()["either by both"]
	for name, alter := range map[string]func(x *table, c *chain){
		"results of two chains swapped": func(x *table, c *chain) {
			first := x.plan.Chains[0].Ciphertexts
			c.c1[0], c.c1[first] = c.c1[first], c.c1[0]
		},
		"a result of another chain": func(x *table, c *chain) { c.c1[x.plan.Chains[0].Ciphertexts] = c.c1[0] },
		"signed for two chains": func(x *table, c *chain) {
			c.bodies[2].Results[0] = c.bodies[1].Results[0]
			x.sign(c)
		},
		"c1 signed for two chains": func(x *table, c *chain) {
			c.bodies[2].Results[0].C1 = c.bodies[1].Results[0].C1
			x.sign(c)
		},
		"hand-overs of two chains swapped": func(_ *table, c *chain) { c.signed[1], c.signed[2] = c.signed[2], c.signed[1] },
		"of another chain": func(x *table, c *chain) {
			c.bodies[2].Chain = 0
			x.sign(c)
		},
		"a lane too many": func(x *table, c *chain) {
			r := &c.bodies[1].Results[0]
			r.C0 = append(r.C0, r.C0[0])
			x.sign(c)
		},
		"a lane too few": func(x *table, c *chain) {
			r := &c.bodies[1].Results[0]
			r.C0 = r.C0[:len(r.C0)-1]
			x.sign(c)
		},
		"one chain less": func(_ *table, c *chain) { c.signed = c.signed[:len(c.signed)-1] },
	} {
		x := sitFor(t, q)
		if len(x.plan.Chains[0].Hops) != 2 || x.plan.Chains[0].Lanes < 2 || len(x.plan.Chains[1].Hops) != 1 {
			t.Fatalf("the plan has other chains than the test: %+v", x.plan.Chains)
		}
		c := x.play(x.truth(rand.New(rand.NewPCG(7, 8))))
		s := x.holders[1]
		alter(x, c)
		handOvers, err := s.CheckHandOvers(c.signed, c.own(s.name))
		if err == nil {
			var sealed []byte
			if sealed, _, err = s.Release(handOvers, results(c.c1)); sealed != nil {
				t.Errorf("%s: something was released", name)
			}
		}
		refused(t, name, s, err)
	}
}

// A share has a key for every lane, all of them committed to: one lane too few or too many, or one exchanged, is not what was
// committed to, and one that nobody opened can't be used. The keys of lanes are independent.
func TestSharesOfSeveralLanes(t *testing.T) {
	q := questions()["either by both"]
	lanes := sitFor(t, q).plan.Lanes()
	for name, alter := range map[string]func(share []byte, one int) []byte{
		"one too few":   func(share []byte, one int) []byte { return share[one:] },
		"one too many":  func(share []byte, one int) []byte { return append(share, share[:one]...) },
		"one alone":     func(share []byte, one int) []byte { return share[:one] },
		"two exchanged": func(share []byte, one int) []byte { return slices.Concat(share[one:2*one], share[:one], share[2*one:]) },
		"one twice":     func(share []byte, one int) []byte { return slices.Concat(share[:one], share[:one], share[2*one:]) },
	} {
		x := sitFor(t, q)
		all := x.open()
		all[1].Share = alter(bytes.Clone(all[1].GetShare()), x.holders[0].Ring().PolyBytes())
		_, err := x.holders[0].Agree(all)
		refused(t, name, x.holders[0], err)
	}
	// Even committed to, it must have every lane.
	for _, count := range []int{lanes - 1, lanes + 1} {
		x := sitFor(t, q)
		share, err := x.holders[1].Ring().NewShare(x.holders[1].Transcript, count)
		x.must(err)
		nonce := protocol.NewNonce()
		transcript := x.holders[0].Transcript
		commitments := x.commitments()
		commitments[1] = protocol.Sign(x.keys["b"], &protocol.Commitment{
			Transcript: transcript, KeyHolder: "b", Hash: protocol.CommitmentHash(transcript, "b", share.Public(), nonce),
		})
		own, err := x.holders[0].Open(commitments)
		x.must(err)
		other, err := x.holders[2].Open(commitments)
		x.must(err)
		_, err = x.holders[0].Agree([]*sottov1.Opening{own, {Share: share.Public(), Nonce: nonce[:]}, other})
		refused(t, "a share of another number of lanes", x.holders[0], err)
	}
	x := sitFor(t, q)
	if lanes != 3 || len(x.holders[0].share.Public()) != lanes*x.holders[0].Ring().PolyBytes() {
		t.Fatalf("%d lanes, a share of %d bytes", lanes, len(x.holders[0].share.Public()))
	}
	seen := map[[32]byte]bool{}
	for _, s := range x.holders {
		for key := range slices.Chunk(s.share.Public(), s.Ring().PolyBytes()) {
			hash := sha256.Sum256(key)
			if seen[hash] {
				t.Error("two lanes or key-holders have the same key")
			}
			seen[hash] = true
		}
	}
}
