package report

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"
)

// Document is a text made of sections. Everything in it is plain text, whoever wrote it: what a page or Markdown makes of
// special characters is up to [Document.HTML] and [Document.Markdown], and both have all of it.
type Document struct {
	Title    string
	Subtitle string
	Sections []section

	openRisks int
}

// section is a part with a heading. Blocks stand one below the other.
type section struct {
	Title  string
	Law    string // the provisions that ask for it, or ""
	Blocks []block
}

// block is one of a paragraph, a list of facts, a list, a table and a chart.
type block struct {
	Text  []cell
	Facts []fact
	List  []cell
	Table *table
	Chart *chart
}

// fact is a value with a name.
type fact struct {
	Name  string
	Value cell
}

// table has rows of as many cells as there are columns. Without rows, Empty is said instead.
type table struct {
	Caption string
	Columns []string
	Numbers []bool // which columns are aligned to the right; nil for none
	Rows    [][]cell
	Empty   string
}

// cell is a piece of text.
type cell struct {
	Text string
	Link string // an https or mailto address, or ""
	Code bool   // such as a hash
	Mark level  // how urgent it is, or ""
}

func plain(text string) cell { return cell{Text: text} }

func plains(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, t := range texts {
		cells[i] = plain(t)
	}
	return cells
}

// say returns a paragraph.
func say(format string, args ...any) block { return block{Text: plains(fmt.Sprintf(format, args...))} }

func facts(all ...fact) block { return block{Facts: all} }

func list(items ...string) block { return block{List: plains(items...)} }

// linked returns a text that leads to an https address, or only the text if that is none.
func linked(text, to string) cell {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Opaque != "" {
		return plain(text)
	}
	return cell{Text: text, Link: u.String()}
}

// contact returns a text that leads to the address that it is, if it is one.
func contact(text string) cell {
	if a, err := mail.ParseAddress(text); err == nil && a.Address == text && !strings.ContainsAny(text, "?&%\"") {
		return cell{Text: text, Link: "mailto:" + text}
	}
	return linked(text, text)
}

// Number reports whether a column is one of numbers.
func (t *table) Number(column int) bool { return column < len(t.Numbers) && t.Numbers[column] }

// numbers marks all columns of a table but the first few.
func numbers(columns, but int) []bool {
	marked := make([]bool, columns)
	for i := but; i < columns; i++ {
		marked[i] = true
	}
	return marked
}
