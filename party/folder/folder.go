// Package folder holds files that a vault seals, each for its name, in a folder that one process at a time has open, and takes
// people out of them so that a crash can't stop it halfway.
//
// What is removed or replaced is gone from the folder; blocks of the disk that were not yet written over keep it sealed. How many
// files there are, how long they are and when they were written shows.
package folder

import (
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sotto-dev/sotto/party/vault"
)

// Folder is an open folder. Safe for concurrent use, but for Forget, during which no other file may be written or read, and
// Trace.
type Folder struct {
	path, kind string
	vault      *vault.Vault
	lock       *os.File // the folder, locked until Close
	step       func(point string)
}

// Open opens a folder, which an owner has made empty and of mode 0700, of files of a kind, such as "members", which is part of what
// they are sealed for. Where there is none, the error wraps fs.ErrNotExist. It removes what a crash has left half-written. A Forget
// that a crash has cut off must be completed next: by Forget of nobody. The vault must stay open for as long as the folder is.
func Open(path, kind string, v *vault.Vault) (_ *Folder, err error) {
	f := &Folder{path: path, kind: kind, vault: v, step: func(string) {}}
	if f.lock, err = os.Open(path); err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another process has it open; only one at a time may")
	}
	if err == nil {
		err = vault.RemoveLeftovers(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close lets another process open the folder.
func (f *Folder) Close() error {
	return errors.Join(syscall.Flock(int(f.lock.Fd()), syscall.LOCK_UN), f.lock.Close())
}

// Trace makes Forget call t at the points at which a crash differs from one a moment earlier: "KIND: forget noted" and "KIND:
// forgotten in all". Those of the files that are written, vault.Trace tells. It is for tests. Call it before anything else.
func (f *Folder) Trace(t func(point string)) { f.step = t }

// Path returns where a file is.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

// context is what a file is sealed for.
func (f *Folder) context(name string) string { return "sotto/v1/" + f.kind + " " + name }

// Has reports whether there is a file.
func (f *Folder) Has(name string) (bool, error) {
	_, err := os.Lstat(f.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Named returns, in order, what stands in hex after a prefix in the names of files, where that is size bytes. Files of other names
// are not ours.
func (f *Folder) Named(prefix string, size int) (found [][]byte, err error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		digits, ours := strings.CutPrefix(entry.Name(), prefix)
		if b, err := hex.DecodeString(digits); ours && err == nil && len(b) == size {
			found = append(found, b)
		}
	}
	return found, nil
}

// Write makes or replaces a file, as [vault.Vault.WriteFile] does.
func (f *Folder) Write(name string, write func(io.Writer) error) error {
	return f.vault.WriteFile(f.Path(name), f.context(name), write)
}

// ErrEnough is what a function returns to [Folder.Read] that has all it wants.
var ErrEnough = errors.New("enough was read")

// Read calls read with what is in a file, as [vault.Vault.ReadFile] does. If read returns [ErrEnough], Read returns nil: what was
// read is what was written, and whether the file has all that followed, nobody has looked.
func (f *Folder) Read(name string, read func(io.Reader) error) error {
	err := f.vault.ReadFile(f.Path(name), f.context(name), read)
	if errors.Is(err, ErrEnough) {
		return nil
	}
	return err
}

// Remove removes files, and returns when they will not come back. One that is not there is no error.
func (f *Folder) Remove(names ...string) error {
	if len(names) == 0 {
		return nil
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = f.Path(name)
	}
	return vault.RemoveFiles(f.path, paths...)
}
