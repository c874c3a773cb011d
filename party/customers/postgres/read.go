package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
)

// maxBatch is how many bytes of text a batch has at which it is full, however few its rows.
const maxBatch = 1 << 24

// Batch is some rows of the columns that were asked for. It and what it returns are only good until the function that was
// given the batch returns.
type Batch struct {
	columns int
	rows    int
	text    []byte
	values  []span // of text, row by row
}

type span struct{ start, end int } // start is -1 for NULL

// Len returns how many rows there are, at least 1.
func (b *Batch) Len() int { return b.rows }

// Text returns a value as the text that reads as its column's type, without copying it. Years before the first are as
// PostgreSQL writes them, with BC. Rows and columns count from 0, columns in the order in which they were asked for.
func (b *Batch) Text(row, column int) (text []byte, null bool) {
	v := b.values[row*b.columns+column]
	if v.start < 0 {
		return nil, true
	}
	return b.text[v.start:v.end:v.end], false
}

// Read gives f all rows of the named columns, a batch of at most so many rows (1 or more) after the other; no other columns
// are read. It may be called again, and reads the same rows, until it has returned an error that f did not.
//
// Errors are faults as those of Open, NotFound for a name that is none of Columns; what f returns is returned as it is. None
// quotes a value.
func (s *Source) Read(ctx context.Context, names []string, rows int, f func(*Batch) error) error {
	list, err := s.list(names)
	if err != nil {
		return err
	}
	if err := s.execute(ctx, "DECLARE customers NO SCROLL CURSOR FOR SELECT "+list+" FROM "+s.relation()); err != nil {
		return err
	}
	batch := &Batch{columns: len(names)}
	for {
		n, err := s.fetch(ctx, rows, batch, f)
		if err != nil || n < rows {
			closed := s.execute(ctx, "CLOSE customers")
			return cmp.Or(err, closed)
		}
	}
}

// list returns the select list of the named columns.
func (s *Source) list(names []string) (string, error) {
	items := make([]string, len(names))
	for i, name := range names {
		found := 0
		for _, c := range s.columns {
			if c.Name == name {
				items[i], found = c.expression(), found+1
			}
		}
		switch {
		case found == 0:
			return "", fault.New(fault.NotFound, "%s: no column %.80q", s.declared, name)
		case found > 1:
			return "", fault.New(fault.Invalid, "%s: %d columns are called %.80q, names must differ", s.declared, found, name)
		}
	}
	return strings.Join(items, ", "), nil
}

// execute runs one statement that returns no rows.
func (s *Source) execute(ctx context.Context, sql string) error {
	if _, err := s.conn.ExecParams(ctx, sql, nil, nil, nil, nil).Close(); err != nil {
		return s.fault(ctx, err, false)
	}
	return nil
}

// fetch gives f the next rows, and returns how many there were.
func (s *Source) fetch(ctx context.Context, rows int, batch *Batch, f func(*Batch) error) (int, error) {
	result := s.conn.ExecParams(ctx, fmt.Sprintf("FETCH %d FROM customers", rows), nil, nil, nil, nil)
	batch.clear()
	total := 0
	var failed error
	for failed == nil && result.NextRow() {
		total++
		failed = s.add(batch, result.Values())
		if failed == nil && len(batch.text) >= maxBatch {
			failed = f(batch)
			batch.clear()
		}
	}
	// Only with the end of the rows is it known that they are all there are.
	_, err := result.Close()
	switch {
	case failed != nil:
	case err != nil:
		failed = s.fault(ctx, err, false)
	case batch.rows > 0:
		failed = f(batch)
	}
	return total, failed
}

// add copies a row.
func (s *Source) add(b *Batch, values [][]byte) error {
	if len(values) != b.columns {
		return fault.New(fault.Protocol, "%s: the server sent a row of %d columns, must be %d", s.declared, len(values), b.columns)
	}
	b.rows++
	for _, v := range values {
		if v == nil {
			b.values = append(b.values, span{-1, -1})
			continue
		}
		b.values = append(b.values, span{len(b.text), len(b.text) + len(v)})
		b.text = append(b.text, v...)
	}
	return nil
}

func (b *Batch) clear() { b.rows, b.text, b.values = 0, b.text[:0], b.values[:0] }
