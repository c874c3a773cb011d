// Package sqlite opens the SQLite files that nodes keep: every commit is on disk before it returns (WAL,
// synchronous=full), writers wait for each other, and a file that is damaged or of another format is refused.
package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver: SQLite without cgo
)

// Create makes an empty file that only its owner can read, and runs schema in it. It refuses to touch a file that
// exists; that error wraps fs.ErrExist.
func Create(path, schema string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := connect(path)
	if err != nil {
		return err
	}
	_, err = db.Exec(schema)
	return errors.Join(err, db.Close())
}

// Open opens a file made by Create whose schema sets PRAGMA user_version to version. It never makes one; where there is
// none, the error wraps fs.ErrNotExist.
func Open(path string, version int) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := connect(path)
	if err != nil {
		return nil, err
	}
	if err := check(db, version); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func connect(path string) (*sql.DB, error) {
	path, err := filepath.Abs(path) // so that no name means anything else to SQLite, such as ":memory:"
	if err != nil {
		return nil, err
	}
	options := url.Values{
		"mode":    {"rw"}, // not c: it is never made anew, not even where it was a moment ago
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)"},
		"_txlock": {"immediate"},
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
		return fmt.Errorf("it has format %d, this program reads %d", found, version)
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
