package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Column is one of a source's.
type Column struct {
	Name string
	// Type is the type of DuckDB as which the texts of the values read: BOOLEAN, BIGINT, DOUBLE, DATE, TIMESTAMP (in UTC) or
	// VARCHAR.
	Type string

	as string // the value %s as text
}

// form is how values of a type are read.
type form struct{ kind, as string }

const (
	plainText = "%s::pg_catalog.text"
	// DuckDB's infinities are other words, and nobody's birthday.
	finiteText = "CASE WHEN pg_catalog.isfinite(%[1]s) THEN %[1]s::pg_catalog.text END"
	// A time with a zone is written without, as it is in UTC.
	finiteUTCText = "CASE WHEN pg_catalog.isfinite(%[1]s) THEN (%[1]s AT TIME ZONE 'UTC')::pg_catalog.text END"
	// A NaN in a column of integers is no integer.
	numberText = "CASE WHEN %[1]s OPERATOR(pg_catalog.<>) 'NaN'::pg_catalog.numeric THEN %[1]s::pg_catalog.text END"
)

// numericOID is the type of numeric and decimal.
const numericOID = 1700

// forms is by the object ids of types, which are the same in all versions of PostgreSQL (pg_type.dat in its source). Domains
// arrive as the type that they are made from. All other types are text.
var forms = map[uint32]form{
	16:         {"BOOLEAN", plainText},       // bool: true, false
	20:         {"BIGINT", plainText},        // int8
	21:         {"BIGINT", plainText},        // int2
	23:         {"BIGINT", plainText},        // int4
	700:        {"DOUBLE", plainText},        // float4: the shortest text that reads back as the same float4
	701:        {"DOUBLE", plainText},        // float8: likewise; NaN, Infinity, -Infinity
	numericOID: {"DOUBLE", plainText},        // as numbers with a point in CSV files; NaN, Infinity, -Infinity
	1082:       {"DATE", finiteText},         // date: 2006-01-02
	1114:       {"TIMESTAMP", finiteText},    // timestamp: 2006-01-02 15:04:05.999999
	1184:       {"TIMESTAMP", finiteUTCText}, // timestamptz: likewise
}

func newColumn(f pgconn.FieldDescription) Column {
	as, known := forms[f.DataTypeOID]
	switch {
	case !known:
		as = form{"VARCHAR", plainText}
	case f.DataTypeOID == numericOID && isInteger(f.TypeModifier):
		as = form{"BIGINT", numberText} // prints without a point, as it does in CSV files
	}
	return Column{Name: f.Name, Type: as.kind, as: as.as}
}

// isInteger reports whether a numeric is declared without digits after the point, and fits a BIGINT: numeric(1) to
// numeric(18). The modifier is 4 more than precision<<16 | scale, -1 for none (numeric.c, make_numeric_typmod).
func isInteger(modifier int32) bool {
	precision, scale := (modifier-4)>>16, (modifier-4)&0xffff
	return modifier >= 4 && scale == 0 && precision <= 18
}

// expression returns the column as an item of a select list.
func (c Column) expression() string { return fmt.Sprintf(c.as, quoteName(c.Name)) }
