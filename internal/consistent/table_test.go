package consistent_test

import (
	"math"
	"math/rand/v2"

	"github.com/sotto-dev/sotto/internal/consistent"
	"pgregory.net/rapid"
)

// table is a true cross-tab and its noisy cells.
type table struct {
	sizes        []int
	truth, noisy []float64
	lowest       float64 // the most negative noisy cell, or 0
}

var shapes = [][]int{
	{}, {1}, {2}, {6}, {40}, {2, 2}, {1, 8}, {5, 3}, {9, 12}, {2, 50}, {2, 2, 2}, {4, 1, 3}, {3, 4, 5}, {7, 8, 6}, {2, 20, 3},
}

// anyTable draws a table of up to three dimensions: few or many cells near 0, noise and values of many magnitudes,
// whole numbers or not.
func anyTable(t *rapid.T) table {
	a := table{sizes: rapid.SampledFrom(shapes).Draw(t, "sizes")}
	seed := rapid.Uint64().Draw(t, "seed")
	filled := rapid.SampledFrom([]float64{0, 0.05, 0.5, 1}).Draw(t, "share of cells that are not empty")
	large := math.Pow(10, rapid.Float64Range(-1, 5).Draw(t, "log of values in noise"))
	unit := math.Pow(10, rapid.Float64Range(-6, 9).Draw(t, "log of noise"))
	whole := rapid.Bool().Draw(t, "whole")
	random := rand.New(rand.NewPCG(seed, 0))
	n := 1
	for _, size := range a.sizes {
		n *= size
	}
	for range n {
		truth, noise := 0., random.NormFloat64()*unit
		if random.Float64() < filled {
			truth = random.ExpFloat64() * large * unit
		}
		if whole {
			truth, noise = math.Round(truth), math.Round(noise)
		}
		a.truth, a.noisy = append(a.truth, truth), append(a.noisy, truth+noise)
		a.lowest = min(a.lowest, truth+noise)
	}
	return a
}

// tolerance is how far a sum of some of the table's numbers may be off by rounding, or by the solver's tolerance.
func (a table) tolerance() float64 {
	largest := 0.
	for i, y := range a.noisy {
		largest = max(largest, math.Abs(y), a.truth[i])
	}
	return 1e-12*largest*float64(len(a.noisy)) - 1e-10*a.lowest
}

func project(t interface{ Fatal(...any) }, sizes []int, noisy []float64) []float64 {
	x, err := consistent.Project(sizes, noisy)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// each calls visit for every table of a cross-tab: its entries, and how many cells are in one.
func each(sizes []int, cells []float64, visit func(keep []int, entries []float64, c float64)) {
	for _, keep := range consistent.Subsets(len(sizes)) {
		entries := consistent.Marginal(sizes, cells, keep)
		visit(keep, entries, float64(len(cells)/len(entries)))
	}
}

// distance is the square of the package's norm, from its definition.
func distance(sizes []int, a, b []float64) (sum float64) {
	each(sizes, minus(a, b), func(_ []int, entries []float64, c float64) {
		for _, entry := range entries {
			sum += entry * entry / math.Sqrt(c)
		}
	})
	return sum
}

// gradient is half the derivative of the squared norm of v by every cell, from the definition.
func gradient(sizes []int, v []float64) []float64 {
	g := make([]float64, len(v))
	each(sizes, v, func(keep []int, entries []float64, c float64) {
		for i := range g {
			at := 0
			values := valuesOf(sizes, i)
			for _, d := range keep {
				at = at*sizes[d] + values[d]
			}
			g[i] += entries[at] / math.Sqrt(c)
		}
	})
	return g
}

// valuesOf returns the values of the dimensions in a cell.
func valuesOf(sizes []int, cell int) []int {
	values := make([]int, len(sizes))
	for i := len(sizes) - 1; i >= 0; i-- {
		values[i] = cell % sizes[i]
		cell /= sizes[i]
	}
	return values
}

func minus(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// near reports whether two tables differ by at most tolerance in every cell.
func near(a, b []float64, tolerance float64) bool {
	if len(a) != len(b) {
		return false
	}
	for _, d := range minus(a, b) {
		if !(math.Abs(d) <= tolerance) {
			return false
		}
	}
	return true
}
