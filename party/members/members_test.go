package members

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

func version(n int) [32]byte { return [32]byte{byte(n), 1} }

// view returns a view of a snapshot of so many customers, in which those take part whose position keep approves of.
func view(n, snapshot, of int, keep func(position int) bool) View {
	v := View{ID: [16]byte{byte(n), 2}, Snapshot: version(snapshot), Purpose: "planning", At: at(n), Taking: make([]uint64, (of+63)/64)}
	for i := range of {
		if keep(i) {
			v.Taking[i/64] |= 1 << (i % 64)
		}
	}
	return v
}

func all(int) bool { return true }

// numbers returns which views a person is in.
func numbers(t testing.TB, s *Store, id ids.ID) []int {
	t.Helper()
	found, err := s.Views(id)
	must(t, err)
	var all []int
	for _, v := range found {
		all = append(all, int(v.ID[0]))
	}
	slices.Sort(all)
	return all
}

// A person is told of the views in which they could take part, of those alone, with what there is to know of them, also after the
// store was opened again; at all positions, around the borders of words, blocks and chunks too.
func TestViews(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	const many = blockTags + 65
	must(t, s.KeepSnapshot(version(1), customers(0, many), at(1)))
	must(t, s.KeepSnapshot(version(2), customers(10, 74), at(2)))
	must(t, s.KeepSnapshot(version(3), nil, at(2)))
	for _, view := range []View{
		view(1, 1, many, all),
		view(2, 1, many, func(i int) bool { return i%2 == 0 }),
		view(3, 2, 64, all),
		view(4, 2, 64, func(i int) bool { return i == 0 || i == 63 }),
		view(5, 2, 64, func(int) bool { return false }),
		view(6, 3, 0, all),
	} {
		must(t, s.KeepView(view))
	}
	for range 2 {
		for n, want := range map[int][]int{
			0: {1, 2}, 1: {1}, 10: {1, 2, 3, 4}, 11: {1, 3}, 63: {1, 3}, 64: {1, 2, 3}, 73: {1, 3, 4}, 74: {1, 2},
			blockTags - 1: {1}, blockTags: {1, 2}, many - 1: {1, 2}, many: nil,
		} {
			if got := numbers(t, s, customer(n)); !slices.Equal(got, want) {
				t.Errorf("customer %d: views %v, want %v", n, got, want)
			}
		}
		must(t, s.Close())
		s = opened(t, folder, v)
	}
	found, err := s.Views(customer(1))
	want := View{ID: [16]byte{1, 2}, Snapshot: version(1), Purpose: "planning", At: at(1)}
	if err != nil || len(found) != 1 || found[0].ID != want.ID || found[0].Snapshot != want.Snapshot || found[0].Purpose != want.Purpose ||
		!found[0].At.Equal(want.At) || found[0].Taking != nil {
		t.Errorf("%+v, %v; want %+v", found, err, want)
	}
}

// What is there is not written again, but that a view's time follows its questions, by the day.
func TestKeepTwice(t *testing.T) {
	s := opened(t, t.TempDir(), fresh(t))
	must(t, s.KeepSnapshot(version(1), customers(0, 3), at(1)))
	must(t, s.KeepSnapshot(version(1), customers(5, 8), at(2)))
	must(t, s.KeepView(view(1, 1, 3, all)))
	if got := numbers(t, s, customer(0)); len(got) != 1 {
		t.Errorf("views %v", got)
	}
	for _, c := range []struct {
		at, want time.Time
	}{{at(1).Add(23 * time.Hour), at(1)}, {at(2), at(2)}, {at(0), at(2)}, {at(9), at(9)}} {
		v := view(1, 1, 3, all)
		v.At = c.at
		must(t, s.KeepView(v))
		if found, err := s.Views(customer(2)); err != nil || len(found) != 1 || !found[0].At.Equal(c.want) {
			t.Errorf("a question at %s: %+v, %v; want %s", c.at, found, err, c.want)
		}
	}
}

