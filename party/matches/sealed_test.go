package matches

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

// Files can't take each other's places, be changed or cut, or be of another key; and neither ids, hashes, slots, names nor what
// identifies the matching can be seen in them.
func TestFilesAreSealed(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	const many = 6000 // more than a chunk of the vault's
	const bank = "a bank of some name"
	m, slots := matching(1, 1<<31), spread(many, many, 1)
	m.Participants = []string{bank, "shop"}
	m.Basis, m.Spine = [32]byte([]byte("the hash of what they agreed on.")), [32]byte([]byte("the hash of the spine that it is"))
	for i := range slots {
		slots[i] |= 0x57A70000
	}
	must(t, s.Keep(m, customers(0, many), slots))
	must(t, s.Keep(matching(2, 1<<31), customers(0, many), slots))
	files := map[string][]byte{}
	entries, err := os.ReadDir(folder)
	must(t, err)
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
		files[entry.Name()], err = os.ReadFile(filepath.Join(folder, entry.Name()))
		must(t, err)
	}
	if len(files) != 2 {
		t.Fatalf("%d files", len(files))
	}
	id, hash := customer(60), v.Hash(customer(60))
	for name, content := range files {
		for what, secret := range map[string][]byte{
			"an id": id[:], "an id's beginning": id[:8], "a hash": hash[:12], "a hash's beginning": hash[:5],
			"a hash's end and a slot": binary.BigEndian.AppendUint32(slices.Clone(hash[8:12]), slots[60]), "a party": []byte(bank),
			"the agreement": m.Basis[:8], "the spine": m.Spine[:8],
		} {
			if bytes.Contains(content, secret) {
				t.Errorf("%s is in %s", what, name)
			}
		}
	}
	refused := func(what string) {
		t.Helper()
		for n := 1; n <= 2; n++ {
			if _, _, err := s.Slots(matching(n, 1).ID, customers(0, 1)); err != nil {
				if !errors.Is(err, vault.ErrAltered) {
					t.Errorf("%s: %v", what, err)
				}
				return
			}
		}
		t.Errorf("%s: not seen", what)
	}
	for name, content := range files {
		for other := range files {
			if other != name {
				must(t, os.WriteFile(s.files.Path(name), files[other], 0o600))
				refused(other + " as " + name)
			}
		}
		for _, n := range []int{0, 10, 64 << 10, len(content) - 1} {
			must(t, os.WriteFile(s.files.Path(name), content[:n], 0o600))
			refused(name + " cut")
		}
		for _, i := range []int{0, len(content) / 2, len(content) - 1} {
			changed := bytes.Clone(content)
			changed[i] ^= 4
			must(t, os.WriteFile(s.files.Path(name), changed, 0o600))
			refused(name + " changed")
			if err := s.Forget(customers(0, 1)); !errors.Is(err, vault.ErrAltered) {
				t.Errorf("forgotten in what is damaged: %v", err)
			}
		}
		must(t, os.WriteFile(s.files.Path(name), content, 0o600))
	}
	must(t, s.Forget(nil))
	must(t, s.Forget(customers(1, 2))) // and customer 0, who was noted
	if got, _ := slotsOf(t, s, 1, customers(0, 3)); !slices.Equal(got, []uint32{NoSlot, NoSlot, slots[2]}) {
		t.Errorf("slots %v", got)
	}
	must(t, s.Close())
	if _, err := Open(folder, fresh(t)); !errors.Is(err, vault.ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	name := s.files.Path(nameOf(m.ID))
	must(t, os.WriteFile(name, []byte("sotto"), 0o600))
	if _, err := Open(folder, v); !errors.Is(err, vault.ErrAltered) {
		t.Errorf("damaged: %v", err)
	}
}

