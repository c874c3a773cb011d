package members

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/folder"
	"github.com/sotto-dev/sotto/party/vault"
)

// tag is what a snapshot file holds of a customer: the beginning of the keyed hash of the id, or random bytes once the customer
// was forgotten.
type tag [8]byte

func tagOf(h vault.Hash) tag { return tag(h[:len(tag{})]) }

// blockTags is how many tags are in memory while a file is read or written.
const blockTags = 1 << 15

// A snapshot file holds 8 bytes with its time in Unix seconds and 8 bytes with the number of its customers, both big-endian,
// then their tags.
type snapshotHead struct {
	At        time.Time
	Customers int64
}

func writeSnapshotHead(w io.Writer, h snapshotHead) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(h.At.Unix()))
	_, err := w.Write(binary.BigEndian.AppendUint64(b, uint64(h.Customers)))
	return err
}

func readSnapshotHead(r io.Reader) (h snapshotHead, err error) {
	var b [16]byte
	if err := folder.ReadFull(r, b[:]); err != nil {
		return h, err
	}
	h = snapshotHead{seconds(int64(binary.BigEndian.Uint64(b[:8]))), int64(binary.BigEndian.Uint64(b[8:]))}
	if h.Customers < 0 {
		return h, errors.New("it is malformed: fewer than no customers")
	}
	return h, nil
}

// KeepSnapshot keeps who the customers of a version are, in the order in which views count them. It is durable when it returns
// nil; if the version is there, nothing is done. Whoever is to be forgotten must not be among all.
func (s *Store) KeepSnapshot(version [32]byte, all []ids.ID, at time.Time) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	name := snapshotName(version)
	if there, err := s.files.Has(name); there || err != nil {
		return err
	}
	return s.files.Write(name, func(w io.Writer) error {
		if err := writeSnapshotHead(w, snapshotHead{at, int64(len(all))}); err != nil {
			return err
		}
		block := make([]byte, len(tag{})*min(blockTags, len(all)))
		for len(all) > 0 {
			n := min(blockTags, len(all))
			s.vault.Hashes(all[:n], func(i int, h vault.Hash) { copy(block[len(tag{})*i:], h[:len(tag{})]) })
			if _, err := w.Write(block[:len(tag{})*n]); err != nil {
				return err
			}
			all = all[n:]
		}
		return nil
	})
}

// readSnapshot reads a snapshot file and calls f with blocks of its tags, one after the other, and the position of the first.
// The block is f's to change until it returns.
func (s *Store) readSnapshot(version [32]byte, f func(head snapshotHead, first int64, tags []byte) error) error {
	return s.files.Read(snapshotName(version), func(r io.Reader) error { return readTags(r, f) })
}

func readTags(r io.Reader, f func(head snapshotHead, first int64, tags []byte) error) error {
	head, err := readSnapshotHead(r)
	if err != nil {
		return err
	}
	block := make([]byte, len(tag{})*blockTags)
	for first := int64(0); first < head.Customers; first += blockTags {
		tags := block[:int64(len(tag{}))*min(blockTags, head.Customers-first)]
		if err := folder.ReadFull(r, tags); err != nil {
			return err
		}
		if err := f(head, first, tags); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) snapshotHead(version [32]byte) (head snapshotHead, err error) {
	err = s.files.Read(snapshotName(version), func(r io.Reader) error {
		if head, err = readSnapshotHead(r); err != nil {
			return err
		}
		return folder.ErrEnough
	})
	return head, err
}
