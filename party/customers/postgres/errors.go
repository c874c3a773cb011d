package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sotto-dev/sotto/internal/fault"
)

// PostgreSQL's messages about rows quote rows. From the moment at which rows may be read, all that is passed on is the
// SQLSTATE, five characters, and words of our own. Before, what it says about SQL (class 42, and 0A for what it does not
// support) is passed on too, but never DETAIL, HINT and CONTEXT.

// finding is what a class of SQLSTATEs means here (PostgreSQL's documentation, appendix A).
type finding struct {
	state string // prefix
	kind  fault.Kind
	why   string
	hint  string
}

// findings are looked through in order; the last is for all that is left.
var findings = []finding{
	{"42P01", fault.NotFound, "no such table or view", "names count as the catalog has them, upper and lower case differ; write schema.name if it is not in the role's search_path"},
	{"3F000", fault.NotFound, "no such schema", "names count as the catalog has them, upper and lower case differ"},
	{"42703", fault.NotFound, "no such column", "names count as the catalog has them, upper and lower case differ"},
	{"42501", fault.Unavailable, "the role has no right to all that the declaration names", "GRANT USAGE ON SCHEMA and GRANT SELECT (columns) ON the table TO the role"},
	{"42P03", fault.Invalid, "the source is being read already", ""},
	{"42", fault.Invalid, "the SQL is refused", "try it in psql as the same role"},
	{"25006", fault.Invalid, "the SQL writes, in a transaction that may only read", "declare SQL that calls nothing that writes"},
	{"57014", fault.Unavailable, "", "declare a longer timeout, or SQL that takes less"},
	{"57", fault.Unavailable, "the server ended the connection", "try again later"},
	{"25P0", fault.Unavailable, "the transaction was ended", "try again later"},
	{"40", fault.Unavailable, "ended by a conflict, on a standby with what it has to replay", "try again later, or read from the primary"},
	{"08", fault.Unavailable, "the connection broke", "try again later"},
	{"53", fault.Unavailable, "the server is out of memory, disk or connections", "try again later"},
	{"58", fault.Unavailable, "the server failed", "the server's log says why"},
	{"XX", fault.Unavailable, "the server failed", "the server's log says why"},
	{"22021", fault.Invalid, "a value is not text in the database's encoding, or the database has none", "declare a query that has convert_from(column::bytea, encoding)"},
	{"22", fault.Invalid, "the SQL fails on a value", "try it in psql as the same role"},
	{"", fault.Invalid, "the SQL is refused", "try it in psql as the same role"},
}

// fault says what went wrong in a statement; quote allows the words that the server has for SQL.
func (s *Source) fault(ctx context.Context, err error, quote bool) error {
	if ctx.Err() != nil {
		return fault.From(ctx.Err())
	}
	var (
		refused *pgconn.PgError
		tooLong *pgproto3.ExceededMaxBodyLenErr
	)
	switch {
	case errors.As(err, &tooLong):
		return fault.New(fault.Invalid, "%s: a row of more than %d bytes", s.declared, maxRow).
			WithHint("declare a query that cuts off long texts")
	case !errors.As(err, &refused):
		return fault.New(fault.Unavailable, "%s: the connection broke", s.declared).WithHint("try again later")
	}
	var f finding
	for _, f = range findings {
		if strings.HasPrefix(refused.Code, f.state) {
			break
		}
	}
	why := f.why
	switch {
	case f.state == "57014":
		why = fmt.Sprintf("a statement took longer than %s, or was cancelled at the server", s.declared.StatementTimeout())
	case quote && (strings.HasPrefix(refused.Code, "42") || strings.HasPrefix(refused.Code, "0A")):
		why = fmt.Sprintf("%.500s", strings.Join(strings.Fields(refused.Message), " "))
	}
	return fault.New(f.kind, "%s: %s (SQLSTATE %.5s)", s.declared, why, refused.Code).WithHint(f.hint)
}
