package query

import (
	"math"
	"slices"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/params"
)

// Coordinator is the name of the coordinator among the key-holders.
const Coordinator = agreement.CoordinatorName

// Plan is how a question is answered. Everybody derives it from the signed query; nothing in it comes from data.
type Plan struct {
	Query      *Query
	KeyHolders []string // the participants, in the query's order, then Coordinator
	Chains     []Chain  // added up under encryption, cell by cell
	Cells      int      // cells of the answer, ≥ 1
	LogSlots   int      // the vectors have 2^LogSlots slots
	Clip       int      // bound on a slot's absolute value
	Noise      dp.Noise // what every key-holder that draws adds to each cell
	Need       params.Need
	Params     params.Set
}

// Chain is one product of one vector per hop, summed over all slots, times a coefficient.
type Chain struct {
	Coefficient int64
	Hops        []Hop
}

// Hop is one party's part in a chain. The stream that enters it carries, per block, one ciphertext for every
// combination of the groups of the hops before; the one that leaves it Groups times as many.
type Hop struct {
	Party   string
	Where   *Expr // over this party's leaves
	GroupBy []int // indices into Query.GroupBy of this party's dimensions
	Groups  int   // groups its vector is split into, 1 if there are none
	In, Out int   // ciphertexts per block that enter and leave; the first encrypts, so its In is 0
}

// NewPlan derives the plan of a question that Check accepts.
func NewPlan(q *Query) (*Plan, error) {
	audience, err := ParseAudience(q.Audience)
	if err != nil {
		return nil, err
	}
	local, err := audience.Conjunction()
	if err != nil {
		return nil, err
	}
	p := &Plan{Query: q, Cells: 1}
	chain := Chain{Coefficient: 1}
	largest, smallest, split := int64(0), int64(math.MaxInt64), 0
	for _, participant := range q.Participants {
		where, ok := local[participant.Party]
		if !ok {
			return nil, fault.New(fault.Invalid, "participant %s does not occur in the audience", participant.Party)
		}
		hop := Hop{Party: participant.Party, Where: where, Groups: 1}
		for i, d := range q.GroupBy {
			if d.Party == participant.Party {
				hop.GroupBy = append(hop.GroupBy, i)
				hop.Groups *= d.Groups()
			}
		}
		if hop.Groups > 1 {
			split++
		}
		p.Cells *= hop.Groups
		chain.Hops = append(chain.Hops, hop)
		p.KeyHolders = append(p.KeyHolders, participant.Party)
		largest = max(largest, participant.CustomersUpTo)
		smallest = min(smallest, participant.CustomersUpTo)
	}
	if len(local) != len(q.Participants) {
		return nil, fault.New(fault.Invalid, "the audience names %d parties, the question has %d participants", len(local), len(q.Participants))
	}
	p.KeyHolders = append(p.KeyHolders, Coordinator)
	chain.order()
	p.Chains = []Chain{chain}
	if err := p.size(largest, smallest, split); err != nil {
		return nil, err
	}
	return p, nil
}

// order puts the hops in the order that moves the fewest bytes: every hop multiplies the ciphertexts per block by its
// groups, and only what enters the later hops travels, so the most finely divided party goes last. Ties keep the order
// of the agreement.
func (c *Chain) order() {
	slices.SortStableFunc(c.Hops, func(a, b Hop) int { return a.Groups - b.Groups })
	out := 1
	for i := range c.Hops {
		h := &c.Hops[i]
		if i > 0 {
			h.In = out
		}
		out *= h.Groups
		h.Out = out
	}
}

