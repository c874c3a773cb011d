package report

import (
	"fmt"

	"github.com/sotto-dev/sotto/party/audit"
)

// requestKinds are what customers can ask for, in the order in which it is shown.
var requestKinds = []struct {
	action audit.Action
	name   string
	law    string
}{
	{audit.Access, "Access to what is held", "Art. 15"},
	{audit.Withdraw, "Withdrawal of consent, or objection", "Art. 7(3), 21"},
	{audit.Erase, "Erasure", "Art. 17"},
	{audit.Restore, "Withdrawal or erasure taken back", ""},
}

func (r *record) allRequests() (all int64) {
	for _, asked := range r.requests {
		all += asked.persons
	}
	return all
}

func (r *record) rights() section {
	t := &table{
		Caption: "Requests answered, each person's counting by itself", Columns: []string{"Request", "GDPR", "Number", "Half of them within", "Longest", "Within a month"},
		Numbers: []bool{2: true, 3: false, 4: false, 5: true}, Empty: r.unlessDamaged("No customer has asked for anything yet."),
	}
	for _, kind := range requestKinds {
		asked := r.requests[kind.action]
		if asked == nil {
			continue
		}
		median, longest, inTime := "not known", "not known", "not known"
		if s := asked.speed(); s.persons > 0 {
			median, longest, inTime = took(s.median), took(s.longest), fmt.Sprintf("%d %%", 100*(s.persons-s.late)/s.persons)
		}
		t.Rows = append(t.Rows, plains(kind.name, kind.law, fmt.Sprint(asked.persons), median, longest, inTime))
	}
	return section{Title: "Requests of customers", Law: "GDPR Art. 12 to 21; PIPL Art. 44 to 50", Blocks: []block{
		say("A withdrawal or an erasure is on the disk before it is confirmed, does not wait for the source, and holds from the next question on. " +
			"An erased customer is out of the node's memory and files; what is left is a keyed hash, so that the source does not bring them back. " +
			"What is wrong is corrected in the source and holds from the next refresh on. Time is counted from when the request came in, and a month as " +
			"Regulation (EEC, Euratom) No 1182/71 has it."),
		{Table: t},
	}}
}

// mostPurges is how many purges are shown.
const mostPurges = 12

func (r *record) retention() section {
	c := r.Config
	keep := "not declared: rows of any age are used"
	if c.Retention.Declared() {
		keep = c.Retention.KeepFor.String() + " from the date that the source has for each row; rows without that date are not used"
	}
	refresh := "when somebody asks for it"
	if every := r.refreshEvery(); every > 0 {
		refresh = "every " + took(every)
	}
	last := r.unlessDamaged("none on record")
	if !r.refreshed.IsZero() {
		last = moment(r.refreshed)
	}
	purges := &table{
		Caption: "Purges: what the node stored and was no longer needed, or too old", Columns: []string{"When", "By", "What"},
		Empty: r.unlessDamaged("Nothing had to be destroyed yet."),
	}
	for _, p := range r.purges {
		purges.Rows = append(purges.Rows, plains(moment(p.At), p.Actor, p.Detail))
	}
	if more := len(purges.Rows) - mostPurges; more > 0 {
		purges.Rows = purges.Rows[more:]
		purges.Caption += fmt.Sprintf("; the latest %d of %d", mostPurges, len(r.purges))
	}
	return section{Title: "How long data is kept", Law: "GDPR Art. 5(1)(e), 30(1)(f); PIPL Art. 19", Blocks: []block{
		facts(
			fact{"Rows are used for", plain(keep)},
			fact{"Customers are in", plain("memory, while the node runs; the source stays the company's")},
			fact{"They are loaded anew", plain(refresh)},
			fact{"Last refresh", plain(last)},
			fact{"On the node's disk", plain("who was among the customers of which question, for access requests, and who withdrew or was erased" +
				ifMatched(r.Agreement, "; and which place each customer has in encrypted rows, by the latest matchings") + ": keyed hashes, encrypted")},
			fact{"Those lists are destroyed", plain("when they are older than rows may be, or no question refers to them; at every start and once a day")},
		),
		{Table: purges},
	}}
}
