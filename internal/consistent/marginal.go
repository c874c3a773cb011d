package consistent

import (
	"fmt"
	"slices"
)

// Subsets lists the tables of a cross-tab with so many dimensions, 0 or more, each by the dimensions that it keeps in
// ascending order: first the total, which keeps none, then those with one dimension, and so on in lexicographic order;
// the cells are last.
func Subsets(dimensions int) [][]int {
	sets := [][]int{{}}
	for i := 0; i < len(sets); i++ { // each is extended by every later dimension
		next := 0
		if kept := len(sets[i]); kept > 0 {
			next = sets[i][kept-1] + 1
		}
		for ; next < dimensions; next++ {
			sets = append(sets, append(slices.Clone(sets[i]), next))
		}
	}
	return sets
}

// Marginal sums a table over all dimensions but those to keep, indices into sizes in ascending order. sizes and cells are
// as in [Project], and so is the order of the result: it has a cell for every combination of the kept dimensions' values.
// Sums of int64 are exact, and the caller sees to it that they fit. Sums of the same float64 in another order agree but
// for rounding.
//
// It panics if the number of cells does not fit the sizes or keep does not fit the dimensions.
func Marginal[N Number](sizes []int, cells []N, keep []int) []N {
	if err := check(sizes, len(cells)); err != nil {
		panic("marginal: " + err.Error())
	}
	// A step along a dimension in the marginal; those that are summed over stay where they are.
	strides, entries, kept := make([]int, len(sizes)), 1, len(keep)
	for i := len(sizes) - 1; i >= 0; i-- {
		if kept > 0 && keep[kept-1] == i {
			strides[i] = entries
			entries *= sizes[i]
			kept--
		}
	}
	if kept > 0 {
		panic(fmt.Sprintf("marginal: dimensions %v are to be kept, must be ascending and from 0 to %d", keep, len(sizes)-1))
	}
	sums, values, at := make([]N, entries), make([]int, len(sizes)), 0
	for _, cell := range cells {
		sums[at] += cell
		for i := len(sizes) - 1; i >= 0; i-- { // to the next cell's values
			values[i]++
			at += strides[i]
			if values[i] < sizes[i] {
				break
			}
			values[i] = 0
			at -= strides[i] * sizes[i]
		}
	}
	return sums
}
