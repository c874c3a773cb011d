package consistent_test

import (
	"fmt"

	"github.com/sotto-dev/sotto/internal/consistent"
)

// A noisy table of two tiers by three age bands; the half-width of its total is 25.
func Example() {
	sizes, noisy := []int{2, 3}, []int64{120, 40, -7, 300, -4, 12}
	cells, err := consistent.Project(sizes, noisy)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("cells %.1f\n", cells)
	fmt.Printf("by tier %.1f\n", consistent.Marginal(sizes, cells, []int{0}))
	fmt.Printf("by age band %.1f\n", consistent.Marginal(sizes, cells, []int{1}))
	total, raw := consistent.Marginal(sizes, cells, nil)[0], float64(consistent.Marginal(sizes, noisy, nil)[0])
	low, high := consistent.Interval(raw-25, raw+25, total)
	fmt.Printf("total %.1f, %.0f to %.0f\n", total, low, high)
	// Output:
	// cells [118.6 36.9 0.0 299.9 0.0 8.4]
	// by tier [155.5 308.2]
	// by age band [418.4 36.9 8.4]
	// total 463.7, 436 to 486
}
