package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/internal/sqlite"
)

// FailAt makes the ledger meet an error of the disk at the points that f returns one for.
func (l *Ledger) FailAt(f func(point string) error) { l.file.Trace(f) }

// SetNow sets the clock that releases and lapses are dated by.
func (l *Ledger) SetNow(now func() time.Time) { l.now = now }

// Quota leaves room for so many more pages of the file: beyond them the disk is full.
func (l *Ledger) Quota(pages int) error {
	var used, limit int
	if err := l.file.DB().QueryRow("PRAGMA page_count").Scan(&used); err != nil {
		return err
	}
	return l.file.DB().QueryRow(fmt.Sprintf("PRAGMA max_page_count = %d", used+pages)).Scan(&limit)
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

// Row is what a journal has of an event.
type Row = row

// RowOf returns an event of a charge.
func RowOf(event string, c Charge) Row { return newRow(event, &c, c.Begun.Unix()) }

// Forge writes rows into an empty ledger whatever they say, with hashes that are right; a Seq of 0 stands for the next one.
func Forge(path string, rows ...Row) error {
	db, err := sqlite.Open(path, version)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	var head Head
	for i, r := range rows {
		if r.Seq == 0 {
			r.Seq = int64(i + 1)
		}
		head = r.link(head)
		if err := r.insert(context.Background(), tx, head.Hash); err != nil {
			return err
		}
		if r.Event == released {
			hash := sealedHash(head.Hash, []byte("sealed"))
			if _, err := tx.Exec("INSERT INTO sealed VALUES (?, ?, ?) ON CONFLICT DO NOTHING", r.Session[:], []byte("sealed"), hash[:]); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}