// A view that does not fit its snapshot would say wrong things of people: it is refused.
func TestKeepViewRefusals(t *testing.T) {
	s := opened(t, t.TempDir(), fresh(t))
	must(t, s.KeepSnapshot(version(1), customers(0, 65), at(1)))
	good := view(1, 1, 65, all)
	for name, change := range map[string]func(*View){
		"no snapshot":    func(v *View) { v.Snapshot = version(2) },
		"a word less":    func(v *View) { v.Taking = v.Taking[:1] },
		"a word more":    func(v *View) { v.Taking = append(v.Taking, 0) },
		"a bit too far":  func(v *View) { v.Taking = []uint64{1, 2} },
		"long purpose":   func(v *View) { v.Purpose = strings.Repeat("p", 201) },
		"purpose binary": func(v *View) { v.Purpose = "\xff" },
	} {
		v := good
		change(&v)
		if err := s.KeepView(v); err == nil || name == "no snapshot" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := numbers(t, s, customer(0)); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	must(t, s.KeepView(good))
}

// Who is forgotten is in no view any more, in no snapshot, and as good as never there; nothing changes for others.
func TestForget(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	const many = blockTags + 10
	must(t, s.KeepSnapshot(version(1), customers(0, many), at(1)))
	must(t, s.KeepSnapshot(version(2), customers(0, 3), at(1)))
	must(t, s.KeepSnapshot(version(3), customers(5, 7), at(1)))
	for _, view := range []View{view(1, 1, many, all), view(2, 2, 3, all), view(3, 3, 2, all)} {
		must(t, s.KeepView(view))
	}
	tags := func(n int) (all []tag) {
		must(t, s.readSnapshot(version(n), func(_ snapshotHead, _ int64, tags []byte) error {
			each(tags, func(_ int, t tag) bool {
				all = append(all, t)
				return false
			})
			return nil
		}))
		return all
	}
	before := map[int][]tag{1: tags(1), 2: tags(2), 3: tags(3)}
	untouched, err := os.ReadFile(s.files.Path(snapshotName(version(3))))
	must(t, err)
	must(t, s.Forget(nil))
	gone := []int{0, 2, many - 1}
	must(t, s.Forget([]ids.ID{customer(0), customer(2), customer(many - 1), customer(many)}))
	for n, old := range before {
		after := tags(n)
		if len(after) != len(old) {
			t.Fatalf("snapshot %d: %d customers of %d", n, len(after), len(old))
		}
		for i := range old {
			if forgotten := n < 3 && slices.Contains(gone, i); forgotten != (after[i] != old[i]) || after[i] == (tag{}) {
				t.Errorf("snapshot %d: customer %d is %x, was %x", n, i, after[i], old[i])
			}
		}
	}
	if now, err := os.ReadFile(s.files.Path(snapshotName(version(3)))); err != nil || !bytes.Equal(now, untouched) {
		t.Errorf("a snapshot without them was written: %v", err)
	}
	for n, want := range map[int][]int{0: nil, 2: nil, many - 1: nil, 1: {1, 2}, 5: {1, 3}} {
		if got := numbers(t, s, customer(n)); !slices.Equal(got, want) {
			t.Errorf("customer %d: views %v, want %v", n, got, want)
		}
	}
	must(t, s.ForgetHashes([]vault.Hash{v.Hash(customer(1)), v.Hash(customer(6))}))
	for n, want := range map[int][]int{1: nil, 6: nil, 5: {1, 3}} {
		if got := numbers(t, s, customer(n)); !slices.Equal(got, want) {
			t.Errorf("customer %d: views %v, want %v", n, got, want)
		}
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 6 {
		t.Errorf("left %v", entries)
	}
}

// What is old goes, views before their snapshots; what is needed or in use stays; and a dry run says the same and does nothing.
func TestPurge(t *testing.T) {
	folder := t.TempDir()
	s := opened(t, folder, fresh(t))
	for n := range 5 {
		must(t, s.KeepSnapshot(version(n), customers(0, 3), at(10*n)))
	}
	// Of snapshot 0 there are old views only, of 1 also a new one, of 2 a new one, of 3 and 4 none.
	for _, v := range []View{view(1, 0, 3, all), view(2, 0, 3, all), view(3, 1, 3, all), view(31, 1, 3, all), view(30, 2, 3, all)} {
		must(t, s.KeepView(v))
	}
	inUse := [][32]byte{version(4)}
	say := func(purged []Purged, err error) string {
		t.Helper()
		must(t, err)
		var names []string
		for i, p := range purged {
			prefix, hex, _ := strings.Cut(p.What, "-")
			n := int(hex[1] - '0')
			if want := map[string]time.Time{"view": at(n), "snapshot": at(10 * n)}[prefix]; !p.At.Equal(want) {
				t.Errorf("%s is of %s, want %s", p.What, p.At, want)
			}
			if i > 0 && (prefix == "view" && strings.HasPrefix(purged[i-1].What, "snapshot") || prefix == "view" && purged[i-1].At.After(p.At)) {
				t.Errorf("%s comes after %s", p.What, purged[i-1].What)
			}
			names = append(names, prefix+"-"+hex[:4])
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	left := func() int {
		entries, err := os.ReadDir(folder)
		must(t, err)
		return len(entries)
	}
	const want = "snapshot-0001 snapshot-0301 view-0102 view-0202 view-0302"
	if got := say(s.Purge(at(30), inUse, true)); got != want || left() != 10 {
		t.Errorf("would purge %s and leaves %d", got, left())
	}
	if got := say(s.Purge(at(30), inUse, false)); got != want || left() != 5 {
		t.Errorf("purged %s and left %d", got, left())
	}
	if got := say(s.Purge(at(30), inUse, false)); got != "" {
		t.Errorf("purged again %s", got)
	}
	if got := numbers(t, s, customer(1)); !slices.Equal(got, []int{30, 31}) {
		t.Errorf("left views %v", got)
	}
	if got := say(s.Purge(time.Time{}, nil, false)); got != "snapshot-0401" { // nothing is older, and nothing needs it any more
		t.Errorf("purged %s", got)
	}
}

// One process at a time, and none where there is nothing: who a question was over is not forgotten because a folder is missing.
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
