package ledger

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/sqlite"
)

// append makes rows durable, all or none, and then counts them. What else belongs to them is written by store, unless it is
// nil. If it fails, what the file holds is not known, and the ledger is not used any more; but for a file that another
// program holds, into which nothing was written. The caller holds l.mu.
func (l *Ledger) append(what string, store func(context.Context, *sql.Tx) error, rows ...row) error {
	ctx := context.Background()
	tx, err := l.db.BeginTx(ctx, nil)
	if sqlite.Busy(err) {
		return fault.New(fault.Unavailable, "another program holds the ledger").Wrap(err).WithHint("try again later")
	}
	if err != nil {
		return l.fail(what, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
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
		if err := r.insert(ctx, tx, head.Hash); err != nil {
			return l.fail(what, err)
		}
	}
	if store != nil {
		if err := store(ctx, tx); err != nil {
			return l.fail(what, err)
		}
	}
	if err := l.step("ledger: " + what + " written"); err != nil {
		return l.fail(what, err)
	}
	if err := tx.Commit(); err != nil {
		return l.fail(what, err)
	}
	if err := l.step("ledger: " + what + " committed"); err != nil {
		return l.fail(what, err)
	}
	if err := l.keep(head); err != nil {
		return l.fail(what, err)
	}
	for i := range rows {
		l.books.enter(&rows[i], heads[i])
	}
	if err := l.step("ledger: " + what + " kept"); err != nil {
		return l.fail(what, err)
	}
	return nil
}

// keep notes in the head file what was committed, if it was committed to the files that will be found again.
func (l *Ledger) keep(head Head) error {
	if err := l.then.check(l.path); err != nil {
		return err
	}
	return l.seen.write(head)
}

// fail latches the ledger: whether the rows that it was writing are there is not known until it is opened anew.
func (l *Ledger) fail(what string, err error) error {
	l.unusable = fault.New(fault.Internal, "the ledger %s failed and is not used until the node is restarted", l.path).Wrap(err)
	return fault.New(fault.Internal, "%s in the ledger %s", what, l.path).Wrap(err)
}

// writable returns why nothing can be written, or nil.
func (l *Ledger) writable() error {
	if l.unusable != nil {
		return l.unusable
	}
	if l.seen == nil {
		return fault.New(fault.Internal, "the ledger %s was opened to be read", l.path)
	}
	return nil
}

// spendable returns why nothing can be reserved or released, or nil.
func (l *Ledger) spendable() error {
	if err := l.writable(); err != nil {
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
