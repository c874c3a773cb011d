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
	Chains     []Chain  // what they end in is added up under encryption
	Cells      int      // numbers released, ≥ 1: a mean has a sum for every cell of the answer, then a count for every one
	LogSlots   int      // in the hashed layout, the vectors of chains of several hops have 2^LogSlots slots; 0 in the matched one
	Clip       int      // bound on a slot's absolute value, in units of a chain's Scale; 1 in the matched layout
	Scale      int64    // bound on the magnitude of an amount less Centre, in steps; 1 without amounts
	Centre     int64    // what is taken off every amount, in steps; a mean's is the middle of the bounds
	Noise      dp.Noise // what every key-holder that draws adds to each cell
	Need       params.Need
	Params     params.Set

	parts      [][]part     // by cell: the chains that are added up in it
	collisions []collisions // by chain; nil in the matched layout
}

// collisions are what a chain's errors by hashing follow from.
type collisions struct {
	sizes []float64 // bounds on its parties' customers
	bias  float64   // share of the answer that clipping loses at most, 0 in a chain of one hop
}

// part is a result of a chain in a cell, and what a person in it counts there.
type part struct {
	chain, result int
	factor        float64
}

// Chain is one product of one vector per hop, summed over all slots. A chain of one hop is a party's own count, which
// needs no slots: the party encrypts it.
//
// A ciphertext has one or more lanes, each with a message of its own under a key of its own (see package he). The first hop
// puts its groups into lanes; all further hops multiply whole ciphertexts.
type Chain struct {
	Hops        []Hop
	Scale       int64      // bound on the magnitude of what one person contributes: 1, or Plan.Scale with amounts
	Lanes       int        // of its ciphertexts
	Ciphertexts int        // at its end
	Results     int        // numbers at its end, one for every combination of the groups of its hops
	Into        [][]Target // by result: the cells that it is added to
}

// MaxLanes bounds the lanes of a ciphertext, maxKeyBytes the length of all key-holders' public shares together, which
// travel in one message.
const (
	MaxLanes    = 16
	maxKeyBytes = 8 << 20
)

// Target is a cell that a chain's result is added to, times a coefficient.
type Target struct {
	Cell        int
	Coefficient int64
}

// Hop is one party's part in a chain. The stream that leaves the first carries, per block, as many ciphertexts as its groups
// fill, and each further one Groups times as many as entered it.
type Hop struct {
	Party   string
	Where   *Expr // over this party's customers
	Amounts bool  // their amounts less Plan.Centre, rather than 1 for each
	GroupBy []int // indices into Query.GroupBy of the dimensions that its vector is split by
	Groups  int   // groups its vector is split into, 1 if there are none
	In, Out int   // ciphertexts per block that enter and leave; the first encrypts, so its In is 0
}

// NewPlan derives the plan of a question that Check accepts.
func NewPlan(q *Query) (*Plan, error) {
	p := &Plan{Query: q, Cells: q.Numbers(), Scale: 1}
	for _, participant := range q.Participants {
		p.KeyHolders = append(p.KeyHolders, participant.Party)
	}
	p.KeyHolders = append(p.KeyHolders, Coordinator)
	switch q.Measure {
	case Sum:
		p.Scale = max(q.Amount.High, -q.Amount.Low)
	case Mean:
		p.Centre = (q.Amount.Low + q.Amount.High) >> 1
		p.Scale = q.Amount.High - p.Centre
	}
	if p.Scale < 1 {
		return nil, fault.New(fault.Invalid, "%s of %s: its bounds leave no amount", q.Measure, q.Amount.FullName())
	}
	if err := p.addChains(); err != nil {
		return nil, err
	}
	if err := p.checkChains(); err != nil {
		return nil, err
	}
	return p, p.size()
}

// checkChains tells whether every participant matters, and what there is to do is within bounds.
func (p *Plan) checkChains() error {
	if len(p.Query.Participants) == 0 {
		return fault.New(fault.Invalid, "the question is about nobody")
	}
	if len(p.Query.Participants) < 2 {
		hint := "join it with another party's customers, such as && other.member"
		if p.Query.Measure == Total || p.Query.Measure == Frequency {
			hint = "name an audience of another party too"
		}
		return fault.New(fault.Unsupported, "the question is about %s alone; it needs at least two parties", p.Query.Participants[0].Party).
			WithHint(hint)
	}
	if len(p.Chains) > MaxChains {
		return fault.New(fault.Size, "the audience takes %d products of encrypted vectors, at most %d", len(p.Chains), MaxChains).
			WithHint("ask about fewer parties, or combine fewer conditions by ||")
	}
	for _, participant := range p.Query.Participants {
		used := func(c Chain) bool {
			return slices.ContainsFunc(c.Hops, func(h Hop) bool { return h.Party == participant.Party })
		}
		if !slices.ContainsFunc(p.Chains, used) {
			return fault.New(fault.Invalid, "%s makes no difference to the audience", participant.Party).WithHint("leave it out of the question")
		}
	}
	return nil
}

