package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/sqlite"
)

// slotDistance is how far the two places of a head file are apart: no disk writes more than this in one piece, so a
// power cut while one is written leaves the other.
const slotDistance = 4096

// ErrNoHead is wrapped by the errors of opening a file that has no head file beside it.
var ErrNoHead = errors.New("the file that says what it must hold is missing")

// Head is a point in a history: how many rows there were, and the hash of the last of them, which covers them all. The hash
// of no rows is zero.
type Head struct {
	Rows int64
	Hash [32]byte
}

// Check returns nil if a history of so many rows leads through h: if the hash of its row h.Rows, which it asks for only if
// there is one, is h.Hash. Of no rows that is true of every history.
func (h Head) Check(rows int64, hash func(row int64) [32]byte) error {
	switch {
	case h.Rows == 0:
		return nil
	case h.Rows < 0 || h.Rows > rows:
		return fmt.Errorf("it has %d rows, but %d are known to have been written: it is an older copy, or has lost its latest rows", rows, h.Rows)
	case hash(h.Rows) != h.Hash:
		return fmt.Errorf("its row %d is not the one that is known to have been written: it is another file, or an older copy that was written on", h.Rows)
	}
	return nil
}

func headPath(path string) string { return path + "-head" }

// headFile is the file beside another that holds the head of what that one has said is durable: SQLite takes a write-ahead
// log that has lost its end for a shorter one. It holds two heads, of which the one with more rows counts, and is locked by
// the process that writes, until that ends. An empty file says nothing.
type headFile struct {
	file   *os.File
	domain string
	head   Head
	slot   int64 // of head
}

func headDomain(kind string) string { return "sotto/v1/" + kind + "-head" }

func createHeadFile(path, kind string) error {
	f, err := os.OpenFile(headPath(path), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	h := headFile{file: f, domain: headDomain(kind)}
	err = errors.Join(h.write(Head{}), f.Close())
	if err == nil {
		err = sqlite.SyncFolder(filepath.Dir(path))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(headPath(path)))
	}
	return err
}

// openHeadFile opens and locks the head file of a file.
func openHeadFile(path, kind string) (*headFile, error) {
	if _, err := os.Stat(path); err != nil { // the file itself is the more important one to miss
		return nil, err
	}
	f, err := os.OpenFile(headPath(path), os.O_RDWR, 0)
	if err != nil {
		return nil, missing(err)
	}
	h := &headFile{file: f, domain: headDomain(kind)}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another process has it open; only one at a time may write")
	}
	if err == nil {
		err = h.read()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return h, nil
}

// readHeadFile returns the head that the head file of a file holds.
func readHeadFile(path, kind string) (Head, error) {
	if _, err := os.Stat(path); err != nil {
		return Head{}, err
	}
	f, err := os.Open(headPath(path))
	if err != nil {
		return Head{}, missing(err)
	}
	h := headFile{file: f, domain: headDomain(kind)}
	err = errors.Join(h.read(), f.Close())
	return h.head, err
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoHead, err)
	}
	return err
}

func (h *headFile) read() error {
	found, empty := false, true
	for slot := range int64(2) {
		content := make([]byte, len(h.encode(Head{})))
		n, err := h.file.ReadAt(content, slot*slotDistance)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		empty = empty && n == 0
		head, err := h.decode(content)
		if err == nil && (!found || head.Rows > h.head.Rows) {
			h.head, h.slot, found = head, slot, true
		}
	}
	if !found && !empty {
		return fmt.Errorf("%s is damaged", h.file.Name())
	}
	return nil
}

// write makes head durable in the place of the older one.
func (h *headFile) write(head Head) error {
	slot := 1 - h.slot
	if _, err := h.file.WriteAt(h.encode(head), slot*slotDistance); err != nil {
		return err
	}
	if err := h.file.Sync(); err != nil {
		return err
	}
	h.head, h.slot = head, slot
	return nil
}

// close gives the lock back, also where a process that is being started has inherited the file for a moment.
func (h *headFile) close() error {
	return errors.Join(syscall.Flock(int(h.file.Fd()), syscall.LOCK_UN), h.file.Close())
}

func (h *headFile) encode(head Head) []byte {
	sum := canon.Hash(h.domain, head)
	return append(canon.Encode(h.domain, head), sum[:]...)
}

func (h *headFile) decode(encoded []byte) (head Head, err error) {
	if err = canon.Decode(h.domain, encoded[:len(encoded)-32], &head); err == nil && !bytes.Equal(h.encode(head), encoded) {
		err = errors.New("the sum does not match")
	}
	return head, err
}

// identities tells whether the names of the files still mean those that are open.
type identities []os.FileInfo

func identify(path string) (identities, error) {
	var found identities
	for _, name := range []string{path, sqlite.WAL(path), headPath(path)} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		found = append(found, info)
	}
	return found, nil
}

// check fails if a file was removed or replaced since: what is written then goes to one that nobody will find again.
func (then identities) check(path string) error {
	now, err := identify(path)
	if err != nil {
		return err
	}
	for i := range now {
		if !os.SameFile(now[i], then[i]) {
			return fmt.Errorf("%s was replaced by another file", now[i].Name())
		}
	}
	return nil
}
