package dp_test

import (
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the numbers that noise is scaled by, and the refusal of arguments outside of the formula's domain.
func TestHashedSensitivityGolden(t *testing.T) {
	for _, c := range []struct {
		parties, split, clip int
		want                 int64
		words                string
	}{
		{parties: 2, split: 0, clip: 1, want: 1},
		{parties: 2, split: 0, clip: 3, want: 5},
		{parties: 3, split: 0, clip: 3, want: 19},
		{parties: 10, split: 0, clip: 2, want: 1023},
		{parties: 63, split: 0, clip: 2, want: math.MaxInt64},
		{parties: 1000, split: 0, clip: 1, want: 1},
		{parties: 1, split: 0, clip: 5, want: 1},
		{parties: 2, split: 1, clip: 1, want: 2},
		{parties: 2, split: 1, clip: 2, want: 6},
		{parties: 2, split: 1, clip: 3, want: 9},
		{parties: 3, split: 2, clip: 2, want: 16},
		{parties: 3, split: 2, clip: 3, want: 45},
		{parties: 1000, split: 1000, clip: 1, want: 2},
		{parties: 61, split: 61, clip: 2, want: 1 << 62},
		{parties: 1, split: 1, clip: 1 << 62, want: 2},

		{parties: 0, split: 0, clip: 1, words: "number of parties is 0, must be at least 1"},
		{parties: 2, split: 3, clip: 1, words: "number of split parties is 3, must be 0 to the number of parties, 2"},
		{parties: 2, split: -1, clip: 1, words: "number of split parties is -1"},
		{parties: 2, split: 0, clip: 0, words: "clip is 0, must be at least 1"},
		{parties: 64, split: 0, clip: 2, words: "64 parties with clip 2 give more than an int64 holds"},
		{parties: 62, split: 62, clip: 2, words: "more than an int64 holds"},
		{parties: 65, split: 0, clip: 2, words: "more than an int64 holds"},
		{parties: 3, split: 1, clip: math.MaxInt, words: "more than an int64 holds"},
		{parties: math.MaxInt, split: math.MaxInt, clip: 3, words: "more than an int64 holds"},
	} {
		got, err := dp.HashedSensitivity(c.parties, c.split, c.clip)
		if c.words != "" {
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%d parties, %d split, clip %d: %d, %v, want %q", c.parties, c.split, c.clip, got, err, c.words)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%d parties, %d split, clip %d: %d, %v, want %d", c.parties, c.split, c.clip, got, err, c.want)
		}
	}
}

// Guards the promise itself: in all small data sets of one slot, adding or removing any one person changes the cells by
// at most HashedSensitivity in L1; and with a split party, some data set exceeds what would do without one, so that the
// larger number is needed.
func TestHashedSensitivityCoversEverySmallCase(t *testing.T) {
	for _, c := range []struct{ parties, people, clips int }{
		{parties: 2, people: 4, clips: 3},
		{parties: 3, people: 2, clips: 3},
		{parties: 3, people: 3, clips: 1},
	} {
		for split := 0; split <= c.parties; split++ {
			everyone := everyPerson(c.parties, split)
			for clip := 1; clip <= c.clips; clip++ {
				h := hashed{parties: c.parties, split: split, clip: clip, slots: 1, cells: 2}
				bound, ungrouped := sensitivity(t, h.parties, split, clip), sensitivity(t, h.parties, 0, clip)
				worst := int64(0)
				h.forEach(everyone, make([]person, c.people), 0, func(people []person) {
					if change := h.largestChange(people); change > worst {
						worst = change
						if worst > bound {
							t.Fatalf("%+v: %+v: change %d is above the bound, %d", h, people, worst, bound)
						}
					}
				})
				if split > 0 && c.people > clip && worst <= ungrouped {
					t.Errorf("%+v: the worst case is %d, not above %d", h, worst, ungrouped)
				}
			}
		}
	}
}

// Guards the same promise on larger data sets (more people, two slots, three cells), which are changed at random, one
// person at a time, and kept whenever the worst change doesn't shrink: they climb to near the worst case. Seeded.
func TestHashedSensitivityCoversSearchedCases(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	steps := 2_000
	if os.Getenv("SOTTO_LONG") == "1" {
		steps = 100_000
	}
	for parties := 2; parties <= maxParties; parties++ {
		for split := 0; split <= parties; split++ {
			for clip := 1; clip <= 3; clip++ {
				bound, worst := sensitivity(t, parties, split, clip), int64(0)
				for slots := 1; slots <= 2; slots++ {
					h := hashed{parties: parties, split: split, clip: clip, slots: slots, cells: maxCells}
					worst = max(worst, h.climb(random, 2*clip+2, steps))
				}
				t.Logf("%d parties, %d split, clip %d: change %d found, bound %d", parties, split, clip, worst, bound)
				if worst > bound {
					t.Errorf("%d parties, %d split, clip %d: change %d is above the bound, %d", parties, split, clip, worst, bound)
				}
			}
		}
	}
}

// Guards against noise for more than is needed: without group-by the bound is attained, by c people who are at all
// parties, in one slot, with the sign +1.
func TestHashedSensitivityIsAttainedWithoutGroups(t *testing.T) {
	for parties := 1; parties <= maxParties; parties++ {
		for clip := 1; clip <= 5; clip++ {
			h := hashed{parties: parties, split: 0, clip: clip, slots: 1, cells: 1}
			people := make([]person, clip)
			for i := range people {
				people[i].sign = [maxParties]int64{1, 1, 1}
			}
			if change, bound := h.largestChange(people), sensitivity(t, parties, 0, clip); change != bound {
				t.Errorf("%d parties, clip %d: change %d, bound %d", parties, clip, change, bound)
			}
		}
	}
}

func sensitivity(t *testing.T, parties, split, clip int) int64 {
	bound, err := dp.HashedSensitivity(parties, split, clip)
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

// Guards the formula that flooding is charged by.
func TestFloodDeltaGolden(t *testing.T) {
	for _, c := range []struct {
		epsilon float64
		cells   int
		want    float64
	}{
		{1, 1, 1.690878811341e-12},
		{1, 10_000, 1.690878811341e-10},
		{20, 4, 4.412551756193e-4},
		{0, 1, 0x1p-40},
	} {
		if got := dp.FloodDelta(c.epsilon, c.cells); math.Abs(got/c.want-1) > 1e-9 {
			t.Errorf("epsilon %v, %d cells: %v, want %v", c.epsilon, c.cells, got, c.want)
		}
	}
}
