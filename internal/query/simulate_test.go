package query_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
)

// vector is what a party puts into its vector in one chain: who, in which group, and how much.
type vector struct {
	people  []ids.ID
	slots   []uint32 // in the matched layout
	groups  []int
	amounts []int64
}

// session is the vectors of all chains, by hop.
type session struct {
	plan   *query.Plan
	chains [][]vector
}

// id returns the id of the n-th person.
func id(n int) ids.ID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("person"), uint64(n)))
	return ids.ID(sum[:16])
}

// matching says in which slot a party has its n-th of the people, or layout.NoSlot.
type matching func(party string, n int) uint32

// begin has every party evaluate what is asked of it about its customers among the people, but for one of them (−1: nobody).
func begin(p *query.Plan, people []map[string]*record, without int) *session {
	return beginMatched(p, people, without, func(string, int) uint32 { return layout.NoSlot })
}

func beginMatched(p *query.Plan, people []map[string]*record, without int, slot matching) *session {
	s := &session{plan: p}
	for c := range p.Chains {
		var hops []vector
		for h := range p.Chains[c].Hops {
			hop := &p.Chains[c].Hops[h]
			var v vector
			for n, person := range people {
				if l := evaluate(p, hop, person[hop.Party]); l.in && n != without {
					if len(p.Chains[c].Hops) == 1 && !p.CountsAll() && slot(hop.Party, n) == layout.NoSlot {
						continue
					}
					v.slots = append(v.slots, slot(hop.Party, n))
					v.people, v.groups, v.amounts = append(v.people, id(n)), append(v.groups, l.group), append(v.amounts, l.amount)
				}
			}
			hops = append(hops, v)
		}
		s.chains = append(s.chains, hops)
	}
	return s
}

// numbers returns what the session of that salt releases, without noise: what is computed under encryption, computed openly.
// The plan's slots may be fewer than any real one's.
func (s *session) numbers(salt [32]byte) []int64 {
	numbers := make([]int64, s.plan.Cells)
	for c, hops := range s.chains {
		chain := &s.plan.Chains[c]
		if len(hops) == 1 {
			for i, group := range hops[0].groups {
				for _, target := range chain.Into[group] {
					numbers[target.Cell] += target.Coefficient * hops[0].amounts[i]
				}
			}
			continue
		}
		products := [][]int64{nil} // of every combination of the groups of the hops so far, by slot
		for i, v := range hops {
			placed := s.place(c, i, &v, salt)
			var next [][]int64
			for _, product := range products {
				for group := range chain.Hops[i].Groups {
					slots := s.write(placed, group)
					if product != nil {
						for slot := range slots {
							slots[slot] *= product[slot]
						}
					}
					next = append(next, slots)
				}
			}
			products = next
		}
		for result, product := range products {
			var sum int64
			for _, x := range product {
				sum += x
			}
			for _, target := range chain.Into[result] {
				numbers[target.Cell] += target.Coefficient * sum
			}
		}
	}
	return numbers
}

// logN makes blocks of so few slots that a small spine has several.
const logN = 3

// write returns all slots of a group. In the hashed layout they are one block.
func (s *session) write(v *layout.Vector, group int) []int64 {
	n := 1 << s.plan.LogSlots
	if s.plan.Matched() {
		n = 1 << logN
	}
	slots := make([]int64, (int(s.plan.Need.Slots)+n-1)/n*n)
	for block := range len(slots) / n {
		v.Block(block, group, slots[block*n:(block+1)*n])
	}
	return slots
}

func (s *session) place(chain, hop int, v *vector, salt [32]byte) *layout.Vector {
	h := &s.plan.Chains[chain].Hops[hop]
	if s.plan.Matched() {
		return s.placeMatched(h, v)
	}
	l := layout.Hashed{
		Salt: salt, Chain: chain, Length: len(s.chains[chain]), LogSlots: s.plan.LogSlots, LogN: s.plan.LogSlots, Clip: s.plan.Clip, Scale: 1,
	}
	var amount func(int) int64
	if h.Amounts {
		l.Scale, amount = s.plan.Scale, func(i int) int64 { return v.amounts[i] }
	}
	placed, err := l.Place(hop, v.people, h.Groups, func(i int) int { return v.groups[i] }, amount)
	if err != nil {
		panic(err)
	}
	return placed
}

func (s *session) placeMatched(h *query.Hop, v *vector) *layout.Vector {
	l := layout.Matched{Slots: s.plan.Query.Slots, LogN: logN, Scale: 1}
	var amount func(int) int64
	if h.Amounts {
		l.Scale, amount = s.plan.Scale, func(i int) int64 { return v.amounts[i] }
	}
	placed, err := l.Place(v.slots, h.Groups, func(i int) int { return v.groups[i] }, amount)
	if err != nil {
		panic(err)
	}
	return placed
}

// resize gives a plan so few slots that a simulation is quick and people collide often. The clip stays.
func resize(p *query.Plan, logSlots int) *query.Plan {
	p.LogSlots, p.Need.Slots = logSlots, 1<<logSlots
	return p
}

// salt returns the n-th salt of a test.
func salt(name string, n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(name), uint64(n)))
}

// somebody draws what a person is at every party: at each a customer or not, with equal chances, and of those who have an
// amount most with the largest or the smallest.
func somebody(random *rand.Rand, q *query.Query) map[string]*record {
	person := map[string]*record{}
	for _, participant := range q.Participants {
		if random.IntN(2) == 0 {
			continue
		}
		r := &record{s: random.IntN(2) == 0, t: random.IntN(2) == 0, d: truthValues[random.IntN(len(truthValues))]}
		if participant.Party == q.Amount.Party && random.IntN(4) > 0 {
			amount := q.Amount.Low + random.Int64N(q.Amount.High-q.Amount.Low+1)
			switch random.IntN(5) {
			case 0, 1:
				amount = q.Amount.Low
			case 2, 3:
				amount = q.Amount.High
			}
			r.amount = &amount
		}
		person[participant.Party] = r
	}
	return person
}
