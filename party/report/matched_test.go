package report

import (
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
)

// Where the companies match their customers, the record and the public page say what is stored for it, what leaves the node, and what
// others learn from it; where they do not, none of it.
func TestMatchingIsOnRecord(t *testing.T) {
	for _, agreed := range []bool{false, true} {
		s := busy()
		if agreed {
			s.Agreement.Layouts = append(s.Agreement.Layouts, agreement.LayoutMatched)
			s.Agreement.Matching = agreement.Matching{Epsilon: 100_000, Delta: 1e-9}
		}
		record, policy := rendered(t, recordOf(t, s).Markdown), rendered(t, policyOf(t, s).Markdown)
		for words, text := range map[string]string{
			"which place each customer has in encrypted rows": record,
			"as points of an elliptic curve":                  record,
			"how many customers each group of companies has in common, each number made inexact by made-up customers (differential privacy, ε 0.1 and δ 1e-09": record,
			"at which place of such encrypted lists": policy,
		} {
			if strings.Contains(text, words) != agreed {
				t.Errorf("matchings agreed: %v; is it said that %q: %v", agreed, words, !agreed)
			}
		}
	}
}
