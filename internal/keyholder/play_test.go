package keyholder

import (
	"crypto/sha256"

	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// chain is what the hops of all chains leave behind.
type chain struct {
	bodies []protocol.HandOver
	signed []*sottov1.Signed
	c1     [][]byte // per ciphertext
}

// hops plays both hops of the one chain, which ends in the truth, cell by cell.
func (x *table) hops(truth []int64) *chain {
	x.Helper()
	return x.play([][]int64{truth})
}

// play plays all hops of all chains, so that each ends in the truth, result by result.
func (x *table) play(truth [][]int64) *chain {
	x.Helper()
	joint := x.joint()
	c := &chain{}
	for i := range x.plan.Chains {
		body := protocol.HandOver{Transcript: x.holders[0].Transcript, PublicKey: joint.PublicHash, Chain: int64(i)}
		if len(x.plan.Chains[i].Hops) == 1 {
			body.Results = x.count(joint, truth[i], c)
		} else {
			first := body
			blocks := x.encrypt(joint, i, truth[i])
			stream := protocol.NewStreamHash(x.holders[0].Transcript, i, 0)
			for _, b := range blocks {
				stream.Add(x.holders[0].Ring().AppendBlock(nil, b))
			}
			first.Party, first.Out = x.plan.Chains[i].Hops[0].Party, stream.Sum()
			c.bodies = append(c.bodies, first)
			body.Hop, body.In = 1, first.Out
			body.Results = x.multiply(joint, i, blocks, c)
		}
		body.Party = x.plan.Chains[i].Hops[body.Hop].Party
		c.bodies = append(c.bodies, body)
	}
	x.sign(c)
	return c
}

// encrypt is the first hop of two: the truth of every group of its own, one slot per group of the other hop.
func (x *table) encrypt(joint *Joint, chain int, truth []int64) (blocks []*he.Block) {
	x.Helper()
	planned := &x.plan.Chains[chain]
	w, perGroup := joint.Key.NewWorker(), planned.Hops[1].Groups
	for ciphertext := range planned.Hops[0].Out {
		block := x.holders[0].Ring().NewBlock(planned.Lanes)
		x.must(w.Encrypt(func(lane int, slots []int64) {
			clear(slots)
			if group := ciphertext*planned.Lanes + lane; group < planned.Hops[0].Groups {
				copy(slots, truth[group*perGroup:(group+1)*perGroup])
			}
		}, block))
		blocks = append(blocks, block)
	}
	return blocks
}

// multiply is the last hop of two: each of its groups has one slot.
func (x *table) multiply(joint *Joint, chain int, blocks []*he.Block, c *chain) (results []protocol.Result) {
	x.Helper()
	planned, ring := &x.plan.Chains[chain], x.holders[0].Ring()
	w := joint.Key.NewWorker()
	plain, slots := w.NewPlain(), make([]int64, x.plan.Params.N())
	for _, block := range blocks {
		for group := range planned.Hops[1].Groups {
			clear(slots)
			slots[group] = 1
			w.Encode(slots, plain)
			result := ring.NewBlock(planned.Lanes)
			w.MultiplyAdd(block, plain, result)
			if group < 10 { // what any real hop does for all; it costs the most, and the tests of noise have many cells
				x.must(w.Rerandomise(result))
			}
			results = append(results, x.output(result, planned.Used(len(results)), c))
		}
	}
	return results
}

// count is the only hop of a chain: encryptions of zero, to which the truth is added.
func (x *table) count(joint *Joint, truth []int64, c *chain) (results []protocol.Result) {
	x.Helper()
	w, ring := joint.Key.NewWorker(), x.holders[0].Ring()
	for _, number := range truth {
		zero := ring.NewBlock(1)
		x.must(w.EncryptZero(zero))
		result := x.output(zero, 1, c)
		c0, err := x.plan.Params.ParseScalar(result.C0[0])
		x.must(err)
		result.C0[0] = x.plan.Params.AppendScalar(nil, c0.Add(c0, x.plan.Params.Encode(number)))
		results = append(results, result)
	}
	return results
}

func (x *table) output(block *he.Block, lanes int, c *chain) (result protocol.Result) {
	c0, c1 := x.holders[0].Ring().Output(block)
	for _, scalar := range c0[:lanes] {
		result.C0 = append(result.C0, x.plan.Params.AppendScalar(nil, scalar))
	}
	result.C1 = sha256.Sum256(c1)
	c.c1 = append(c.c1, c1)
	return result
}
