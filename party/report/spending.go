package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/ledger"
)

func whose(organisation string) string {
	if organisation == "" {
		return "all analysts together"
	}
	return organisation
}

// amount returns ε as people write it; of a sum that no ε describes, the ledger has the greatest number.
func amount(m agreement.MicroEpsilon) string {
	if m == math.MaxInt64 {
		return "beyond all bounds"
	}
	return m.String()
}

func (r *record) spending() section {
	agreed := r.Config.Limits.Within(r.Agreement.Limits)
	blocks := []block{
		say("Every answer has a price ε: by how much it can tell whether any one person is among the customers. The node adds prices up durably "+
			"before anything leaves it, and refuses what goes beyond a limit. One question may cost ε %s at most (e^ε ≈ %.3g: that is the factor "+
			"by which one person more or less can change the odds of any answer), and δ %g; all together ε %s, and δ %g.",
			agreed.EpsilonPerQuery, math.Exp(agreed.EpsilonPerQuery.Float()), agreed.DeltaPerQuery, agreed.EpsilonTotal, agreed.DeltaTotal),
		{Table: r.windows()},
	}
	if r.Ledger.Damage == "" {
		blocks = append(blocks, facts(
			fact{"Rows of the ledger", plain(fmt.Sprint(r.Ledger.Head.Rows))},
			fact{"Hash of the last", cell{Text: fmt.Sprintf("%x", r.Ledger.Head.Hash), Code: true}},
		))
	}
	return section{Title: "Limits and what was spent", Law: "GDPR Art. 25, 5(1)(c)", Blocks: append(blocks, r.course()...)}
}

func (r *record) windows() *table {
	t := &table{
		Caption: "The present day and month (UTC), and all time, as the ledger has them", Columns: []string{"Whose questions", "Period", "Limit ε", "Spent", "Under way", "Left", "Used"},
		Numbers: numbers(7, 2), Empty: "The ledger is damaged: what was spent is not known.",
	}
	for _, u := range r.Ledger.Usage {
		t.Rows = append(t.Rows, plains(whose(u.Limit.Organisation), u.Limit.Period.String(), u.Limit.MicroEpsilon.String(),
			amount(u.Spent), amount(u.Reserved), u.Left.String(), percent(u.Limit.MicroEpsilon-u.Left, u.Limit.MicroEpsilon)))
	}
	return t
}

// course returns how spending went, as a chart and a table.
func (r *record) course() []block {
	if len(r.spent) == 0 {
		return []block{say("%s", r.unlessDamaged("Nothing was spent yet."))}
	}
	days := slices.SortedFunc(maps.Keys(r.spent), time.Time.Compare)
	last := days[len(days)-1]
	if r.Now.After(last) {
		last = r.Now
	}
	starts, layout := buckets(days[0], last)
	each := make([]agreement.MicroEpsilon, len(starts))
	for _, d := range days {
		each[bucketOf(starts, d)] += r.spent[d]
	}
	limit := r.Config.Limits.Within(r.Agreement.Limits).EpsilonTotal
	sums := make([]float64, len(starts))
	total := agreement.MicroEpsilon(0)
	t := &table{Caption: "Prices of answers as they left the node (days and months without an answer are left out)", Columns: []string{"When", "ε", "ε until then"}, Numbers: numbers(3, 1)}
	for i, spent := range each {
		total += spent
		sums[i] = total.Float()
		if spent > 0 {
			t.Rows = append(t.Rows, plains(starts[i].Format(layout), spent.String(), total.String()))
		}
	}
	description := fmt.Sprintf("From %s to %s the prices of all answers add up to ε %s; the limit in total is ε %s. "+
		"The ledger composes prices more closely, so that what it counts as spent may be less than this sum.",
		starts[0].Format(layout), last.UTC().Format(layout), total, limit)
	drawn := newChart("Prices of all answers, added up, and the limit in total (ε)", description, starts, layout, sums, limit.Float(), "limit "+limit.String())
	return []block{{Chart: drawn}, {Table: t}}
}

// mostReasons is how many reasons of refusals are shown.
const mostReasons = 20

func (r *record) questions() section {
	number := func(n int64) cell { return plain(r.unlessDamaged(fmt.Sprint(n))) }
	blocks := []block{facts(
		fact{"Asked", number(r.asked)},
		fact{"Answered", number(r.answered)},
		fact{"Refused by a rule", number(r.refused)},
		fact{"Failed", number(r.failed)},
		fact{"Under way, or ended without an answer", number(max(0, r.asked-r.answered-r.refused-r.failed))},
	)}
	answered := &table{
		Caption: "Answered questions by purpose and organisation", Columns: []string{"Purpose", "Organisation", "Questions", "ε", "Last"},
		Numbers: []bool{2: true, 3: true, 4: false}, Empty: r.unlessDamaged("No question was answered yet."),
	}
	for _, by := range slices.SortedFunc(maps.Keys(r.answers), func(x, y asker) int {
		return cmp.Or(cmp.Compare(x.purpose, y.purpose), cmp.Compare(x.organisation, y.organisation))
	}) {
		a := r.answers[by]
		answered.Rows = append(answered.Rows, plains(by.purpose, by.organisation, fmt.Sprint(a.number), a.spent.String(), day(a.last)))
	}
	return section{Title: "Questions", Law: "GDPR Art. 5(1)(b), 5(2)", Blocks: append(blocks, block{Table: answered}, block{Table: r.refusals()})}
}

func (r *record) refusals() *table {
	t := &table{
		Caption: "Questions without an answer, by reason", Columns: []string{"Reason", "What it was", "Questions"}, Numbers: numbers(3, 2),
		Empty: r.unlessDamaged("No question was refused, and none failed."),
	}
	what := map[audit.Verdict]string{audit.Refused: "refused by a rule", audit.Failed: "failed"}
	sorted := slices.SortedFunc(maps.Keys(r.reasons), func(x, y reason) int {
		return cmp.Or(cmp.Compare(r.reasons[y], r.reasons[x]), cmp.Compare(x.text, y.text), cmp.Compare(x.verdict, y.verdict))
	})
	others := int64(0)
	for i, why := range sorted {
		if i >= mostReasons {
			others += r.reasons[why]
			continue
		}
		t.Rows = append(t.Rows, plains(cmp.Or(why.text, "no reason is on record"), what[why.verdict], fmt.Sprint(r.reasons[why])))
	}
	if others > 0 {
		t.Rows = append(t.Rows, plains("other reasons, which are in the audit log", "", fmt.Sprint(others)))
	}
	return t
}

// totalLimit returns the use of the budget of all analysts together, ever.
func (r *record) totalLimit() (ledger.Usage, bool) {
	i := slices.IndexFunc(r.Ledger.Usage, func(u ledger.Usage) bool { return u.Limit.Organisation == "" && u.Limit.Period == ledger.Ever })
	if i < 0 {
		return ledger.Usage{}, false
	}
	return r.Ledger.Usage[i], true
}
