package customers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/party/config"
)

// source is where rows come from, as DuckDB sees it: a table called raw whose columns have the names of columns, in
// their order. SQL of owners sees the columns under those names, with their types; identities are read as text.
type source interface {
	names() []string
	// use tells that SQL for a role names a column, or that its text is needed.
	use(column int, by role)
	// begin makes ready what is in use to be read.
	begin(ctx context.Context, d *duck) error
	// again has the types of columns found anew, from all rows, and reports false if they are already.
	again(ctx context.Context, d *duck) (bool, error)
	// rows returns how many rows there are, or 0 if that takes reading them.
	rows(ctx context.Context, d *duck) (int64, error)
	// from returns the SQL of the table.
	from() string
	// text returns the SQL of a column as it was written, NULL if empty; value, under a type that SQL can work with.
	text(column int) string
	value(column int) string
	// misread returns the condition that a row has a value that is not of the type that its column is thought to have.
	misread() string
	// each calls f for the results of a query over all rows, in their order; query is asked for again where rows come in
	// several parts.
	each(ctx context.Context, d *duck, query func() string, f func(chunk) error) error
	// unchanged returns an error if what was read may be of no one version of the source.
	unchanged() error
	// notText returns the first line of a file that is no text, 0 if there is none or the source has no lines.
	notText() (path string, line int)
	// called returns how messages about one of several files begin; "" if path is none of them.
	called(path string) string
	close()
}

// open looks at a party's source. The caller must close it.
// must are columns that there have to be.
func open(ctx context.Context, d *duck, s config.Source, must []string) (source, error) {
	switch {
	case s.Postgres != nil:
		return openPostgres(ctx, d, s.Postgres)
	case s.Parquet != "":
		return openParquet(ctx, d, s.Parquet)
	default:
		return openCSV(ctx, d, s.CSV, must)
	}
}

// find returns the first column of a name, -1 if there is none. Names are compared as SQL does, without regard to case.
func find(s source, name string) int {
	return slices.IndexFunc(s.names(), func(c string) bool { return strings.EqualFold(c, name) })
}

// theColumn returns the only column of a name.
func theColumn(s source, name string) (int, error) {
	count := 0
	for _, c := range s.names() {
		if strings.EqualFold(c, name) {
			count++
		}
	}
	switch count {
	case 0:
		return -1, badSource("no column %q; its columns are %s", name, listed(s.names()))
	case 1:
		return find(s, name), nil
	}
	return -1, badSource("%d columns are called %q, names must differ (in more than case)", count, name)
}

// typed returns the select list that gives all columns their names and types, under which SQL knows them.
func typed(s source) string {
	var list []string
	for i, name := range s.names() {
		if name == "" || find(s, name) != i {
			continue // cannot be named, or by two names alike
		}
		if value := s.value(i); value != "" {
			list = append(list, value+" AS "+quoteName(name))
		}
	}
	return strings.Join(list, ", ")
}

// listed returns the names for a message, not too many of them.
func listed(names []string) string {
	const most = 40
	quoted := make([]string, 0, most)
	for i, name := range names {
		if i == most {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", len(names)-most)
		}
		quoted = append(quoted, fmt.Sprintf("%.80q", name))
	}
	return strings.Join(quoted, ", ")
}
