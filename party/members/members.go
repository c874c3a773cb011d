// Package members keeps which people a party's questions were over, so that a person who asks can be told. For each version of
// the customers there is a snapshot file with a short keyed hash of each of them; for each view, which is what a question was
// over, a file that says who of its snapshot could take part.
//
// The files are sealed by the vault, each for its name (package folder). A hash has 8 bytes: somebody who was never there is taken
// for one of n customers with a chance of n/2⁶⁴, 5·10⁻¹³ for 10⁷.
package members

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sotto-dev/sotto/party/folder"
	"github.com/sotto-dev/sotto/party/vault"
)

// Store is an open folder of such files. Safe for concurrent use. The vault must stay open for as long as it is used.
type Store struct {
	files *folder.Folder
	vault *vault.Vault
	step  func(point string)

	mu sync.RWMutex // held by who replaces or removes files; shared by who reads or adds some
}

// Open opens a folder, which an owner has made empty and of mode 0700. Where there is none, the error wraps fs.ErrNotExist. One
// process at a time may have it open. It removes what a crash has left half-written, and completes a Forget that a crash has cut
// off.
func Open(path string, v *vault.Vault) (*Store, error) {
	files, err := folder.Open(path, "members", v)
	if err != nil {
		return nil, fmt.Errorf("open members %s: %w", path, err)
	}
	s := &Store{files: files, vault: v, step: func(string) {}}
	if err := s.files.Forget(nil, s.takeOut); err != nil {
		return nil, fmt.Errorf("open members %s: %w", path, errors.Join(err, s.Close()))
	}
	return s, nil
}

// Close lets another process open the folder.
func (s *Store) Close() error { return s.files.Close() }

// Trace makes the store call f at the points at which a crash differs from one a moment earlier: "members: forget noted",
// "members: forgotten in one", "members: forgotten in all" and, after views and after snapshots, "members: purged some". Those of
// the files that it writes, vault.Trace tells. It is for tests. Call it before anything else.
func (s *Store) Trace(f func(point string)) {
	s.step = f
	s.files.Trace(f)
}

// The names of the files: what they hold and of what, in hex.
const (
	snapshotPrefix = "snapshot-"
	viewPrefix     = "view-"
)

func snapshotName(version [32]byte) string { return snapshotPrefix + hex.EncodeToString(version[:]) }

func viewName(id [16]byte) string { return viewPrefix + hex.EncodeToString(id[:]) }

// snapshots returns the versions of which there are snapshot files, and views the ids of the view files.
func (s *Store) snapshots() (found [][32]byte, err error) {
	names, err := s.files.Named(snapshotPrefix, 32)
	for _, b := range names {
		found = append(found, [32]byte(b))
	}
	return found, err
}

func (s *Store) views() (found [][16]byte, err error) {
	names, err := s.files.Named(viewPrefix, 16)
	for _, b := range names {
		found = append(found, [16]byte(b))
	}
	return found, err
}

// seconds returns a time as it is kept.
func seconds(at int64) time.Time { return time.Unix(at, 0).UTC() }
