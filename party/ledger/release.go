package ledger

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sotto-dev/sotto/internal/fault"
)

// Release durably turns a reservation into a release: it appends the row, with the hash of the sealed numbers, and stores
// with it the bytes that sign returns for the head that includes the row. Only after it has returned nil may any of those
// bytes leave. Sign must not call the ledger; if it fails, nothing is written and the reservation stands. Of fault.Internal
// if the session has no reservation, or no longer, or if the file failed; of fault.Unavailable after a failed Check.
func (l *Ledger) Release(session [16]byte, sealed [32]byte, sign func(Head) ([]byte, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.spendable(); err != nil {
		return err
	}
	if err := l.file.Reach("release", "before release"); err != nil {
		return err
	}
	c := l.books.open[session]
	if c == nil {
		return fault.New(fault.Internal, "release in the ledger").Wrap(errNoReservation)
	}
	r := newRow(released, c, l.now().Unix())
	r.SealedHash = sealed
	r.Seq = l.books.head.Rows + 1
	head := r.link(l.books.head)
	bytes, err := sign(head)
	if err == nil && len(bytes) == 0 {
		err = fault.New(fault.Internal, "release in the ledger: there are no bytes to store")
	}
	if err != nil {
		return err
	}
	if err := l.file.Reach("release", "release signed"); err != nil {
		return err
	}
	return l.append("release", func(ctx context.Context, tx *sql.Tx) error {
		hash := sealedHash(head.Hash, bytes)
		_, err := tx.ExecContext(ctx, "INSERT INTO sealed VALUES (?, ?, ?)", session[:], bytes, hash[:])
		return err
	}, r)
}

// Released returns the bytes that Release stored for a session; nil if it was not released.
func (l *Ledger) Released(ctx context.Context, session [16]byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Usable(); err != nil {
		return nil, err
	}
	if !l.books.closed[session].released {
		return nil, nil
	}
	var bytes, hash []byte
	err := l.file.DB().QueryRowContext(ctx, "SELECT bytes, hash FROM sealed WHERE session = ?", session[:]).Scan(&bytes, &hash)
	switch {
	case ctx.Err() != nil:
		return nil, fault.From(ctx.Err())
	case err == nil && !l.books.holds(session, bytes, hash):
		err = errors.New("what was released is not what was written")
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "read the ledger %s", l.file.Path()).Wrap(err)
	}
	return bytes, nil
}

// Lapse durably gives a reservation back, if the session is still only that. Of fault.Internal if the file failed.
func (l *Ledger) Lapse(session [16]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Writable(); err != nil {
		return err
	}
	c := l.books.open[session]
	if c == nil {
		return nil
	}
	if err := l.file.Reach("lapse", "before lapse"); err != nil {
		return err
	}
	return l.append("lapse", nil, newRow(lapsed, c, l.now().Unix()))
}