// add appends a chain over the parties of local. Its vectors are split by the dimensions of the parties in split; into says
// where a result goes, given its group in each of those dimensions.
func (p *Plan) add(local map[string]*Expr, amounts bool, split map[string]bool, into func(groups []int) []Target) {
	chain := Chain{Scale: 1}
	for _, participant := range p.Query.Participants {
		where, ok := local[participant.Party]
		if !ok {
			continue
		}
		hop := Hop{Party: participant.Party, Where: where, Groups: 1, Amounts: amounts && participant.Party == p.Query.Amount.Party}
		for i, d := range p.Query.GroupBy {
			if d.Party == participant.Party && split[d.Party] {
				hop.GroupBy = append(hop.GroupBy, i)
				hop.Groups *= d.Groups()
			}
		}
		if hop.Amounts {
			chain.Scale = p.Scale
		}
		chain.Hops = append(chain.Hops, hop)
	}
	chain.order()
	for result := range chain.Results {
		chain.Into = append(chain.Into, into(p.groups(&chain, result)))
	}
	p.Chains = append(p.Chains, chain)
}

// order puts the most finely divided party last: every hop multiplies what travels by its groups, and what the last one makes
// does not travel. For up to three hops no other order moves fewer bytes. Ties keep the order of the agreement.
func (c *Chain) order() {
	slices.SortStableFunc(c.Hops, func(a, b Hop) int { return a.Groups - b.Groups })
	c.Results = 1
	for _, h := range c.Hops {
		c.Results *= h.Groups
	}
}

// fill puts the first hop's groups into at most that many lanes, and counts the ciphertexts between hops.
func (c *Chain) fill(lanes int) {
	groups := c.Hops[0].Groups
	out := groups
	if len(c.Hops) > 1 {
		out = (groups + lanes - 1) / lanes
	}
	c.Lanes = (groups + out - 1) / out // as evenly as they go
	c.Hops[0].Out = out
	for i := 1; i < len(c.Hops); i++ {
		h := &c.Hops[i]
		h.In = out
		out *= h.Groups
		h.Out = out
	}
	c.Ciphertexts = out
}

// perLane returns how many results a group of the first hop has.
func (c *Chain) perLane() int { return c.Results / c.Hops[0].Groups }

// Used returns how many lanes of a ciphertext at the end are in use: all, but for the last of the first hop's.
func (c *Chain) Used(ciphertext int) int {
	return min(c.Lanes, c.Hops[0].Groups-ciphertext/c.perLane()*c.Lanes)
}

// Result returns the result that is in a lane of a ciphertext at the end.
func (c *Chain) Result(ciphertext, lane int) int {
	group := ciphertext/c.perLane()*c.Lanes + lane
	return group*c.perLane() + ciphertext%c.perLane()
}

// groups returns, for every dimension of Query.GroupBy, the group that a result of a chain is of, or −1 where the chain is
// not split by it. Results are numbered by the hops: the last hop's last dimension varies fastest.
func (p *Plan) groups(c *Chain, result int) []int {
	groups := make([]int, len(p.Query.GroupBy))
	for i := range groups {
		groups[i] = -1
	}
	for i := len(c.Hops) - 1; i >= 0; i-- {
		for j := len(c.Hops[i].GroupBy) - 1; j >= 0; j-- {
			d := c.Hops[i].GroupBy[j]
			size := p.Query.GroupBy[d].Groups()
			groups[d] = result % size
			result /= size
		}
	}
	return groups
}

// split returns how many hops' vectors are split.
func (c *Chain) split() int {
	n := 0
	for _, h := range c.Hops {
		if h.Groups > 1 {
			n++
		}
	}
	return n
}

// weight returns the most that one unit of one result changes all cells together, in L1.
func (c *Chain) weight() int64 {
	var most int64
	for _, targets := range c.Into {
		var sum int64
		for _, t := range targets {
			sum += max(t.Coefficient, -t.Coefficient)
		}
		most = max(most, sum)
	}
	return most
}

// smallest returns the bound on the customers of the smallest party of the chain, largest that on those of the largest.
func (p *Plan) bounds(c *Chain) (smallest, largest int64) {
	smallest = math.MaxInt64
	for _, h := range c.Hops {
		bound := p.Query.Participants[p.Query.participant(h.Party)].CustomersUpTo
		smallest, largest = min(smallest, bound), max(largest, bound)
	}
	return smallest, largest
}

