package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/party/config"
)

func (r *record) purposes() section {
	t := &table{Columns: []string{"Purpose", "Legal ground", "Whose data", "Consent holds", "Customers who take part"}, Numbers: []bool{4: true}}
	for _, name := range r.Config.PurposeNames() {
		u := r.Config.Purposes[name]
		share := "not known"
		if percent, known := r.latest[name]; known {
			share = fmt.Sprintf("%d %%", percent)
		}
		t.Rows = append(t.Rows, plains(name, orNotDeclared(ground(u)), takesPart(u), validity(u), share))
	}
	blocks := []block{
		say("Every question names one purpose of the agreement. Only customers whom the rule of that purpose covers at that moment take part; " +
			"who withdraws is left out from the next question on. A question for any other purpose has no answer."),
		{Table: t},
	}
	var others []string
	for _, name := range r.Agreement.Purposes {
		if _, declared := r.Config.Purposes[name]; !declared {
			others = append(others, name)
		}
	}
	if others != nil {
		slices.Sort(others)
		blocks = append(blocks, say("Purposes of the agreement that this company answers no question for:"), list(others...))
	}
	if course := r.coverageCourse(); course != nil {
		blocks = append(blocks, block{Table: course})
	}
	return section{Title: "Purposes, legal grounds and consent", Law: "GDPR Art. 6, 7, 30(1)(b); PIPL Art. 13 to 16", Blocks: blocks}
}

// mostCourse is how many days or months of coverage are shown.
const mostCourse = 24

// coverageCourse returns how coverage went, the last one known of each day or month; nil if there is none.
func (r *record) coverageCourse() *table {
	if len(r.coverage) == 0 {
		return nil
	}
	days := slices.SortedFunc(maps.Keys(r.coverage), time.Time.Compare)
	starts, layout := buckets(days[0], days[len(days)-1])
	last := make([]map[string]int, len(starts))
	for _, d := range days {
		last[bucketOf(starts, d)] = r.coverage[d]
	}
	names := r.Config.PurposeNames()
	t := &table{
		Caption: "Whole percent of customers who take part, at the last refresh of each day or month (UTC)",
		Columns: append([]string{"When"}, names...), Numbers: numbers(1+len(names), 1),
	}
	for i, known := range last {
		if known == nil {
			continue
		}
		row := plains(starts[i].Format(layout))
		for _, name := range names {
			text := ""
			if percent, ok := known[name]; ok {
				text = fmt.Sprintf("%d %%", percent)
			}
			row = append(row, plain(text))
		}
		t.Rows = append(t.Rows, row)
	}
	if more := len(t.Rows) - mostCourse; more > 0 {
		t.Rows = t.Rows[more:]
		t.Caption += fmt.Sprintf("; the latest %d, earlier ones are in the audit log", mostCourse)
	}
	return t
}

func (r *record) categories() section {
	c := r.Config
	var identifiers []string
	for _, i := range inOrder(r.Agreement, c) {
		identifiers = append(identifiers, identifierWords(r.Agreement, i))
	}
	blocks := []block{
		facts(
			fact{"People", plain(fmt.Sprintf("customers of the company, up to %d of them (a bound that partners know)", c.CustomersUpTo))},
			fact{"Special categories", plain("a company's to say: see the last section")},
		),
		say("Customers are recognised by the first of these that they have:"), list(identifiers...),
		say("The node reads no column of the source but those that the declarations below, the identifiers, the rules of consent and the " +
			"retention name. Partners see the names and values below; they see no customer's."),
	}
	segments := &table{Caption: "Segments: groups of customers", Columns: []string{"Segment"}, Rows: [][]cell{plains(config.Member + " (every customer)")}}
	for _, name := range slices.Sorted(maps.Keys(c.Segments)) {
		segments.Rows = append(segments.Rows, plains(name))
	}
	blocks = append(blocks, block{Table: segments})
	if len(c.Dimensions) > 0 {
		t := &table{Caption: "Dimensions: each customer has one value", Columns: []string{"Dimension", "Values"}}
		for _, name := range slices.Sorted(maps.Keys(c.Dimensions)) {
			values := append(slices.Clone(c.Dimensions[name].Values), config.Unknown)
			t.Rows = append(t.Rows, plains(name, strings.Join(values, ", ")))
		}
		blocks = append(blocks, block{Table: t})
	}
	if len(c.Measures) > 0 {
		t := &table{
			Caption: "Measures: each customer has an amount, which is cut to the bounds and rounded to the step",
			Columns: []string{"Measure", "At least", "At most", "Step", "Unit"}, Numbers: []bool{1: true, 2: true, 3: true, 4: false},
		}
		for _, name := range slices.Sorted(maps.Keys(c.Measures)) {
			m := c.Measures[name]
			t.Rows = append(t.Rows, plains(name, number(m.Clip[0]), number(m.Clip[1]), number(m.StepSize()), m.Unit))
		}
		blocks = append(blocks, block{Table: t})
	}
	return section{Title: "Categories of people and of data", Law: "GDPR Art. 30(1)(c), 5(1)(c)", Blocks: blocks}
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func (r *record) recipients() section {
	t := &table{Columns: []string{"Recipient", "Role", "What it learns"}}
	for _, p := range r.Agreement.Parties {
		if p.Name != r.Config.Name {
			t.Rows = append(t.Rows, plains(p.Name, "partner company, for its own customers",
				"which questions are asked, by whom and for what purpose; encrypted rows that it cannot read; no answer, unless its analysts asked"+
					ifMatched(r.Agreement, "; by a matching, how many customers each company has, and all together, "+shownByMatchings(r.Agreement))))
		}
	}
	t.Rows = append(t.Rows, plains("coordinator", "passes on what nodes send each other", "which questions are asked; encrypted rows and answers that it cannot read"+
		ifMatched(r.Agreement, "; by a matching, how many customers each group of companies has in common, "+shownByMatchings(r.Agreement))))
	for _, o := range r.organisations() {
		t.Rows = append(t.Rows, plains(o.name, "asks questions: "+joined(o.analysts), "answers: counts and totals over many people, with random noise"))
	}
	return section{Title: "Recipients", Law: "GDPR Art. 30(1)(d), (e); PIPL Art. 23, 38 to 40", Blocks: []block{
		say("No recipient gets a row, an identifier, a true count or anything else about a single customer. Rows leave the node only encrypted under "+
			"a key that is made for one question, and of which every party in it and the coordinator hold a share.%s",
			ifMatched(r.Agreement, " In a matching the nodes find out which place in those rows each customer has, the same at all companies, without any of "+
				"them seeing another's identifiers, or which customers they share, as long as they follow the protocol.")),
		{Table: t},
		{Text: []cell{plain("What each of them learns, and what not, is written down in "), linked("the promises of the protocol", promises), plain(".")}},
	}}
}

// organisation is who asks on one budget.
type organisation struct {
	name     string
	analysts []string
}

func (r *record) organisations() (all []organisation) {
	analysts := map[string][]string{}
	for _, a := range r.Agreement.Analysts {
		analysts[a.Budget()] = append(analysts[a.Budget()], a.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(analysts)) {
		slices.Sort(analysts[name])
		all = append(all, organisation{name, analysts[name]})
	}
	return all
}
