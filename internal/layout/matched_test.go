package layout

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// customer is a person as the parties of a matched question see them: by party the group, None for who is not in what is
// asked or not a customer at all, and whether they came after the matching; and an amount at one party.
type customer struct {
	groups []int
	added  []bool
	amount int64
}

// vector returns all slots of a group, those of the last block that are beyond the spine included.
func (m Matched) vector(v *Vector, group int) []int64 {
	n := int64(1) << m.LogN
	out := make([]int64, (m.Slots+n-1)/n*n)
	for block := range len(out) >> m.LogN {
		v.Block(block, group, out[block<<m.LogN:(block+1)<<m.LogN])
	}
	return out
}

// anyMatched draws a layout of so few blocks that vectors are quick to write out.
func anyMatched(t *rapid.T) Matched {
	m := Matched{LogN: rapid.IntRange(0, 6).Draw(t, "log n"), Scale: rapid.SampledFrom([]int64{1, 7, MaxScale}).Draw(t, "scale")}
	m.Slots = rapid.OneOf(rapid.Int64Range(1, 200), rapid.Map(rapid.Int64Range(1, 3), func(blocks int64) int64 { return blocks << m.LogN })).Draw(t, "slots")
	return m
}

// matchedCells returns the cells of the product of all parties' vectors, the last party's group varying fastest.
func matchedCells(t *rapid.T, m Matched, counts []int, amounts int, everyone []customer, slot []uint32) []int64 {
	products := [][]int64{nil}
	for party, count := range counts {
		slots := slices.Clone(slot)
		for i := range slots {
			if everyone[i].added[party] {
				slots[i] = NoSlot
			}
		}
		at, amount := m, func(i int) int64 { return everyone[i].amount }
		if party != amounts {
			at.Scale, amount = 1, nil
		}
		v, err := at.Place(slots, count, func(i int) int { return everyone[i].groups[party] }, amount)
		if err != nil {
			t.Fatal(err)
		}
		var longer [][]int64
		for _, before := range products {
			for g := range count {
				product := at.vector(v, g)
				for i := range product {
					if before != nil {
						product[i] *= before[i]
					}
				}
				longer = append(longer, product)
			}
		}
		products = longer
	}
	cells := make([]int64, len(products))
	for i, product := range products {
		for _, x := range product {
			cells[i] += x
		}
	}
	return cells
}

// Guards exactness: whoever is in whatever groups of two to four parties, with whatever amounts at one of them, every cell of
// the product is the sum over the people in its groups, as counted one by one; whoever is not in all of them, or at one party
// came after the matching, adds nothing.
func TestMatchedProductsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMatched(t)
		counts := rapid.SliceOfN(rapid.IntRange(1, 3), 2, 4).Draw(t, "groups")
		amounts := rapid.IntRange(-1, len(counts)-1).Draw(t, "party with amounts")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		everyone := make([]customer, random.Int64N(m.Slots+1))
		slot := make([]uint32, len(everyone)) // some are nobody's of these parties
		for i, at := range random.Perm(int(m.Slots))[:len(everyone)] {
			slot[i] = uint32(at)
		}
		cells := 1
		for _, count := range counts {
			cells *= count
		}
		want := make([]int64, cells)
		for i := range everyone {
			c := &everyone[i]
			if c.amount = random.Int64N(2*m.Scale+1) - m.Scale; random.IntN(3) == 0 {
				c.amount = m.Scale
			}
			cell, in := 0, true
			for _, count := range counts {
				group, added := max(None, random.IntN(count+1)-1), random.IntN(6) == 0
				c.groups, c.added = append(c.groups, group), append(c.added, added)
				in = in && group != None && !added
				cell = cell*count + group
			}
			switch {
			case in && amounts >= 0:
				want[cell] += c.amount
			case in:
				want[cell]++
			}
		}
		if got := matchedCells(t, m, counts, amounts, everyone, slot); !slices.Equal(got, want) {
			t.Fatalf("%+v, groups %v: cells are %v, must be %v", m, counts, got, want)
		}
	})
}

