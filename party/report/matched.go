package report

import (
	"fmt"
	"slices"

	"github.com/sotto-dev/sotto/internal/agreement"
)

// matched tells whether the companies have agreed on matchings.
func matched(a *agreement.Agreement) bool { return slices.Contains(a.Layouts, agreement.LayoutMatched) }

// shownByMatchings is what is inexact in what shows of a matching.
func shownByMatchings(a *agreement.Agreement) string {
	return fmt.Sprintf("each number made inexact by made-up customers (differential privacy, ε %v and δ %g for each record in each matching)",
		a.Matching.Epsilon.Float(), a.Matching.Delta)
}

// ifMatched returns what there is to add to a text where there are matchings.
func ifMatched(a *agreement.Agreement, more string) string {
	if matched(a) {
		return more
	}
	return ""
}
