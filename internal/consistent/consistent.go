// Package consistent turns a noisy cross-tab into one whose cells are not negative and whose marginals are sums of its
// cells. It works on released numbers alone: post-processing, which costs no privacy.
//
// # What is computed
//
// The noisy cells y have uncorrelated errors of mean 0 and one standard deviation σ. The marginals of the noisy table are
// sums of its cells: unbiased, but with every negative cell in them. Setting negative cells to 0 is no way out: an empty
// cell gains 0.4σ on average, so that the total of 1000 of them ends 12 of its own standard deviations too high.
// [Project] looks at all 2^d tables at once (the cells, the sums over every set of dimensions, the total) and returns
// the cells x >= 0 that minimise
//
//	Σ over tables, Σ over entries of (entry of x − entry of y)² / √c,  c = number of cells in one entry of the table.
//
// This is a projection onto consistent answers, as in Hay et al. 2010 ("Boosting the accuracy of differentially private
// histograms through consistency") and in the matrix mechanism (Li et al. 2015), with the non-negative least squares of
// the 2020 census (Abowd et al. 2022, "The 2020 Census Disclosure Avoidance System TopDown Algorithm").
//
// # Why these weights
//
// Only the cells were measured. Least squares on them alone is clamping, so the weights are not given by likelihood but
// chosen: the table is to be near the noisy one at every level, in that level's standard errors (√c·σ). With weights 1/c
// every entry has the same say, and a thousand cells outvote their total. With weights 1 every table has the same say
// (each has the same expected squared error), and what the empty cells gain is taken from the few large ones. 1/√c is
// the geometric mean of the two, and its worst case is the mildest. Root mean square errors in standard errors, the
// larger one of 30 × 30 and 10 × 10 × 10 cells, Gaussian noise:
//
//	                                      clamped    1/c    1/√c      1
//	total, all cells empty                   12.6    5.7     1.8    1.0
//	total, one cell in ten about 30σ         11.4    4.7     1.2    1.0
//	those cells                               1.0    1.2     1.5    2.0
//	the only cell that is not empty           1.0    1.3     2.4    7.2
//
// Where hardly any cell is near 0, all of them leave every level at 1.0. Fixing the total first and then what is below
// it, as TopDown does, is the last column carried further.
//
// # What holds
//
// Write ‖·‖ for the norm whose square is the sum above. The true table θ lies in the convex set that is projected onto,
// so for every draw of the noise, whatever its distribution,
//
//	‖x − θ‖² <= ‖y − θ‖² − ‖x − y‖².
//
// The consistent table is never farther from the truth than the noisy one, and a joint confidence region
// {θ: ‖y − θ‖ <= r} may be centred on x instead. Both are about all numbers of the table together: a single number may
// come out farther from its truth, and how far depends on the truth. So the width of a noisy number's interval must not
// be put around the consistent number (in the tables above, 95 % would become 53 % for the only cell that is not empty,
// and 66 % for the total of empty cells); [Interval] says what is valid.
//
// A table without negative cells comes back as it is. The total never goes down: at the minimum no cell's derivative is
// negative, and the sum of all derivatives is a positive multiple of what the total gained. Errors of unequal variance,
// as in the hashed layout, change none of this; the weights are then less than ideal.
//
// Cells are real numbers. Rounding them to integers so that no marginal moves by 1 or more ("controlled rounding") is not
// always possible in three dimensions (Causey, Cox and Ernst 1985).
package consistent

import (
	"fmt"
	"math"
)

// Number is what a noisy cell may be.
type Number interface{ int64 | float64 }

// Project returns the consistent table nearest to a noisy one, as the package comment defines it.
//
// sizes are the numbers of values of the dimensions, each at least 1; without any, the table is a single cell. noisy has
// a cell for every combination of values, the last dimension varying fastest; it is not changed. The result has the same
// order and unit, every cell is 0 or more, and its marginals are what [Marginal] makes of it. An error names the size,
// the number of cells or the cell that breaks a rule; cells must be finite.
//
// The conditions for a minimum are met to about 10⁻¹¹ of the most negative cell, however large the others are. Equal
// arguments give equal results (between processors, the last digits may differ). A thousand cells take a few ms, n cells
// n^1.25 as long as one.
func Project[N Number](sizes []int, noisy []N) ([]float64, error) {
	if err := check(sizes, len(noisy)); err != nil {
		return nil, fmt.Errorf("make a table consistent: %w", err)
	}
	cells, lowest := make([]float64, len(noisy)), 0.
	for i, value := range noisy {
		cells[i] = float64(value)
		if math.IsNaN(cells[i]) || math.IsInf(cells[i], 0) {
			return nil, fmt.Errorf("make a table consistent: cell %d is %v, must be a finite number", i, cells[i])
		}
		lowest = min(lowest, cells[i])
	}
	if lowest == 0 {
		return cells, nil
	}
	// Changes are of the size of the most negative cell, so that is the unit in which they are computed.
	bounds := make([]float64, len(cells))
	for i, value := range cells {
		bounds[i] = value / lowest
	}
	for i, change := range newNorm(sizes).nearest(bounds) {
		if change == bounds[i] {
			cells[i] = 0
		} else {
			cells[i] = max(0, cells[i]-change*lowest)
		}
	}
	return cells, nil
}

// check returns an error unless there are as many cells as combinations of values.
func check(sizes []int, cells int) error {
	combinations := 1
	for i, size := range sizes {
		if size < 1 {
			return fmt.Errorf("dimension %d has %d values, must have at least 1", i, size)
		}
		// Division, as the product may not fit; 0 or less is refused below.
		combinations = min(combinations, cells/size+1) * size
	}
	if cells != combinations {
		return fmt.Errorf("a table of sizes %v has %d cells, must have one for every combination of values", sizes, cells)
	}
	return nil
}

// Interval returns the interval to show with a consistent number, for the interval [low, high] of the noisy number that
// it stands for (a cell, or a marginal of the noisy table): cut off at 0, as the truth is not negative, and stretched to
// value where that lies outside.
//
// Whenever the noisy interval holds the truth, this one does: its confidence is at least the same, for one number or for
// several at once. It always holds value.
func Interval(low, high, value float64) (float64, float64) {
	return min(max(low, 0), value), max(high, value)
}
