package layout

import (
	"cmp"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/ids"
)

// person returns the id of the n-th person, the same in every test and run.
func person(n int) ids.ID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("person"), uint64(n)))
	return ids.ID(sum[:16])
}

// people returns the persons from first to before end.
func people(first, end int) []ids.ID {
	out := make([]ids.ID, 0, end-first)
	for n := first; n < end; n++ {
		out = append(out, person(n))
	}
	return out
}

// salt returns the n-th salt of a test.
func salt(t testing.TB, n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(t.Name()), uint64(n)))
}

// everybody is in the first group.
func everybody(int) int { return 0 }

// vector returns all slots of a group.
func (h Hashed) vector(v *Vector, group int) []int64 {
	out := make([]int64, 1<<h.LogSlots)
	n := 1 << h.LogN
	for block := range 1 << (h.LogSlots - h.LogN) {
		v.Block(block, group, out[block*n:(block+1)*n])
	}
	return out
}

func place(t testing.TB, h Hashed, position int, people []ids.ID, groups int, group func(int) int) *Vector {
	v, err := h.Place(position, people, groups, group, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// signs returns the sign of each person at a position, each placed alone.
func signs(t testing.TB, h Hashed, position int, people []ids.ID) (slots []int, signs []int64) {
	for i := range people {
		v := h.vector(place(t, h, position, people[i:i+1], 1, everybody), 0)
		slot := slices.IndexFunc(v, func(x int64) bool { return x != 0 })
		slots, signs = append(slots, slot), append(signs, v[slot])
	}
	return slots, signs
}

// For one person the signs of all positions cancel, in chains of every length, and the slot is the same everywhere. For
// different people at two positions they are balanced, whatever the positions: 4000 independent signs each, so that their
// sum is beyond 5.5·√4000 with probability 4·10⁻⁸ per pair, 10⁻⁶ over all 26 of them.
func TestSignsCancelOnlyForOnePerson(t *testing.T) {
	const count = 4000
	everyone := people(0, count)
	for length := 2; length <= 5; length++ {
		h := Hashed{Salt: salt(t, length), Chain: length, Length: length, LogSlots: 4, LogN: 4, Clip: 1, Scale: 1}
		product := slices.Repeat([]int64{1}, count)
		var dealt [][]int64
		var first []int
		for position := range length {
			slots, s := signs(t, h, position, everyone)
			if position == 0 {
				first = slots
			} else if !slices.Equal(slots, first) {
				t.Fatalf("length %d: a person's slot at position %d is another one", length, position)
			}
			for i := range product {
				product[i] *= s[i]
			}
			dealt = append(dealt, s)
		}
		for i, p := range product {
			if p != 1 {
				t.Fatalf("length %d: the signs of person %d have product %d", length, i, p)
			}
		}
		// The sign of one person at position i times that of the next person at the remaining positions.
		for i := range length {
			for j := range length {
				var sum int64
				for n := range count {
					x := dealt[i][n]
					if i != j {
						x *= dealt[j][(n+1)%count]
					} // with i = j: the signs of a single position are balanced by themselves
					sum += x
				}
				if j >= i && math.Abs(float64(sum)) > 5.5*math.Sqrt(count) {
					t.Errorf("length %d, positions %d and %d: the signs of different people sum to %d", length, i, j, sum)
				}
			}
		}
	}
}

// naive is one party's vectors as protocol.md describes them.
func naive(h Hashed, position int, people []ids.ID, groups int, group func(int) int, amount func(int) int64) [][]int64 {
	key := canon.Hash("sotto/v1/hashed", struct {
		Salt  [32]byte
		Chain int
	}{h.Salt, h.Chain})
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	type member struct {
		slot, rank uint64
		group      int
		sign       int64 // times the amount
	}
	var members []member
	for i := range people {
		if group(i) == None {
			continue
		}
		var out [16]byte
		block.Encrypt(out[:], people[i][:])
		m := member{rank: binary.BigEndian.Uint64(out[:8]), group: group(i), sign: 1}
		m.slot = m.rank >> (64 - h.LogSlots)
		r := func(j int) int64 { return 1 - 2*int64(binary.BigEndian.Uint64(out[8:])>>(j-1)&1) } // r_1 … r_{L−1}
		switch position + 1 {
		case 1:
			m.sign = r(1)
		case h.Length:
			m.sign = r(h.Length - 1)
		default:
			m.sign = r(position) * r(position+1)
		}
		if amount != nil {
			m.sign *= amount(i)
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.rank, b.rank) })
	out := make([][]int64, groups)
	for g := range out {
		out[g] = make([]int64, 1<<h.LogSlots)
	}
	kept := map[uint64]int{}
	for _, m := range members {
		if kept[m.slot]++; groups == 1 || kept[m.slot] <= h.Clip {
			out[m.group][m.slot] += m.sign
		}
	}
	for g := range out {
		for slot, x := range out[g] {
			out[g][slot] = max(-int64(h.Clip)*h.Scale, min(int64(h.Clip)*h.Scale, x))
		}
	}
	return out
}

// anyLayout draws a small layout and somebody's people in it, crowded enough for every rule to matter.
func anyLayout(t *rapid.T) (h Hashed, position int, members []ids.ID, groups []int, count int, amount func(int) int64) {
	h.Length = rapid.IntRange(2, 5).Draw(t, "length")
	h.LogSlots = rapid.IntRange(0, 6).Draw(t, "log slots")
	h.LogN = rapid.IntRange(0, h.LogSlots).Draw(t, "log n")
	h.Clip = rapid.IntRange(1, 7).Draw(t, "clip")
	h.Scale = 1
	h.Chain = rapid.IntRange(0, 3).Draw(t, "chain")
	copy(h.Salt[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "salt"))
	position = rapid.IntRange(0, h.Length-1).Draw(t, "position")
	count = rapid.IntRange(1, 4).Draw(t, "groups")
	members = people(0, rapid.IntRange(0, 200).Draw(t, "people"))
	groups = rapid.SliceOfN(rapid.IntRange(None, count-1), len(members), len(members)).Draw(t, "group of each")
	if rapid.Bool().Draw(t, "amounts") {
		h.Scale = rapid.Int64Range(1, MaxScale).Draw(t, "scale")
		amounts := rapid.SliceOfN(rapid.Int64Range(-h.Scale, h.Scale), len(members), len(members)).Draw(t, "amount of each")
		amount = func(i int) int64 { return amounts[i] }
	}
	return h, position, members, groups, count, amount
}

// Whatever the people, groups, amounts and cuts into blocks, all blocks together are the naive vectors, and memory grows with the
// people and not with the slots. No slot is beyond the clip; with groups, nor are all groups of a slot together, which is
// what the sensitivity is computed from.
func TestBlocksAreTheNaiveVector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, position, members, groups, count, amount := anyLayout(t)
		group := func(i int) int { return groups[i] }
		v, err := h.Place(position, members, count, group, amount)
		if err != nil {
			t.Fatal(err)
		}
		want := naive(h, position, members, count, group, amount)
		together := make([]int64, 1<<h.LogSlots)
		for g := range count {
			got := h.vector(v, g)
			if !slices.Equal(got, want[g]) {
				t.Fatalf("group %d is %v, want %v", g, got, want[g])
			}
			for slot, x := range got {
				together[slot] += max(x, -x)
			}
		}
		if largest := slices.Max(together); largest > int64(h.Clip)*h.Scale {
			t.Fatalf("the groups of a slot together hold %d, clip %d, scale %d", largest, h.Clip, h.Scale)
		}
		if len(v.entries) > len(members) || cap(v.entries) > len(members) {
			t.Fatalf("%d people take %d entries, room for %d", len(members), len(v.entries), cap(v.entries))
		}
	})
}

