package consistent_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/consistent"
	"pgregory.net/rapid"
)

// Guards the list of tables and its order, which answers are printed in.
func TestSubsets(t *testing.T) {
	for dimensions, want := range [][][]int{
		{{}},
		{{}, {0}},
		{{}, {0}, {1}, {0, 1}},
		{{}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}},
	} {
		if got := consistent.Subsets(dimensions); !reflect.DeepEqual(got, want) {
			t.Errorf("%d dimensions: %v, want %v", dimensions, got, want)
		}
	}
	if got := len(consistent.Subsets(6)); got != 64 {
		t.Errorf("6 dimensions have %d tables", got)
	}
}

// Guards the sums and the order of their entries, on a table that can be read, and in the type that came in.
func TestMarginal(t *testing.T) {
	sizes := []int{2, 3, 2}
	cells := []int64{ // the last dimension varies fastest
		1, 2, 10, 20, 100, 200,
		1000, 2000, 10000, 20000, -100000, 200000,
	}
	for _, c := range []struct {
		keep []int
		want []int64
	}{
		{nil, []int64{133333}},
		{[]int{0}, []int64{333, 133000}},
		{[]int{1}, []int64{3003, 30030, 100300}},
		{[]int{2}, []int64{-88889, 222222}},
		{[]int{0, 1}, []int64{3, 30, 300, 3000, 30000, 100000}},
		{[]int{0, 2}, []int64{111, 222, -89000, 222000}},
		{[]int{1, 2}, []int64{1001, 2002, 10010, 20020, -99900, 200200}},
		{[]int{0, 1, 2}, cells},
	} {
		if got := consistent.Marginal(sizes, cells, c.keep); !slices.Equal(got, c.want) {
			t.Errorf("keeping %v: %v, want %v", c.keep, got, c.want)
		}
	}
	if got := consistent.Marginal(nil, []int64{7}, nil); !slices.Equal(got, []int64{7}) {
		t.Errorf("of a single cell: %v", got)
	}
}

// Guards that the tables of one consistent answer agree: marginals of marginals are the marginals of the cells, and none
// has a negative entry.
func TestMarginalsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyTable(t)
		x := project(t, a.sizes, a.noisy)
		for _, keep := range consistent.Subsets(len(a.sizes)) {
			entries, sizes := consistent.Marginal(a.sizes, x, keep), []int{}
			for _, d := range keep {
				sizes = append(sizes, a.sizes[d])
			}
			if slices.Min(entries) < 0 {
				t.Fatalf("marginal %v is %v", keep, entries)
			}
			for _, further := range consistent.Subsets(len(keep)) {
				var both []int
				for _, i := range further {
					both = append(both, keep[i])
				}
				got, want := consistent.Marginal(sizes, entries, further), consistent.Marginal(a.sizes, x, both)
				if !near(got, want, a.tolerance()) {
					t.Fatalf("marginal %v of marginal %v is %v, want %v", further, keep, got, want)
				}
			}
		}
	})
}

// Guards that a mistake in the calling code is noticed.
func TestMarginalPanics(t *testing.T) {
	for _, c := range []struct {
		sizes []int
		cells int
		keep  []int
		want  string
	}{
		{[]int{2, 2}, 3, nil, "marginal: a table of sizes [2 2] has 3 cells, must have one for every combination of values"},
		{[]int{2, 2}, 4, []int{1, 0}, "marginal: dimensions [1 0] are to be kept, must be ascending and from 0 to 1"},
		{[]int{2, 2}, 4, []int{1, 1}, "marginal: dimensions [1 1] are to be kept, must be ascending and from 0 to 1"},
		{[]int{2, 2}, 4, []int{2}, "marginal: dimensions [2] are to be kept, must be ascending and from 0 to 1"},
		{[]int{2, 2}, 4, []int{-1, 0}, "marginal: dimensions [-1 0] are to be kept, must be ascending and from 0 to 1"},
	} {
		func() {
			defer func() {
				if got := recover(); got != c.want {
					t.Errorf("panic %v, want %s", got, c.want)
				}
			}()
			consistent.Marginal(c.sizes, make([]int64, c.cells), c.keep)
		}()
	}
}
