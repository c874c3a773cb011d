package subjects

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/journal"
	"github.com/sotto-dev/sotto/party/vault"
)

var long = os.Getenv("SOTTO_LONG") != ""

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

// create makes an empty list and opens it.
func create(t testing.TB, v *vault.Vault) (*List, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "subjects.db")
	must(t, Create(path, v))
	return open(t, path, v), path
}

func open(t testing.TB, path string, v *vault.Vault) *List {
	t.Helper()
	l, err := Open(path, v)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
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

func at(second int) time.Time { return time.Unix(1_700_000_000+int64(second), 0).UTC() }

// Malformed requests are refused and change nothing.
func TestRefusals(t *testing.T) {
	l, _ := create(t, fresh(t))
	good := Request{Kind: Withdraw, Purpose: "planning", IDs: customers(0, 1), At: at(0)}
	change := func(f func(*Request)) Request {
		r := good
		f(&r)
		return r
	}
	before := l.Head()
	for name, r := range map[string]Request{
		"no kind":        change(func(r *Request) { r.Kind = "" }),
		"opening":        change(func(r *Request) { r.Kind = opening }),
		"erase for one":  change(func(r *Request) { r.Kind = Erase }),
		"nobody":         change(func(r *Request) { r.IDs = nil }),
		"no time":        change(func(r *Request) { r.At = time.Time{} }),
		"long purpose":   change(func(r *Request) { r.Purpose = strings.Repeat("p", 201) }),
		"purpose binary": change(func(r *Request) { r.Purpose = "\xff" }),
	} {
		if err := l.Record(r); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.Head() != before {
		t.Error("something was written")
	}
	must(t, l.Record(good))
	if l.Head() == before {
		t.Error("the head stays")
	}
}

// A list is of one key from its first moment on, also if nobody has said anything yet and if a crash came before its first row;
// under another it says so in words.
func TestOtherKey(t *testing.T) {
	v := fresh(t)
	for _, make := range []func(path string) error{
		func(path string) error { return Create(path, v) },
		func(path string) error { return journal.Create(path, journalKind) }, // and then a crash
	} {
		path := filepath.Join(t.TempDir(), "subjects.db")
		must(t, make(path))
		for range 2 {
			must(t, open(t, path, v).Close())
			_, err := Open(path, fresh(t))
			if !errors.Is(err, vault.ErrOtherKey) || !fault.IsKind(err, fault.Invalid) || fault.From(err).Hint == "" {
				t.Errorf("another key: %v", err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "subjects.db")
	if _, err := Open(path, v); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	must(t, Create(path, v))
	if err := Create(path, v); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
}

// Neither ids nor their hashes nor what was said can be found in the files, however they are looked for.
func TestFilesShowNothing(t *testing.T) {
	v := fresh(t)
	l, path := create(t, v)
	id := customer(7)
	must(t, l.Record(Request{Withdraw, "planning", customers(0, 20), at(0)}))
	must(t, l.Record(Request{Erase, "", customers(5, 8), at(1)}))
	h := v.Hash(id)
	search := func(when string) {
		t.Helper()
		files, err := filepath.Glob(path + "*")
		must(t, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			must(t, err)
			for what, secret := range map[string][]byte{
				"an id": id[:], "an id's beginning": id[:8], "a hash": h[:], "a hash's beginning": h[:6],
				"a purpose": []byte("planning"), "a kind": []byte("withdraw"), "an id in hex": []byte(hex.EncodeToString(id[:])),
			} {
				if bytes.Contains(content, secret) {
					t.Errorf("%s: %s is in %s", when, what, filepath.Base(file))
				}
			}
		}
		if len(files) < 2 {
			t.Errorf("%s: found %v", when, files)
		}
	}
	search("open")
	must(t, l.Close())
	search("closed")
}

// Who can write the file but has no key can't make another list of its records, though the journal's own hashes can be made
// anew: not by moving, doubling or leaving out, nor with records of another list under the same key. A cut end is the journal's
// to notice.
func TestRecordsStayWhereTheyAre(t *testing.T) {
	v := fresh(t)
	lists := make([][][]byte, 2)
	for i := range lists {
		l, _ := create(t, v)
		must(t, l.Record(Request{Withdraw, "", customers(0, 3), at(i)}))
		must(t, l.Record(Request{Restore, "", customers(0, 1), at(i)}))
		must(t, l.Record(Request{Erase, "", customers(0, 3), at(i)}))
		must(t, l.journal.Each(func(_ int64, record []byte) error {
			lists[i] = append(lists[i], record)
			return nil
		}))
	}
	try := func(records ...[]byte) error {
		path := filepath.Join(t.TempDir(), "subjects.db")
		must(t, journal.Create(path, journalKind))
		j, err := journal.Open(path, journalKind)
		must(t, err)
		must(t, j.Append(records...))
		must(t, j.Close())
		l, err := Open(path, v)
		if err == nil {
			err = l.Close()
		}
		return err
	}
	r, other := lists[0], lists[1]
	must(t, try(r...))
	must(t, try(r[:2]...))
	flipped := bytes.Clone(r[3])
	flipped[len(flipped)/2] ^= 1
	for name, records := range map[string][][]byte{
		"swapped":           {r[0], r[2], r[1], r[3]},
		"doubled":           {r[0], r[1], r[1], r[2], r[3]},
		"one left out":      {r[0], r[1], r[3]},
		"first left out":    {r[1], r[2], r[3]},
		"another list's":    {r[0], r[1], other[2], r[3]},
		"another's end":     {r[0], r[1], r[2], other[3]},
		"another's opening": {other[0], r[1], r[2], r[3]},
		"a bit":             {r[0], r[1], r[2], flipped},
		"empty":             {r[0], r[1], r[2], {}},
	} {
		if err := try(records...); !errors.Is(err, vault.ErrAltered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := try(r[0], v.Seal(context(2, [32]byte{}), record{Kind: opening}.encode())); !errors.Is(err, vault.ErrAltered) {
		t.Errorf("a record that does not follow: %v", err)
	}
}

// What one release has written the next must read: withdrawals are not forgotten. The vectors were computed by another program.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	var vector struct {
		About, Key string
		Rows       []string
	}
	must(t, json.Unmarshal(text, &vector))
	v, err := vault.FromText(vector.Key)
	must(t, err)
	var rows [][]byte
	for _, row := range vector.Rows {
		sealed, err := hex.DecodeString(row)
		must(t, err)
		rows = append(rows, sealed)
	}
	path := filepath.Join(t.TempDir(), "subjects.db")
	must(t, journal.Create(path, journalKind))
	j, err := journal.Open(path, journalKind)
	must(t, err)
	must(t, j.Append(rows...))
	must(t, j.Close())
	l := open(t, path, v)
	for n, want := range map[byte]string{
		1: "",
		2: "all 1700000000, planning true 1700000100",
		3: "erased 1700000200",
		4: "measurement false 1700000300",
		5: "",
	} {
		s, found := l.State(ids.ID(bytes.Repeat([]byte{n}, 16)))
		if got := written(s); got != want || found != (want != "") {
			t.Errorf("customer %d: %q, want %q", n, got, want)
		}
	}
	if err := l.Record(Request{Withdraw, "", customers(0, 1), at(0)}); err != nil {
		t.Errorf("the list does not go on: %v", err)
	}
}

// Apply finds those who have said something, at their positions, and sees all of a request or nothing of it, whatever is recorded
// meanwhile.
func TestApply(t *testing.T) {
	l, _ := create(t, fresh(t))
	all := customers(0, 20_000)
	l.Apply(all, func(int, State) { t.Error("an empty list has said something") })
	group := make([]ids.ID, 0, 2000)
	for n := 0; n < 20_000; n += 10 {
		group = append(group, customer(n))
	}
	must(t, l.Record(Request{Erase, "", customers(20_000, 20_100), at(0)})) // others
	l.Apply(all, func(int, State) { t.Error("others have said something") })
	var wait sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wait.Go(func() {
			for {
				found := 0
				l.Apply(all, func(position int, s State) {
					if found++; position%10 != 0 || s.Allows("planning") || !s.Allows("measurement") {
						t.Errorf("position %d: %+v", position, s)
					}
				})
				if found != 0 && found != len(group) {
					t.Errorf("%d of a request's %d", found, len(group))
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range 6 {
		kind := []Kind{Withdraw, Restore}[n%2]
		must(t, l.Record(Request{kind, "planning", group, at(n)}))
	}
	close(done)
	wait.Wait()
}
