package sample

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The companies of the demo, as indices; the bit 1<<bank of a set stands for the bank.
const (
	bank = iota
	grocer
	airline
	companies
)

// company says how one company keeps its file, and what it offers to ask about.
type company struct {
	name       string
	id         string // column with the e-mail
	bound      int    // customers_up_to
	consent    string // to marketing: SQL over a row; "" for a company that does not answer questions for it
	messy      float64
	crlf       bool // lines end as on Windows
	draw       func(*stream, *Person) record
	columns    []column
	segments   []segment
	dimensions []dimension
}

// column is one column of the file; text writes its field.
type column struct {
	header string
	text   func(*row) string
}

// segment is a condition on a row, for the owner's configuration in SQL, and in Go as the truth.
type segment struct {
	name, sql string
	holds     func(*record) bool
}

// dimension is a value of a row, for the owner's configuration in SQL, and in Go as the truth.
type dimension struct {
	name, sql string
	values    []string
	value     func(*record) string
}

// row is one line of a company's file.
type row struct {
	number      int // the company's own customer number
	first, last string
	email       string // as it stands in the file
	*record
}

func find(party string) int {
	for i := range demo {
		if demo[i].name == party {
			return i
		}
	}
	panic(fmt.Sprintf("sample: the demo has no party %q", party))
}

func (c *company) segment(name string) *segment {
	for i := range c.segments {
		if c.segments[i].name == name {
			return &c.segments[i]
		}
	}
	panic(fmt.Sprintf("sample: %s has no segment %q", c.name, name))
}

func (c *company) dimension(name string) *dimension {
	for i := range c.dimensions {
		if c.dimensions[i].name == name {
			return &c.dimensions[i]
		}
	}
	panic(fmt.Sprintf("sample: %s has no dimension %q", c.name, name))
}

// config writes the company's party configuration, in YAML.
func (c *company) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\n", c.name)
	fmt.Fprintf(&b, "source: {csv: %s.csv}\n", c.name)
	fmt.Fprintf(&b, "identity: {column: %s, type: email}\n", c.id)
	fmt.Fprintf(&b, "customers_up_to: %d\n", c.bound)
	b.WriteString("segments:\n")
	for _, s := range c.segments {
		fmt.Fprintf(&b, "  %s: %s\n", s.name, quote(s.sql))
	}
	b.WriteString("dimensions:\n")
	for _, d := range c.dimensions {
		quoted := make([]string, len(d.values))
		for i, v := range d.values {
			quoted[i] = quote(v)
		}
		fmt.Fprintf(&b, "  %s: {sql: %s, values: [%s]}\n", d.name, quote(d.sql), strings.Join(quoted, ", "))
	}
	fmt.Fprintf(&b, "purposes:\n  %s: {consent: \"true\", basis: legitimate interest}\n", Planning)
	if c.consent != "" {
		fmt.Fprintf(&b, "  %s: {consent: %s}\n", Marketing, quote(c.consent))
	}
	return b.String()
}

// quote writes text as a quoted scalar of YAML, in whichever quotes need no escape.
func quote(text string) string {
	if strings.Contains(text, `"`) && !strings.Contains(text, "'") {
		return "'" + text + "'"
	}
	return strconv.Quote(text)
}

// epoch is the day on which the oldest of the companies opened.
var epoch = time.Date(2006, 1, 1, 0, 0, 0, 0, time.UTC)

// day returns the number of days from the epoch to a date.
func day(year int, month time.Month, dayOfMonth int) int {
	return int(time.Date(year, month, dayOfMonth, 0, 0, 0, 0, time.UTC).Sub(epoch) / (24 * time.Hour))
}

func (r *record) date(layout string) string { return epoch.AddDate(0, 0, r.since).Format(layout) }

// money writes the spend as a decimal number with two places, or "" if it is missing.
func (r *record) money() string {
	if r.spend < 0 {
		return ""
	}
	return fmt.Sprintf("%d.%02d", r.spend/100, r.spend%100)
}

func either(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}
