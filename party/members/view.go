package members

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/folder"
)

// View is what questions of one purpose were over, as long as nothing changed.
type View struct {
	ID       [16]byte
	Snapshot [32]byte  // the version of the customers, which must have been kept
	Purpose  string    // UTF-8 of at most 200 bytes
	At       time.Time // of a question, kept in seconds; in what Views returns, of the last one to within a day
	Taking   []uint64  // bit i%64 of word i/64: whether customer i of the snapshot could take part; nil in what Views returns
}

const (
	viewDomain = "sotto/v1/members-view"
	maxPurpose = 200 // bytes, as in agreements
)

// A view file holds its head, as [folder.AppendHead] has it, of domain "sotto/v1/members-view", and the words of Taking, 8 bytes
// each, little-endian.
type viewHead struct {
	Snapshot [32]byte
	Purpose  string
	At       int64 // Unix seconds
	Words    int64
}

// KeepView keeps who could take part in a question. It is durable when it returns nil. If the view is there, only its time is
// brought forward, once a day, so that it is purged by the age of its last question.
func (s *Store) KeepView(v View) error {
	if len(v.Purpose) > maxPurpose || !utf8.ValidString(v.Purpose) {
		return fmt.Errorf("keep view %x: a purpose is UTF-8 of at most %d bytes", v.ID, maxPurpose)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	name := viewName(v.ID)
	if there, err := s.files.Has(name); err != nil {
		return err
	} else if there {
		head, err := s.viewHead(v.ID)
		if err != nil || v.At.Sub(seconds(head.At)) < 24*time.Hour {
			return err
		}
	}
	snapshot, err := s.snapshotHead(v.Snapshot)
	if err != nil {
		return fmt.Errorf("keep view %x: %w", v.ID, err)
	}
	if err := checkTaking(v.Taking, snapshot.Customers); err != nil {
		return fmt.Errorf("keep view %x: %w", v.ID, err)
	}
	return s.files.Write(name, func(w io.Writer) error { return writeView(w, v) })
}

// checkTaking refuses bits of nobody.
func checkTaking(taking []uint64, customers int64) error {
	if int64(len(taking)) != (customers+63)/64 || customers%64 != 0 && taking[len(taking)-1]>>(customers%64) != 0 {
		return errors.New("the bits of those who take part are not one for each customer of the snapshot")
	}
	return nil
}

func writeView(w io.Writer, v View) error {
	out, err := folder.AppendHead(nil, viewDomain, viewHead{v.Snapshot, v.Purpose, v.At.Unix(), int64(len(v.Taking))})
	if err != nil {
		return err
	}
	for _, word := range v.Taking {
		if out = binary.LittleEndian.AppendUint64(out, word); len(out) >= 1<<16 {
			if _, err := w.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	_, err = w.Write(out)
	return err
}

func readViewHead(r io.Reader) (h viewHead, err error) {
	err = folder.ReadHead(r, viewDomain, &h)
	return h, err
}

func (s *Store) viewHead(id [16]byte) (head viewHead, err error) {
	err = s.files.Read(viewName(id), func(r io.Reader) error {
		if head, err = readViewHead(r); err != nil {
			return err
		}
		return folder.ErrEnough
	})
	return head, err
}

// takes reads what follows a view's head, and tells whether one of these customers could take part.
func takes(r io.Reader, head viewHead, positions []int64) (bool, error) {
	words, err := io.ReadAll(r)
	if err != nil {
		return false, err
	}
	if len(words)%8 != 0 || int64(len(words)/8) != head.Words {
		return false, errors.New("it is malformed: of another length than it says")
	}
	for _, i := range positions {
		if i/64 >= head.Words {
			return false, errors.New("it is malformed: smaller than its snapshot")
		}
		if binary.LittleEndian.Uint64(words[i/64*8:])>>(i%64)&1 != 0 {
			return true, nil
		}
	}
	return false, nil
}

// Views returns the views in which a person could take part, without Taking, in no order. It reads all files.
func (s *Store) Views(id ids.ID) ([]View, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	positions, err := s.positions(tagOf(s.vault.Hash(id)))
	if err != nil || len(positions) == 0 {
		return nil, err
	}
	views, err := s.views()
	if err != nil {
		return nil, err
	}
	var found []View
	for _, view := range views {
		err := s.files.Read(viewName(view), func(r io.Reader) error {
			head, err := readViewHead(r)
			if err != nil {
				return err
			}
			at := positions[head.Snapshot]
			if len(at) == 0 {
				return folder.ErrEnough
			}
			in, err := takes(r, head, at)
			if in {
				found = append(found, View{ID: view, Snapshot: head.Snapshot, Purpose: head.Purpose, At: seconds(head.At)})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// positions returns where in which snapshots a tag is; more than once only if two people's tags are alike.
func (s *Store) positions(wanted tag) (map[[32]byte][]int64, error) {
	versions, err := s.snapshots()
	if err != nil {
		return nil, err
	}
	found := map[[32]byte][]int64{}
	for _, version := range versions {
		err := s.readSnapshot(version, func(_ snapshotHead, first int64, tags []byte) error {
			each(tags, func(offset int, t tag) bool {
				if t == wanted {
					found[version] = append(found[version], first+int64(offset/len(t)))
				}
				return false
			})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
