// Package matches keeps what a party has of its matchings: for each that is complete, one file with what all its members know of it,
// and which slot each of the party's own people has. Questions in the matched layout are answered from the newest; older ones stay
// while they are in use.
//
// The files are sealed by the vault, each for its name (package folder); their lengths show how many people are in them. A person
// stands there as a short keyed hash of the id, in the order of the hashes. It has 12 bytes: that any of m people who were added
// since is taken for one of n who were matched has a chance of m·n/2⁹⁶, 10⁻¹⁵ for 10⁷ each. (With 8 bytes it were 5·10⁻⁶, and an
// answer that is said to be exact could be off by one.)
package matches

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/folder"
	"github.com/sotto-dev/sotto/party/vault"
)

// NoSlot stands in the place of a slot for people who have none: who were added since the matching, or were forgotten.
const NoSlot = math.MaxUint32

// MaxSlots is the largest length of a spine.
const MaxSlots = math.MaxUint32

// Matching is what there is to know of one that is complete: the same at all who took part.
type Matching struct {
	ID           [32]byte
	Basis        [32]byte  // agreement.Agreement.Basis of that under which it was made
	Participants []string  // the parties, in the order of the matching; UTF-8
	At           time.Time // in UTC, to the second
	Slots        int64     // length of the spine, 1…MaxSlots
	Spine        [32]byte  // its hash, which questions bind
}

// Store is an open folder of such files. Safe for concurrent use. The vault must stay open for as long as it is used.
type Store struct {
	files *folder.Folder
	vault *vault.Vault
	step  func(point string)

	mu     sync.RWMutex               // held by who changes files; shared by who reads them
	serial uint64                     // under mu: above those of all files
	kept   atomic.Pointer[[]numbered] // newest first; replaced under mu
}

// numbered is a matching with its place in the order in which they were kept, which no clock decides.
type numbered struct {
	Matching
	serial uint64
}

// Open opens a folder, which an owner has made empty and of mode 0700. Where there is none, the error wraps fs.ErrNotExist. One
// process at a time may have it open. It removes what a crash has left half-written, and completes a Forget that a crash has cut
// off. Of each file it reads the beginning: what follows, Slots checks.
func Open(path string, v *vault.Vault) (*Store, error) {
	s, err := open(path, v)
	if err != nil {
		return nil, fmt.Errorf("open matches %s: %w", path, err)
	}
	return s, nil
}

