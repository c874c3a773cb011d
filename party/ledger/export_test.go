package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// FailAt makes the ledger meet an error of the disk at the points that f returns one for.
func (l *Ledger) FailAt(f func(point string) error) { l.step = f }

// SetNow sets the clock that releases and lapses are dated by.
func (l *Ledger) SetNow(now func() time.Time) { l.now = now }

// Quota leaves room for so many more pages of the file: beyond them the disk is full.
func (l *Ledger) Quota(pages int) error {
	var used, limit int
	if err := l.db.QueryRow("PRAGMA page_count").Scan(&used); err != nil {
		return err
	}
	return l.db.QueryRow(fmt.Sprintf("PRAGMA max_page_count = %d", used+pages)).Scan(&limit)
}

// Fill reserves and releases all charges at once, with sealed for each.
func (l *Ledger) Fill(charges []Charge, sealed []byte) error {
	rows := make([]row, len(charges))
	for i, c := range charges {
		rows[i] = newRow(reserved, &c, c.Begun.Unix())
	}
	if err := l.append("reserve", nil, rows...); err != nil {
		return err
	}
	for i, c := range charges {
		rows[i] = newRow(released, &c, c.Begun.Unix())
	}
	return l.append("release", func(ctx context.Context, tx *sql.Tx) error {
		head := l.books.head
		for i := range rows {
			head = rows[i].link(head)
			hash := sealedHash(head.Hash, sealed)
			if _, err := tx.ExecContext(ctx, "INSERT INTO sealed VALUES (?, ?, ?)", rows[i].Session[:], sealed, hash[:]); err != nil {
				return err
			}
		}
		return nil
	}, rows...)
}
