package consistent_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/consistent"
	"pgregory.net/rapid"
)

// Guards what is computed: x is 0 or more and meets the Karush-Kuhn-Tucker conditions of the documented objective, which
// only its minimum does: the gradient, worked out here from the definition over all tables, is 0 where x is above 0, and
// 0 or more where x is 0.
func TestProjectIsTheMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyTable(t)
		x := project(t, a.sizes, a.noisy)
		if len(x) != len(a.noisy) {
			t.Fatalf("%d cells became %d", len(a.noisy), len(x))
		}
		tolerance := 10 * a.tolerance()
		for i, g := range gradient(a.sizes, minus(x, a.noisy)) {
			switch {
			case !(x[i] >= 0):
				t.Fatalf("cell %d is %v", i, x[i])
			case g < -tolerance, x[i] > 0 && g > tolerance:
				t.Fatalf("cell %d is %v, where the gradient is %v", i, x[i], g)
			}
		}
	})
}

// Guards the same at the largest size that is asked for, in tables of many shapes, as exactly as [consistent.Project]
// promises. The seed is fixed.
func TestProjectLargeTables(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 0))
	for _, sizes := range [][]int{{1000}, {2, 500}, {30, 33}, {125, 1, 8}, {10, 10, 10}, {2, 2, 250}, {40, 5, 5}} {
		for _, filled := range []float64{0, 0.01, 0.1, 0.5} {
			_, noisy := sparse(random, sizes, filled)
			x := project(t, sizes, noisy)
			for i, g := range gradient(sizes, minus(x, noisy)) {
				if limit := -2e-11 * slices.Min(noisy); !(x[i] >= 0) || g < -limit || x[i] > 0 && g > limit {
					t.Fatalf("sizes %v, share %v: cell %d is %v, where the gradient is %v", sizes, filled, i, x[i], g)
				}
			}
		}
	}
}

// Guards the numbers themselves, against a minimum that can be written down: where one cell is negative and all others
// are large, those on a line with it along a dimension of k values change by −1/(k − 1 + √k) of what it changes by, and
// so on as a product over the dimensions. With sizes [2 2] the factor is 1 − √2.
func TestProjectOneNegativeCell(t *testing.T) {
	for _, sizes := range [][]int{{}, {1}, {2}, {7}, {2, 2}, {3, 1, 5}, {4, 2, 3}, {10, 10, 10}} {
		n := 1
		for _, k := range sizes {
			n *= k
		}
		negative := n / 3
		noisy, want := make([]float64, n), make([]float64, n)
		for i := range noisy {
			noisy[i] = 1000 + float64(i)
			if i == negative {
				noisy[i] = -30
			}
			change := 30.
			for d, value := range valuesOf(sizes, i) {
				if value != valuesOf(sizes, negative)[d] {
					k := float64(sizes[d])
					change *= -1 / (k - 1 + math.Sqrt(k))
				}
			}
			want[i] = noisy[i] + change
		}
		if x := project(t, sizes, noisy); !near(x, want, 1e-9) {
			t.Errorf("sizes %v: %v became %v, want %v", sizes, noisy, x, want)
		}
	}
	x, err := consistent.Project([]int{2, 2}, []int64{10, 10, 10, -1})
	if want := []float64{13 - 2*math.Sqrt2, 11 - math.Sqrt2, 11 - math.Sqrt2, 0}; err != nil || !near(x, want, 1e-12) {
		t.Errorf("became %v, %v, want %v", x, err, want)
	}
}

// Guards small cells next to enormous ones, and extreme magnitudes: the change is as exact as it is by itself.
func TestProjectMagnitudes(t *testing.T) {
	change := 1 / (2 + math.Sqrt(3))
	if x := project(t, []int{3}, []float64{1e12, 50, -1}); !near(x[1:], []float64{50 - change, 0}, 1e-11) {
		t.Errorf("50 and -1 next to 1e12 became %v", x[1:])
	}
	for _, unit := range []float64{1e-320, 1e-300, 1e-150, 1, 1e150, 1e300} {
		x := project(t, []int{2, 2}, []float64{10 * unit, 0, -unit, -2 * unit})
		for _, cell := range x {
			if !(cell >= 0 && cell <= 10*unit) {
				t.Errorf("in units of %v, a cell is %v", unit, cell/unit)
			}
		}
	}
	if x := project(t, []int{3}, []float64{1e300, 1, -1e-300}); !near(x, []float64{1e300, 1, 0}, 0) {
		t.Errorf("became %v", x)
	}
}

// Guards that a table without negative cells is not touched, not by a bit, and so that to project twice changes nothing.
func TestProjectLeavesConsistentTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyTable(t)
		if x := project(t, a.sizes, a.truth); !slices.Equal(x, a.truth) {
			t.Fatalf("%v became %v", a.truth, x)
		}
		before := slices.Clone(a.noisy)
		x := project(t, a.sizes, a.noisy)
		if again := project(t, a.sizes, x); !slices.Equal(again, x) {
			t.Fatalf("%v became %v the second time", x, again)
		}
		if !slices.Equal(a.noisy, before) {
			t.Fatal("the noisy cells were changed")
		}
	})
}

