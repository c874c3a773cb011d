package lab_test

import (
	"testing"

	"github.com/sotto-dev/sotto/client"
)

// The two layouts beside each other, in the lab file that shows them: before the matching, questions that want the matched layout
// are refused, and others are in the hashed one; after it, all are in the matched one that do not want the other. Of that a question
// has the precision that it names. Answers are held against the customers themselves; each number is wrong by chance with
// probability 10⁻⁹.
func TestLayouts(t *testing.T) {
	file := example(t, "matched")
	for i := range file.Parties {
		file.Parties[i].CustomersUpTo = 20_000 // of fewer, all precisions are the same
	}
	running := start(t, file)
	defer stop(t, running)
	q := client.Question{Count: "gym.member && books.member", Epsilon: 1, Purpose: "planning"}
	inLayout := func(name, precision string) client.Question {
		changed := q
		changed.Layout, changed.Precision = name, precision
		return changed
	}
	explained := func(q client.Question, layout string, slots uint64) {
		t.Helper()
		e, err := running.Explain(t.Context(), q, 0)
		if err != nil || e.Layout != layout || e.Chains[0].Slots != slots {
			t.Errorf("layout %q, precision %q: explained as %+v, error %v; must be %s with %d slots", q.Layout, q.Precision, e, err, layout, slots)
		}
	}
	_, err := running.Explain(t.Context(), inLayout("matched", ""), 0)
	checkFailure(t, err, "unsupported", "the matched layout: ", " has no matching under this agreement")
	explained(q, "hashed", 1<<20)

	m, err := matched(t, file, running)
	if err != nil {
		t.Fatal(err)
	}
	explained(q, "matched", uint64(m.Slots))
	explained(inLayout("", "high"), "matched", uint64(m.Slots))
	explained(inLayout("hashed", ""), "hashed", 1<<20)
	explained(inLayout("hashed", "high"), "hashed", 1<<21)

	db := tables(t, file)
	const both = "SELECT count(*) FROM gym JOIN books USING (person)"
	for i, truth := range []string{
		both,
		`SELECT coalesce(age_band, 'unknown'), count(*) FROM (
			SELECT person FROM gym WHERE plan = 'yearly' UNION SELECT person FROM books WHERE CAST(orders AS INTEGER) >= 5
		 ) LEFT JOIN gym USING (person) GROUP BY 1`,
		both,
	} {
		asked := question{Question: file.Questions[i], file: file}
		answer, err := running.Ask(t.Context(), file.Ask(asked.Question), nil)
		if err != nil {
			t.Fatal(err)
		}
		if (answer.Layout == "matched") != asked.matched() || (answer.Spine == m.Spine) != asked.matched() {
			t.Errorf("%s: is answered in the %s layout, over %q", asked.Name, answer.Layout, answer.Spine)
		}
		people := truthBySQL(t, db, truth)
		for _, c := range answer.Cells {
			want := people[asked.group(c)]
			low, high, err := c.Interval(1 - 1e-9)
			if err != nil || want < low || want > high || asked.matched() && high-low > 100 {
				t.Errorf("%s, %q: the answer is %v to %v (error %v), the truth is %v", asked.Name, asked.group(c), low, high, err, want)
			}
		}
	}
}
