package members

import (
	"crypto/rand"
	"io"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

// Forget erases people from all snapshot files: what stands there for them becomes random, so that no file says anything of them
// any more. It is durable when it returns nil, each file is replaced as a whole, and what a crash cuts off is completed when the
// store is opened again.
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

// takeOut takes people out of all snapshot files.
func (s *Store) takeOut(people []vault.Hash) error {
	gone := make(map[tag]bool, len(people))
	for _, h := range people {
		gone[tagOf(h)] = true
	}
	versions, err := s.snapshots()
	if err != nil {
		return err
	}
	for _, version := range versions {
		if err := s.forgetIn(version, gone); err != nil {
			return err
		}
		s.step("members: forgotten in one")
	}
	return nil
}

// forgetIn replaces a snapshot file by one without these, if any is in it.
func (s *Store) forgetIn(version [32]byte, gone map[tag]bool) error {
	found := false
	err := s.readSnapshot(version, func(_ snapshotHead, _ int64, tags []byte) error {
		found = found || each(tags, func(_ int, t tag) bool { return gone[t] })
		return nil
	})
	if err != nil || !found {
		return err
	}
	return s.files.Write(snapshotName(version), func(w io.Writer) error {
		return s.readSnapshot(version, func(head snapshotHead, first int64, tags []byte) error {
			if first == 0 {
				if err := writeSnapshotHead(w, head); err != nil {
					return err
				}
			}
			each(tags, func(i int, t tag) bool {
				if gone[t] {
					rand.Read(tags[i : i+len(t)])
				}
				return false
			})
			_, err := w.Write(tags)
			return err
		})
	})
}

// each calls f with the offset of every tag until it returns true, and tells whether it did.
func each(tags []byte, f func(offset int, t tag) bool) bool {
	for i := 0; i < len(tags); i += len(tag{}) {
		if f(i, tag(tags[i:i+len(tag{})])) {
			return true
		}
	}
	return false
}
