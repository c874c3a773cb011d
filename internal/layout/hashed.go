// Package layout says where an id sits in a party's vector and with which value. It knows ids, salts and slots, and nothing
// of encryption or of the network.
//
// In the hashed layout the slot of an id is a keyed hash of it, and its value a sign that is dealt by the position in
// the chain so that the product over all positions is 1 for the same person and ±1, evenly, for different ones: the
// AMS and Count-Sketch estimator of inner products (Alon, Matias, Szegedy 1996; Charikar, Chen, Farach-Colton 2002)
// under encryption. The estimate is unbiased but for clipping, and its variance is computed in error.go.
//
// In the matched layout every id has a slot of its own, the same at all parties, and inner products are exact.
package layout

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/ids"
)

// Hashed describes the vectors of one chain of one session. All its parties derive the same one.
type Hashed struct {
	Salt     [32]byte // from the commitment nonces, unknown to everybody while snapshots are chosen
	Chain    int      // index of the chain in the plan
	Length   int      // parties in the chain, ≥ 2
	LogSlots int      // the vectors have 2^LogSlots slots, at most 2^26
	LogN     int      // slots per block, ≤ LogSlots
	Clip     int      // bound on the absolute value of a slot, in units of Scale, 1…7
	Scale    int64    // largest absolute amount of a person, 1…MaxScale; 1 where everybody counts 1
}

// Place computes the vectors of the party at a position, 0…Length−1, of the chain. group returns the group of person i,
// 0…groups−1, or [None], and amount their amount, −Scale…Scale; nil stands for 1 for everybody. It is asked only for those
// who are in a group. A person contributes sign times amount. With one group a slot is the sum of that, clipped to
// ±Clip·Scale; with more, each slot keeps at most Clip people over all groups together, those of lowest rank. Ranks are the
// same at all parties, and an amount of 0 takes part in them as any other.
func (h Hashed) Place(position int, people []ids.ID, groups int, group func(i int) int, amount func(i int) int64) (*Vector, error) {
	if !h.valid() || position < 0 || position >= h.Length || !fitGroups(groups) {
		return nil, fmt.Errorf("place people: layout %+v, position %d, %d groups: out of range", h.public(), position, groups)
	}
	placed, err := h.hash(position, people, group, amount)
	if err != nil {
		return nil, fmt.Errorf("place people: %w", err)
	}
	v := &Vector{logN: h.LogN, entries: make([]uint64, 0, len(placed))}
	for len(placed) > 0 {
		slot := placed[0].hash >> (64 - h.LogSlots)
		end := 1
		for end < len(placed) && placed[end].hash>>(64-h.LogSlots) == slot {
			end++
		}
		v.fill(slot, placed[:end], h, groups > 1)
		placed = placed[end:]
	}
	slices.Sort(v.entries)
	return v, nil
}

func (h Hashed) valid() bool {
	return h.Length >= 2 && h.Length <= 64 && h.LogSlots <= 26 && h.LogN >= 0 && h.LogN <= min(lowBits, h.LogSlots) &&
		h.LogSlots-h.LogN <= blockBits && h.Clip >= 1 && h.Clip <= maxClip && h.Scale >= 1 && h.Scale <= MaxScale
}

// public is h without its salt, for errors.
func (h Hashed) public() Hashed {
	h.Salt = [32]byte{}
	return h
}

// placement is one person: slot and rank (the top and the lower bits of hash), group, and sign times amount.
type placement struct {
	hash  uint64
	group int32
	value int32
}

// hash computes all placements, sorted by slot, then rank. One AES block of an id, under a key that only this chain of
// this session has, gives 64 bits of slot and rank and 64 bits for the signs r_1 … r_{L−1}.
func (h Hashed) hash(position int, people []ids.ID, group func(i int) int, amount func(i int) int64) ([]placement, error) {
	key := canon.Hash("sotto/v1/hashed", struct {
		Salt  [32]byte
		Chain int
	}{h.Salt, h.Chain})
	block := newCipher(key)
	placed := make([]placement, 0, len(people))
	var out [aes.BlockSize]byte
	for i := range people {
		g := group(i)
		if g == None {
			continue
		}
		block.Encrypt(out[:], people[i][:])
		signs := binary.BigEndian.Uint64(out[8:])
		// Position i carries r_{i−1}·r_i, the first only r_1, the last only r_{L−1}; bit j of signs stands for r_{j+1}.
		negative := uint64(0)
		if position > 0 {
			negative ^= signs >> (position - 1)
		}
		if position < h.Length-1 {
			negative ^= signs >> position
		}
		value := int64(1)
		if amount != nil {
			if value = amount(i); value < -h.Scale || value > h.Scale {
				return nil, fmt.Errorf("somebody's amount is not within ±%d, the scale", h.Scale)
			}
		}
		value *= 1 - 2*int64(negative&1)
		placed = append(placed, placement{binary.BigEndian.Uint64(out[:8]), int32(g), int32(value)})
	}
	slices.SortFunc(placed, func(a, b placement) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return 0
	})
	return placed, nil
}

func newCipher(key [32]byte) cipher.Block {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("layout: a 32-byte key is an AES-256 key")
	}
	return block
}

// fill adds the entries of one slot, given its people by rank.
func (v *Vector) fill(slot uint64, people []placement, h Hashed, split bool) {
	if !split {
		var sum int64
		for _, p := range people {
			sum += int64(p.value)
		}
		limit := int64(h.Clip) * h.Scale
		v.add(slot, 0, max(-limit, min(limit, sum)))
		return
	}
	kept := people[:min(h.Clip, len(people))]
	for i, p := range kept {
		sum := int64(p.value)
		first := true
		for j, q := range kept {
			if j != i && q.group == p.group {
				sum += int64(q.value)
				first = first && j > i
			}
		}
		if first {
			v.add(slot, p.group, sum)
		}
	}
}
