// Package postgres reads a party's customers from a PostgreSQL database as it is in production: one table, view or query, in
// one transaction that sees one version of the data and can change nothing, column by column as declared.
//
// What it trusts: the owner's SQL, and the server to do what it is told. A server that lies gives wrong customers, and
// nothing more. It needs PostgreSQL 10 or later, and of its role nothing but the right to read the columns.
package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

const (
	// idleTimeout is how long the server waits for the next statement of a process that may be gone without a word. It is
	// far longer than what is done with one batch takes.
	idleTimeout = 10 * time.Minute
	// closeTimeout is how long the server may take to hear that a connection ends.
	closeTimeout = 5 * time.Second
)

// Source is a table, view or query in an open transaction. The server keeps old rows for it as long as it is open: read and
// close it. It is for one goroutine.
type Source struct {
	declared *config.Postgres
	conn     *pgconn.PgConn
	columns  []Column
}

// Open connects and begins the transaction that Read reads in: all that it reads is of the same moment. It looks at the
// columns, but at no row.
//
// Errors are faults: NotFound for a table, column or connection string that isn't there; Unavailable for no connection, a
// role without the right, or no time left; Invalid for SQL that the server does not take; Cancelled if ctx ends. None quotes
// the connection string.
func Open(ctx context.Context, declared *config.Postgres) (*Source, error) {
	text, err := declared.ConnectionString()
	if err != nil {
		return nil, err
	}
	c, err := parseConnection(text)
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, connectFault(ctx, err)
	}
	s := &Source{declared: declared, conn: conn}
	if err := s.begin(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the transaction and the connection.
func (s *Source) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.conn.Close(ctx) // nothing was changed that could be lost
}

// Columns returns what the table or query has, in its order.
func (s *Source) Columns() []Column { return s.columns }

// settings hold for the transaction, whatever those of the server, the database and the role are.
func (s *Source) settings() string {
	return strings.Join([]string{
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		fmt.Sprintf("SET LOCAL statement_timeout = %d", s.declared.StatementTimeout().Milliseconds()),
		fmt.Sprintf("SET LOCAL idle_in_transaction_session_timeout = %d", idleTimeout.Milliseconds()),
		"SET LOCAL client_encoding = 'UTF8'",
		"SET LOCAL TimeZone = 'UTC'",
		"SET LOCAL DateStyle = 'ISO'",
		"SET LOCAL IntervalStyle = 'postgres'",
		"SET LOCAL bytea_output = 'hex'",
		"SET LOCAL extra_float_digits = 3",     // shortest text that reads back as the same number
		"SET LOCAL synchronize_seqscans = off", // an unchanged table comes in the same order
		"SET LOCAL cursor_tuple_fraction = 1",  // plan for all rows, not for the first
	}, "; ")
}

func (s *Source) begin(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, s.settings()).ReadAll(); err != nil {
		return s.fault(ctx, err, false)
	}
	described, err := s.conn.Prepare(ctx, "", "SELECT * FROM "+s.relation(), nil)
	if err != nil {
		return s.fault(ctx, err, true)
	}
	if n := len(described.ParamOIDs); n > 0 {
		return fault.New(fault.Invalid, "%s: has %d parameters such as $1, must have none", s.declared, n)
	}
	for _, f := range described.Fields {
		s.columns = append(s.columns, newColumn(f))
	}
	return nil
}

// relation returns the declared table or query as an item of FROM. It is sent by the extended protocol, which takes one
// statement only: a query cannot end this one and begin another.
func (s *Source) relation() string {
	if s.declared.Table != "" {
		parts := strings.Split(s.declared.Table, ".")
		for i, part := range parts {
			parts[i] = quoteName(part)
		}
		return strings.Join(parts, ".") + " AS customers"
	}
	query := strings.TrimRight(s.declared.Query, "; \t\r\n")
	return "(" + query + "\n) AS customers" // on a line of its own: the query may end in a comment
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