// size chooses slots, clip, sensitivity and encryption parameters.
func (p *Plan) size(largest, smallest int64, split int) error {
	var err error
	if p.LogSlots, err = layout.LogSlots(p.Query.Precision, largest); err != nil {
		return fault.New(fault.Unsupported, "plan: %v", err)
	}
	if p.Clip, err = layout.Clip(largest, p.LogSlots); err != nil {
		return fault.New(fault.Unsupported, "plan: %v", err)
	}
	parties := len(p.Query.Participants)
	sensitivity, err := dp.HashedSensitivity(parties, split, p.Clip)
	if err != nil {
		return fault.New(fault.Unsupported, "plan: %v", err)
	}
	p.Noise = dp.Noise{
		Mechanism: dp.Mechanism(p.Query.Mechanism), Epsilon: p.Query.Epsilon(), Delta: p.Query.Delta, Sensitivity: sensitivity,
	}
	if err := p.Noise.Check(); err != nil {
		return fault.New(fault.Invalid, "plan: %v", err)
	}
	// |Σ_slots Π a_i| ≤ c^(N−1)·Σ_slots |a_j| for every j, and the last is at most the number of j's customers.
	answer := math.Pow(float64(p.Clip), float64(parties-1))*float64(smallest) + float64(p.Draws())*float64(p.Noise.Tail())
	if answer > math.MaxInt64/4 {
		return fault.New(fault.Unsupported, "plan: an answer of this question can be too large").WithHint("ask with a larger epsilon")
	}
	p.Need = params.Need{
		Products: parties - 1, Slots: 1 << p.LogSlots, Largest: uint64(answer), KeyHolders: len(p.KeyHolders), Coefficient: p.coefficients(),
	}
	if p.Params, err = params.Choose(p.Need); err != nil {
		return fault.New(fault.Unsupported, "plan: %v", err)
	}
	return nil
}

func (p *Plan) coefficients() uint64 {
	var sum uint64
	for _, c := range p.Chains {
		sum += uint64(max(c.Coefficient, -c.Coefficient))
	}
	return sum
}

// Draws returns how many independent noise draws are in every cell.
func (p *Plan) Draws() int {
	if p.Query.Noise == "coordinator" {
		return 1
	}
	return len(p.KeyHolders)
}

// DrawsNoise tells whether a key-holder adds noise.
func (p *Plan) DrawsNoise(keyHolder string) bool {
	return p.Query.Noise != "coordinator" || keyHolder == Coordinator
}

// Blocks returns the blocks per vector.
func (p *Plan) Blocks() int { return p.Params.Blocks(p.Need.Slots) }

// Groups returns, for every dimension of Query.GroupBy, the index of the group that a cell belongs to. Cells are numbered
// by the hops: the last hop's last dimension varies fastest.
func (p *Plan) Groups(cell int) []int {
	groups := make([]int, len(p.Query.GroupBy))
	hops := p.Chains[0].Hops
	for i := len(hops) - 1; i >= 0; i-- {
		for j := len(hops[i].GroupBy) - 1; j >= 0; j-- {
			d := hops[i].GroupBy[j]
			size := p.Query.GroupBy[d].Groups()
			groups[d] = cell % size
			cell /= size
		}
	}
	return groups
}

// Error returns what separates the released number of a cell from the truth, given that number.
func (p *Plan) Error(value int64) dp.Error {
	overlap := math.Abs(float64(value))
	sizes := make([]float64, len(p.Query.Participants))
	var bias float64
	for i, participant := range p.Query.Participants {
		sizes[i] = float64(participant.CustomersUpTo)
		bias += layout.ClipBias(sizes[i]/float64(p.Need.Slots), p.Clip)
	}
	return dp.Error{
		Noise: p.Noise, Draws: p.Draws(), Std: layout.StandardError(sizes, overlap, p.LogSlots), Bias: bias * overlap,
	}
}

// Transcript binds everything that the key-holders agreed on in one session; all signatures, commitments and seals of
// the session are over it.
func (p *Plan) Transcript(session [16]byte) [32]byte {
	return canon.Hash("sotto/v1/transcript", struct {
		Version    string
		Query      [32]byte
		Session    [16]byte
		KeyHolders []string
		Params     params.Set
	}{"sotto/v1", p.Query.ID(), session, p.KeyHolders, p.Params})
}
