// Package sqlite opens the SQLite files that nodes keep: every commit is on disk before it returns (WAL,
// synchronous=full), writers wait for each other, and a file that is damaged or of another format is refused.
package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite" // the driver: SQLite without cgo
	codes "modernc.org/sqlite/lib"
)

// VersionError says that a file is of another format than the program reads.
type VersionError struct{ Found, Want int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("it has format %d, this program reads %d", e.Found, e.Want)
}

// Create makes an empty file that only its owner can read, runs schema in it, and returns when all of it is on the disk.
// It refuses to touch a file that exists; that error wraps fs.ErrExist. If it fails, it leaves no file.
func Create(path, schema string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		err = fill(path, schema)
	}
	if err != nil {
		return errors.Join(err, Remove(path))
	}
	return nil
}

func fill(path, schema string) error {
	db, err := connect(path, writing)
	if err != nil {
		return err
	}
	_, err = db.Exec(schema)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Remove deletes a file made by Create and what SQLite keeps beside it.
func Remove(path string) error {
	err := os.Remove(path)
	for _, beside := range []string{WAL(path), path + "-shm"} {
		if e := os.Remove(beside); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// SyncFolder makes the names of new files in a folder durable.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Open opens a file made by Create whose schema sets PRAGMA user_version to version; a file of another is a
// [VersionError]. It never makes one; where there is none, the error wraps fs.ErrNotExist.
func Open(path string, version int) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // SQLite would open one that may only be read, too
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db, err := open(path, version, writing)
	if err != nil {
		return nil, err
	}
	var mode string
	if err = db.QueryRow("PRAGMA journal_mode").Scan(&mode); err == nil && mode != "wal" { // its file system can't share memory
		err = fmt.Errorf("its journal is %q, must be %q", mode, "wal")
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// OpenReadOnly opens a file as Open does, perhaps beside a process that writes it, to read what is committed. It changes
// nothing in it; reads may fail with a damage that is none if a first writer comes while it is open.
func OpenReadOnly(path string, version int) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	options := reading
	// Whoever writes keeps a write-ahead log beside the file. Where there is none, SQLite would make an empty one.
	if _, err := os.Stat(WAL(path)); errors.Is(err, fs.ErrNotExist) {
		options = immutable
	}
	return open(path, version, options)
}

// WAL returns the name of the write-ahead log of a file, which is there while the file is open to be written.
func WAL(path string) string { return path + "-wal" }

// Busy reports whether err says that another program holds the file; then nothing was written.
func Busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_BUSY
}

var (
	writing = url.Values{
		"mode":    {"rw"}, // not c: it is never made anew, not even where it was a moment ago
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "fullfsync(ON)", "busy_timeout(5000)"},
		"_txlock": {"immediate"},
	}
	reading   = url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}}
	immutable = url.Values{"mode": {"ro"}, "immutable": {"1"}}
)

func open(path string, version int, options url.Values) (*sql.DB, error) {
	db, err := connect(path, options)
	if err != nil {
		return nil, err
	}
	if err := check(db, version); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func connect(path string, options url.Values) (*sql.DB, error) {
	path, err := filepath.Abs(path) // so that no name means anything else to SQLite, such as ":memory:"
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: options.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func check(db *sql.DB, version int) error {
	var found int
	if err := db.QueryRow("PRAGMA user_version").Scan(&found); err != nil {
		return err
	}
	if found != version {
		return &VersionError{found, version}
	}
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("it is damaged: %s", verdict)
	}
	return nil
}
