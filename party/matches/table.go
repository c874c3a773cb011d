package matches

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"slices"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

// entry is one person's: the tag, which is the first 12 bytes of the keyed hash of the id, as two numbers; and the slot.
type entry struct {
	high uint64
	low  uint32
	slot uint32
}

const entrySize = 16

func entryOf(h vault.Hash, slot uint32) entry {
	return entry{binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint32(h[8:]), slot}
}

func (e entry) append(out []byte) []byte {
	out = binary.BigEndian.AppendUint64(out, e.high)
	out = binary.BigEndian.AppendUint32(out, e.low)
	return binary.BigEndian.AppendUint32(out, e.slot)
}

func decodeEntry(b []byte) entry {
	return entry{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
}

// compare orders by tags alone.
func (e entry) compare(other entry) int {
	if c := cmp.Compare(e.high, other.high); c != 0 {
		return c
	}
	return cmp.Compare(e.low, other.low)
}

// entries returns the entries of people, in order.
func (s *Store) entries(people []ids.ID, slots []uint32) ([]entry, error) {
	table := make([]entry, len(people))
	s.vault.Hashes(people, func(i int, h vault.Hash) { table[i] = entryOf(h, slots[i]) })
	slices.SortFunc(table, entry.compare)
	for i := 1; i < len(table); i++ {
		if table[i-1].compare(table[i]) == 0 {
			return nil, errors.New("two customers have the same id")
		}
	}
	return table, nil
}

// table finds entries by their tags. These are evenly spread, so a few of their first bits lead to a bucket of 4 to 8 entries.
type table struct {
	entries []entry
	shift   int      // how many bits of high are no bucket's
	starts  []uint32 // where each bucket begins, and where the last one ends
}

func newTable(entries []entry) *table {
	prefix := max(0, bits.Len(uint(len(entries)))-3)
	t := &table{entries, 64 - prefix, make([]uint32, 1<<prefix+1)}
	bucket := 0
	for i, e := range entries {
		for ; bucket <= int(e.high>>t.shift); bucket++ {
			t.starts[bucket] = uint32(i)
		}
	}
	for ; bucket < len(t.starts); bucket++ {
		t.starts[bucket] = uint32(len(entries))
	}
	return t
}

// find returns the slot of who has that hash, or NoSlot.
func (t *table) find(h vault.Hash) uint32 {
	wanted := entryOf(h, NoSlot)
	bucket := wanted.high >> t.shift
	for _, e := range t.entries[t.starts[bucket]:t.starts[bucket+1]] {
		if e.compare(wanted) == 0 {
			return e.slot
		}
	}
	return NoSlot
}

// load reads a matching's table.
func (s *Store) load(matching [32]byte) (*table, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var entries []entry
	err := s.files.Read(nameOf(matching), func(r io.Reader) error {
		h, err := readHead(r)
		if err != nil {
			return err
		}
		entries = make([]entry, 0, h.People)
		return readEntries(r, h, func(some []entry) error {
			entries = append(entries, some...)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return newTable(entries), nil
}
