package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// joined writes n statements of a format that takes the number, with what is between them.
func joined(n int, between, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(format, "%", fmt.Sprint(i))
	}
	return strings.Join(parts, between)
}

// exclusive writes an expression that is true where one of two is, but not both.
func exclusive(x, y string) string {
	return "((" + x + ") && !(" + y + ") || !(" + x + ") && (" + y + "))"
}

// tangle writes an expression over five segments of each of three parties that does not come apart.
func tangle(depth, at int) string {
	if depth == 0 {
		return fmt.Sprintf("a.s%d && b.s%d && c.s%d", at%5, at*3%5, at*7/5%5)
	}
	return exclusive(tangle(depth-1, 2*at), tangle(depth-1, 2*at+1))
}

// Guards everybody who plans an analyst's question, which costs them whether it is answered or not: what would take too much
// is refused as such, with what to do, before much is done. (The most is half a second, for the tangle by three parties.)
func TestQuestionsThatAreTooLarge(t *testing.T) {
	for name, c := range map[string]struct {
		q    *query.Query
		want string
	}{
		"conditions":           {about(joined(6, " || ", "a.s% && b.s%"), 1000), "audience: it combines too many conditions of a with those of other parties"},
		"hundreds of them":     {about(joined(200, " || ", "a.s% && b.x"), 1000), "too many conditions of a"},
		"states":               {about(joined(5, " || ", "a.s% && b.s% && c.s% && d.s%"), 1000), "too many conditions of d"},
		"products":             {about(tangle(3, 1), 1000), "products of encrypted vectors, at most 64"},
		"products by cells":    {by(by(by(about(tangle(3, 1), 1000), "a.d", 9), "b.d", 9), "c.d", 9), "products of encrypted vectors, at most 64"},
		"anybody of seven":     {about("a.x || b.x || c.x || d.x || e.x || f.x || g.x", 1000), "takes 127 products of encrypted vectors, at most 64"},
		"frequency of seven":   {counting(about("[a.x, b.x, c.x, d.x, e.x, f.x, g.x]", 1000), query.Frequency), "a frequency over 7 parties takes 127 products"},
		"frequency of eight":   {counting(about("[a.x, b.x, c.x, d.x, e.x, f.x, g.x, h.x]", 1000), query.Frequency), "takes 255 products"},
		"audience":             {about("a.x && b.x"+strings.Repeat(" ", 5000), 1000), "audience has 5010 bytes, at most 4096"},
		"people":               {question(9, 1<<25), "more than 2^26: ask with a lower precision"},
		"long chain":           {question(1<<24, 1<<24, 1<<24, 1<<24, 1<<24, 1<<24, 1<<24, 1<<24), "fewer parties"},
		"noise":                {withEpsilon(question(1<<24, 1<<24, 1<<24, 1<<24, 1<<24, 1<<24, 1<<24, 1<<24), 1), "a larger epsilon"},
		"amounts in long ones": {of(question(1<<24, 1<<24, 1<<24, 1<<24), query.Sum, "a.spend", 0, 100_000), "fewer parties"},
	} {
		_, err := query.NewPlan(c.q)
		if !fault.IsKind(err, fault.Size) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want fault.Size with %q", name, err, c.want)
		} else if advice := err.Error() + fault.From(err).Hint; !strings.Contains(advice, "ask ") && name != "audience" {
			t.Errorf("%s: nothing says what to do", name)
		}
	}
	// What is just small enough.
	for name, q := range map[string]*query.Query{
		"five conditions":   about(joined(5, " || ", "a.s% && b.s%"), 1000),
		"anybody of six":    about("a.x || b.x || c.x || d.x || e.x || f.x", 1000),
		"frequency of six":  counting(about("[a.x, b.x, c.x, d.x, e.x, f.x]", 1000), query.Frequency),
		"many of one party": about("b.x && ("+joined(100, " || ", "a.s%")+")", 1000),
	} {
		if _, err := query.NewPlan(q); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func withEpsilon(q *query.Query, micro int64) *query.Query {
	changed := *q
	changed.MicroEpsilon = micro
	return &changed
}
