package report

import (
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
)

// What is the company's alone is in no document: SQL, columns, files, why a refresh failed; the page for customers also has no
// limit, no key, no number of a kind, and nothing of what was asked.
func TestNothingInternal(t *testing.T) {
	record, policy := recordOf(t, busy()), policyOf(t, busy())
	for _, write := range []func(io.Writer) error{record.HTML, record.Markdown, policy.HTML, policy.Markdown} {
		if found := regexp.MustCompile(`secret_\w+|secret-folder|secret reason`).FindString(escaped.ReplaceAllString(rendered(t, write), "$1")); found != "" {
			t.Errorf("%q is in a document", found)
		}
	}
	for _, write := range []func(io.Writer) error{policy.HTML, policy.Markdown} {
		if found := regexp.MustCompile(`ε|epsilon|ed25519|50000|50,000|privacy.desk|46 %|1\.75|fraud|\bEUR\b|18-34`).FindString(rendered(t, write)); found != "" {
			t.Errorf("%q is on the page for customers", found)
		}
	}
}

// How many persons a request was about shows in the total of its kind only, and each person's request counts by itself in how
// fast they were answered.
func TestRequestsAreTotals(t *testing.T) {
	d := recordOf(t, busy())
	for _, write := range []func(io.Writer) error{d.HTML, d.Markdown} {
		text := rendered(t, write)
		for _, single := range []string{"7313", "2111"} {
			if strings.Contains(text, single) {
				t.Errorf("%s shows", single)
			}
		}
		if strings.Count(text, "9424") != 1 { // the total of withdrawals
			t.Errorf("the total shows %d times", strings.Count(text, "9424"))
		}
	}
	// 7313 took 32 hours, 2111 six days and more; most of all are the former.
	if text := rendered(t, d.Markdown); !strings.Contains(text, "| 9424 | 32 hours | 6 days | 100 % |") {
		t.Error("the speed of withdrawals is not shown")
	}
}

// hostile are texts that end a cell, a line, an element, an attribute, a comment or a code span, and that turn around what is near.
var hostile = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "' onmouseover='alert(1)", "--></style><svg onload=alert(1)>",
	"a | b | c\n| d |\n\n# heading", "`code` ``` ~~~", "[x](javascript:alert(1)) ![y](https://evil.example/y.png)", "https://evil.example www.evil.example",
	"\u202egnp.exe\u2066\u200f", "&lt;script&gt; &amp;", "**bold** _it_ ~~no~~ $x$", "- item", "1. one", "+ two", "=== ---", "\x00\x1b[2J", "\\", "\\|", "{{.}}", "]]>",
}

// attacked returns a node in which every text that somebody can choose is hostile, even where its checks would not let it be.
func attacked(text string) Sources {
	s := busy()
	s.Agreement.Collaboration, s.Agreement.Parties[1].Name, s.Agreement.Analysts[0].Organisation, s.Agreement.Analysts[2].Name = text, text, text, text
	s.Agreement.Purposes = append(s.Agreement.Purposes, text)
	c := s.Config
	c.Segments[text], c.Dimensions[text] = "x", config.Dimension{SQL: "x", Values: []string{text}}
	c.Measures[text] = config.Measure{SQL: "x", Clip: [2]float64{0, 1}, Unit: text}
	c.Purposes[text] = config.Purpose{Consent: "true", Basis: text}
	c.Administrators[0].Name = text
	c.About = config.About{Controller: text, Contact: text, DPO: text, Link: "https://bank.example/" + text}
	c.Identity[0].Type = "opaque"
	q := audit.Entry{
		At: at("2026-05-01 00:00"), Actor: text, Action: audit.Question, Verdict: audit.Refused, Reason: text, Organisation: text, Purpose: text,
		Audience: text, Measure: text, MicroEpsilon: 1,
	}
	r := q
	r.Action, r.Verdict = audit.Release, audit.Done
	s.Audit.Entries = entries(q, r,
		audit.Entry{At: q.At, Actor: text, Action: audit.Purge, Verdict: audit.Done, Detail: text},
		audit.Entry{At: q.At, Actor: "node", Action: audit.Refresh, Verdict: audit.Done, Coverage: map[string]int{text: 1}})
	s.Ledger.Usage[2].Limit.Organisation = text
	s.Keys[0].Name = text
	return s
}

// shape is what is left of a page without its text: elements and their classes.
func shape(page string) string {
	return strings.Join(regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1), "")
}

// links are not part of a shape: an address may be one, or not.
var links = regexp.MustCompile(`</?(a|bdi)\b[^>]*>`)

// Whatever a partner, an analyst or a log says, the page has the elements that it has with harmless words, and no character in
// it is invisible or turns others around.
func TestHostileTextsInPage(t *testing.T) {
	for i, write := range pages(t, attacked("harmless")) {
		want := links.ReplaceAllString(shape(write), "")
		for _, text := range hostile {
			page := pages(t, attacked(text))[i]
			checkPage(t, page)
			if got := links.ReplaceAllString(shape(page), ""); got != want {
				t.Errorf("%q changes the page's elements", text)
			}
			if !strings.Contains(html.UnescapeString(page), audit.Printable(text)) {
				t.Errorf("%q is not in the page as it is", text)
			}
			checkVisible(t, page)
		}
	}
}

func pages(t *testing.T, s Sources) []string {
	return []string{rendered(t, recordOf(t, s).HTML), rendered(t, policyOf(t, s).HTML)}
}