// Guards what intervals and regions rely on: for any truth without negative cells, however far off, the consistent table
// is nearer to it in the norm by at least what was changed, ‖x − θ‖² <= ‖y − θ‖² − ‖x − y‖², and the total is not less.
func TestProjectComesNearerToTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyTable(t)
		x := project(t, a.sizes, a.noisy)
		before, after, moved := distance(a.sizes, a.noisy, a.truth), distance(a.sizes, x, a.truth), distance(a.sizes, x, a.noisy)
		if after > before-moved+1e-9*(before+moved) {
			t.Fatalf("squared distance was %v, is %v after a move of %v", before, after, moved)
		}
		if sum(x) < sum(a.noisy)-a.tolerance() {
			t.Fatalf("the total went from %v to %v", sum(a.noisy), sum(x))
		}
	})
}

// Guards that the result does not depend on how the table is written down: the order of a dimension's values, the order
// of dimensions, a dimension of one value more, the unit.
func TestProjectSymmetries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyTable(t)
		x := project(t, a.sizes, a.noisy)

		order := rapid.Permutation(indices(len(a.sizes))).Draw(t, "order of dimensions")
		values := make([][]int, len(a.sizes))
		sizes := make([]int, len(a.sizes))
		for i, d := range order {
			sizes[i] = a.sizes[d]
			values[d] = rapid.Permutation(indices(a.sizes[d])).Draw(t, "order of values")
		}
		from := make([]int, len(x)) // cell of the table as drawn, by cell of the rearranged one
		noisy, want := make([]float64, len(x)), make([]float64, len(x))
		for i := range from {
			there, at := valuesOf(sizes, i), 0
			for d := range a.sizes {
				at = at*a.sizes[d] + values[d][there[slices.Index(order, d)]]
			}
			noisy[i], want[i] = a.noisy[at], x[at]
		}
		if got := project(t, sizes, noisy); !near(got, want, a.tolerance()) {
			t.Fatalf("rearranged: %v, want %v", got, want)
		}

		if got := project(t, slices.Insert(slices.Clone(a.sizes), 0, 1), a.noisy); !slices.Equal(got, x) {
			t.Fatalf("with a dimension of one value more: %v, want %v", got, x)
		}

		for i := range noisy {
			noisy[i], want[i] = a.noisy[i]*0x1p20, x[i]*0x1p20
		}
		if got := project(t, a.sizes, noisy); !slices.Equal(got, want) {
			t.Fatalf("in another unit: %v, want %v", got, want)
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// Guards tables in which nothing is left, or little: they end at 0 or above it, and never in a NaN.
func TestProjectDegenerateTables(t *testing.T) {
	for _, c := range []struct {
		sizes       []int
		noisy, want []float64
	}{
		{nil, []float64{5}, []float64{5}},
		{nil, []float64{-5}, []float64{0}},
		{[]int{1, 1, 1}, []float64{-5}, []float64{0}},
		{[]int{2, 2}, []float64{-1, -2, -3, -4}, []float64{0, 0, 0, 0}},
		{[]int{2, 2}, []float64{0, 0, 0, 0}, []float64{0, 0, 0, 0}},
		{[]int{2}, []float64{0, -1}, []float64{0, 0}},
		{[]int{2}, []float64{3, -1}, []float64{4 - math.Sqrt2, 0}},
		{[]int{2}, []float64{0.25, -1}, []float64{0, 0}}, // the other would have to pay more than it has
	} {
		if x := project(t, c.sizes, c.noisy); !near(x, c.want, 1e-12) {
			t.Errorf("%v became %v, want %v", c.noisy, x, c.want)
		}
	}
}

// Guards that what is not a table is refused, by an error that names the rule.
func TestProjectRefuses(t *testing.T) {
	const huge = math.MaxInt
	for _, c := range []struct {
		sizes []int
		noisy []float64
		want  string
	}{
		{[]int{2, 3}, make([]float64, 5), "make a table consistent: a table of sizes [2 3] has 5 cells, must have one for every combination of values"},
		{[]int{2, 3}, make([]float64, 7), "make a table consistent: a table of sizes [2 3] has 7 cells, must have one for every combination of values"},
		{[]int{2}, nil, "make a table consistent: a table of sizes [2] has 0 cells, must have one for every combination of values"},
		{nil, nil, "make a table consistent: a table of sizes [] has 0 cells, must have one for every combination of values"},
		{nil, make([]float64, 2), "make a table consistent: a table of sizes [] has 2 cells, must have one for every combination of values"},
		{[]int{2, 0}, nil, "make a table consistent: dimension 1 has 0 values, must have at least 1"},
		{[]int{-1, -4}, make([]float64, 4), "make a table consistent: dimension 0 has -1 values, must have at least 1"},
		{[]int{1 << 32, 1 << 32}, nil, "make a table consistent: a table of sizes [4294967296 4294967296] has 0 cells, must have one for every combination of values"},
		{[]int{3, huge, huge}, make([]float64, 3), "make a table consistent: a table of sizes [3 9223372036854775807 9223372036854775807] has 3 cells, must have one for every combination of values"},
		{[]int{3}, []float64{0, math.NaN(), 0}, "make a table consistent: cell 1 is NaN, must be a finite number"},
		{[]int{3}, []float64{0, 0, math.Inf(1)}, "make a table consistent: cell 2 is +Inf, must be a finite number"},
		{[]int{3}, []float64{math.Inf(-1), 0, 0}, "make a table consistent: cell 0 is -Inf, must be a finite number"},
	} {
		x, err := consistent.Project(c.sizes, c.noisy)
		if x != nil || err == nil || err.Error() != c.want {
			t.Errorf("sizes %v: %v, %v, want the error %s", c.sizes, x, err, c.want)
		}
	}
}
