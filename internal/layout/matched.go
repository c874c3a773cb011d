package layout

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

const (
	// NoSlot stands for the slot of customers who have none: those added since the matching.
	NoSlot = math.MaxUint32
	// MaxSlots is the most slots that a spine can have.
	MaxSlots = 1 << maxLogSlots
)

// Matched describes the vectors of a question in the matched layout. All its parties derive the same one. A customer is alone
// in a slot, which is the person's at all parties: an inner product is a sum over the people whom the parties share, and exact.
type Matched struct {
	Slots int64 // of the spine, 1…MaxSlots
	LogN  int   // slots per block; the last block is filled up with zeros
	Scale int64 // largest absolute amount of a person, 1…MaxScale; 1 where everybody counts 1
}

// Place computes a party's vectors. slots has the slot of each customer, below Slots, no two the same, or [NoSlot]. group
// returns the group of customer i, 0…groups−1, or [None], and amount their amount, −Scale…Scale; nil stands for 1 for
// everybody. Neither is asked for customers without a slot, who are in no vector, nor amount for those in no group.
//
// A slot that is out of range or that two customers in a group have is an error: noise covers one person a slot.
func (m Matched) Place(slots []uint32, groups int, group func(i int) int, amount func(i int) int64) (*Vector, error) {
	if !m.valid() || !fitGroups(groups) {
		return nil, fmt.Errorf("place customers: layout %+v, %d groups: out of range", m, groups)
	}
	v := &Vector{logN: m.LogN, entries: make([]uint64, 0, len(slots))}
	taken := make([]uint64, (m.Slots+63)/64) // a bit per slot
	for i, slot := range slots {
		if slot == NoSlot {
			continue
		}
		g := group(i)
		if g == None {
			continue
		}
		if int64(slot) >= m.Slots {
			return nil, fmt.Errorf("place customers: somebody's slot is not below %d, the number of slots", m.Slots)
		}
		if taken[slot/64]>>(slot%64)&1 == 1 {
			return nil, errors.New("place customers: a slot is that of two customers")
		}
		taken[slot/64] |= 1 << (slot % 64)
		value := int64(1)
		if amount != nil {
			if value = amount(i); value < -m.Scale || value > m.Scale {
				return nil, fmt.Errorf("place customers: somebody's amount is not within ±%d, the scale", m.Scale)
			}
		}
		v.add(uint64(slot), int32(g), value)
	}
	slices.Sort(v.entries)
	return v, nil
}

func (m Matched) valid() bool {
	return m.Slots >= 1 && m.Slots <= MaxSlots && m.LogN >= 0 && m.LogN <= lowBits && (m.Slots-1)>>m.LogN < 1<<blockBits &&
		m.Scale >= 1 && m.Scale <= MaxScale
}
