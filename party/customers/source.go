package customers

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// source is the CSV file as a table: which columns it has and of which types.
//
// A column that SQL names is of the first kind below that all its values have, over the whole file; the identity column,
// and all others, are text as written. DuckDB's own guess is not used: it takes Yes for true, and 0150 for 150, so that
// the values of a dimension would not be found as they stand in the file.
type source struct {
	header
	path string // absolute

	candidates map[int][]kind // of the columns that SQL names: the kinds that no value seen so far speaks against
	amounts    map[int]bool   // the columns that the SQL of a measure names
	checked    bool           // the candidates are those of the whole file
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
)

// sampleRows is how many rows the types are first guessed from. Whether they hold is checked while all rows are loaded.
const sampleRows = 2_000

// raw returns column i as it stands in the file: text, NULL if empty.
func raw(i int) string { return fmt.Sprintf("raw.c%d", i) }

// scan returns the table that is the file, all columns as text under the names of [raw].
func (s *source) scan() string {
	columns := make([]string, len(s.columns))
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d: 'VARCHAR'", i)
	}
	return fmt.Sprintf("read_csv(%s, auto_detect = false, header = true, delim = %s, quote = '\"', escape = '\"', "+
		"strict_mode = true, compression = 'none', max_line_size = %d, buffer_size = %d, columns = {%s}) AS raw",
		quoteText(s.path), quoteText(string(s.delimiter)), maxLine, 1<<22, strings.Join(columns, ", "))
}

// kindOf returns the type of column i, as far as it is known.
func (s *source) kindOf(i int) kind {
	candidates := s.candidates[i]
	switch {
	case len(candidates) == 0:
		return textKind
	case len(candidates) == len(kinds) && s.amounts[i]:
		return emptyAmount // no value spoke against any kind: there is none
	}
	return candidates[0]
}

// typed returns the select list that gives all columns their names and types, under which SQL knows them.
func (s *source) typed() string {
	var list []string
	for i, name := range s.columns {
		if name == "" || s.find(name) != i {
			continue // cannot be named, or by two names alike
		}
		value := raw(i)
		if k := s.kindOf(i); k != textKind {
			value = fmt.Sprintf("TRY_CAST(%s AS %s)", value, k.sql)
		}
		list = append(list, value+" AS "+quoteName(name))
	}
	return strings.Join(list, ", ")
}

// misread returns the condition that a row has a value that is not of its column's type.
func (s *source) misread() string {
	conditions := []string{"false"}
	for _, i := range s.named() {
		if k := s.kindOf(i); k != textKind {
			conditions = append(conditions, "NOT "+k.holdsOf(raw(i)))
		}
	}
	return strings.Join(conditions, " OR ")
}

// holdsOf returns the condition that a value is of the kind, true for NULL.
func (k kind) holdsOf(value string) string {
	return fmt.Sprintf("(%[1]s IS NULL OR COALESCE("+k.holds+", false))", value)
}

// find returns the first column of a name, -1 if there is none.
func (s *source) find(name string) int {
	return slices.IndexFunc(s.columns, func(c string) bool { return strings.EqualFold(c, name) })
}

// name notes that SQL for a role names a column, so that its type matters.
func (s *source) name(i int, by role) {
	if i != s.identity {
		s.candidates[i] = kinds
		s.amounts[i] = s.amounts[i] || by == measure
	}
}

// named returns the columns whose type matters, in order.
func (s *source) named() []int {
	var all []int
	for i := range s.columns {
		if _, ok := s.candidates[i]; ok {
			all = append(all, i)
		}
	}
	return all
}

// guess narrows the candidates by the first rows. If a column is empty in all of them, nothing is known about it and the
// whole file is looked at.
func (s *source) guess(ctx context.Context, d *duck) error {
	known, err := s.narrow(ctx, d, sampleRows)
	if err == nil && !known {
		err = s.check(ctx, d)
	}
	return err
}

// check narrows the candidates by all rows.
func (s *source) check(ctx context.Context, d *duck) error {
	s.checked = true
	_, err := s.narrow(ctx, d, 1<<62)
	return err
}

// narrow drops the candidates that one of the first rows speaks against, and reports whether those rows were all there
// are, or have a value in each column that SQL names.
func (s *source) narrow(ctx context.Context, d *duck, rows int64) (known bool, err error) {
	list := []string{fmt.Sprintf("count(*) < %d", rows)}
	for _, i := range s.named() {
		list = append(list, fmt.Sprintf("count(%s) > 0", raw(i)))
		for _, k := range s.candidates[i] {
			list = append(list, "COALESCE(bool_and("+k.holdsOf(raw(i))+"), true)")
		}
	}
	query := fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s LIMIT %d) AS raw", strings.Join(list, ", "), s.scan(), rows)
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
