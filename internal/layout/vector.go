package layout

import "slices"

// Vector holds one party's vector, or one per group of a party whose vector is split by dimensions. Its size grows
// with the people in it, not with the slots. Immutable; safe for concurrent use.
type Vector struct {
	logN    int
	entries []uint64 // sorted; block | group | slot within the block | value + valueBias
}

const (
	// None as the group of a person leaves them out of the vector.
	None = -1
	// MaxScale is the largest amount that a slot has room for, at the largest clip.
	MaxScale = 100_000
	maxClip  = 7
)

// The fields of an entry, 64 bits in all.
const (
	valueBits = 21 // holds ±maxClip·MaxScale
	valueBias = 1 << (valueBits - 1)
	lowBits   = 14 // LogN at most
	groupBits = 16
	blockBits = 13
	blockSpan = 1 << (lowBits + valueBits) // between the entries of two groups of a block
)

// fitGroups tells whether entries have room for that many groups.
func fitGroups(groups int) bool { return groups >= 1 && groups <= 1<<groupBits }

func (v *Vector) add(slot uint64, group int32, value int64) {
	if value == 0 {
		return
	}
	key := v.key(int(slot>>v.logN), int(group)) | (slot&(1<<v.logN-1))<<valueBits
	v.entries = append(v.entries, key|uint64(value+valueBias))
}

// key is the smallest entry that a block of a group can have.
func (v *Vector) key(block, group int) uint64 {
	return (uint64(block)<<groupBits | uint64(group)) * blockSpan
}

// Block writes the 2^LogN slots of one block of one group to out, which has that length.
func (v *Vector) Block(block, group int, out []int64) {
	clear(out)
	key := v.key(block, group)
	first, _ := slices.BinarySearch(v.entries, key)
	for _, e := range v.entries[first:] {
		if e-key >= blockSpan {
			return
		}
		out[e>>valueBits&(1<<lowBits-1)] = int64(e&(1<<valueBits-1)) - valueBias
	}
}
