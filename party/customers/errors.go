package customers

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
)

// DuckDB's messages about rows quote rows. Nothing of them may leave this package but what is put together here from a
// line number and words of our own; only what it says about SQL before any row is read is passed on.

// sourceError is something about the source as a whole.
type sourceError struct {
	kind   fault.Kind
	reason string
	hint   string
}

func (e *sourceError) Error() string { return e.reason }

func badSource(format string, args ...any) *sourceError {
	return &sourceError{kind: fault.Invalid, reason: fmt.Sprintf(format, args...)}
}

// refusal is SQL of an owner that is no good.
type refusal struct {
	fault *fault.Error
	of    *expression
}

func (r *refusal) Error() string { return r.fault.Error() }

func (r *refusal) Unwrap() error { return r.fault }

func (r *refusal) WithHint(hint string) *refusal { return &refusal{r.fault.WithHint(hint), r.of} }

// compileError is SQL that DuckDB does not take.
type compileError struct{ reason string }

func (e *compileError) Error() string { return e.reason }

// newCompileError keeps the finding of a message and drops what follows: all functions that there are, and the echo of the
// whole statement.
func newCompileError(message string) error {
	finding, _, _ := strings.Cut(message, "\n\nLINE ")
	finding, _, _ = strings.Cut(finding, "Candidate functions:")
	return &compileError{strings.Join(strings.Fields(finding), " ")}
}

// rowError is SQL that fails on some row.
type rowError struct{ class string }

func (e *rowError) Error() string { return e.class }

// fileError is a file that is not the CSV it should be.
type fileError struct {
	line string // in digits, "" if not known
	rule string
	path string // of the file, or something of a row that imitates one
}

func (e *fileError) Error() string {
	if e.line == "" {
		return e.rule
	}
	return "line " + e.line + ": " + e.rule
}

var (
	// The number comes before the line that DuckDB quotes, so the first match is its own.
	lineNumber = regexp.MustCompile(`CSV Error on Line: (\d+)`)
	errorClass = regexp.MustCompile(`^(?:Conversion|Invalid Input|Invalid type|Mismatch Type|Out of Range|Out of Memory|` +
		`Not implemented|Executor|IO|INTERNAL|FATAL) Error`)

	// What DuckDB says after the line that it quotes, in the order in which they are looked for, and what it means.
	fileRules = []struct{ says, rule string }{
		{"Maximum line size of ", fmt.Sprintf("longer than %d bytes", maxLine)},
		{"Invalid unicode ", "not UTF-8"},
		{"Value with unterminated quote found", "a quote is not closed, or not followed by a delimiter"},
		{"Expected Number of Columns: ", "not as many values as the header has columns"},
		{"The CSV Parser state machine reached an invalid state", "the quoting is broken, or lines end now in LF, now in CR LF"},
	}
)

// newRunError tells a bad file from SQL that fails on a row, and keeps nothing of the row.
func newRunError(message string) error {
	// A statement that fails late says so before it says why.
	if _, why, found := strings.Cut(message, "closed pending query result\nError: "); found {
		message = why
	}
	line := ""
	if match := lineNumber.FindStringSubmatch(message); match != nil {
		line = match[1]
	}
	path := ""
	if at := strings.LastIndex(message, "\n  file = "); at >= 0 {
		path, _, _ = strings.Cut(message[at+len("\n  file = "):], "\n")
	}
	for _, r := range fileRules {
		if strings.HasPrefix(message, "Invalid Input Error: "+r.says) || line != "" && strings.Contains(message, "\n"+r.says) {
			return &fileError{line, r.rule, path}
		}
	}
	if line != "" {
		return &fileError{line, "not CSV (RFC 4180)", path}
	}
	if class := errorClass.FindString(message); class != "" {
		return &rowError{class}
	}
	return &rowError{"Error"}
}
