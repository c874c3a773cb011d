package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"unique"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/canon"
)

const (
	version = 2

	rowDomain    = "sotto/v1/ledger-row"
	sealedDomain = "sotto/v1/ledger-sealed"
)

// The triggers keep a hand that means well from changing what was written; against others there is the hash.
const schema = `
CREATE TABLE journal (
	seq           INTEGER PRIMARY KEY,    -- 1, 2, 3, …
	event         TEXT NOT NULL,          -- 'reserved'; later once 'released' or 'lapsed'
	session       BLOB NOT NULL,
	query         BLOB NOT NULL,          -- hash of the signed question
	analyst       TEXT NOT NULL,
	organisation  TEXT NOT NULL,          -- whose budget the analyst asked on
	purpose       TEXT NOT NULL,
	measure       TEXT NOT NULL,
	mechanism     TEXT NOT NULL,
	micro_epsilon INTEGER NOT NULL,       -- 10⁻⁶ ε
	atto_delta    INTEGER NOT NULL,       -- 10⁻¹⁸ δ
	cells         INTEGER NOT NULL,
	sensitivity   INTEGER NOT NULL,
	at            INTEGER NOT NULL,       -- of the event, in Unix seconds
	sealed_hash   BLOB NOT NULL,          -- SHA-256 of the sealed numbers that were released; else zero
	hash          BLOB NOT NULL           -- of the row before and of all columns of this row
) STRICT;
CREATE TABLE sealed (
	session       BLOB PRIMARY KEY,
	bytes         BLOB NOT NULL,          -- what was released
	hash          BLOB NOT NULL           -- of the journal's row and of these bytes
) STRICT;
CREATE TRIGGER journal_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END;
CREATE TRIGGER journal_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END;
CREATE TRIGGER sealed_update BEFORE UPDATE ON sealed BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END;
CREATE TRIGGER sealed_delete BEFORE DELETE ON sealed BEGIN SELECT RAISE(ABORT, 'a ledger only grows'); END;
PRAGMA user_version = 2;
`

const (
	reserved = "reserved"
	released = "released"
	lapsed   = "lapsed"
)

// row is an event of the journal. Its fields in this order, after the hash of the row before, are what is hashed.
type row struct {
	Seq          int64
	Event        string
	Session      [16]byte
	Query        [32]byte
	Analyst      string
	Organisation string
	Purpose      string
	Measure      string
	Mechanism    string
	MicroEpsilon int64
	AttoDelta    int64
	Cells        int64
	Sensitivity  int64
	At           int64
	SealedHash   [32]byte
}

func newRow(event string, c *Charge, at int64) row {
	return row{
		Event: event, Session: c.Session, Query: c.Query, Analyst: c.Analyst, Organisation: c.Organisation, Purpose: c.Purpose, Measure: c.Measure,
		Mechanism: string(c.Loss.Mechanism), MicroEpsilon: c.Loss.MicroEpsilon, AttoDelta: c.Loss.AttoDelta, Cells: c.Loss.Cells,
		Sensitivity: c.Sensitivity, At: at,
	}
}

func (r *row) loss() dp.Loss {
	return dp.Loss{Mechanism: dp.Mechanism(r.Mechanism), MicroEpsilon: r.MicroEpsilon, AttoDelta: r.AttoDelta, Cells: r.Cells}
}

// link returns the head that a row leads to.
func (r *row) link(before Head) Head {
	return Head{Rows: before.Rows + 1, Hash: canon.Hash(rowDomain, struct {
		Previous [32]byte
		Row      row
	}{before.Hash, *r})}
}

func (r *row) insert(ctx context.Context, tx *sql.Tx, hash [32]byte) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.Seq, r.Event, r.Session[:], r.Query[:], r.Analyst, r.Organisation, r.Purpose, r.Measure,
		r.Mechanism, r.MicroEpsilon, r.AttoDelta, r.Cells, r.Sensitivity, r.At, r.SealedHash[:], hash[:])
	return err
}

// sealedHash ties the bytes of a release to its row.
func sealedHash(row [32]byte, bytes []byte) [32]byte {
	return canon.Hash(sealedDomain, struct {
		Row   [32]byte
		Bytes []byte
	}{row, bytes})
}

// read verifies all that a ledger's file holds and returns what it adds up to, as of one moment.
func read(db *sql.DB) (*books, error) {
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	b := newBooks()
	if err := readJournal(tx, b); err != nil {
		return nil, err
	}
	return b, readSealed(tx, b)
}

func readJournal(tx *sql.Tx, b *books) (err error) {
	rows, err := tx.Query("SELECT * FROM journal ORDER BY seq")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r row
		var session, query, sealed, hash sql.RawBytes
		if err := rows.Scan(&r.Seq, &r.Event, &session, &query, &r.Analyst, &r.Organisation, &r.Purpose, &r.Measure,
			&r.Mechanism, &r.MicroEpsilon, &r.AttoDelta, &r.Cells, &r.Sensitivity, &r.At, &sealed, &hash); err != nil {
			return err
		}
		ok := fill(r.Session[:], session) && fill(r.Query[:], query) && fill(r.SealedHash[:], sealed)
		next := r.link(b.head)
		if !ok || r.Seq != next.Rows || string(hash) != string(next.Hash[:]) {
			return fmt.Errorf("it is damaged: row %d is not what was written", next.Rows)
		}
		for _, text := range []*string{&r.Event, &r.Analyst, &r.Organisation, &r.Purpose, &r.Measure, &r.Mechanism} {
			*text = unique.Make(*text).Value() // the same few again and again
		}
		if err := b.check(&r); err != nil {
			return fmt.Errorf("it is damaged: row %d: %w", next.Rows, err)
		}
		b.enter(&r, next)
	}
	return rows.Err()
}

func readSealed(tx *sql.Tx, b *books) (err error) {
	rows, err := tx.Query("SELECT session, bytes, hash FROM sealed")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := 0
	for rows.Next() {
		var session, bytes, hash sql.RawBytes
		if err := rows.Scan(&session, &bytes, &hash); err != nil {
			return err
		}
		var id [16]byte
		if !fill(id[:], session) || !b.holds(id, bytes, hash) {
			return errors.New("it is damaged: what was released is not what was written")
		}
		found++ // the session is the table's key, so none is found twice
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != b.released {
		return errors.New("it is damaged: what was released is missing")
	}
	return nil
}

// fill copies from into to if it has the same length.
func fill(to []byte, from []byte) bool { return copy(to, from) == len(from) && len(from) == len(to) }
