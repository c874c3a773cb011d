package consistent

import "math"

// norm is the squared norm of the package comment, as a matrix. The tables that sum over a set of dimensions contribute
// the product of J_i/√k_i over these, where J_i adds up the k_i cells of a line along dimension i; the sum over all sets
// is ⊗(I + J_i/√k_i). Its eigenvalues are products of 1 or 1 + √k_i, one factor per dimension.
//
// A dimension of one value only doubles everything, and is left out.
type norm struct {
	dimensions []dimension
	largest    float64 // eigenvalue; the smallest is 1
}

// dimension has lines of size cells that lie stride apart.
type dimension struct{ size, stride int }

func newNorm(sizes []int) norm {
	n, stride := norm{largest: 1}, 1
	for i := len(sizes) - 1; i >= 0; i-- {
		if sizes[i] > 1 {
			n.dimensions = append(n.dimensions, dimension{sizes[i], stride})
			n.largest *= 1 + math.Sqrt(float64(sizes[i]))
		}
		stride *= sizes[i]
	}
	return n
}

// apply multiplies v by the matrix.
func (n norm) apply(v []float64) {
	for _, d := range n.dimensions {
		root, length := math.Sqrt(float64(d.size)), d.size*d.stride
		for block := 0; block < len(v); block += length {
			for first := block; first < block+d.stride; first++ {
				sum := 0.
				for at := first; at < block+length; at += d.stride {
					sum += v[at]
				}
				sum /= root
				for at := first; at < block+length; at += d.stride {
					v[at] += sum
				}
			}
		}
	}
}

// nearest returns the v of smallest norm with v >= bounds, which are 1 at most and may be −Inf: projected gradients,
// accelerated by the constant momentum for a known condition number κ (V-FISTA; Beck 2017, "First-Order Methods in
// Optimization", section 10.7).
//
// What the squared norm exceeds its minimum by falls as (1 − 1/√κ)^rounds. The tolerance was reached within 27·√κ rounds
// in each of 20 000 random tables of up to 1000 cells (κ is at most 98 for these); the limit is for enormous tables, where
// rounding errors may stay above the tolerance.
func (n norm) nearest(bounds []float64) []float64 {
	root := math.Sqrt(n.largest)
	momentum, tolerance := (root-1)/(root+1), 1e-13*n.largest
	v, ahead, gradient := make([]float64, len(bounds)), make([]float64, len(bounds)), make([]float64, len(bounds))
	for i, bound := range bounds {
		v[i] = max(0, bound)
		ahead[i] = v[i]
	}
	for range int(100*root) + 1 {
		copy(gradient, ahead)
		n.apply(gradient)
		off := 0. // at the minimum the gradient is 0, or above 0 where v is at its bound
		for i, bound := range bounds {
			off = max(off, math.Abs(min(gradient[i], ahead[i]-bound)))
			next := max(bound, ahead[i]-gradient[i]/n.largest)
			ahead[i] = next + momentum*(next-v[i])
			v[i] = next
		}
		if off <= tolerance {
			break
		}
	}
	return v
}
