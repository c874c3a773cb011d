package matching_test

import (
	"fmt"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
)

// Guards exactness: for 2 to 5 parties, of whom one may have nobody, everybody has one slot, the same at all who have them, and nobody
// else's. The list of the first party is of more than one chunk.
func TestEverybodyHasASlot(t *testing.T) {
	for _, sets := range [][][]ids.ID{
		{people(0, 40), people(20, 70)},
		{people(0, 4200), people(4100, 4300)},
		{people(0, 10), nil},
		{people(0, 40), people(20, 70), people(30, 35)},
		{people(0, 10), people(5, 15), people(8, 20), people(0, 20)},
		{people(0, 5), people(1, 6), people(2, 7), people(3, 8), people(4, 9)},
	} {
		t.Run(fmt.Sprintf("%d parties", len(sets)), func(t *testing.T) {
			p := newPlay(t, sets...)
			must(t, p.run())
			must(t, p.check())
		})
	}
}
