package customers

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// parquetSource is one or several Parquet files with the same columns as a table.
type parquetSource struct {
	files
	columns []string
	types   []string     // of the columns, as DuckDB calls them
	plain   map[int]bool // columns that stay text, such as identities
}

func openParquet(ctx context.Context, d *duck, pattern string) (*parquetSource, error) {
	found, err := findFiles(pattern)
	if err != nil {
		return nil, err
	}
	s := &parquetSource{files: found, plain: map[int]bool{}}
	if err := d.lock(ctx, found); err != nil {
		return nil, err
	}
	for i, path := range found.paths {
		// DuckDB itself would take the columns of the first file, leave out what others have besides, and cast the rest.
		columns, types, err := columnsOf(ctx, d, path)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil:
			return nil, badSource("%snot a Parquet file that can be read", s.called(path))
		case i > 0 && (!slices.Equal(columns, s.columns) || !slices.Equal(types, s.types)):
			return nil, badSource("%sother columns than those of %s; all files must have the same, of the same types",
				s.called(path), filepath.Base(found.paths[0]))
		}
		s.columns, s.types = columns, types
	}
	return s, nil
}

// columnsOf returns the names and types of a file's columns.
func columnsOf(ctx context.Context, d *duck, path string) (names, types []string, err error) {
	query := "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " + readParquet("["+quoteText(path)+"]") + ")"
	err = d.each(ctx, query, func(c chunk) error {
		for i := range c.rows() {
			names = append(names, strings.Clone(column[text](c, 0)[i].String()))
			types = append(types, strings.Clone(column[text](c, 1)[i].String()))
		}
		return nil
	})
	return names, types, err
}

// readParquet returns the SQL of the table in a list of files. Texts without the mark that they are texts are common: older
// writers left it out. What stands in paths, such as year=2026, is no column.
func readParquet(list string) string {
	return "read_parquet(" + list + ", binary_as_string = true, hive_partitioning = false)"
}

func (s *parquetSource) names() []string { return s.columns }

func (s *parquetSource) use(i int, by role) {
	if by == asText {
		s.plain[i] = true
	}
}

func (s *parquetSource) begin(context.Context, *duck) error { return nil }

func (s *parquetSource) again(context.Context, *duck) (bool, error) { return false, nil }

func (s *parquetSource) rows(ctx context.Context, d *duck) (n int64, err error) {
	err = d.each(ctx, "SELECT count(*) FROM "+s.from(), func(c chunk) error { // which the end of each file says
		n = column[int64](c, 0)[0]
		return nil
	})
	return n, err
}

func (s *parquetSource) from() string { return readParquet(s.list()) + " AS raw" }

// value gives a column the type that it would have if it came from a CSV file or PostgreSQL.
func (s *parquetSource) value(i int) string {
	if s.plain[i] || s.types[i] == "VARCHAR" {
		return s.text(i)
	}
	column, kind := s.column(i), s.types[i]
	var width, scale int
	if n, _ := fmt.Sscanf(kind, "DECIMAL(%d,%d)", &width, &scale); n == 2 {
		kind = "DECIMAL"
		if scale == 0 && width <= 18 {
			kind = "INTEGER"
		}
	}
	switch kind {
	case "TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER":
		return "CAST(" + column + " AS BIGINT)"
	case "DECIMAL":
		return "CAST(" + column + " AS DOUBLE)"
	case "FLOAT":
		return "CAST(CAST(" + column + " AS VARCHAR) AS DOUBLE)" // 0.1 is not 0.1 in float32, and should become it
	}
	return column
}

func (s *parquetSource) text(i int) string {
	as := "CAST(" + s.column(i) + " AS VARCHAR)"
	if s.types[i] == "FLOAT" || s.types[i] == "DOUBLE" {
		// A column of whole numbers, some of which are missing, is often written as one of floats.
		as = "regexp_replace(" + as + ", '\\.0$', '')"
	}
	return "NULLIF(" + as + ", '')"
}

// column returns the SQL of a column; of times, in UTC and in microseconds.
func (s *parquetSource) column(i int) string {
	name := "raw." + quoteName(s.columns[i])
	switch s.types[i] {
	case "TIMESTAMP WITH TIME ZONE":
		return "make_timestamp(epoch_us(" + name + "))"
	case "TIMESTAMP_NS":
		return "CAST(" + name + " AS TIMESTAMP)"
	}
	return name
}

func (s *parquetSource) misread() string { return "false" }

func (s *parquetSource) each(ctx context.Context, d *duck, query func() string, f func(chunk) error) error {
	return d.each(ctx, query(), f)
}

func (s *parquetSource) notText() (string, int) { return "", 0 }

func (s *parquetSource) close() {}
