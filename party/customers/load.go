package customers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// Load reads the customers of a party from its source. It holds the result, until the end 8 bytes more per customer and
// measure, and a few megabytes of the file at a time, and uses all cores. Errors are faults of the kinds NotFound (no such file), Limit (more customers than declared) and Invalid
// (anything else about the file or the declaration), or wrap ctx's error once that has ended; they hold no customer's
// value and no count of customers.
func Load(ctx context.Context, p *config.Party) (*Snapshot, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	snapshot, err := load(ctx, p)
	if err == nil {
		return snapshot, nil
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		return nil, fmt.Errorf("load the customers of %s: %w", p.Name, ctxErr)
	}
	var typed *fault.Error
	if !errors.As(err, &typed) {
		typed = fault.New(fault.Internal, "%s", err)
	}
	return nil, fault.New(typed.Kind, "load the customers of %s: %s", p.Name, err).WithHint(typed.Hint)
}

func load(ctx context.Context, p *config.Party) (*Snapshot, error) {
	s, before, err := open(p)
	if err != nil {
		return nil, err
	}
	d, err := newDuck(ctx)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := d.lock(ctx, s.path); err != nil {
		return nil, err
	}
	l := &loading{duck: d, source: s, party: p}
	snapshot, err := l.run(ctx)
	if err != nil {
		return nil, err
	}
	if changed(s.path, before) {
		return nil, fault.New(fault.Invalid, "source %s: changed while it was read", p.Source.CSV).
			WithHint("write a new file and rename it over the old one")
	}
	return snapshot, nil
}

// changed reports whether the file at path is not the one that it was before, or was written to since. It is read two or
// three times, so that a snapshot of a file that changes could be of no version of it.
func changed(path string, before fs.FileInfo) bool {
	after, err := os.Stat(path)
	return err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size()
}

