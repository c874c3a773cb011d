package report

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
)

// promises is where it is written what partners, analysts and the coordinator learn, and what they don't.
const promises = "https://github.com/sotto-dev/sotto#what-is-promised-and-what-is-not"

// record is what a record of processing is written from.
type record struct {
	Sources
	*activity
	open          []finding
	fine, unknown []rule
}

// Record writes the record of processing activities and the privacy-impact assessment. An error is one of reading the log.
func Record(s Sources) (*Document, error) {
	if s.Audit.Damage != "" {
		s.Audit.Entries = nil
	}
	if s.Ledger.Damage != "" {
		s.Ledger.Usage = nil
	}
	done, err := readActivity(s.Audit.Entries)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	r := &record{Sources: s, activity: done}
	r.open, r.fine, r.unknown = r.assess()
	return &Document{
		openRisks: len(r.open),
		Title:     "Record of processing and privacy-impact assessment",
		Subtitle: fmt.Sprintf("%s in the collaboration %s, as of %s. Written by the company's own Sotto node from its configuration, ledger and audit log.",
			r.Config.Name, r.Agreement.Collaboration, moment(r.Now)),
		Sections: []section{
			r.summary(), r.risks(), r.responsible(), r.purposes(), r.categories(), r.recipients(), r.spending(), r.questions(),
			r.rights(), r.retention(), r.security(), r.assessment(), r.forPeople(),
		},
	}, nil
}

// OpenRisks returns how many rules of a record something breaks.
func (d *Document) OpenRisks() int { return d.openRisks }

func (r *record) summary() section {
	about := r.Config.About
	urgent := 0
	for _, f := range r.open {
		if f.rule.level == high {
			urgent++
		}
	}
	risks := plain("none")
	if len(r.open) > 0 {
		risks = plain(fmt.Sprintf("%d, of which %d urgent", len(r.open), urgent))
	}
	return section{Title: "Summary", Blocks: []block{facts(
		fact{"Controller", plain(orNotDeclared(about.Controller))},
		fact{"Processing", plain("joint statistics with partner companies: how many customers several companies have in common, by group, " +
			"and totals of amounts, always with random noise; nobody sees another company's customers")},
		fact{"Period on record", plain(r.period())},
		fact{"Open risks", risks},
		fact{"Questions answered", plain(r.unlessDamaged(fmt.Sprint(r.answered)))},
		fact{"Budget spent", plain(r.budgetSpent())},
		fact{"Requests of customers answered", plain(r.unlessDamaged(fmt.Sprint(r.allRequests())))},
		fact{"Audit log", plain(r.auditState())},
	)}}
}

func orNotDeclared(text string) string { return cmp.Or(text, "not declared") }

// unlessDamaged returns what the audit log says if it can be relied upon.
func (r *record) unlessDamaged(text string) string {
	if r.Audit.Damage != "" {
		return "not known: the audit log is damaged"
	}
	return text
}

func (r *record) period() string {
	if r.first.IsZero() {
		return r.unlessDamaged("nothing is on record yet")
	}
	return day(r.first) + " to " + day(r.Now)
}

func (r *record) budgetSpent() string {
	if u, known := r.totalLimit(); known {
		return fmt.Sprintf("ε %s of %s (%s)", amount(u.Spent), u.Limit.MicroEpsilon, percent(u.Spent, u.Limit.MicroEpsilon))
	}
	return "not known"
}

func (r *record) auditState() string {
	if r.Audit.Damage != "" {
		return "damaged"
	}
	return fmt.Sprintf("whole: %s, each of which the next ones vouch for", count(r.Audit.Head.Rows, "row"))
}

// percent returns how many of a hundred, rounded down, so that only all is 100.
func percent(part, of agreement.MicroEpsilon) string {
	return fmt.Sprintf("%.0f %%", math.Floor(min(999, 100*part.Float()/of.Float())))
}

func (r *record) risks() section {
	t := &table{Columns: []string{"Urgency", "Question", "What was found", "What to do"}, Empty: "None: all that can be checked here is in order."}
	for _, f := range r.open {
		t.Rows = append(t.Rows, []cell{
			{Text: string(f.rule.level), Mark: f.rule.level}, plain(f.rule.name), plain(strings.Join(f.found, "; ")), plain(f.rule.advice),
		})
	}
	blocks := []block{{Table: t}}
	for _, rest := range []struct {
		said  string
		rules []rule
	}{{"Could not be checked, because a file is damaged:", r.unknown}, {"Checked, and nothing found:", r.fine}} {
		var names []string
		for _, rule := range rest.rules {
			names = append(names, rule.name)
		}
		if names != nil {
			blocks = append(blocks, say("%s", rest.said), list(names...))
		}
	}
	return section{Title: "Open risks", Law: "GDPR Art. 35(7)(c), (11)", Blocks: blocks}
}

func (r *record) responsible() section {
	about := r.Config.About
	link := plain("not declared")
	if about.Link != "" {
		link = linked(about.Link, about.Link)
	}
	blocks := []block{facts(
		fact{"Controller", plain(orNotDeclared(about.Controller))},
		fact{"Contact for customers", contact(orNotDeclared(about.Contact))},
		fact{"Data-protection officer", contact(orNotDeclared(about.DPO))},
		fact{"Page for customers", link},
		fact{"Collaboration", plain(r.Agreement.Collaboration)},
		fact{"Name in it", plain(r.Config.Name)},
		fact{"Agreement", cell{Text: fmt.Sprintf("%x", r.Agreement.Hash()), Code: true}},
	)}
	if len(r.Config.Administrators) > 0 {
		t := &table{
			Caption: "Who may record what customers say, beside the holder of the node's own key", Columns: []string{"Administrator", "Key"},
		}
		for _, a := range r.Config.Administrators {
			t.Rows = append(t.Rows, []cell{plain(a.Name), {Text: a.Key.String(), Code: true}})
		}
		blocks = append(blocks, block{Table: t})
	}
	return section{Title: "Who is responsible", Law: "GDPR Art. 30(1)(a)", Blocks: blocks}
}