// Of a crowded slot every party whose vector is split keeps the same people: those of lowest rank, whatever groups they
// are in and in whatever order the party lists them. Else the kept ones would rarely meet, and the bias would be large.
func TestSplitPartiesKeepTheSamePeople(t *testing.T) {
	h := Hashed{Salt: salt(t, 0), Length: 3, LogSlots: 5, LogN: 3, Clip: 2, Scale: 1}
	members := people(0, 200)
	shuffled := rand.New(rand.NewPCG(1, 2)).Perm(len(members))
	reordered := make([]ids.ID, len(members))
	for i, at := range shuffled {
		reordered[i] = members[at]
	}
	// Each person in a group of their own: the groups that are not empty are the people who are kept.
	kept := func(position int, list []ids.ID, group func(int) int) (out []int) {
		v := place(t, h, position, list, len(members), group)
		for g := range members {
			if slices.ContainsFunc(h.vector(v, g), func(x int64) bool { return x != 0 }) {
				out = append(out, g)
			}
		}
		return out
	}
	first := kept(0, members, func(i int) int { return i })
	if len(first) < 50 || len(first) > h.Clip<<h.LogSlots {
		t.Fatalf("%d people kept in %d slots with clip %d: the test shows nothing", len(first), 1<<h.LogSlots, h.Clip)
	}
	for position := 1; position < h.Length; position++ {
		if other := kept(position, reordered, func(i int) int { return shuffled[i] }); !slices.Equal(first, other) {
			t.Errorf("position 0 keeps %v, position %d keeps %v", first, position, other)
		}
	}
}

// Another salt or chain gives other slots, and signs that have nothing to do with the first: who shared a slot once does
// not share it again. 64 slots: 200 people keep theirs with probability 1/64 each, so 26 or more do with less than 10⁻⁶.
func TestSaltAndChainMoveEverybody(t *testing.T) {
	base := Hashed{Salt: salt(t, 0), Length: 2, LogSlots: 6, LogN: 6, Clip: 1, Scale: 1}
	members := people(0, 200)
	slots, _ := signs(t, base, 0, members)
	salted, chained := base, base
	salted.Salt = salt(t, 1)
	chained.Chain = 1
	for name, other := range map[string]Hashed{"salt": salted, "chain": chained} {
		moved, _ := signs(t, other, 0, members)
		same := 0
		for i := range slots {
			if slots[i] == moved[i] {
				same++
			}
		}
		if same > 25 {
			t.Errorf("with another %s %d of 200 people keep their slot", name, same)
		}
	}
}