// open looks at the file and its header.
func open(p *config.Party) (*source, fs.FileInfo, error) {
	refuse := func(kind fault.Kind, why any) (*source, fs.FileInfo, error) {
		return nil, nil, fault.New(kind, "source %s: %v", p.Source.CSV, why)
	}
	path, err := filepath.Abs(p.Source.CSV)
	if err != nil {
		return refuse(fault.Invalid, err)
	}
	if strings.ContainsAny(path, "*?[") {
		return refuse(fault.Invalid, "a path with *, ? or [, which DuckDB would take for a pattern")
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(fault.NotFound, "no such file")
	} else if err != nil {
		return refuse(fault.Invalid, errors.Unwrap(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return refuse(fault.Invalid, errors.Unwrap(err))
	}
	if !info.Mode().IsRegular() {
		return refuse(fault.Invalid, "not a file")
	}
	h, err := readHeader(f, p.Identity.Column)
	if err != nil {
		return refuse(fault.Invalid, err)
	}
	return &source{header: h, path: path, candidates: map[int][]kind{}, amounts: map[int]bool{}}, info, nil
}

// loading is one run of [Load].
type loading struct {
	*duck
	*source
	party *config.Party
	expressions
}

func (l *loading) run(ctx context.Context) (*Snapshot, error) {
	var err error
	if l.expressions, err = expressionsOf(ctx, l.duck, l.party); err != nil {
		return nil, err
	}
	for _, e := range l.all() {
		for _, name := range e.columns {
			if i := l.find(name); i >= 0 {
				if err := l.checkUnique(name); err != nil {
					return nil, l.explain(ctx, err)
				}
				if l.bareColumn(e) < 0 {
					l.name(i, e.role)
				}
			}
		}
	}
	if err := l.guess(ctx, l.duck); err != nil {
		return nil, l.explain(ctx, err)
	}
	snapshot, err := l.read(ctx)
	if err != nil && !l.checked && ctx.Err() == nil {
		// The first rows may have misled us about types: look at all rows, and try again.
		if err := l.check(ctx, l.duck); err != nil {
			return nil, l.explain(ctx, err)
		}
		snapshot, err = l.read(ctx)
	}
	if err != nil {
		return nil, l.explain(ctx, err)
	}
	return snapshot, nil
}

// read takes in all rows under the types that the columns are thought to have.
func (l *loading) read(ctx context.Context) (*Snapshot, error) {
	if err := l.exec(ctx, "CREATE OR REPLACE VIEW customers AS SELECT "+l.typed()+" FROM "+l.scan()); err != nil {
		return nil, err
	}
	for _, e := range l.all() {
		if err := e.compile(ctx, l.duck); err != nil {
			return nil, err
		}
	}
	for i, e := range l.dimensions {
		values := make([]string, len(e.values))
		for j, value := range e.values {
			values[j] = quoteText(value)
		}
		if err := l.exec(ctx, fmt.Sprintf("CREATE OR REPLACE TYPE values_%d AS ENUM (%s)", i, strings.Join(values, ", "))); err != nil {
			return nil, err
		}
	}
	b := newBuilder(l.party, &l.expressions)
	if err := l.each(ctx, l.query(), b.add); err != nil {
		return nil, err
	}
	return b.finish()
}

// query returns the SQL that makes of each row what the builder takes: the id as written, one bit per segment and the
// misread bit, per dimension the code of its value, and per measure a number or NULL. Owners' SQL sees the columns under
// their own names; beside them stand the row as written, under names that no column has.
func (l *loading) query() string {
	prefix := "row"
	for slices.ContainsFunc(l.columns, func(c string) bool {
		return len(c) >= len(prefix) && strings.EqualFold(c[:len(prefix)], prefix)
	}) {
		prefix += "_"
	}
	id, misread := quoteName(prefix+" id"), quoteName(prefix+" misread")
	inner := fmt.Sprintf("%s, %s AS %s, %s AS %s", l.typed(), raw(l.identity), id, l.misread(), misread)

	mask := fmt.Sprintf("CASE WHEN %s THEN %d::UBIGINT ELSE 0 END", misread, uint64(misreadBit))
	for j, e := range l.segments {
		mask += fmt.Sprintf(" | CASE WHEN %s THEN %d::UBIGINT ELSE 0 END", e.inBrackets(), uint64(1)<<j)
	}
	outer := fmt.Sprintf("COALESCE(%s, ''), CAST(%s AS UBIGINT)", id, mask)
	for i, e := range l.dimensions {
		value := e.inBrackets()
		if at := l.bareColumn(e); at >= 0 {
			// As written: a value "1.50" is found although the column is a number.
			value = quoteName(fmt.Sprintf("%s value %d", prefix, i))
			inner += fmt.Sprintf(", %s AS %s", raw(at), value)
		}
		outer += fmt.Sprintf(", CAST(COALESCE(enum_code(TRY_CAST(CAST(%s AS VARCHAR) AS values_%d)), %d) AS USMALLINT)",
			value, i, len(e.values))
	}
	for _, e := range l.measures {
		outer += fmt.Sprintf(", CAST(%s AS DOUBLE)", e.inBrackets())
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s) AS customers", outer, inner, l.scan())
}

// bareColumn returns the column that a dimension is, without any SQL around it, or -1. Its type does not matter.
func (l *loading) bareColumn(e *expression) int {
	if e.role != dimension || !e.bare {
		return -1
	}
	return l.find(e.columns[0])
}

// explain turns an error about a row into one that says whose SQL failed, and one about the file into one that names it.
func (l *loading) explain(ctx context.Context, err error) error {
	var typed *fault.Error
	if errors.As(err, &typed) || ctx.Err() != nil {
		return err
	}
	var row *rowError
	if errors.As(err, &row) {
		// DuckDB trips over its own feet where it should complain of bytes that are not UTF-8 (v1.5.5, if a column before
		// them is not read).
		if line := lineNotUTF8(l.path); line > 0 {
			return fault.New(fault.Invalid, "source %s: %s", l.party.Source.CSV, &fileError{strconv.Itoa(line), "not UTF-8"})
		}
		for _, e := range l.all() {
			var again *rowError
			if errors.As(l.exec(ctx, "SELECT max(CAST("+e.inBrackets()+" AS VARCHAR)) FROM customers"), &again) {
				return e.refuse(fmt.Errorf("fails on some row: %s", again.class)).WithHint(typeHint)
			}
		}
	}
	return fault.New(fault.Invalid, "source %s: %s", l.party.Source.CSV, err)
}
