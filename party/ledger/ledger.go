// Package ledger is a party's durable record of what it has spent: a SQLite file (WAL, synchronous=full) with one row
// per session. A row is written before anything leaves the machine, so a crash at any point counts too much rather
// than too little. What was released is kept with its sealed bytes, and is never released a second time.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
)

const schema = `
CREATE TABLE charges (
	session       BLOB PRIMARY KEY,
	query         BLOB NOT NULL,      -- hash of the signed question
	analyst       TEXT NOT NULL,
	purpose       TEXT NOT NULL,
	micro_epsilon INTEGER NOT NULL CHECK (micro_epsilon > 0),
	delta         REAL NOT NULL,
	state         TEXT NOT NULL CHECK (state IN ('reserved', 'released', 'lapsed')),
	begun         INTEGER NOT NULL,   -- Unix seconds
	sealed        BLOB                -- the release, when state = 'released'
) STRICT;
CREATE INDEX charges_by_query ON charges (query);
PRAGMA user_version = 1;
`

const version = 1

// Ledger is an open ledger. Safe for concurrent use.
type Ledger struct{ db *sql.DB }

// Charge is what a session costs, and on whose account.
type Charge struct {
	Session      [16]byte
	Query        [32]byte
	Analyst      string
	Purpose      string
	MicroEpsilon agreement.MicroEpsilon
	Delta        float64
	Begun        time.Time
}

// Create makes a new, empty ledger. It refuses to touch a file that exists.
func Create(path string) error {
	if err := sqlite.Create(path, schema); err != nil {
		return fmt.Errorf("create ledger: %w", err)
	}
	return nil
}

// Open opens a ledger and lets all reservations lapse that an earlier process left: their key shares are lost, so
// nothing will ever be released for them. It never creates one: an owner whose ledger is gone must know.
func Open(path string) (*Ledger, error) {
	db, err := sqlite.Open(path, version)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open ledger: %w (a new one is made only on request; if an old one should be here, restore it: "+
			"a node that forgets what it spent protects nobody)", err)
	}
	if err == nil {
		_, err = db.Exec("UPDATE charges SET state = 'lapsed' WHERE state = 'reserved'")
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	return &Ledger{db}, nil
}

// Close closes the file.
func (l *Ledger) Close() error { return l.db.Close() }

// Limit is what Reserve holds a charge against.
type Limit struct {
	Total    agreement.MicroEpsilon // of all that is reserved or released, this charge included
	Sessions int                    // of one signed question, this one included
}

// Reserve durably sets aside the price of a session, or refuses with a fault that says why: the session was seen
// before, the question was answered already or begun too often, or the budget does not suffice.
func (l *Ledger) Reserve(ctx context.Context, c Charge, limit Limit) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return broken("reserve", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	var sameSession, sameQuery, answered int
	var spent int64
	err = tx.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM charges WHERE session = ?),
		(SELECT count(*) FROM charges WHERE query = ?),
		(SELECT count(*) FROM charges WHERE query = ? AND state = 'released'),
		(SELECT coalesce(sum(micro_epsilon), 0) FROM charges WHERE state <> 'lapsed')`,
		c.Session[:], c.Query[:], c.Query[:]).Scan(&sameSession, &sameQuery, &answered, &spent)
	if err != nil {
		return broken("reserve", err)
	}
	left := max(0, int64(limit.Total)-spent)
	switch {
	case sameSession > 0:
		return fault.New(fault.Protocol, "the session is known and its key share is gone; it can't go on")
	case answered > 0:
		return fault.New(fault.Protocol, "the signed question was answered already")
	case sameQuery >= limit.Sessions:
		return fault.New(fault.Protocol, "the signed question was begun %d times, at most %d", sameQuery, limit.Sessions).WithHint("ask again, signed anew")
	case int64(c.MicroEpsilon) > left:
		return fault.New(fault.Budget, "the question costs epsilon %v, the budget of %v has %v left",
			c.MicroEpsilon.Float(), limit.Total.Float(), agreement.MicroEpsilon(left).Float()).WithHint("ask with a smaller epsilon, or ask the owner to raise the budget")
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO charges (session, query, analyst, purpose, micro_epsilon, delta, state, begun)
		VALUES (?, ?, ?, ?, ?, ?, 'reserved', ?)`,
		c.Session[:], c.Query[:], c.Analyst, c.Purpose, int64(c.MicroEpsilon), c.Delta, c.Begun.Unix()); err != nil {
		return broken("reserve", err)
	}
	if err := tx.Commit(); err != nil {
		return broken("reserve", err)
	}
	return nil
}

// Release durably turns a reservation into a release with its sealed bytes. Only after it has returned nil may the bytes
// leave. It fails if the session has no reservation, or no longer.
func (l *Ledger) Release(session [16]byte, sealed []byte) error {
	result, err := l.db.Exec("UPDATE charges SET state = 'released', sealed = ? WHERE session = ? AND state = 'reserved'", sealed, session[:])
	if err != nil {
		return broken("release", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return broken("release", errors.Join(err, errors.New("the session has no reservation")))
	}
	return nil
}

// Released returns the stored bytes of a session that was released; nil if it was not.
func (l *Ledger) Released(ctx context.Context, session [16]byte) ([]byte, error) {
	var sealed []byte
	err := l.db.QueryRowContext(ctx, "SELECT sealed FROM charges WHERE session = ? AND state = 'released'", session[:]).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, broken("read", err)
	}
	return sealed, nil
}

// Lapse gives a reservation back, if the session is still only that.
func (l *Ledger) Lapse(session [16]byte) error {
	if _, err := l.db.Exec("UPDATE charges SET state = 'lapsed' WHERE session = ? AND state = 'reserved'", session[:]); err != nil {
		return broken("lapse", err)
	}
	return nil
}

// Spent returns what is reserved and what was released.
func (l *Ledger) Spent(ctx context.Context) (reserved, released agreement.MicroEpsilon, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT
		coalesce(sum(micro_epsilon) FILTER (WHERE state = 'reserved'), 0),
		coalesce(sum(micro_epsilon) FILTER (WHERE state = 'released'), 0) FROM charges`).Scan(&reserved, &released)
	if err != nil {
		return 0, 0, broken("read", err)
	}
	return reserved, released, nil
}

// broken is an error of the file itself: what it holds is then not known, and nothing may be released on it. A caller
// that gave up is no such error.
func broken(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.From(err)
	}
	return fault.New(fault.Internal, "%s in the ledger", what).Wrap(err)
}
