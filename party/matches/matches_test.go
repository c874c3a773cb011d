package matches

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fresh(t testing.TB) *vault.Vault {
	t.Helper()
	v, err := vault.New()
	must(t, err)
	return v
}

func opened(t testing.TB, folder string, v *vault.Vault) *Store {
	t.Helper()
	s, err := Open(folder, v)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// customer returns the id of the nth customer.
func customer(n int) (id ids.ID) {
	copy(id[:], "customer")
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func customers(from, to int) []ids.ID {
	var all []ids.ID
	for n := from; n < to; n++ {
		all = append(all, customer(n))
	}
	return all
}

func at(day int) time.Time { return time.Unix(1_700_000_000, 0).UTC().AddDate(0, 0, day) }

// matching returns the nth matching, with a spine of that length.
func matching(n int, slots int64) Matching {
	return Matching{
		ID: [32]byte{byte(n), 1}, Basis: [32]byte{2}, Participants: []string{"bank", "shop"}, At: at(n),
		Slots: slots, Spine: [32]byte{byte(n), 3},
	}
}

// spread returns n slots of a spine.
func spread(n, of int, seed int64) []uint32 {
	var slots []uint32
	for _, slot := range rand.New(rand.NewSource(seed)).Perm(of)[:n] {
		slots = append(slots, uint32(slot))
	}
	return slots
}

func slotsOf(t testing.TB, s *Store, n int, people []ids.ID) ([]uint32, int) {
	t.Helper()
	slots, missing, err := s.Slots(matching(n, 1).ID, people)
	must(t, err)
	return slots, missing
}

// Whoever was matched has the slot that they were given, in whatever order a snapshot has them; whoever was not, and whoever was
// forgotten, has none; before and after the store is opened again.
func TestSlots(t *testing.T) {
	v := fresh(t)
	rapid.Check(t, func(r *rapid.T) {
		folder := t.TempDir()
		s := opened(t, folder, v)
		// Around the borders of blocks and of buckets, too.
		n := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 300), rapid.SampledFrom([]int{blockEntries - 1, blockEntries, blockEntries + 1})).Draw(r, "people")
		length := n + rapid.IntRange(1, 100).Draw(r, "others")
		slots := spread(n, length, rapid.Int64().Draw(r, "seed"))
		must(t, s.Keep(matching(1, int64(length)), customers(0, n), slots))
		gone := rapid.SliceOfN(rapid.IntRange(0, n+5), 0, 10).Draw(r, "forgotten")
		want := func(c int) uint32 {
			if c >= n || slices.Contains(gone, c) {
				return NoSlot
			}
			return slots[c]
		}
		var forgotten []ids.ID
		for _, c := range gone {
			forgotten = append(forgotten, customer(c))
		}
		must(t, s.Forget(forgotten))
		order := rand.New(rand.NewSource(1)).Perm(n + 10)
		var snapshot []ids.ID
		absent := 0
		for _, c := range order {
			snapshot = append(snapshot, customer(c))
			if want(c) == NoSlot {
				absent++
			}
		}
		for range 2 {
			got, missing := slotsOf(t, s, 1, snapshot)
			if missing != absent || len(got) != len(order) {
				r.Fatalf("%d of %d are missing, want %d of %d", missing, len(got), absent, len(order))
			}
			for i, c := range order {
				if got[i] != want(c) {
					r.Fatalf("customer %d has slot %d, want %d", c, got[i], want(c))
				}
			}
			must(t, s.Close())
			s = opened(t, folder, v)
		}
		must(t, s.Close())
	})
}

// newest returns the matching that was kept last, false if there is none.
func newest(s *Store) (Matching, bool) {
	all := s.All()
	if len(all) == 0 {
		return Matching{}, false
	}
	return all[0], true
}

// The newest is what was kept last, whatever the clocks say, also after the store is opened again; others stay as they were.
func TestNewest(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	if m, ok := newest(s); ok || s.All() != nil {
		t.Errorf("at first: %+v", m)
	}
	late := matching(3, 10)
	late.At = time.Date(2030, 1, 2, 3, 4, 5, 6, time.FixedZone("somewhere", 3600))
	must(t, s.Keep(late, customers(0, 5), []uint32{9, 8, 7, 6, 5}))
	must(t, s.Keep(matching(1, 10), customers(0, 2), []uint32{0, 3}))
	must(t, s.Close())
	s = opened(t, folder, v)
	must(t, s.Keep(matching(2, 10), customers(1, 2), []uint32{1}))
	must(t, s.Keep(matching(1, 10), customers(5, 6), []uint32{9})) // is there, and not the newest
	late.At = late.At.Truncate(time.Second).UTC()
	want := []Matching{matching(2, 10), matching(1, 10), late}
	for range 2 {
		m, ok := newest(s)
		if !ok || !reflect.DeepEqual(m, want[0]) {
			t.Errorf("current is %+v, want %+v", m, want[0])
		}
		if all := s.All(); !reflect.DeepEqual(all, want) {
			t.Errorf("all are %+v, want %+v", all, want)
		}
		for n, want := range map[int][]uint32{1: {0, 3, NoSlot}, 2: {NoSlot, 1, NoSlot}, 3: {9, 8, 7}} {
			if got, _ := slotsOf(t, s, n, customers(0, 3)); !slices.Equal(got, want) {
				t.Errorf("matching %d: %v, want %v", n, got, want)
			}
		}
		must(t, s.Close())
		s = opened(t, folder, v)
	}
}

