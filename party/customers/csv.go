package customers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// csvSource is one or several CSV files with the same header as a table.
//
// A column that SQL names is of the first kind below that all its values have, over all files; the others are text as written.
// DuckDB's own guess is not used: it takes Yes for true, and 0150 for 150, so that the values of a dimension would not be
// found as they stand in the file.
type csvSource struct {
	header
	files

	candidates map[int][]kind // of the columns that SQL names: the kinds that no value seen so far speaks against
	amounts    map[int]bool   // the columns that the SQL of a measure names
	times      map[int]bool   // those that SQL for a time names
	plain      map[int]bool   // those that stay text, such as identities
	checked    bool           // the candidates are those of all rows
}

// kind is a type of a column. All but text print as they were written, numbers with a point excepted.
type kind struct {
	sql   string // name of the type
	holds string // condition that a value %[1]s has it; NULL counts as false
}

var kinds = []kind{
	{"BOOLEAN", "CAST(TRY_CAST(%[1]s AS BOOLEAN) AS VARCHAR) = %[1]s"},                                               // true, false
	{"BIGINT", "CAST(TRY_CAST(%[1]s AS BIGINT) AS VARCHAR) = %[1]s"},                                                 // no leading zeros
	{"DOUBLE", "abs(TRY_CAST(%[1]s AS DOUBLE)) < 9007199254740992 AND (%[1]s NOT LIKE '0_%%' OR %[1]s LIKE '0.%%')"}, // below 2^53, no leading zeros
	{"DATE", "CAST(TRY_CAST(%[1]s AS DATE) AS VARCHAR) = %[1]s"},                                                     // 2006-01-02
	{"TIMESTAMP", "TRY_CAST(%[1]s AS TIMESTAMP) IS NOT NULL AND %[1]s LIKE '____-__-__%%'"},                          // ISO 8601
}

var (
	textKind    = kind{sql: "VARCHAR"}
	emptyAmount = kinds[1] // of a column that is all empty, but that a measure takes for numbers
	emptyTime   = kinds[4] // or that should say when something was
)

// sampleRows is how many rows the types are first guessed from. Whether they hold is checked while all rows are loaded.
const sampleRows = 2_000

// openCSV looks at the files and their headers. must are columns that there have to be.
func openCSV(ctx context.Context, d *duck, pattern string, must []string) (*csvSource, error) {
	found, err := findFiles(pattern)
	if err != nil {
		return nil, err
	}
	s := &csvSource{files: found, candidates: map[int][]kind{}, amounts: map[int]bool{}, times: map[int]bool{}, plain: map[int]bool{}}
	for i, path := range found.paths {
		h, err := headerOf(path, must)
		switch {
		case err != nil:
			return nil, badSource("%s%s", s.called(path), err)
		case i > 0 && (!slices.Equal(h.columns, s.columns) || h.delimiter != s.delimiter):
			return nil, badSource("%sanother header line than that of %s; all files must have the same",
				s.called(path), filepath.Base(found.paths[0]))
		}
		s.header = h
	}
	return s, d.lock(ctx, found)
}

func headerOf(path string, must []string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, errors.Unwrap(err)
	}
	defer f.Close()
	return readHeader(f, must)
}

func (s *csvSource) names() []string { return s.columns }

func (s *csvSource) close() {}

// notText looks for what is no text. DuckDB trips over its own feet where it should complain of bytes that are not UTF-8 (v1.5.5,
// if a column before them is not read).
func (s *csvSource) notText() (path string, line int) {
	for _, path := range s.paths {
		if line := lineNotUTF8(path); line > 0 {
			return path, line
		}
	}
	return "", 0
}

func (s *csvSource) text(i int) string { return fmt.Sprintf("raw.c%d", i) }

func (s *csvSource) from() string {
	columns := make([]string, len(s.columns))
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d: 'VARCHAR'", i)
	}
	return fmt.Sprintf("read_csv(%s, auto_detect = false, header = true, delim = %s, quote = '\"', escape = '\"', "+
		"strict_mode = true, compression = 'none', hive_partitioning = false, max_line_size = %d, buffer_size = %d, columns = {%s}) AS raw",
		s.list(), quoteText(string(s.delimiter)), maxLine, 1<<22, strings.Join(columns, ", "))
}

