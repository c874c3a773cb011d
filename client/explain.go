package client

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Explanation is what a question would cost and tell. Everything but the budgets follows from the question and from what
// the parties declare; nobody's customers are looked at.
type Explanation struct {
	Measure     string   `json:"measure"`
	Unit        string   `json:"unit,omitempty"`
	By          []string `json:"by"`
	Epsilon     float64  `json:"epsilon"`
	Delta       float64  `json:"delta"`
	Sensitivity int64    `json:"sensitivity"` // how far one person moves all released numbers together, in L1
	Draws       int      `json:"draws"`       // of noise in every number

	Cells       []Expected `json:"cells"`
	Assumed     float64    `json:"assumed_people,omitempty"` // in a cell, for a mean's ±: the more people, the less error
	Noise       float64    `json:"noise_std"`                // of every released number, in units
	HashingOnly float64    `json:"hashing_only"`             // ± at 95 % of the least exact cell if there were no noise; 0 in the matched layout

	Layout   string    `json:"layout"`             // of the vectors
	Matching *Matched  `json:"matching,omitempty"` // that it is over, in the matched layout
	Chains   []Product `json:"chains"`
	Bytes    uint64    `json:"bytes"`   // of encrypted blocks between nodes
	Seconds  float64   `json:"seconds"` // expected, on nodes with two cores of a common server each

	Budgets []Charge `json:"budgets"`
	Earlier bool     `json:"earlier"` // the same was asked of the same data before: its answer is free
}

// Expected is a cell and the half width of its 95 % interval, at most.
type Expected struct {
	Group  map[string]string `json:"group"`
	Within float64           `json:"within"`
}

// Product is one line of the plan: vectors of the parties, multiplied slot by slot; or a party's own count.
type Product struct {
	Coefficients []int64  `json:"coefficients"` // of the cells that it is added to
	Parties      []string `json:"parties"`      // in the order of the chain
	Where        []string `json:"where"`        // their audiences
	Slots        uint64   `json:"slots"`        // of the vectors; 0 for a count
	Results      int      `json:"results"`      // numbers at its end, encrypted
	Bytes        uint64   `json:"bytes"`
}

// Charge is what the question would cost at one party.
type Charge struct {
	Party     string  `json:"party"`
	Epsilon   float64 `json:"epsilon"`
	Share     float64 `json:"share"`     // of what is left for this analyst, in its tightest window; −1 if the party shows none
	Questions int64   `json:"questions"` // how many such questions are left, this one included; −1 if the party shows none
}

// Explain says what a question would tell and cost, before any party is asked to take part. With within > 0 it looks for
// the smallest ε at which no cell's 95 % interval is wider than ± within, and explains the question with that.
func (c *Client) Explain(ctx context.Context, q Question, within float64) (*Explanation, error) {
	if within < 0 || math.IsNaN(within) {
		return nil, fault.New(fault.Invalid, "within %v: must be above 0", within)
	}
	if within > 0 {
		q.Epsilon = c.agreement.Limits.EpsilonPerQuery.Float()
	}
	plan, matching, err := c.compose(ctx, q)
	// The agreement's δ may not allow its ε: then less of that is where the search begins.
	for first := err; within > 0 && q.Epsilon > 0.01 && (fault.IsKind(err, fault.Limit) || fault.IsKind(err, fault.Invalid)); {
		q.Epsilon = math.Floor(q.Epsilon*5e5) / 1e6
		if plan, matching, err = c.compose(ctx, q); err != nil {
			err = fault.From(first)
		}
	}
	if err != nil {
		return nil, err
	}
	if within > 0 {
		if plan, err = c.priceFor(plan.Query, within); err != nil {
			return nil, err
		}
	}
	body := plan.Query
	e, err := explain(plan)
	if err != nil {
		return nil, err
	}
	e.Matching = matching
	loss := body.Loss()
	budgets, err := c.budgets(ctx, &loss)
	if err != nil {
		return nil, err
	}
	for _, b := range budgets {
		if !slices.ContainsFunc(body.Participants, func(p query.Participant) bool { return p.Party == b.Party }) {
			continue
		}
		charge := Charge{Party: b.Party, Epsilon: body.Epsilon(), Share: -1, Questions: b.Questions()}
		if left := b.Left(); left > 0 && !math.IsInf(left, 1) {
			charge.Share = body.Epsilon() / left
		} else if left == 0 {
			charge.Share = 1
		}
		e.Budgets = append(e.Budgets, charge)
	}
	if t := c.tickets.of(body.Content()); t != nil {
		e.Earlier = c.alive(ctx, t.ID)
	}
	return e, nil
}

