package matches

import (
	"io"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

// Forget takes people out of all tables: they are as good as never matched, and whoever of them comes back has no slot before the
// next matching. It is durable when it returns nil, each file is replaced as a whole, and what a crash cuts off is completed when
// the store is opened again.
func (s *Store) Forget(people []ids.ID) error {
	hashes := make([]vault.Hash, len(people))
	s.vault.Hashes(people, func(i int, h vault.Hash) { hashes[i] = h })
	return s.ForgetHashes(hashes)
}

// ForgetHashes is Forget for people of whom only the keyed hash is known.
func (s *Store) ForgetHashes(people []vault.Hash) error {
	if len(people) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files.Forget(people, s.takeOut)
}

// takeOut takes people out of all files: those that are there, whether or not they are known to be kept.
func (s *Store) takeOut(people []vault.Hash) error {
	gone := make(map[entry]bool, len(people))
	for _, h := range people {
		gone[entryOf(h, 0)] = true
	}
	found, err := s.files.Named(prefix, 32)
	if err != nil {
		return err
	}
	for _, id := range found {
		if err := s.takeOutOf(nameOf([32]byte(id)), gone); err != nil {
			return err
		}
		s.step("matches: forgotten in one")
	}
	return nil
}

// takeOutOf replaces a file by one without these, if any is in it. Nothing is left of them, not even a slot that is nobody's: who
// is at a slot is known to other parties, too.
func (s *Store) takeOutOf(name string, gone map[entry]bool) error {
	stays := func(e entry) bool {
		e.slot = 0
		return !gone[e]
	}
	var left int64
	var was head
	err := s.files.Read(name, func(r io.Reader) (err error) {
		if was, err = readHead(r); err != nil {
			return err
		}
		return readEntries(r, was, func(some []entry) error {
			for _, e := range some {
				if stays(e) {
					left++
				}
			}
			return nil
		})
	})
	if err != nil || left == was.People {
		return err
	}
	return s.files.Write(name, func(w io.Writer) error {
		is := was
		is.People = left
		if err := writeTable(w, is, nil); err != nil {
			return err
		}
		return s.files.Read(name, func(r io.Reader) error {
			if _, err := readHead(r); err != nil {
				return err
			}
			return readEntries(r, was, func(some []entry) error {
				rest := some[:0]
				for _, e := range some {
					if stays(e) {
						rest = append(rest, e)
					}
				}
				return writeEntries(w, rest)
			})
		})
	})
}