// kindOf returns the type of column i, as far as it is known.
func (s *csvSource) kindOf(i int) kind {
	candidates := s.candidates[i]
	switch {
	case len(candidates) == 0:
		return textKind
	case len(candidates) == len(kinds) && s.amounts[i]:
		return emptyAmount // no value spoke against any kind: there is none
	case len(candidates) == len(kinds) && s.times[i]:
		return emptyTime
	}
	return candidates[0]
}

func (s *csvSource) value(i int) string {
	if k := s.kindOf(i); k != textKind {
		return fmt.Sprintf("TRY_CAST(%s AS %s)", s.text(i), k.sql)
	}
	return s.text(i)
}

func (s *csvSource) misread() string {
	conditions := []string{"false"}
	for _, i := range s.named() {
		if k := s.kindOf(i); k != textKind {
			conditions = append(conditions, "NOT "+k.holdsOf(s.text(i)))
		}
	}
	return strings.Join(conditions, " OR ")
}

// holdsOf returns the condition that a value is of the kind, true for NULL.
func (k kind) holdsOf(value string) string {
	return fmt.Sprintf("(%[1]s IS NULL OR COALESCE("+k.holds+", false))", value)
}

// named returns the columns whose type matters, in order.
func (s *csvSource) named() []int {
	var all []int
	for i := range s.columns {
		if _, ok := s.candidates[i]; ok {
			all = append(all, i)
		}
	}
	return all
}

func (s *csvSource) use(i int, by role) {
	switch {
	case by == asText:
		s.plain[i] = true
		delete(s.candidates, i)
	case !s.plain[i] && by != unread:
		s.candidates[i] = kinds
		s.amounts[i] = s.amounts[i] || by == measure
		s.times[i] = s.times[i] || by == given || by == since
	}
}

// begin narrows the candidates by the first rows. If a column is empty in all of them, nothing is known about it and all rows
// are looked at.
func (s *csvSource) begin(ctx context.Context, d *duck) error {
	known, err := s.narrow(ctx, d, sampleRows)
	if err == nil && !known {
		_, err = s.again(ctx, d)
	}
	return err
}

// again narrows the candidates by all rows, unless that was done.
func (s *csvSource) again(ctx context.Context, d *duck) (bool, error) {
	if s.checked {
		return false, nil
	}
	s.checked = true
	_, err := s.narrow(ctx, d, 1<<62)
	return true, err
}

func (s *csvSource) rows(context.Context, *duck) (int64, error) { return 0, nil }

func (s *csvSource) each(ctx context.Context, d *duck, query func() string, f func(chunk) error) error {
	return d.each(ctx, query(), f)
}

// narrow drops the candidates that one of the first rows speaks against, and reports whether those rows were all there
// are, or have a value in each column that SQL names.
func (s *csvSource) narrow(ctx context.Context, d *duck, rows int64) (known bool, err error) {
	list := []string{fmt.Sprintf("count(*) < %d", rows)}
	for _, i := range s.named() {
		list = append(list, fmt.Sprintf("count(%s) > 0", s.text(i)))
		for _, k := range s.candidates[i] {
			list = append(list, "COALESCE(bool_and("+k.holdsOf(s.text(i))+"), true)")
		}
	}
	query := fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s LIMIT %d) AS raw", strings.Join(list, ", "), s.from(), rows)
	err = d.each(ctx, query, func(c chunk) error {
		next := 0
		answer := func() bool {
			next++
			return column[bool](c, next-1)[0]
		}
		complete, filled := answer(), true
		for _, i := range s.named() {
			filled = answer() && filled
			s.candidates[i] = slices.DeleteFunc(slices.Clone(s.candidates[i]), func(kind) bool { return !answer() })
		}
		if complete {
			s.checked = true
		}
		known = complete || filled
		return nil
	})
	return known, err
}