// What would make a question count somebody twice, or nobody, is refused, and nothing of it is there.
func TestKeepRefusals(t *testing.T) {
	s := opened(t, t.TempDir(), fresh(t))
	must(t, s.Keep(matching(1, 3), customers(0, 2), []uint32{0, 2}))
	for want, keep := range map[string]func() error{
		"two customers have the same id":       func() error { return s.Keep(matching(2, 3), []ids.ID{{1}, {2}, {1}}, []uint32{0, 1, 2}) },
		"two customers have the same slot":     func() error { return s.Keep(matching(2, 3), customers(0, 2), []uint32{1, 1}) },
		"a slot is beyond the spine":           func() error { return s.Keep(matching(2, 3), customers(0, 2), []uint32{1, 3}) },
		"the slots are not one for each":       func() error { return s.Keep(matching(2, 3), customers(0, 2), []uint32{1}) },
		"the length of the spine must be 1 to": func() error { return s.Keep(matching(2, 0), nil, nil) },
		"must be 1 to 4294967295":              func() error { return s.Keep(matching(2, 1<<32), nil, nil) },
		"there is another one of this id":      func() error { return s.Keep(matching(1, 4), customers(0, 2), []uint32{0, 2}) },
		"must be UTF-8": func() error {
			m := matching(2, 3)
			m.Participants = []string{"\xff"}
			return s.Keep(m, nil, nil)
		},
		"a head of": func() error {
			m := matching(2, 3)
			m.Participants = []string{strings.Repeat("bank", 1024)}
			return s.Keep(m, nil, nil)
		},
	} {
		if err := keep(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if all := s.All(); len(all) != 1 || all[0].ID != matching(1, 3).ID {
		t.Errorf("kept %+v", all)
	}
	if _, _, err := s.Slots(matching(2, 3).ID, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown: %v", err)
	}
}

// All go but those that stay, the newest too; and a dry run says the same and does nothing.
func TestPurge(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	for n := range 5 {
		must(t, s.Keep(matching(n, 10), customers(0, 5), spread(5, 10, int64(n))))
	}
	numbers := func(all []Matching) (numbers []int) {
		for _, m := range all {
			numbers = append(numbers, int(m.ID[0]))
		}
		return numbers
	}
	ids := func(numbers ...int) (ids [][32]byte) {
		for _, n := range numbers {
			ids = append(ids, matching(n, 10).ID)
		}
		return ids
	}
	for _, c := range []struct {
		stay       [][32]byte
		dry        bool
		gone, left []int
	}{
		{ids(0, 1, 2, 3, 4), false, nil, []int{4, 3, 2, 1, 0}},
		{ids(4, 1, 7), true, []int{0, 2, 3}, []int{4, 3, 2, 1, 0}},
		{ids(4, 1, 7), false, []int{0, 2, 3}, []int{4, 1}},
		{ids(4, 1, 7), false, nil, []int{4, 1}},
		{ids(1), true, []int{4}, []int{4, 1}},
		{ids(1), false, []int{4}, []int{1}},
		{nil, false, []int{1}, nil},
	} {
		purged, err := s.Purge(c.stay, c.dry)
		if err != nil || !slices.Equal(numbers(purged), c.gone) || !slices.Equal(numbers(s.All()), c.left) {
			t.Errorf("%+v: purged %v, left %v, %v", c, numbers(purged), numbers(s.All()), err)
		}
		must(t, s.Close())
		s = opened(t, folder, v)
		if !slices.Equal(numbers(s.All()), c.left) {
			t.Errorf("%+v: later %v", c, numbers(s.All()))
		}
	}
	must(t, s.Keep(matching(1, 10), customers(0, 5), spread(5, 10, 1))) // in a folder that is empty again
}

// Questions read while a matching is kept, people are forgotten and others purged, and what they read is whole.
func TestTogether(t *testing.T) {
	s := opened(t, t.TempDir(), fresh(t))
	const many = 1000
	slots := spread(many, many, 1)
	must(t, s.Keep(matching(0, many), customers(0, many), slots))
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 30 {
				m, ok := newest(s)
				got, _, err := s.Slots(m.ID, customers(500, many))
				if errors.Is(err, fs.ErrNotExist) { // purged in between
					continue
				}
				if !ok || err != nil || !slices.Equal(got, slots[500:]) {
					t.Errorf("slots are others, %v", err)
				}
			}
		})
	}
	for n := 1; n < 20; n++ {
		must(t, s.Keep(matching(n, many), customers(0, many), slots))
		must(t, s.Forget(customers(n, n+2)))
		m, _ := newest(s)
		_, err := s.Purge([][32]byte{m.ID}, false)
		must(t, err)
	}
	work.Wait()
}

// One process at a time, and none where there is nothing.
func TestOpenRefusals(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	if _, err := Open(folder, v); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("twice: %v", err)
	}
	must(t, s.Close())
	must(t, opened(t, folder, v).Close())
	if _, err := Open(filepath.Join(folder, "none"), v); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}