// size chooses slots, clip, sensitivity and encryption parameters.
func (p *Plan) size() error {
	if err := p.sizeVectors(); err != nil {
		return err
	}
	if err := p.price(); err != nil {
		return err
	}
	answer := float64(p.Draws()) * float64(p.Noise.Tail())
	coefficients := make([]uint64, p.Cells)
	p.parts = make([][]part, p.Cells)
	for i := range p.Chains {
		c := &p.Chains[i]
		p.Need.Products = max(p.Need.Products, len(c.Hops)-1)
		if !p.Matched() {
			p.collisions = append(p.collisions, p.collide(c))
		}
		// |Σ_slots Π a_i| ≤ c^(N−1)·Σ_slots |a_j| for every j, and the last is at most the number of j's customers.
		smallest, _ := p.bounds(c)
		answer += float64(c.weight()) * float64(c.Scale) * math.Pow(float64(p.Clip), float64(len(c.Hops)-1)) * float64(smallest)
		for result, targets := range c.Into {
			for _, t := range targets {
				coefficients[t.Cell] += uint64(max(t.Coefficient, -t.Coefficient))
				p.parts[t.Cell] = append(p.parts[t.Cell], part{i, result, float64(t.Coefficient) * float64(c.Scale)})
			}
		}
	}
	if slices.Contains(coefficients, 0) {
		return fault.New(fault.Invalid, "some cells can't have anybody in them: the audience is of people who are no customers of a party that it is grouped by").
			WithHint("leave that party's dimensions out of the group-by")
	}
	if answer > math.MaxInt64/4 {
		return fault.New(fault.Size, "plan: an answer of this question can be too large").WithHint("ask with a larger epsilon")
	}
	p.Need.Largest, p.Need.KeyHolders, p.Need.Coefficient = uint64(answer), len(p.KeyHolders), slices.Max(coefficients)
	var err error
	if p.Params, err = params.Choose(p.Need); err != nil {
		return fault.New(fault.Size, "plan: %v", err)
	}
	lanes := max(1, min(MaxLanes, maxKeyBytes/len(p.KeyHolders)/int(p.Params.PolyBytes())))
	for i := range p.Chains {
		p.Chains[i].fill(lanes)
	}
	return nil
}

func (p *Plan) collide(c *Chain) (out collisions) {
	for _, h := range c.Hops {
		size := float64(p.Query.Participants[p.Query.participant(h.Party)].CustomersUpTo)
		out.sizes = append(out.sizes, size)
		if len(c.Hops) > 1 {
			out.bias += layout.ClipBias(size/float64(p.Need.Slots), p.Clip)
		}
	}
	return out
}

// Matched tells whether every customer has a slot of their own.
func (p *Plan) Matched() bool { return p.Query.Layout == agreement.LayoutMatched }

// sizeVectors chooses slots and clip, for the hashed layout by the largest party of all chains that have vectors.
func (p *Plan) sizeVectors() error {
	p.Clip = 1
	var most int64
	for i := range p.Chains {
		if _, largest := p.bounds(&p.Chains[i]); len(p.Chains[i].Hops) > 1 {
			most = max(most, largest)
		}
	}
	if most == 0 {
		return nil
	}
	if p.Matched() {
		p.Need.Slots = uint64(p.Query.Slots)
		return nil
	}
	var err error
	if p.LogSlots, err = layout.LogSlots(p.Query.Precision, most); err != nil {
		return fault.New(fault.Size, "plan: %v", err)
	}
	if p.Clip, err = layout.Clip(most, p.LogSlots); err != nil {
		return fault.New(fault.Size, "plan: %v", err)
	}
	p.Need.Slots = 1 << p.LogSlots
	return nil
}

// Lanes returns how many keys every key-holder needs: as many as the chains' ciphertexts have lanes at most.
func (p *Plan) Lanes() int {
	lanes := 1
	for i := range p.Chains {
		lanes = max(lanes, p.Chains[i].Lanes)
	}
	return lanes
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

// Charge returns what a key-holder charges its ledger: the question's price at a party, nothing at the coordinator.
func (p *Plan) Charge(keyHolder string) dp.Loss {
	if keyHolder == Coordinator {
		return dp.Loss{}
	}
	return p.Query.Loss()
}

// Blocks returns the blocks per vector of a chain.
func (p *Plan) Blocks(c *Chain) int {
	if len(c.Hops) == 1 {
		return 0
	}
	return p.Params.Blocks(p.Need.Slots)
}

// Group returns the groups of a cell of the answer, by the dimensions of Query.GroupBy, of which the last varies fastest.
func (q *Query) Group(cell int) []int {
	groups := make([]int, len(q.GroupBy))
	for i := len(groups) - 1; i >= 0; i-- {
		size := q.GroupBy[i].Groups()
		groups[i] = cell % size
		cell /= size
	}
	return groups
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
