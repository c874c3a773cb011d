package customers

import (
	"fmt"
	"slices"
	"strings"
)

// columns says which columns of a result hold what.
type columns struct {
	ids, people          []int // by identity; people is -1 where nothing is declared
	mask, consents       int
	given                []int // by purpose that has a date
	since                int   // -1 without retention
	dimensions, measures []int
}

// query returns the SQL that makes of each row what the builder takes: the ids as written and who has them; one bit per segment
// and the misread bit; one bit per purpose; the times of consent and of the row, in Unix seconds; per dimension the code of
// its value; per measure a number or NULL. Owners' SQL sees the columns under their own names; beside them stand the row as
// written, under names that no column has.
func (l *loading) query() string {
	prefix := "row"
	for slices.ContainsFunc(l.source.names(), func(c string) bool {
		return len(c) >= len(prefix) && strings.EqualFold(c[:len(prefix)], prefix)
	}) {
		prefix += "_"
	}
	inner, outer := []string{typed(l.source)}, []string{}
	l.at = columns{since: -1}
	add := func(format string, args ...any) int {
		outer = append(outer, fmt.Sprintf(format, args...))
		return len(outer) - 1
	}
	beside := func(sql string) string {
		name := quoteName(fmt.Sprintf("%s %d", prefix, len(inner)))
		inner = append(inner, sql+" AS "+name)
		return name
	}
	for _, i := range l.identities {
		l.at.ids = append(l.at.ids, add("COALESCE(%s, '')", beside(l.source.text(i.column))))
		people := -1
		if i.people >= 0 {
			people = add("COALESCE(%s, '')", beside(l.source.text(i.people)))
		}
		l.at.people = append(l.at.people, people)
	}
	mask := fmt.Sprintf("CASE WHEN %s THEN %d::UBIGINT ELSE 0 END", beside(l.source.misread()), uint64(misreadBit))
	l.at.mask = add("CAST(%s AS UBIGINT)", mask+bits(l.segments))
	l.at.consents = add("CAST(0%s AS UBIGINT)", bits(l.consents))
	for _, e := range l.given {
		l.at.given = append(l.at.given, add("%s", seconds(e)))
	}
	for _, e := range l.since {
		l.at.since = add("%s", seconds(e))
	}
	for i, e := range l.dimensions {
		value := e.inBrackets()
		if at := l.bareColumn(e); at >= 0 {
			// As written: a value "1.50" is found although the column is a number.
			value = beside(l.source.text(at))
		}
		l.at.dimensions = append(l.at.dimensions,
			add("CAST(COALESCE(enum_code(TRY_CAST(CAST(%s AS VARCHAR) AS values_%d)), %d) AS USMALLINT)", value, i, len(e.values)))
	}
	for _, e := range l.measures {
		l.at.measures = append(l.at.measures, add("CAST(%s AS DOUBLE)", e.inBrackets()))
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s) AS customers", strings.Join(outer, ", "), strings.Join(inner, ", "), l.source.from())
}

// bits returns the SQL that sets bit j where condition j is true.
func bits(conditions []*expression) string {
	sql := ""
	for j, e := range conditions {
		sql += fmt.Sprintf(" | CASE WHEN %s THEN %d::UBIGINT ELSE 0 END", e.inBrackets(), uint64(1)<<j)
	}
	return sql
}

// seconds returns the SQL of a moment in Unix seconds, rounded down; NULL is noTime, as is an infinite one.
func seconds(e *expression) string {
	return fmt.Sprintf("CASE WHEN isfinite(%[1]s) THEN CAST(floor(epoch(%[1]s)) AS BIGINT) ELSE CAST('%[2]d' AS BIGINT) END", e.inBrackets(), noTime)
}

// bareColumn returns the column that a dimension is, without any SQL around it, or -1. Its type does not matter.
func (l *loading) bareColumn(e *expression) int {
	if e.role != dimension || !e.bare {
		return -1
	}
	return find(l.source, e.columns[0])
}