func open(path string, v *vault.Vault) (*Store, error) {
	files, err := folder.Open(path, "matches", v)
	if err != nil {
		return nil, err
	}
	s := &Store{files: files, vault: v, step: func(string) {}}
	if err = s.files.Forget(nil, s.takeOut); err == nil {
		err = s.look()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close lets another process open the folder.
func (s *Store) Close() error { return s.files.Close() }

// Trace makes the store call f at the points at which a crash differs from one a moment earlier: "matches: forget noted", "matches:
// forgotten in one", "matches: forgotten in all" and "matches: purged". Those of the files that it writes, vault.Trace tells. It is
// for tests. Call it before anything else.
func (s *Store) Trace(f func(point string)) {
	s.step = f
	s.files.Trace(f)
}

// prefix begins the names of the files; the matching's id follows, in hex.
const prefix = "match-"

func nameOf(matching [32]byte) string { return prefix + hex.EncodeToString(matching[:]) }

// look finds out which matchings there are.
func (s *Store) look() error {
	found, err := s.files.Named(prefix, 32)
	if err != nil {
		return err
	}
	kept := make([]numbered, len(found))
	for i, id := range found {
		matching := [32]byte(id)
		err := s.files.Read(nameOf(matching), func(r io.Reader) error {
			h, err := readHead(r)
			if err != nil {
				return err
			}
			kept[i] = numbered{h.matching(matching), h.Serial}
			return folder.ErrEnough
		})
		if err != nil {
			return err
		}
		s.serial = max(s.serial, kept[i].serial+1)
	}
	slices.SortFunc(kept, func(a, b numbered) int { return cmp.Compare(b.serial, a.serial) })
	s.kept.Store(&kept)
	return nil
}

// Keep keeps a matching and the slots of the party's own people, people[i] having slots[i]. It is durable when it returns nil, and
// is then the first that All returns; if it fails, or a crash cuts it off, nothing has changed. If the very same matching is there,
// nothing is done. Whoever was forgotten since the matching began must not be among people. An error says nothing of anybody.
func (s *Store) Keep(m Matching, people []ids.ID, slots []uint32) error {
	m.At, m.Participants = seconds(m.At.Unix()), slices.Clone(m.Participants)
	if err := check(m, people, slots); err != nil {
		return fmt.Errorf("keep matching %x: %w", m.ID, err)
	}
	table, err := s.entries(people, slots)
	if err != nil {
		return fmt.Errorf("keep matching %x: %w", m.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := *s.kept.Load()
	for _, other := range kept {
		if other.ID != m.ID {
			continue
		}
		if !reflect.DeepEqual(other.Matching, m) {
			return fmt.Errorf("keep matching %x: there is another one of this id", m.ID)
		}
		return nil
	}
	now := numbered{m, s.serial}
	s.serial++ // also if it fails: no two files ever have the same
	name := nameOf(m.ID)
	if err := s.files.Write(name, func(w io.Writer) error { return writeTable(w, headOf(now, int64(len(table))), table) }); err != nil {
		return errors.Join(err, s.files.Remove(name)) // which may be there, only not durably
	}
	kept = append([]numbered{now}, kept...)
	s.kept.Store(&kept)
	return nil
}

func check(m Matching, people []ids.ID, slots []uint32) error {
	if m.Slots < 1 || m.Slots > MaxSlots {
		return fmt.Errorf("the length of the spine must be 1 to %d", int64(MaxSlots))
	}
	for _, name := range m.Participants {
		if !utf8.ValidString(name) {
			return fmt.Errorf("participant %q: must be UTF-8", name)
		}
	}
	if len(slots) != len(people) {
		return errors.New("the slots are not one for each customer")
	}
	taken := make([]uint64, (m.Slots+63)/64)
	for _, slot := range slots {
		if int64(slot) >= m.Slots {
			return errors.New("a slot is beyond the spine")
		}
		if taken[slot/64]>>(slot%64)&1 != 0 {
			return errors.New("two customers have the same slot")
		}
		taken[slot/64] |= 1 << (slot % 64)
	}
	return nil
}

// All returns all matchings that are kept, the last first: until all members have the newest, they may have to agree on another. It
// never waits for the disk. What it returns shares its Participants, which must not be changed.
func (s *Store) All() []Matching {
	var all []Matching
	for _, k := range *s.kept.Load() {
		all = append(all, k.Matching)
	}
	return all
}

// Slots returns, in the order of all, which slot each person has in a matching, [NoSlot] if none, and how many have none. It reads
// and checks the whole file, and takes 16 bytes of memory for each person in it until it returns. A matching that is not kept is an
// error that wraps fs.ErrNotExist.
func (s *Store) Slots(matching [32]byte, all []ids.ID) (slots []uint32, missing int, err error) {
	if !slices.ContainsFunc(*s.kept.Load(), func(k numbered) bool { return k.ID == matching }) {
		return nil, 0, fmt.Errorf("matching %x: %w", matching, fs.ErrNotExist)
	}
	t, err := s.load(matching)
	if err != nil {
		return nil, 0, err
	}
	slots = make([]uint32, len(all))
	s.vault.Hashes(all, func(i int, h vault.Hash) { slots[i] = t.find(h) })
	for _, slot := range slots {
		if slot == NoSlot {
			missing++
		}
	}
	return slots, missing, nil
}

// seconds returns a time as it is kept.
func seconds(at int64) time.Time { return time.Unix(at, 0).UTC() }