// alive reports whether a question has an answer, or is being answered: what failed was not paid for.
func (c *Client) alive(ctx context.Context, id string) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stream, err := c.rpc.Watch(ctx, &sottov1.WatchRequest{QueryId: id})
	if err != nil {
		return false
	}
	now, err := stream.Recv()
	return err == nil && now.GetFailure() == nil
}

// priceFor returns the plan with the smallest ε that gives intervals of ± within. Noise falls as ε grows, so it is found by
// bisection.
func (c *Client) priceFor(body *query.Query, within float64) (*query.Plan, error) {
	most := body.MicroEpsilon
	at := func(micro int64) (*query.Plan, float64, error) {
		changed := *body
		changed.MicroEpsilon = micro
		if err := changed.Check(c.agreement, c.now()); err != nil {
			return nil, 0, err
		}
		plan, err := query.NewPlan(&changed)
		if err != nil {
			return nil, 0, err
		}
		widths, err := expected(plan)
		if err != nil {
			return nil, 0, err
		}
		return plan, slices.Max(widths), nil
	}
	best, width, err := at(most)
	if err != nil {
		return nil, err
	}
	if width > within {
		hint := "group by fewer dimensions, or about fewer parties"
		if hashing := hashingOnly(best); hashing > within {
			hint = fmt.Sprintf("collisions of the hashed layout alone are ± %.0f; %s", hashing, fewerCollisions(best))
		}
		return nil, fault.New(fault.Limit, "± %v at 95 %% can't be had: with epsilon %v, the agreement's limit per question, it is ± %.0f",
			within, agreement.MicroEpsilon(most).Float(), width).WithHint(hint)
	}
	low, high := int64(0), most // low is too little
	for high-low > max(1, high/1000) {
		middle := (low + high) / 2
		plan, width, err := at(middle)
		if err == nil && width <= within {
			best, high = plan, middle
		} else { // where there is no plan, the noise is too large for any
			low = middle
		}
	}
	// Three digits are enough, and can be typed.
	step := int64(1)
	for high/step >= 1000 {
		step *= 10
	}
	if rounded := (high + step - 1) / step * step; rounded != high && rounded <= most {
		plan, _, err := at(rounded)
		return plan, err
	}
	return best, nil
}

// fewerCollisions says what would lower the error of the hashed layout.
func fewerCollisions(plan *query.Plan) string {
	finer := *plan.Query
	finer.Precision = "high"
	if p, err := query.NewPlan(&finer); err == nil && p.LogSlots > plan.LogSlots {
		return "ask with a higher precision"
	}
	return "they follow from the bounds on customers that the parties declare"
}

// assumed is how many people a mean's ± is stated for: a tenth of what all cells together can have at most.
func assumed(plan *query.Plan) float64 {
	most := int64(math.MaxInt64)
	for _, p := range plan.Query.Participants {
		most = min(most, p.CustomersUpTo)
	}
	return max(1, float64(most)/10/float64(plan.Query.Cells()))
}

// expected returns, by cell, the largest half width of its 95 % interval, in units.
func expected(plan *query.Plan) ([]float64, error) {
	out := make([]float64, plan.Query.Cells())
	known := &widths{known: map[width]float64{}}
	for cell := range out {
		half, err := known.half(plan.LargestError([]int{cell}), 0.95)
		if err != nil {
			return nil, fault.New(fault.Internal, "compute the interval").Wrap(err)
		}
		out[cell] = half * unit(plan)
	}
	return out, nil
}

// hashingOnly returns the half width of the least exact cell's 95 % interval if there were no noise.
func hashingOnly(plan *query.Plan) float64 {
	var most float64
	for cell := range plan.Query.Cells() {
		e := plan.LargestError([]int{cell})
		most = max(most, 1.96*e.Std+e.Bias)
	}
	return most * unit(plan)
}

