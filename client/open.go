package client

import (
	"context"
	"encoding/hex"
	"math/big"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Result fetches the sealed answer of a question that is done, verifies everything about it, and opens it (step 5).
func (c *Client) Result(ctx context.Context, t *Ticket) (*Answer, error) {
	response, err := c.rpc.Result(ctx, &sottov1.ResultRequest{QueryId: t.ID})
	if err != nil {
		return nil, fault.From(err)
	}
	return open(t, response, c.agreement)
}

// open trusts nothing in the response: the plan comes from the question as this analyst signed it, the keys from the
// agreement.
func open(t *Ticket, response *sottov1.ResultResponse, a *agreement.Agreement) (*Answer, error) {
	plan, err := query.NewPlan(t.query)
	if err != nil {
		return nil, err
	}
	session, err := protocol.ParseSession(response.GetSession())
	if err != nil {
		return nil, err
	}
	transcript := plan.Transcript(session)
	handOvers, err := verifyHandOvers(response.GetHandOvers(), plan, a, transcript)
	if err != nil {
		return nil, err
	}
	releases, err := protocol.VerifyReleases(response.GetReleases(), plan, a, transcript, handOvers)
	if err != nil {
		return nil, err
	}
	sums, err := constantTerms(plan, handOvers)
	if err != nil {
		return nil, err
	}
	for i, sealed := range response.GetReleases() {
		message, err := t.key.Open(seal.Context{Transcript: transcript, KeyHolder: plan.KeyHolders[i], Cells: int64(plan.Cells)}, sealed.GetSealed())
		if err != nil {
			return nil, fault.New(fault.Protocol, "the release of %s does not open with this question's key", plan.KeyHolders[i]).Wrap(err)
		}
		if err := addScalars(sums, message, plan); err != nil {
			return nil, fault.New(fault.Protocol, "release").WithParty(plan.KeyHolders[i]).Wrap(err)
		}
	}
	answer := &Answer{
		Measure: t.query.Measure, Unit: t.query.Amount.Unit, Earlier: t.Earlier, plan: plan,
		Epsilon: t.query.Epsilon(), Delta: t.query.TotalDelta(), Mechanism: t.query.Mechanism, Layout: t.query.Layout, Draws: plan.Draws(),
		Charged: map[string]float64{}, work: workOf(plan),
	}
	if plan.Matched() {
		answer.Spine, answer.Slots = hex.EncodeToString(t.query.Spine[:]), t.query.Slots
	}
	answer.By = dimensions(t.query)
	for _, r := range releases {
		if r.KeyHolder != query.Coordinator {
			answer.Charged[r.KeyHolder] = agreement.MicroEpsilon(r.MicroEpsilon).Float()
		}
	}
	for _, s := range response.GetStages() {
		answer.Stages = append(answer.Stages, StageTime{stageNames[s.GetStage()], s.GetSeconds()})
	}
	for _, h := range response.GetHops() {
		answer.Hops = append(answer.Hops, Hop{h.GetFrom(), h.GetTo(), h.GetBytes()})
	}
	released := make([]int64, len(sums))
	for i, sum := range sums {
		if released[i], err = plan.Params.Decode(sum, plan.Need); err != nil {
			return nil, fault.New(fault.Protocol, "open the answer").Wrap(err)
		}
	}
	answer.Cells, err = cells(plan, released)
	return answer, err
}

// verifyHandOvers checks all hand-overs, for whichever joint key the first names; that all key-holders had the same one
// is what each of them checked before it signed.
func verifyHandOvers(signed []*sottov1.Signed, plan *query.Plan, a *agreement.Agreement, transcript [32]byte) ([]protocol.HandOver, error) {
	if len(signed) == 0 {
		return nil, fault.New(fault.Protocol, "the answer has no hand-overs")
	}
	party, _ := a.Party(plan.Chains[0].Hops[0].Party)
	var first protocol.HandOver
	if err := protocol.Verify(signed[0], party.Key, party.Name, &first); err != nil {
		return nil, err
	}
	return protocol.VerifyHandOvers(signed, plan, a, transcript, first.PublicKey)
}

// constantTerms returns Σ coef·[c0]_0 for every cell of the plan, as the last hops signed them.
func constantTerms(plan *query.Plan, handOvers []protocol.HandOver) ([]*big.Int, error) {
	sums := make([]*big.Int, plan.Cells)
	for i := range sums {
		sums[i] = new(big.Int)
	}
	last := -1
	for c := range plan.Chains {
		chain := &plan.Chains[c]
		last += len(chain.Hops)
		for i, result := range handOvers[last].Results {
			for lane, encoded := range result.C0 {
				c0, err := plan.Params.ParseScalar(encoded)
				if err != nil {
					return nil, fault.New(fault.Protocol, "result of %s", handOvers[last].Party).Wrap(err)
				}
				for _, target := range chain.Into[chain.Result(i, lane)] {
					sums[target.Cell].Add(sums[target.Cell], new(big.Int).Mul(c0, big.NewInt(target.Coefficient)))
				}
			}
		}
	}
	return sums, nil
}

// addScalars adds a key-holder's scalars, one per cell.
func addScalars(sums []*big.Int, message []byte, plan *query.Plan) error {
	size := plan.Params.ScalarBytes()
	if len(message) != size*len(sums) {
		return fault.New(fault.Protocol, "the release has %d bytes, must have %d", len(message), size*len(sums))
	}
	for i, sum := range sums {
		scalar, err := plan.Params.ParseScalar(message[i*size : (i+1)*size])
		if err != nil {
			return err
		}
		sum.Add(sum, scalar)
	}
	return nil
}
