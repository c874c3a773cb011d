package matching_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
)

// Guards exactness: for 2 to 5 parties, of whom one may have nobody, everybody has one slot, the same at all who have them, and nobody
// else's. The list of the first party is of more than one chunk.
func TestEverybodyHasASlot(t *testing.T) {
	for _, c := range []struct {
		dummies agreement.Matching
		sets    [][]ids.ID
	}{
		{usual, [][]ids.ID{people(0, 40), people(20, 70)}},
		{tiny, [][]ids.ID{people(0, 4110), people(4090, 4130)}},
		{usual, [][]ids.ID{people(0, 10), nil}},
		{tiny, [][]ids.ID{people(0, 40), people(20, 70), people(30, 35)}},
		{tiny, [][]ids.ID{people(0, 10), people(5, 15), people(8, 20), people(0, 20)}},
		{tiny, [][]ids.ID{people(0, 5), people(1, 6), people(2, 7), people(3, 8), people(4, 9)}},
	} {
		t.Run(fmt.Sprintf("%d parties", len(c.sets)), func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, c.dummies, c.sets...)
			must(t, p.run())
			must(t, p.check())
		})
	}
}

// Guards what parties learn of earlier matchings: those that all announce, newest first, and that what Finish returned is not touched
// by Erase.
func TestOutcome(t *testing.T) {
	p := newPlay(t, tiny, few(3)...)
	p.holds = [][][32]byte{{{4}, {3}, {2}, {1}}, {{4}, {2}, {1}}, {{2}, {5}, {4}}}
	must(t, p.run())
	must(t, p.check()) // after Erase
	want := [][][32]byte{{{4}, {2}}, {{4}, {2}}, {{2}, {4}}}
	for i, outcome := range p.outcomes {
		if !slices.Equal(outcome.Common, want[i]) {
			t.Errorf("party %d has %d matchings in common", i, len(outcome.Common))
		}
		if outcome.Matching != p.matching || outcome.Slots != int64(len(p.merged)) {
			t.Errorf("party %d has the outcome of another matching", i)
		}
	}
}
