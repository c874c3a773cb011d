package customers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// expression is SQL that the owner of the customers wrote, over one row.
type expression struct {
	role    role
	name    string
	sql     string
	values  []string // of a dimension
	columns []string // that it names
	bare    bool     // it is nothing but the name of a column
}

// role is what an expression is for, in the words of an error.
type role string

const (
	segment   role = "segment"
	dimension role = "dimension"
	measure   role = "measure"
	consent   role = "consent for purpose"
	given     role = "given of purpose"
	since     role = "since of"
	asText    role = ""                  // of columns that are read as they were written, whoever else names them: identities
	unread    role = "as it was written" // of columns of which the text is needed, without regard to what SQL sees
)

// refuse returns the error of SQL that is no good.
func (e *expression) refuse(err error) *refusal {
	return &refusal{fault.New(fault.Invalid, "%s %q: SQL %.200q: %s", e.role, e.name, e.sql, err), e}
}

// inBrackets returns the SQL as an operand. The line end keeps a comment at its end from reaching further.
func (e *expression) inBrackets() string { return "(" + e.sql + "\n)" }

// expressions are all SQL of a party, each list by name.
type expressions struct {
	segments, dimensions, measures []*expression
	consents, given                []*expression // of all purposes, and of those where it is declared
	since                          []*expression // one or none
}

func (x *expressions) lists() []*[]*expression {
	return []*[]*expression{&x.segments, &x.dimensions, &x.measures, &x.consents, &x.given, &x.since}
}

func (x *expressions) all() []*expression {
	var all []*expression
	for _, list := range x.lists() {
		all = append(all, *list...)
	}
	return all
}

// expressionsOf returns the SQL of a party.
func expressionsOf(p *config.Party) expressions {
	var x expressions
	for _, name := range slices.Sorted(maps.Keys(p.Segments)) {
		x.segments = append(x.segments, &expression{role: segment, name: name, sql: p.Segments[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Dimensions)) {
		declared := p.Dimensions[name]
		x.dimensions = append(x.dimensions, &expression{role: dimension, name: name, sql: declared.SQL, values: declared.Values})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Measures)) {
		x.measures = append(x.measures, &expression{role: measure, name: name, sql: p.Measures[name].SQL})
	}
	for _, name := range p.PurposeNames() {
		declared := p.Purposes[name]
		x.consents = append(x.consents, &expression{role: consent, name: name, sql: declared.Consent})
		if declared.Given != "" {
			x.given = append(x.given, &expression{role: given, name: name, sql: declared.Given})
		}
	}
	if p.Retention.Declared() {
		x.since = append(x.since, &expression{role: since, name: "retention", sql: p.Retention.Since})
	}
	return x
}

// refused are the parts of SQL that an expression over one row of one file has no use for. A subquery may also change the
// order of rows, and with it which of a customer's rows is the first.
var refused = map[string]string{
	"SUBQUERY":             "a subquery; it must look at one row only",
	"WINDOW":               "a window function; it must look at one row only",
	"STAR":                 "*, must name its columns",
	"POSITIONAL_REFERENCE": "#, must name its columns",
	"PARAMETER":            "a parameter; it must be complete",
}

// parse has DuckDB parse the SQL alone, so that it can neither close a bracket nor begin another clause or statement.
func (e *expression) parse(ctx context.Context, d *duck) error {
	if strings.ContainsRune(e.sql, 0) {
		return e.refuse(fmt.Errorf("has a zero byte"))
	}
	if strings.HasSuffix(strings.TrimSpace(e.sql), ";") {
		return e.refuse(fmt.Errorf("ends in a semicolon; it must be one expression"))
	}
	var tree []byte
	query := "SELECT CAST(json_serialize_sql(" + quoteText("SELECT "+e.sql) + ") AS VARCHAR)"
	err := d.each(ctx, query, func(c chunk) error {
		tree = []byte(column[text](c, 0)[0].String())
		return nil
	})
	if err != nil {
		return err
	}
	var parsed struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Statements []struct {
			Node struct {
				Type   string            `json:"type"`
				Select []json.RawMessage `json:"select_list"`
				From   struct {
					Type string `json:"type"`
				} `json:"from_table"`
			} `json:"node"`
		} `json:"statements"`
	}
	if err := json.Unmarshal(tree, &parsed); err != nil {
		return fmt.Errorf("read DuckDB's syntax tree: %w", err)
	}
	if parsed.Error {
		return e.refuse(fmt.Errorf("%s", parsed.Message))
	}
	if len(parsed.Statements) != 1 || parsed.Statements[0].Node.Type != "SELECT_NODE" ||
		len(parsed.Statements[0].Node.Select) != 1 || parsed.Statements[0].Node.From.Type != "EMPTY" {
		return e.refuse(fmt.Errorf("not one expression, such as: churn = 'Yes'"))
	}
	var root any
	if err := json.Unmarshal(parsed.Statements[0].Node.Select[0], &root); err != nil {
		return fmt.Errorf("read DuckDB's syntax tree: %w", err)
	}
	if err := e.walk(root); err != nil {
		return e.refuse(err)
	}
	e.bare = len(e.columns) == 1 && root.(map[string]any)["class"] == "COLUMN_REF"
	return nil
}

