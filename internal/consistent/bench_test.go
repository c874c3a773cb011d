package consistent_test

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkProject makes a cross-tab of a thousand cells consistent, one in ten of which is not empty.
func BenchmarkProject(b *testing.B) {
	sizes := []int{10, 10, 10}
	_, noisy := sparse(rand.New(rand.NewPCG(1, 0)), sizes, 0.1)
	for b.Loop() {
		project(b, sizes, noisy)
	}
}