func checkVisible(t *testing.T, text string) {
	t.Helper()
	if hidden := strings.Map(func(r rune) rune {
		if r == '\n' || audit.Printable(string(r)) == string(r) {
			return -1
		}
		return r
	}, text); hidden != "" {
		t.Errorf("invisible characters: %q", hidden)
	}
}

// unescaped finds what Markdown would take for more than text.
var unescaped = regexp.MustCompile("(?:^|[^\\\\])(?:\\\\\\\\)*([`<\\[~$&#]|://|www\\.)")

// Nor does it make anything but text of Markdown: as many lines, cells and list items as with harmless words, and no markup.
func TestHostileTextsInMarkdown(t *testing.T) {
	for i, want := range markdowns(t, attacked("harmless")) {
		for _, text := range hostile {
			got := markdowns(t, attacked(text))[i]
			checkVisible(t, got)
			checkTables(t, got)
			lines, wanted := strings.Split(got, "\n"), strings.Split(want, "\n")
			if len(lines) != len(wanted) {
				t.Errorf("%q: %d lines, want %d", text, len(lines), len(wanted))
				continue
			}
			for _, line := range sortedDifference(lines, wanted) {
				checkLine(t, text, line)
			}
		}
	}
}

// checkTables fails if the rows of a table differ in their number of cells.
func checkTables(t *testing.T, text string) {
	t.Helper()
	cells := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := strings.Count(regexp.MustCompile(`\\.`).ReplaceAllString(line, ""), "|")
		if cells == 0 {
			cells = n
		}
		if n != cells {
			t.Errorf("a row of %d cells in a table of %d: %q", n-1, cells-1, line)
		}
	}
}

func markdowns(t *testing.T, s Sources) []string {
	return []string{rendered(t, recordOf(t, s).Markdown), rendered(t, policyOf(t, s).Markdown)}
}

// sortedDifference returns the lines that are not wanted ones.
func sortedDifference(lines, wanted []string) (others []string) {
	known := map[string]bool{}
	for _, w := range wanted {
		known[w] = true
	}
	for _, l := range lines {
		if !known[l] {
			others = append(others, l)
		}
	}
	return others
}

// ours is the markup that this package makes itself.
var ours = regexp.MustCompile("\\]\\(<(https://|mailto:)[^<>|`\\s]*>\\)|^## |^# |`[0-9A-Za-z:_-]+`|^- \\*\\*[^*]*\\*\\*")

func checkLine(t *testing.T, text, line string) {
	t.Helper()
	rest := ours.ReplaceAllString(strings.Replace(line, "[https\\://", "https\\://", 1), "")
	if found := unescaped.FindString(rest); found != "" {
		t.Errorf("%q: %q is in %q", text, found, line)
	}
	if strings.HasPrefix(line, "- ") && regexp.MustCompile(`^- ([-+=]|\d+[.)])`).MatchString(line) {
		t.Errorf("%q: a list in the list item %q", text, line)
	}
}

// An address is a link only if it is one of the web, or of mail, and nothing else.
func TestLinks(t *testing.T) {
	for to, want := range map[string]string{
		"https://bank.example/a?b=c": "https://bank.example/a?b=c", "javascript:alert(1)": "", "http://bank.example": "", "https:bank": "", "//bank.example": "",
		"privacy@bank.example": "mailto:privacy@bank.example", "Privacy <privacy@bank.example>": "", "a@b.example?bcc=c@d.example": "", "": "",
	} {
		if got := contact(to); got.Link != want || got.Text != to {
			t.Errorf("%q leads to %q, want %q", to, got.Link, want)
		}
	}
}

// Escaping undone gives the text back, for every text that can be shown at all.
func TestEscape(t *testing.T) {
	for _, text := range append(hostile, "plain", "18-34", "1.5 %", "a_b", "名前", "") {
		want := strings.TrimLeft(audit.Printable(text), " ")
		if got := escaped.ReplaceAllString(escape(text), "$1"); got != want {
			t.Errorf("%q is escaped as %q", text, escape(text))
		}
	}
}

// A log that grows without end makes no page without end: what there may be most of is cut, and the page says so.
func TestLongLogs(t *testing.T) {
	s := busy()
	var log []audit.Entry
	for i := range 5000 {
		when := at("2010-01-01 00:00").AddDate(0, 0, i)
		log = append(log,
			audit.Entry{At: when, Actor: "a", Action: audit.Question, Verdict: audit.Refused, Reason: fmt.Sprint("reason ", i)},
			audit.Entry{At: when, Actor: "node", Action: audit.Refresh, Verdict: audit.Done, Coverage: map[string]int{"planning": i % 100}},
			audit.Entry{At: when, Actor: "node", Action: audit.Purge, Verdict: audit.Done, Detail: "1 stored file destroyed"},
			audit.Entry{At: when, Actor: "a", Action: audit.Release, Verdict: audit.Done, Organisation: "agency", Purpose: "planning", MicroEpsilon: 1})
	}
	s.Audit.Entries = entries(log...)
	s.Agreement.Limits = agreement.Limits{EpsilonPerQuery: 1, EpsilonTotal: 1, DeltaPerQuery: 1e-6, DeltaTotal: 1e-5} // far overspent
	page := rendered(t, recordOf(t, s).HTML)
	checkPage(t, page)
	if len(page) > 100_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	if !strings.Contains(page, "other reasons") || !strings.Contains(page, "the latest 12 of 5000") {
		t.Error("what was cut is not said to be")
	}
}
