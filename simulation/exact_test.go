package simulation

import (
	"math/big"
	"strconv"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
)

// released answers a question over a matching as a coordinator that alone draws noise, and draws next to none: each number is off
// with a probability of 4·10⁻⁹, for that is the chance that a draw of ε 20 for a sensitivity of 1 is not 0.
func (c *cluster) released(q client.Question, m *matching) (*query.Plan, []int64) {
	c.Helper()
	body, key := c.question(q)
	body.Layout, body.Precision, body.Spine, body.Slots = agreement.LayoutMatched, "", m.Spine, m.Slots
	k := c.conduct(body)
	quiet := *k.plan
	quiet.Noise = dp.Noise{Mechanism: dp.Laplace, Epsilon: dp.MaxEpsilon, Sensitivity: 1}
	var err error
	k.own, err = keyholder.Prepare(&quiet, k.id, c.agreement, agreement.CoordinatorName, c.keys[agreement.CoordinatorName])
	c.must(err)
	k.commitments[len(k.commitments)-1] = k.own.Commitment()
	k.prepareAll()
	c.must(k.contribute())

	handOvers, results := k.handOvers(), k.results()
	verified, err := k.own.CheckHandOvers(handOvers, nil)
	c.must(err)
	releases := map[string][]byte{}
	for name := range k.parties {
		r, err := k.release(name, handOvers, results)
		c.must(err)
		releases[name] = r.GetSealed()
	}
	releases[agreement.CoordinatorName], _, err = k.own.Release(verified, func() (c1 []byte, err error) {
		c1, results = results[0], results[1:]
		return c1, nil
	})
	c.must(err)
	return k.plan, k.opened(key, verified, releases)
}

// opened adds up what the last hops and all key-holders say of every number.
func (k *conductor) opened(key *seal.Key, verified []protocol.HandOver, releases map[string][]byte) []int64 {
	k.Helper()
	set, plan := k.plan.Params, k.plan
	sums := make([]*big.Int, plan.Cells)
	for i := range sums {
		sums[i] = new(big.Int)
	}
	last := -1
	for i := range plan.Chains {
		chain := &plan.Chains[i]
		last += len(chain.Hops)
		for ciphertext, result := range verified[last].Results {
			for lane, encoded := range result.C0 {
				c0, err := set.ParseScalar(encoded)
				k.must(err)
				for _, target := range chain.Into[chain.Result(ciphertext, lane)] {
					sums[target.Cell].Add(sums[target.Cell], new(big.Int).Mul(c0, big.NewInt(target.Coefficient)))
				}
			}
		}
	}
	for name, sealed := range releases {
		message, err := key.Open(seal.Context{Transcript: plan.Transcript(k.id), KeyHolder: name, Cells: int64(plan.Cells)}, sealed)
		k.must(err)
		for i, sum := range sums {
			scalar, err := set.ParseScalar(message[i*set.ScalarBytes() : (i+1)*set.ScalarBytes()])
			k.must(err)
			sum.Add(sum, scalar)
		}
	}
	numbers := make([]int64, len(sums))
	for i, sum := range sums {
		var err error
		numbers[i], err = set.Decode(sum, plan.Need)
		k.must(err)
	}
	return numbers
}

// cellsWithout returns the cells of the answer by what names them, made of numbers without noise; of a mean, those of somebody.
func cellsWithout(plan *query.Plan, q client.Question, numbers []int64) map[string]float64 {
	cells, amount := map[string]float64{}, plan.Query.Amount
	for cell := range plan.Query.Cells() {
		group := map[string]string{}
		for d, at := range plan.Query.Group(cell) {
			group[plan.Query.GroupBy[d].FullName()] = plan.Query.GroupBy[d].Value(at)
		}
		key := groupKey(q.By, group)
		switch {
		case q.Sum != "":
			cells[key] = float64(numbers[cell]) * amount.Step
		case q.Mean != "":
			if people := numbers[plan.Query.Cells()+cell] / plan.Scale; people > 0 {
				cells[key] = (float64(plan.Centre) + float64(numbers[cell])/float64(people)) * amount.Step
			}
		case len(q.Frequency) > 0:
			cells[groupKey([]string{"parties"}, map[string]string{"parties": strconv.Itoa(cell + 1)})] = float64(numbers[cell])
		default:
			cells[key] = float64(numbers[cell])
		}
	}
	return cells
}