// Of who is forgotten nothing is left in what is under the seal, neither hash nor slot; what is there of others is the same, and a
// file without them is not written.
func TestForgetLeavesNothing(t *testing.T) {
	v := fresh(t)
	s := opened(t, t.TempDir(), v)
	must(t, s.Keep(matching(1, 100), customers(0, 5), []uint32{10, 11, 12, 13, 14}))
	must(t, s.Keep(matching(2, 100), customers(2, 5), []uint32{20, 21, 22}))
	inside := func(n int) []entry {
		table, err := s.load(matching(n, 1).ID)
		must(t, err)
		return table.entries
	}
	before := map[int][]entry{1: inside(1), 2: inside(2)}
	untouched, err := os.ReadFile(s.files.Path(nameOf(matching(2, 1).ID)))
	must(t, err)
	must(t, s.Forget([]ids.ID{customer(0), customer(1), customer(9)}))
	gone := func(e entry) bool { return e.slot == 10 || e.slot == 11 }
	if got, want := inside(1), slices.DeleteFunc(before[1], gone); len(want) != 3 || !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	if now, err := os.ReadFile(s.files.Path(nameOf(matching(2, 1).ID))); err != nil || !bytes.Equal(now, untouched) {
		t.Errorf("a file without them was written: %v", err)
	}
	must(t, s.ForgetHashes([]vault.Hash{v.Hash(customer(2)), v.Hash(customer(3)), v.Hash(customer(4))}))
	if len(inside(1)) != 0 || len(inside(2)) != 0 {
		t.Error("somebody is left")
	}
	if m, _ := newest(s); m.Slots != 100 {
		t.Errorf("current is %+v", m)
	}
}

// What stands in a file is read within its bounds, whatever it says of its length, and only if it is in order.
func FuzzRead(f *testing.F) {
	table := []entry{{1, 2, 3}, {1, 3, 0}, {2, 0, 9}}
	var b bytes.Buffer
	h := headOf(numbered{matching(1, 10), 7}, 3)
	must(f, writeTable(&b, h, table))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()-5])
	f.Add([]byte{0, 0, 0x10, 1})
	h.People = 1 << 30
	h.Slots = 1 << 31
	b.Reset()
	must(f, writeTable(&b, h, table))
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		r := bytes.NewReader(content)
		h, err := readHead(r)
		if err != nil {
			return
		}
		var read []entry
		err = readEntries(r, h, func(some []entry) error {
			read = append(read, some...)
			return nil
		})
		if len(read)*entrySize > len(content) || err == nil && int64(len(read)) != h.People {
			t.Errorf("%d entries of %d bytes: %v", len(read), len(content), err)
		}
		if !slices.IsSortedFunc(read, entry.compare) {
			t.Error("out of order")
		}
		if err == nil {
			var again bytes.Buffer
			must(t, writeTable(&again, h, read))
			if !bytes.HasPrefix(content, again.Bytes()) {
				t.Error("two encodings")
			}
		}
	})
}

// What one release has written the next must read. The file was computed by another program.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	var vector struct {
		About, Key string
		Files      map[string]string
	}
	must(t, json.Unmarshal(text, &vector))
	v, err := vault.FromText(vector.Key)
	must(t, err)
	folder := t.TempDir()
	for name, content := range vector.Files {
		sealed, err := hex.DecodeString(content)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(folder, name), sealed, 0o600))
	}
	s := opened(t, folder, v)
	m, ok := newest(s)
	if !ok || m.ID[31] != 31 || m.Basis[0] != 0xa0 || m.Spine[0] != 0xb0 || !slices.Equal(m.Participants, []string{"bank", "shop"}) ||
		m.At.Unix() != 1_700_000_500 || m.Slots != 10 {
		t.Errorf("%+v", m)
	}
	var people []ids.ID
	for n := byte(1); n <= 4; n++ {
		people = append(people, ids.ID(bytes.Repeat([]byte{n}, 16)))
	}
	if slots, missing, err := s.Slots(m.ID, people); err != nil || missing != 1 || !slices.Equal(slots, []uint32{9, 0, 4, NoSlot}) {
		t.Errorf("%v, %d missing, %v", slots, missing, err)
	}
}