// walk collects the columns that a part of the syntax tree names, and returns an error for what is refused.
func (e *expression) walk(part any) error {
	switch part := part.(type) {
	case []any:
		for _, item := range part {
			if err := e.walk(item); err != nil {
				return err
			}
		}
	case map[string]any:
		class, _ := part["class"].(string)
		if why := refused[class]; why != "" {
			return fmt.Errorf("has %s", why)
		}
		if names, ok := part["column_names"].([]any); ok && class == "COLUMN_REF" {
			for _, name := range names {
				e.columns = append(e.columns, name.(string))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(part)) {
			if err := e.walk(part[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// compile checks the SQL against the columns of the view customers. No row is read.
func (e *expression) compile(ctx context.Context, d *duck) error {
	result, err := d.columnType(ctx, "SELECT "+e.inBrackets()+" FROM customers")
	if err == nil {
		// A condition on rows takes no aggregates and gives one value per row.
		_, err = d.columnType(ctx, "SELECT 1 FROM customers WHERE "+e.inBrackets()+" IS NULL")
	}
	if err != nil {
		var refusal *compileError
		if errors.As(err, &refusal) {
			return e.explain(refusal)
		}
		return err
	}
	switch {
	case e.role == segment && result != bindings.TypeBoolean:
		return e.refuse(fmt.Errorf("is of type %s, a segment must be BOOLEAN, such as: churn = 'Yes'", typeName(result)))
	case e.role == consent && result != bindings.TypeBoolean:
		return e.refuse(fmt.Errorf("is of type %s, consent must be BOOLEAN, such as: newsletter = 'yes'", typeName(result)))
	case (e.role == given || e.role == since) && !slices.Contains(times, result):
		return e.refuse(fmt.Errorf("is of type %s, must be a DATE or TIMESTAMP", typeName(result))).
			WithHint("dates in text are read as such if all are written 2006-01-31; strptime reads others")
	case e.role == measure && !slices.Contains(numeric, result):
		return e.refuse(fmt.Errorf("is of type %s, a measure must be a number, such as: amount", typeName(result))).WithHint(typeHint)
	}
	return nil
}

// explain returns the error of SQL that DuckDB does not take.
func (e *expression) explain(refusal *compileError) error {
	err := e.refuse(refusal)
	switch {
	case e.role == measure && strings.Contains(refusal.reason, "aggregate"):
		return err.WithHint("one row is looked at; what the rows of a customer say adds up without being told to")
	case e.role == measure && strings.Contains(refusal.reason, "VARCHAR"):
		return err.WithHint(typeHint)
	}
	return err
}

// typeHint goes with errors that stem from values that are not what the SQL takes them for.
const typeHint = "values that are not all numbers are text; TRY_CAST gives NULL where CAST fails"

// numeric are the types of numbers, all of which can be cast to DOUBLE. DuckDB has others, to hold more digits than that.
var numeric = []bindings.Type{
	bindings.TypeTinyInt, bindings.TypeSmallInt, bindings.TypeInteger, bindings.TypeBigInt, bindings.TypeHugeInt,
	bindings.TypeUTinyInt, bindings.TypeUSmallInt, bindings.TypeUInteger, bindings.TypeUBigInt, bindings.TypeUHugeInt,
	bindings.TypeFloat, bindings.TypeDouble, bindings.TypeDecimal,
}

// times are the types of a moment.
var times = []bindings.Type{
	bindings.TypeDate, bindings.TypeTimestamp, bindings.TypeTimestampS, bindings.TypeTimestampMS, bindings.TypeTimestampNS, bindings.TypeTimestampTZ,
}

func typeName(t bindings.Type) string {
	if name := typeNames[t]; name != "" {
		return name
	}
	return "another kind"
}

// typeNames are the types that an expression over a CSV file is likely to have.
var typeNames = map[bindings.Type]string{
	bindings.TypeBoolean: "BOOLEAN",
	bindings.TypeVarchar: "VARCHAR", bindings.TypeInteger: "INTEGER", bindings.TypeBigInt: "BIGINT", bindings.TypeHugeInt: "HUGEINT",
	bindings.TypeDouble: "DOUBLE", bindings.TypeDecimal: "DECIMAL", bindings.TypeDate: "DATE", bindings.TypeTimestamp: "TIMESTAMP",
	bindings.TypeInterval: "INTERVAL", bindings.TypeStruct: "STRUCT", bindings.TypeList: "LIST", bindings.TypeSQLNull: "NULL",
}
