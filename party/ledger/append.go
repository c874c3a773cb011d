package ledger

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
)

// append makes rows durable, all or none, and then counts them. What else belongs to them is written by store, unless it is
// nil. If it fails, what the file holds is not known, and the ledger is not used any more; but for a file that another
// program holds, into which nothing was written. The caller holds l.mu.
func (l *Ledger) append(what string, store func(context.Context, *sql.Tx) error, rows ...row) error {
	heads := make([]Head, len(rows))
	head := l.books.head
	for i := range rows {
		r := &rows[i]
		r.Seq = head.Rows + 1
		head = r.link(head)
		heads[i] = head
		if err := l.books.check(r); err != nil {
			return fault.New(fault.Internal, "%s in the ledger", what).Wrap(err)
		}
	}
	err := l.file.Commit(what, head, func(ctx context.Context, tx *sql.Tx) error {
		for i := range rows {
			if err := rows[i].insert(ctx, tx, heads[i].Hash); err != nil {
				return err
			}
		}
		if store == nil {
			return nil
		}
		return store(ctx, tx)
	})
	if err != nil {
		return err
	}
	for i := range rows {
		l.books.enter(&rows[i], heads[i])
	}
	return nil
}

// spendable returns why nothing can be reserved or released, or nil.
func (l *Ledger) spendable() error {
	if err := l.file.Writable(); err != nil {
		return err
	}
	return l.older
}

// lapseAll gives back what an earlier process had reserved, in the order of its time.
func (l *Ledger) lapseAll() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.books.open) == 0 {
		return nil
	}
	left := slices.SortedFunc(maps.Values(l.books.open), func(a, b *Charge) int {
		return cmp.Or(a.Begun.Compare(b.Begun), bytes.Compare(a.Session[:], b.Session[:]))
	})
	rows := make([]row, len(left))
	for i, c := range left {
		rows[i] = newRow(lapsed, c, l.now().Unix())
	}
	return l.append("lapse", nil, rows...)
}