// A customer's value is in their slot of their group and nowhere else, and whoever contributes nothing is not asked about.
func TestMatchedSlots(t *testing.T) {
	m := Matched{Slots: 11, LogN: 2, Scale: 50}
	slots := []uint32{10, NoSlot, 0, 7, 3}
	groups := []int{1, 0, 0, None, 1}
	v, err := m.Place(slots, 2, func(i int) int {
		if slots[i] == NoSlot {
			t.Errorf("the group of customer %d, who has no slot, is asked for", i)
		}
		return groups[i]
	}, func(i int) int64 {
		if slots[i] == NoSlot || groups[i] == None {
			t.Errorf("the amount of customer %d, who contributes nothing, is asked for", i)
		}
		return []int64{-50, 9, 50, 9, 0}[i]
	})
	if err != nil {
		t.Fatal(err)
	}
	for group, want := range [][]int64{{0: 50, 11: 0}, {10: -50, 11: 0}} {
		if got := m.vector(v, group); !slices.Equal(got, want) {
			t.Errorf("group %d is %v, want %v", group, got, want)
		}
	}
	// The last slot of the longest spine, in the last of the most groups.
	m = Matched{Slots: MaxSlots, LogN: 13, Scale: MaxScale}
	v, err = m.Place([]uint32{MaxSlots - 1}, 1<<groupBits, func(int) int { return 1<<groupBits - 1 }, func(int) int64 { return -MaxScale })
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int64, 1<<13)
	if v.Block(1<<blockBits-1, 1<<groupBits-1, out); out[1<<13-1] != -MaxScale {
		t.Errorf("the last slot holds %d", out[1<<13-1])
	}
}

// Guards what noise covers: a slot that two contribute to, whether in one group or in two, a slot that is not there and an
// amount beyond the scale are refused, without saying whose or which; so is a layout that vectors have no room for.
func TestMatchedRefusals(t *testing.T) {
	good := Matched{Slots: 10, LogN: 2, Scale: 5}
	for name, c := range map[string]struct {
		m      Matched
		slots  []uint32
		groups int
		amount int64
		want   string
	}{
		"a slot twice":       {good, []uint32{3, 9, 3}, 1, 1, "a slot is that of two customers"},
		"in two groups":      {good, []uint32{3, 3}, 2, 1, "a slot is that of two customers"},
		"no such slot":       {good, []uint32{3, 10}, 1, 1, "somebody's slot is not below 10, the number of slots"},
		"in the last block":  {good, []uint32{11}, 1, 1, "not below 10"},
		"the last number":    {good, []uint32{NoSlot - 1}, 1, 1, "not below 10"},
		"amount":             {good, []uint32{3}, 1, 6, "somebody's amount is not within ±5, the scale"},
		"amount below 0":     {good, []uint32{3}, 1, -6, "somebody's amount is not within ±5"},
		"extreme amount":     {good, []uint32{3}, 1, math.MinInt64, "somebody's amount is not within ±5"},
		"no groups":          {good, nil, 0, 1, "out of range"},
		"too many groups":    {good, nil, 1<<16 + 1, 1, "out of range"},
		"no slots":           {Matched{0, 2, 5}, nil, 1, 1, "out of range"},
		"slots below 0":      {Matched{-8, 2, 5}, nil, 1, 1, "out of range"},
		"too many slots":     {Matched{MaxSlots + 1, 14, 5}, nil, 1, 1, "out of range"},
		"too many blocks":    {Matched{MaxSlots, 12, 5}, nil, 1, 1, "out of range"},
		"one block too many": {Matched{1<<13 + 1, 0, 5}, nil, 1, 1, "out of range"},
		"blocks too long":    {Matched{10, 15, 5}, nil, 1, 1, "out of range"},
		"block below 0":      {Matched{10, -1, 5}, nil, 1, 1, "out of range"},
		"no scale":           {Matched{10, 2, 0}, nil, 1, 1, "out of range"},
		"too large a scale":  {Matched{10, 2, MaxScale + 1}, nil, 1, 1, "out of range"},
	} {
		_, err := c.m.Place(c.slots, c.groups, func(i int) int { return i % c.groups }, func(int) int64 { return c.amount })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", name, err, c.want)
		}
	}
	// A slot that is in the table twice is no matter while at most one of the two is asked about.
	if _, err := good.Place([]uint32{3, 3}, 1, func(i int) int { return -i }, nil); err != nil {
		t.Error(err)
	}
}
