package customers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers/postgres"
)

// postgresSource is a table, view or query of a PostgreSQL server. It sends only the columns that are in use, as text, and
// some thousand rows at a time, which DuckDB then has in a table of its own: owners' SQL means the same whatever the source.
type postgresSource struct {
	server  *postgres.Source
	columns []postgres.Column
	used    []int        // columns that are in use, in the order in which they were first named
	place   map[int]int  // of a column in used
	plain   map[int]bool // columns that stay text, such as identities
}

// batchRows is how many rows DuckDB is given at a time.
const batchRows = 50_000

func openPostgres(ctx context.Context, d *duck, declared *config.Postgres) (*postgresSource, error) {
	if err := d.lock(ctx, files{}); err != nil {
		return nil, err
	}
	server, err := postgres.Open(ctx, declared)
	if err != nil {
		return nil, err
	}
	return &postgresSource{server: server, columns: server.Columns(), place: map[int]int{}, plain: map[int]bool{}}, nil
}

func (s *postgresSource) names() []string {
	all := make([]string, len(s.columns))
	for i, c := range s.columns {
		all[i] = c.Name
	}
	return all
}

func (s *postgresSource) use(i int, by role) {
	if by == asText {
		s.plain[i] = true
	}
	if _, used := s.place[i]; !used {
		s.place[i] = len(s.used)
		s.used = append(s.used, i)
	}
}

// begin makes the table that rows are put into.
func (s *postgresSource) begin(ctx context.Context, d *duck) error {
	columns := make([]string, len(s.used))
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d VARCHAR", i)
	}
	return d.exec(ctx, "CREATE TABLE batch ("+strings.Join(columns, ", ")+")")
}

func (s *postgresSource) again(context.Context, *duck) (bool, error) { return false, nil }

func (s *postgresSource) rows(context.Context, *duck) (int64, error) { return 0, nil }

func (s *postgresSource) from() string { return "batch AS raw" }

func (s *postgresSource) text(i int) string { return fmt.Sprintf("NULLIF(raw.c%d, '')", s.place[i]) }

func (s *postgresSource) value(i int) string {
	at, used := s.place[i]
	if !used {
		return "" // nobody names it
	}
	if s.plain[i] || s.columns[i].Type == "VARCHAR" {
		return s.text(i)
	}
	kind, text := s.columns[i].Type, fmt.Sprintf("raw.c%d", at)
	if kind == "DATE" || kind == "TIMESTAMP" {
		// Of 0044-03-15 BC, DuckDB would read the year 44; it writes 0044-03-15 (BC), and the time after that.
		text = fmt.Sprintf(`CASE WHEN suffix(%[1]s, ' BC') THEN regexp_replace(%[1]s, '^(\S+)(.*) BC$', '\1 (BC)\2') ELSE %[1]s END`, text)
	}
	return fmt.Sprintf("TRY_CAST(%s AS %s)", text, kind)
}

func (s *postgresSource) misread() string { return "false" }

func (s *postgresSource) each(ctx context.Context, d *duck, query func() string, f func(chunk) error) error {
	names := make([]string, len(s.used))
	for i, column := range s.used {
		names[i] = s.columns[column].Name
	}
	return s.server.Read(ctx, names, batchRows, func(b *postgres.Batch) error {
		if err := d.exec(ctx, "TRUNCATE batch"); err != nil {
			return err
		}
		if err := d.fill("batch", len(names), b.Len(), b.Text); err != nil {
			return err
		}
		return d.each(ctx, query(), f)
	})
}

// All rows are of the moment at which the transaction began.
func (s *postgresSource) unchanged() error { return nil }

func (s *postgresSource) notText() (string, int) { return "", 0 }

func (s *postgresSource) called(string) string { return "" }

func (s *postgresSource) close() { s.server.Close() }

// fill puts rows into a table of texts.
func (d *duck) fill(table string, columns, rows int, text func(row, column int) (value []byte, null bool)) error {
	var appender bindings.Appender
	if bindings.AppenderCreate(d.connection, "", table, &appender) == bindings.StateError {
		bindings.AppenderDestroy(&appender)
		return errors.New("fill a table of DuckDB")
	}
	defer bindings.AppenderDestroy(&appender)
	varchar := bindings.CreateLogicalType(bindings.TypeVarchar)
	defer bindings.DestroyLogicalType(&varchar)
	types := make([]bindings.LogicalType, columns)
	for i := range types {
		types[i] = varchar
	}
	piece := bindings.CreateDataChunk(types)
	defer bindings.DestroyDataChunk(&piece)
	size := int(bindings.VectorSize())
	for first := 0; first < rows; first += size {
		n := min(size, rows-first)
		bindings.DataChunkReset(piece)
		for column := range columns {
			vector := bindings.DataChunkGetVector(piece, bindings.IdxT(column))
			bindings.VectorEnsureValidityWritable(vector)
			validity := bindings.VectorGetValidity(vector)
			for row := range n {
				if value, null := text(first+row, column); null {
					bindings.ValiditySetRowInvalid(validity, bindings.IdxT(row))
				} else {
					bindings.VectorAssignStringElementLen(vector, bindings.IdxT(row), value)
				}
			}
		}
		bindings.DataChunkSetSize(piece, bindings.IdxT(n))
		if bindings.AppendDataChunk(appender, piece) == bindings.StateError {
			return errors.New("fill a table of DuckDB")
		}
	}
	if bindings.AppenderFlush(appender) == bindings.StateError {
		return errors.New("fill a table of DuckDB")
	}
	return nil
}
