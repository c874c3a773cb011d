package matches

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/party/vault"
)

// All 12 bytes of a tag count, and how evenly tags are spread decides on speed alone: all that are there are found, and nothing else.
func TestFind(t *testing.T) {
	few := rapid.SampledFrom([]uint64{0, 1, 1 << 32, 1 << 62, 1 << 63, 1<<64 - 1})
	some := rapid.Custom(func(t *rapid.T) entry {
		return entry{high: few.Draw(t, "high") ^ rapid.Uint64Range(0, 3).Draw(t, "bits"), low: rapid.Uint32Range(0, 3).Draw(t, "low")}
	})
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfNDistinct(some, 0, 100, func(e entry) entry { return e }).Draw(t, "entries")
		slices.SortFunc(entries, entry.compare)
		slots := map[entry]uint32{}
		for i := range entries {
			slots[entries[i]] = uint32(i)
			entries[i].slot = uint32(i)
		}
		table := newTable(entries)
		for _, e := range append(slices.Clone(entries), rapid.SliceOfN(some, 0, 100).Draw(t, "others")...) {
			var h vault.Hash
			binary.BigEndian.PutUint64(h[:], e.high)
			binary.BigEndian.PutUint32(h[8:], e.low)
			h[12] = 7 // of which nobody knows
			e.slot = 0
			want, there := slots[e]
			if !there {
				want = NoSlot
			}
			if got := table.find(h); got != want {
				t.Fatalf("%v is at %d, want %d", e, got, want)
			}
		}
	})
}

// Entries that are not in order, which find would miss, are refused, also from one block to the next; and so are slots that no
// spine has.
func TestReadRefusals(t *testing.T) {
	const many = blockEntries + 2
	good := make([]entry, many)
	for i := range good {
		good[i] = entry{uint64(i), 0, uint32(i)}
	}
	for name, spoil := range map[string]func(some []entry){
		"as it is":       func([]entry) {},
		"twice":          func(some []entry) { some[7].high = 6 },
		"between blocks": func(some []entry) { some[blockEntries].high = 3 },
		"a slot":         func(some []entry) { some[9].slot = many },
	} {
		some := slices.Clone(good)
		spoil(some)
		var b bytes.Buffer
		must(t, writeEntries(&b, some))
		err := readEntries(&b, head{Slots: many, People: many}, func([]entry) error { return nil })
		if (err == nil) != (name == "as it is") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
