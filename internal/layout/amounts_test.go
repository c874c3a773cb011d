package layout

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/ids"
)

// one is a person as the parties see them: in a group of each party, or None, and with an amount at one of them.
type one struct {
	id     ids.ID
	groups []int
	amount int64
}

// answers returns the cells of the product of all vectors; the party at a position has amounts, and counts groups each.
func answers(t *rapid.T, h Hashed, counts []int, amounts int, everyone []one) []int64 {
	products := make([][]int64, 1) // per cell, per slot
	for range 1 << h.LogSlots {
		products[0] = append(products[0], 1)
	}
	for position, count := range counts {
		var list []ids.ID
		var present []one
		for _, p := range everyone {
			if p.groups[position] != None {
				list, present = append(list, p.id), append(present, p)
			}
		}
		at, amount := h, func(i int) int64 { return present[i].amount }
		if position != amounts {
			at.Scale, amount = 1, nil
		}
		v, err := at.Place(position, list, count, func(i int) int { return present[i].groups[position] }, amount)
		if err != nil {
			t.Fatal(err)
		}
		var longer [][]int64
		for _, before := range products {
			for g := range count {
				product := at.vector(v, g)
				for slot := range product {
					product[slot] *= before[slot]
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

// Guards what a sum is charged for: whoever is added or removed, at all parties at once, with whatever amount, in whatever
// crowd, the cells move by no more in all than the scale times the sensitivity without amounts.
func TestSensitivityWithAmounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hashed{Length: rapid.IntRange(2, 3).Draw(t, "parties"), Clip: rapid.IntRange(1, 3).Draw(t, "clip")}
		h.LogSlots = rapid.IntRange(0, 1).Draw(t, "log slots") // crowded
		h.Scale = rapid.SampledFrom([]int64{1, 7, MaxScale}).Draw(t, "scale")
		copy(h.Salt[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "salt"))
		counts, split := make([]int, h.Length), 0
		for i := range counts {
			if counts[i] = rapid.IntRange(1, 3).Draw(t, "groups"); counts[i] > 1 {
				split++
			}
		}
		amounts := rapid.IntRange(0, h.Length-1).Draw(t, "party with amounts")
		everyone := make([]one, rapid.IntRange(1, 8).Draw(t, "people"))
		for i := range everyone {
			everyone[i].id = person(rapid.IntRange(0, 1000).Draw(t, "person")*10 + i)
			everyone[i].amount = rapid.OneOf(rapid.SampledFrom([]int64{-h.Scale, h.Scale}), rapid.Int64Range(-h.Scale, h.Scale)).Draw(t, "amount")
			for _, count := range counts {
				everyone[i].groups = append(everyone[i].groups, rapid.IntRange(None, count-1).Draw(t, "group"))
			}
		}
		bound, err := dp.HashedSensitivity(h.Length, split, h.Clip)
		if err != nil {
			t.Fatal(err)
		}
		without := answers(t, h, counts, amounts, everyone[1:])
		var change int64
		for cell, x := range answers(t, h, counts, amounts, everyone) {
			change += max(x-without[cell], without[cell]-x)
		}
		if change > bound*h.Scale {
			t.Fatalf("one person moves the cells by %d, more than %d times the scale, %d", change, bound, h.Scale)
		}
	})
}

// Without groups that bound is attained with amounts too, so that no smaller charge would do: a slot full to its clip, of
// people with the largest amount, and one of them goes.
func TestSensitivityWithAmountsIsAttained(t *testing.T) {
	const parties, clip, scale = 2, 2, 900
	rapid.Check(t, func(t *rapid.T) {
		h := Hashed{Length: parties, Clip: clip, Scale: scale}
		copy(h.Salt[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "salt"))
		var everyone []one
		for n := 0; len(everyone) < clip; n++ { // people with one sign
			id := person(n)
			h.Clip = 1
			v, err := h.Place(0, []ids.ID{id}, 1, everybody, nil)
			if err != nil {
				t.Fatal(err)
			}
			if h.vector(v, 0)[0] > 0 {
				everyone = append(everyone, one{id, []int{0, 0}, scale})
			}
		}
		h.Clip = clip
		change := answers(t, h, []int{1, 1}, 0, everyone)[0] - answers(t, h, []int{1, 1}, 0, everyone[1:])[0]
		if bound, err := dp.HashedSensitivity(parties, 0, clip); err != nil || change != bound*scale {
			t.Fatalf("removing one of %d moves the sum by %d, bound %d times %d, %v", clip, change, bound, scale, err)
		}
	})
}

// The estimator of sums is right: over 3000 salts its mean is the true sum of the overlap's amounts, to 5.5 standard errors
// and the bias of clipping, and its variance is (Σa²·|B| + sum²)/m to within 22 % (see
// [TestEstimateIsUnbiasedWithinItsStatedError] for both), which is at most Scale²·StandardError² with the overlap
// |sum|/Scale, and that where all amounts are of the largest size. 14 comparisons: false alarm below 6·10⁻⁷.
func TestSumEstimateIsUnbiasedWithinItsStatedError(t *testing.T) {
	const salts, logSlots, scale = 3000, 10, 1000
	for name, c := range map[string]struct {
		parties []member
		amount  func(person int) int64
		full    bool // all amounts are ±scale
	}{
		"everybody the same": {[]member{{0, 256, 1}, {100, 300, 1}}, func(int) int64 { return scale }, true},
		"either sign":        {[]member{{0, 256, 1}, {100, 300, 1}}, func(p int) int64 { return scale * int64(1-p%2*2) }, true},
		"all sizes":          {[]member{{0, 256, 1}, {100, 300, 1}}, func(p int) int64 { return int64(p * 389 % (scale + 1)) }, false},
		"mostly none":        {[]member{{0, 256, 1}, {100, 300, 1}}, func(p int) int64 { return scale * int64((p%8)/7) }, false},
		"by groups":          {[]member{{0, 256, 3}, {100, 300, 1}}, func(p int) int64 { return int64(p*389%(2*scale+1)) - scale }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip, err := Clip(256, logSlots)
			if err != nil {
				t.Fatal(err)
			}
			h := Hashed{Length: 2, LogSlots: logSlots, LogN: logSlots, Clip: clip, Scale: scale}
			everyone, all := people(0, 300), cells(c.parties)
			sum, squares := make([]float64, len(all)), make([]float64, len(all))
			for n := range salts {
				h.Salt = salt(t, n)
				for i, x := range h.estimates(t, c.parties, everyone, c.amount) {
					sum[i] += x
					squares[i] += x * x
				}
			}
			a, b := c.parties[0], c.parties[1]
			for i, groups := range all {
				var truth, sizes, energy float64 // Σa and Σ|a| over the overlap, Σa² over the first party
				for p := a.first; p < a.end; p++ {
					if x := float64(c.amount(p)); a.group(p) == groups[0] {
						energy += x * x
						if p >= b.first && p < b.end {
							truth, sizes = truth+x, sizes+math.Abs(x)
						}
					}
				}
				variance := (energy*float64(b.end-b.first) + truth*truth) / math.Exp2(logSlots)
				bias := 2 * sizes * ClipBias(256/math.Exp2(logSlots), clip)
				mean := sum[i] / salts
				if math.Abs(mean-truth) > bias+5.5*math.Sqrt(variance/salts) {
					t.Errorf("groups %v: mean %.0f, true sum %.0f, bias up to %.0f, standard error %.0f", groups, mean, truth, bias, math.Sqrt(variance/salts))
				}
				if ratio := (squares[i]/salts - mean*mean) / variance; ratio > 1.22 || ratio < 0.78 {
					t.Errorf("groups %v: variance is %.3f of what it should be", groups, ratio)
				}
				stated := scale * StandardError([]float64{float64(a.size(groups[0])), float64(b.size(groups[1]))}, math.Abs(truth)/scale, logSlots)
				if ratio := variance / (stated * stated); ratio > 1+1e-9 || c.full && ratio < 1-1e-9 {
					t.Errorf("groups %v: the stated error's square is %.3f of the variance", groups, 1/ratio)
				}
			}
		})
	}
}

// A slot's place among the others never depends on amounts: of a crowded slot those of lowest rank are kept, also when their
// amount is 0, and one entry holds the largest values at the far end of the largest vector.
func TestAmountsAndRanks(t *testing.T) {
	h := Hashed{Salt: salt(t, 0), Length: 2, LogSlots: 3, LogN: 0, Clip: 2, Scale: 50}
	members := people(0, 100)
	own := func(i int) int { return i } // a group for each person shows who is kept
	kept, err := h.Place(0, members, len(members), own, nil)
	if err != nil {
		t.Fatal(err)
	}
	half, err := h.Place(0, members, len(members), own, func(i int) int64 { return int64(i % 2 * 50) })
	if err != nil {
		t.Fatal(err)
	}
	for i := range members {
		for slot, x := range h.vector(kept, i) {
			if got := h.vector(half, i)[slot]; got != x*int64(i%2*50) {
				t.Fatalf("person %d has %d with an amount of %d, and %d without amounts", i, got, i%2*50, x)
			}
		}
	}

	v := &Vector{logN: 13}
	out := make([]int64, 1<<13)
	for _, value := range []int64{maxClip * MaxScale, -maxClip * MaxScale} {
		v.entries = v.entries[:0]
		v.add(1<<26-1, 1<<groupBits-1, value)
		if v.Block(1<<blockBits-1, 1<<groupBits-1, out); out[1<<13-1] != value {
			t.Errorf("the last slot of the last group holds %d, want %d", out[1<<13-1], value)
		}
	}
}
