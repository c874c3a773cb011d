package client

import (
	"context"
	"math/big"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/params"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Answer is an opened answer.
type Answer struct {
	By        []string           // the question's
	Cells     []Cell             // in the order of By, the last dimension varying fastest
	Epsilon   float64            // ε of the whole answer
	Delta     float64            // δ of the whole answer: the mechanism's, and 2⁻⁴⁰-odd for the encryption
	Mechanism string             // of the noise
	Layout    string             // of the vectors
	Draws     int                // independent noise draws in every cell
	Charged   map[string]float64 // ε by which every party has charged its budget
	Stages    []StageTime        // as the coordinator measured them
	Hops      []Hop              // encrypted blocks on the wire

	work Work
}

// Work is how many operations on blocks a question took, by its plan.
type Work struct {
	Params      params.Set
	LogSlots    int // length of the vectors
	Encryptions int // of a block, by first hops
	Zeros       int // fresh encryptions of zero, to re-randomise
	Encodings   int // of plaintext blocks
	Products    int // of a ciphertext and a plaintext block
}

// Work returns how many operations on blocks the answer took.
func (a *Answer) Work() Work { return a.work }

func workOf(plan *query.Plan) Work {
	w := Work{Params: plan.Params, LogSlots: plan.LogSlots}
	for _, chain := range plan.Chains {
		for i, hop := range chain.Hops {
			blocks := plan.Blocks() * hop.Out
			switch {
			case i == 0:
				w.Encryptions += blocks
				continue
			case i == len(chain.Hops)-1:
				w.Zeros += plan.Cells
			default:
				w.Zeros += blocks
			}
			w.Encodings += blocks
			w.Products += blocks
		}
	}
	return w
}

// StageTime is how long a stage took.
type StageTime struct {
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// Hop is how many bytes of encrypted blocks travelled between two nodes.
type Hop struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes uint64 `json:"bytes"`
}

// Bytes returns the bytes of encrypted blocks of all hops.
func (a *Answer) Bytes() uint64 {
	var sum uint64
	for _, h := range a.Hops {
		sum += h.Bytes
	}
	return sum
}

// Cell is one number of the answer.
type Cell struct {
	Group     map[string]string // value by "party.dimension"; empty without By
	Value     int64             // people, with noise: it can be negative
	Low, High float64           // 95 % interval of the true number, with all error in it
	Std       float64           // standard deviation of the error

	err dp.Error
}

// Interval returns the interval that contains the true number with a confidence in (0, 1).
func (c Cell) Interval(confidence float64) (low, high float64, err error) {
	width, err := c.err.HalfWidth(confidence)
	if err != nil {
		return 0, 0, fault.New(fault.Invalid, "interval: %v", err)
	}
	return float64(c.Value) - width, float64(c.Value) + width, nil
}

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
		Epsilon: t.query.Epsilon(), Delta: t.query.TotalDelta(), Mechanism: t.query.Mechanism, Layout: t.query.Layout, Draws: plan.Draws(),
		Charged: map[string]float64{}, work: workOf(plan),
	}
	for _, d := range t.query.GroupBy {
		answer.By = append(answer.By, d.FullName())
	}
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
	answer.Cells, err = cells(plan, sums)
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

// constantTerms returns Σ coef·[c0]_0 for every cell, as the last hops signed them.
func constantTerms(plan *query.Plan, handOvers []protocol.HandOver) ([]*big.Int, error) {
	sums := make([]*big.Int, plan.Cells)
	for i := range sums {
		sums[i] = new(big.Int)
	}
	last := -1
	for _, chain := range plan.Chains {
		last += len(chain.Hops)
		for i, cell := range handOvers[last].Cells {
			c0, err := plan.Params.ParseScalar(cell.C0)
			if err != nil {
				return nil, fault.New(fault.Protocol, "result of %s", handOvers[last].Party).Wrap(err)
			}
			sums[i].Add(sums[i], c0.Mul(c0, big.NewInt(chain.Coefficient)))
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

// cells decodes the sums and puts the cells in the order of the question's dimensions.
func cells(plan *query.Plan, sums []*big.Int) ([]Cell, error) {
	out := make([]Cell, len(sums))
	for i, sum := range sums {
		value, err := plan.Params.Decode(sum, plan.Need)
		if err != nil {
			return nil, fault.New(fault.Protocol, "open the answer").Wrap(err)
		}
		cell := Cell{Group: map[string]string{}, Value: value, err: plan.Error(value)}
		width, err := cell.err.HalfWidth(0.95)
		if err != nil {
			return nil, fault.New(fault.Internal, "compute the interval").Wrap(err)
		}
		cell.Low, cell.High, cell.Std = float64(value)-width, float64(value)+width, cell.err.TotalStd()
		at := 0
		for d, group := range plan.Groups(i) {
			dimension := plan.Query.GroupBy[d]
			cell.Group[dimension.FullName()] = dimension.Value(group)
			at = at*dimension.Groups() + group
		}
		out[at] = cell
	}
	return out, nil
}
