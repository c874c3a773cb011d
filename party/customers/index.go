package customers

import (
	"encoding/binary"

	"github.com/sotto-dev/sotto/internal/ids"
)

// index finds the position of an id among those that were added, by open addressing on the id's first bytes, which are
// bits of a hash. It costs about 16 bytes per id beside the id and no garbage; a Go map costs three times that.
type index struct {
	ids []ids.ID // in order of addition, less than 2^32
	// A power of two of slots, at most half of them taken. A slot is 0 if it is free, else position + 1 in the low half and
	// the id's tag in the high half, so that looking at the wrong ids, far away in memory, is rare.
	slots []uint64
}

// add returns the position of id, and whether it was not there before.
func (x *index) add(id *ids.ID) (position int, isNew bool) {
	if 2*len(x.ids) >= len(x.slots) {
		x.grow()
	}
	slot := x.slot(id)
	if taken := *slot; taken != 0 {
		return int(uint32(taken)) - 1, false
	}
	x.ids = append(x.ids, *id)
	*slot = tag(id) | uint64(len(x.ids))
	return len(x.ids) - 1, true
}

// slot returns the slot of id, or the free one where it belongs.
func (x *index) slot(id *ids.ID) *uint64 {
	mask := uint64(len(x.slots) - 1)
	for i := binary.LittleEndian.Uint64(id[:8]) & mask; ; i = (i + 1) & mask {
		taken := x.slots[i]
		if taken == 0 || taken>>32 == tag(id)>>32 && x.ids[uint32(taken)-1] == *id {
			return &x.slots[i]
		}
	}
}

// tag returns bits of id that its place among the slots does not depend on, in the high half.
func tag(id *ids.ID) uint64 { return uint64(binary.LittleEndian.Uint32(id[8:12])) << 32 }

func (x *index) grow() {
	x.slots = make([]uint64, max(1024, 2*len(x.slots)))
	for i := range x.ids {
		*x.slot(&x.ids[i]) = tag(&x.ids[i]) | uint64(i+1)
	}
}
