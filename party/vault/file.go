package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sotto-dev/sotto/internal/sqlite"
)

// draft begins the names of files that are not yet whole.
const draft = ".draft-"

// WriteFile makes a file, or replaces one, by what write writes, sealed for a context as by [Vault.NewWriter]. It is there, whole
// and durable, when WriteFile returns nil; a crash or an error leaves what was there before, or the new one. Only its owner may
// read it.
func (v *Vault) WriteFile(path, context string, write func(io.Writer) error) (err error) {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, draft) // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_, _ = file.Close(), os.Remove(file.Name()) // perhaps both have been done
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	v.step("file: begun")
	w, err := v.NewWriter(file, context)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	v.step("file: written")
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	v.step("file: synced")
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	v.step("file: renamed")
	if err := sqlite.SyncFolder(folder); err != nil {
		return err
	}
	v.step("file: kept")
	return nil
}

// ReadFile calls read with what was sealed in a file for that context. What read has been given is to be believed only if ReadFile
// returns nil: that the file has all of its end is known only there. Errors wrap [ErrOtherKey], [ErrAltered] or fs.ErrNotExist,
// or are of the disk or of read.
func (v *Vault) ReadFile(path, context string, read func(io.Reader) error) error {
	err := v.readFile(path, context, read)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func (v *Vault) readFile(path, context string, read func(io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := v.NewReader(file, context)
	if err != nil {
		return err
	}
	if err := read(r); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// RemoveLeftovers removes, from a folder in which nobody writes, what WriteFile or NewKeyFile left when the process was ended.
func RemoveLeftovers(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var left []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), draft) {
			left = append(left, filepath.Join(folder, entry.Name()))
		}
	}
	if len(left) == 0 {
		return nil
	}
	return RemoveFiles(folder, left...)
}

// RemoveFiles removes files of one folder, and returns when they will not come back. One that is not there is no error.
func RemoveFiles(folder string, paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return sqlite.SyncFolder(folder)
}

// Trace makes WriteFile call f at the points at which a crash differs from one a moment earlier: "file: begun", "file: written",
// "file: synced", "file: renamed" and "file: kept". It is for tests, which end the process there. Call it before anything else.
func (v *Vault) Trace(f func(point string)) { v.step = f }
