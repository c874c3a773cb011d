// Package store keeps what analysts have asked and the sealed answers, durably, in a SQLite file. It holds nothing that
// the coordinator could read an answer from.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

const schema = `
CREATE TABLE queries (
	id        BLOB PRIMARY KEY,
	analyst   TEXT NOT NULL,
	query     BLOB NOT NULL,    -- the signed question
	submitted INTEGER NOT NULL, -- Unix seconds
	result    BLOB,             -- ResultResponse, once done
	failure   BLOB              -- Failure, once failed
) STRICT;
CREATE TABLE releases (          -- the latest of every party, with the head of its ledger
	party     TEXT PRIMARY KEY,
	length    INTEGER NOT NULL, -- of the ledger, in rows
	release   BLOB NOT NULL     -- Signed
) STRICT;
PRAGMA user_version = 2;
`

// Store is an open store. Safe for concurrent use.
type Store struct{ db *sql.DB }

// Query is a stored question: done if Result is there, failed if Failure is, else under way.
type Query struct {
	ID      [32]byte
	Analyst string
	Signed  *sottov1.Signed
	Result  *sottov1.ResultResponse
	Failure *sottov1.Failure
}

const version = 2

// Open opens the store, and makes it if it does not exist: it holds nothing that anybody's privacy depends on. Questions
// that an earlier process left under way have failed: their key shares are lost.
func Open(path string) (*Store, error) {
	db, err := sqlite.Open(path, version)
	if errors.Is(err, fs.ErrNotExist) {
		if err = sqlite.Create(path, schema); err == nil {
			db, err = sqlite.Open(path, version)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s := &Store{db}
	lost := &sottov1.Failure{Kind: string(fault.Unavailable), Party: "coordinator", Message: "the coordinator was restarted", Hint: "ask again"}
	encoded, err := proto.Marshal(lost)
	if err == nil {
		_, err = db.Exec("UPDATE queries SET failure = ? WHERE result IS NULL AND failure IS NULL", encoded)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), db.Close())
	}
	return s, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Add stores a question, or reports that it is there already.
func (s *Store) Add(ctx context.Context, q Query, now time.Time) (added bool, err error) {
	signed, err := proto.Marshal(q.Signed)
	if err != nil {
		return false, fmt.Errorf("store question: %w", err)
	}
	result, err := s.db.ExecContext(ctx, "INSERT INTO queries (id, analyst, query, submitted) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		q.ID[:], q.Analyst, signed, now.Unix())
	if err != nil {
		return false, fmt.Errorf("store question: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// Done stores the sealed answer of a question.
func (s *Store) Done(id [32]byte, result *sottov1.ResultResponse) error {
	return s.finish("UPDATE queries SET result = ? WHERE id = ? AND result IS NULL AND failure IS NULL", id, result)
}

// Fail stores why a question has no answer.
func (s *Store) Fail(id [32]byte, failure *sottov1.Failure) error {
	return s.finish("UPDATE queries SET failure = ? WHERE id = ? AND result IS NULL AND failure IS NULL", id, failure)
}

func (s *Store) finish(statement string, id [32]byte, message proto.Message) error {
	encoded, err := proto.Marshal(message)
	if err == nil {
		_, err = s.db.Exec(statement, encoded, id[:])
	}
	if err != nil {
		return fmt.Errorf("store the end of a question: %w", err)
	}
	return nil
}

// Released stores a party's release unless a later one, of a longer ledger, is there.
func (s *Store) Released(party string, rows int64, release *sottov1.Signed) error {
	encoded, err := proto.Marshal(release)
	if err == nil {
		_, err = s.db.Exec(`INSERT INTO releases (party, length, release) VALUES (?, ?, ?)
			ON CONFLICT (party) DO UPDATE SET length = excluded.length, release = excluded.release WHERE excluded.length > length`, party, rows, encoded)
	}
	if err != nil {
		return fmt.Errorf("store a release of %s: %w", party, err)
	}
	return nil
}

// LastRelease returns a party's latest release, nil if there is none.
func (s *Store) LastRelease(ctx context.Context, party string) (*sottov1.Signed, error) {
	var encoded []byte
	err := s.db.QueryRowContext(ctx, "SELECT release FROM releases WHERE party = ?", party).Scan(&encoded)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	release := &sottov1.Signed{}
	if err == nil {
		err = proto.Unmarshal(encoded, release)
	}
	if err != nil {
		return nil, fmt.Errorf("read the last release of %s: %w", party, err)
	}
	return release, nil
}

// Get returns a stored question, or a fault of kind NotFound.
func (s *Store) Get(ctx context.Context, id [32]byte) (*Query, error) {
	var signed, result, failure []byte
	q := &Query{ID: id, Signed: &sottov1.Signed{}}
	err := s.db.QueryRowContext(ctx, "SELECT analyst, query, result, failure FROM queries WHERE id = ?", id[:]).
		Scan(&q.Analyst, &signed, &result, &failure)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "no question has the identifier %x", id)
	}
	if err == nil {
		err = proto.Unmarshal(signed, q.Signed)
	}
	if err == nil && result != nil {
		q.Result = &sottov1.ResultResponse{}
		err = proto.Unmarshal(result, q.Result)
	}
	if err == nil && failure != nil {
		q.Failure = &sottov1.Failure{}
		err = proto.Unmarshal(failure, q.Failure)
	}
	if err != nil {
		return nil, fmt.Errorf("read question: %w", err)
	}
	return q, nil
}

// Progress returns the state of a stored question that nobody is working on.
func (q *Query) Progress() *sottov1.Progress {
	switch {
	case q.Result != nil:
		return &sottov1.Progress{Stage: sottov1.Stage_STAGE_DONE, Done: 1}
	case q.Failure != nil:
		return &sottov1.Progress{Stage: sottov1.Stage_STAGE_FAILED, Failure: q.Failure}
	}
	return &sottov1.Progress{Stage: sottov1.Stage_STAGE_QUEUED}
}
