// Package members keeps which people a party's questions were over, so that a person who asks can be told. For each version of
// the customers there is a snapshot file with a short keyed hash of each of them; for each view, which is what a question was
// over, a file that says who of its snapshot could take part.
//
// The files are sealed by the vault, each for its name. What is purged or forgotten is gone from the folder; blocks of the disk that
// were not yet written over keep it sealed. A hash has 8 bytes: somebody who was never there is taken for one of n
// customers with a chance of n/2⁶⁴, 5·10⁻¹³ for 10⁷.
package members

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sotto-dev/sotto/party/vault"
)

// Store is an open folder of such files. Safe for concurrent use. The vault must stay open for as long as it is used.
type Store struct {
	folder string
	vault  *vault.Vault
	lock   *os.File // the folder, locked until Close
	step   func(point string)

	mu sync.RWMutex // held by who replaces or removes files; shared by who reads or adds some
}

// Open opens a folder, which an owner has made empty and of mode 0700. Where there is none, the error wraps fs.ErrNotExist. One
// process at a time may have it open. It removes what a crash has left half-written, and completes a Forget that a crash has cut
// off.
func Open(folder string, v *vault.Vault) (*Store, error) {
	s, err := open(folder, v)
	if err != nil {
		return nil, fmt.Errorf("open members %s: %w", folder, err)
	}
	return s, nil
}

func open(folder string, v *vault.Vault) (_ *Store, err error) {
	s := &Store{folder: folder, vault: v, step: func(string) {}}
	if s.lock, err = os.Open(folder); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	err = syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another process has it open; only one at a time may")
	}
	if err != nil {
		return nil, err
	}
	if err := vault.RemoveLeftovers(folder); err != nil {
		return nil, err
	}
	if err := s.completeForget(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close lets another process open the folder.
func (s *Store) Close() error {
	return errors.Join(syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN), s.lock.Close())
}

// Trace makes the store call f at the points at which a crash differs from one a moment earlier: "members: forget noted",
// "members: forgotten in one", "members: forgotten in all" and, after views and after snapshots, "members: purged some". Those of the files that it writes,
// vault.Trace tells. It is for tests. Call it before anything else.
func (s *Store) Trace(f func(point string)) { s.step = f }

// The names of the files: what they hold and of what, in hex.
const (
	snapshotPrefix = "snapshot-"
	viewPrefix     = "view-"
	forgetName     = "forget"
)

func snapshotName(version [32]byte) string { return snapshotPrefix + hex.EncodeToString(version[:]) }

func viewName(id [16]byte) string { return viewPrefix + hex.EncodeToString(id[:]) }

func (s *Store) path(name string) string { return filepath.Join(s.folder, name) }

// context is what a file is sealed for.
func context(name string) string { return "sotto/v1/members " + name }

func (s *Store) exists(name string) (bool, error) {
	_, err := os.Lstat(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// snapshots returns the versions of which there are snapshot files, and views the ids of the view files.
func (s *Store) snapshots() ([][32]byte, error) {
	return list(s.folder, snapshotPrefix, func(b []byte) [32]byte { return [32]byte(b) }, 32)
}

func (s *Store) views() ([][16]byte, error) {
	return list(s.folder, viewPrefix, func(b []byte) [16]byte { return [16]byte(b) }, 16)
}

func list[T any](folder, prefix string, of func([]byte) T, size int) (found []T, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if len(name) != len(prefix)+2*size || name[:len(prefix)] != prefix {
			continue
		}
		b, err := hex.DecodeString(name[len(prefix):])
		if err != nil {
			continue // not a file of ours
		}
		found = append(found, of(b))
	}
	return found, nil
}

// seconds returns a time as it is kept.
func seconds(at int64) time.Time { return time.Unix(at, 0).UTC() }