// unit returns what the error of a released number is multiplied by in the answer.
func unit(plan *query.Plan) float64 {
	switch plan.Query.Measure {
	case query.Sum:
		return plan.Query.Amount.Step
	case query.Mean: // at worst the mean is at a bound, where the count's error weighs as much as the sum's
		return math.Sqrt2 * plan.Query.Amount.Step / assumed(plan)
	}
	return 1
}

func explain(plan *query.Plan) (*Explanation, error) {
	q := plan.Query
	e := &Explanation{
		Measure: q.Measure, Unit: q.Amount.Unit, By: append([]string{}, dimensions(q)...), Epsilon: q.Epsilon(), Delta: q.TotalDelta(),
		Sensitivity: plan.Noise.Sensitivity, Draws: plan.Draws(), Layout: q.Layout, HashingOnly: hashingOnly(plan),
	}
	e.Noise = math.Sqrt(float64(plan.Draws())) * plan.Noise.Std() * unit(plan)
	if q.Measure == query.Mean {
		e.Assumed = assumed(plan)
	}
	widths, err := expected(plan)
	if err != nil {
		return nil, err
	}
	for cell, within := range widths {
		e.Cells = append(e.Cells, Expected{group(q, cell), within})
	}
	for i := range plan.Chains {
		p := productOf(plan, &plan.Chains[i])
		e.Bytes += p.Bytes
		e.Chains = append(e.Chains, p)
	}
	e.Seconds = seconds(plan)
	return e, nil
}

func productOf(plan *query.Plan, chain *query.Chain) Product {
	p := Product{Results: chain.Results}
	for _, t := range chain.Into[0] {
		p.Coefficients = append(p.Coefficients, t.Coefficient)
	}
	blocks := 0
	for i, hop := range chain.Hops {
		p.Parties = append(p.Parties, hop.Party)
		p.Where = append(p.Where, hop.Where.String())
		if i < len(chain.Hops)-1 {
			blocks += plan.Blocks(chain) * hop.Out
		}
	}
	if len(chain.Hops) > 1 {
		p.Slots = plan.Need.Slots
	}
	p.Bytes = plan.Params.PolyBytes() * uint64(blocks*(1+chain.Lanes)+chain.Ciphertexts) // a c1 and a c0 per lane; at the end c1 only
	return p
}

// What is done to one polynomial of a ciphertext of 2^13 slots with two primes costs on one core, in seconds, as the
// benchmarks measure it: encrypting, multiplying by a plaintext, and all that is done to one that travels; and encoding a
// plaintext. Other parameters cost in proportion to their size.
const (
	encryptSeconds = 0.3e-3
	productSeconds = 0.04e-3
	travelSeconds  = 0.3e-3
	encodeSeconds  = 0.3e-3
	fixedSeconds   = 0.1 // signatures, keys, round trips
)

// seconds estimates how long the question takes on nodes of two cores each. The hops of a chain work at the same time; chains
// follow each other.
func seconds(plan *query.Plan) float64 {
	scale := float64(plan.Params.N()) / (1 << 13) * float64(len(plan.Params.Q)) / 2
	total := fixedSeconds
	for i := range plan.Chains {
		chain := &plan.Chains[i]
		blocks, polys := float64(plan.Blocks(chain)), float64(1+chain.Lanes)
		slowest := 0.
		for j, hop := range chain.Hops {
			in, out, groups := blocks*polys*float64(hop.In), blocks*polys*float64(hop.Out), blocks*float64(hop.Groups)
			work := in * travelSeconds
			switch j {
			case 0:
				work += out * (encryptSeconds + travelSeconds)
			case len(chain.Hops) - 1:
				work += groups*encodeSeconds + out*productSeconds + float64(chain.Ciphertexts)*polys*encryptSeconds
			default:
				work += groups*encodeSeconds + out*(productSeconds+encryptSeconds+travelSeconds)
			}
			slowest = max(slowest, work)
		}
		total += slowest * scale / 2
	}
	return total
}
