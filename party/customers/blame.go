package customers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
)

// explain turns an error about a row into one that says whose SQL failed, and one about the source into one that names it.
func (l *loading) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	var at *sourceError
	if errors.As(err, &at) {
		return fault.New(at.kind, "source %s: %s", l.party.Source, at.reason).WithHint(at.hint)
	}
	var typed *fault.Error
	if errors.As(err, &typed) {
		return err
	}
	var file *fileError
	if errors.As(err, &file) {
		return fault.New(fault.Invalid, "source %s: %s%s", l.party.Source, l.source.called(file.path), file)
	}
	var row *rowError
	if errors.As(err, &row) {
		if path, line := l.source.notText(); line > 0 {
			return fault.New(fault.Invalid, "source %s: %sline %d: not UTF-8", l.party.Source, l.source.called(path), line)
		}
		return l.blame(ctx, err)
	}
	return fault.New(fault.Invalid, "source %s: %s", l.party.Source, err)
}

// blame finds out what fails on some row: a column that can't be read, or somebody's SQL.
func (l *loading) blame(ctx context.Context, err error) error {
	fails := func(sql, table string) *rowError {
		var row *rowError
		errors.As(l.exec(ctx, "SELECT max(CAST("+sql+" AS VARCHAR)) FROM "+table), &row)
		return row
	}
	for _, i := range l.named() {
		if row := fails(l.source.text(i), l.source.from()); row != nil {
			return fault.New(fault.Invalid, "source %s: column %.80q can't be read on some row: %s", l.party.Source, l.source.names()[i], row.class)
		}
	}
	for _, e := range l.all() {
		if row := fails(e.inBrackets(), "customers"); row != nil {
			return e.refuse(fmt.Errorf("fails on some row: %s", row.class)).WithHint(typeHint)
		}
	}
	return fault.New(fault.Invalid, "source %s: %s", l.party.Source, err)
}

// named returns the columns that the declaration names.
func (l *loading) named() []int {
	var all []int
	for _, i := range l.identities {
		all = append(all, i.column)
		if i.people >= 0 {
			all = append(all, i.people)
		}
	}
	for _, e := range l.all() {
		for _, name := range e.columns {
			if i := find(l.source, name); i >= 0 {
				all = append(all, i)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
