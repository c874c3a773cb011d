package dp

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// Tally counts the losses of one person: how many of each. Its zero value can be read; make one to [Tally.Add] to it.
type Tally map[Loss]int64

// Add counts n more of l. n may be negative: a count does not go below 0, nor above the largest int64.
func (t Tally) Add(l Loss, n int64) {
	if n > 0 {
		t[l] = plus(max(0, t[l]), n)
	} else if t[l]+n > 0 {
		t[l] += n
	} else {
		delete(t, l)
	}
}

// MicroEpsilon returns the smallest ε that is known, in millionths and rounded up, such that all losses together are
// (ε, delta)-private, in whatever order they were incurred and however later questions depended on earlier answers.
// delta is read as a multiple of 10⁻¹⁸.
//
// It is 0 for an empty tally, and [math.MaxInt64] if there is none: if delta does not cover what flooding leaves, or what
// Gaussian noise needs, or a loss does not pass [Loss.Check].
//
// It is the smaller of two:
//
//   - The plain sum of all ε, exactly, if the sum of all δ is at most delta.
//   - Rényi: curves are added up and converted at the best order, with the δ that is left after what has no curve: the δ
//     of Pure events (an (ε, δ)-private event is an ε-private one but for an event of probability δ: Kairouz, Oh and
//     Viswanath, The Composition Theorem for Differential Privacy, 2015), flooding, and the end of Gaussian noise. As a
//     curve of Laplace noise or a Pure event is never above its ε, this is never more than their sum of ε added to what
//     the Gaussian ones cost alone.
func (t Tally) MicroEpsilon(delta float64) int64 {
	return microEpsilon(t.events(), nearestAtto(delta))
}

// Fits returns how many more l there can be, 0 to most, such that [Tally.MicroEpsilon] of delta stays at most
// limitMicroEpsilon, and is known.
func (t Tally) Fits(l Loss, limitMicroEpsilon int64, delta float64, most int64) int64 {
	with := maps.Clone(t)
	if with == nil {
		with = Tally{}
	}
	with.Add(l, 1) // so that it is among the events
	events, atto, before := with.events(), nearestAtto(delta), max(0, t[l])
	counted := &events[slices.IndexFunc(events, func(e event) bool { return e.loss == l })]
	low, high := int64(0), max(0, most) // low fits, if any number does; what is above high isn't asked about, or doesn't
	for low < high {
		middle := high - (high-low)/2
		counted.n = plus(before, middle)
		if epsilon := microEpsilon(events, atto); epsilon <= limitMicroEpsilon && epsilon < math.MaxInt64 {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

// event is a loss, how many there are, and what is computed from the loss alone.
type event struct {
	loss Loss
	n    int64
	rates
}

// events returns the losses of which there are some, in an order that depends on nothing else: sums of floating-point
// numbers must not come out differently from one call to the next.
func (t Tally) events() []event {
	events := make([]event, 0, len(t))
	for l, n := range t {
		if n > 0 {
			events = append(events, event{l, n, ratesOf(l)})
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(
			cmp.Compare(a.loss.Mechanism, b.loss.Mechanism), cmp.Compare(a.loss.MicroEpsilon, b.loss.MicroEpsilon),
			cmp.Compare(a.loss.AttoDelta, b.loss.AttoDelta), cmp.Compare(a.loss.Cells, b.loss.Cells),
		)
	})
	return events
}

func microEpsilon(events []event, attoDelta int64) int64 {
	var plain, plainDelta, fixedDelta int64
	for _, e := range events {
		if e.curve == nil {
			return math.MaxInt64
		}
		plain = plus(plain, times(e.n, e.loss.MicroEpsilon))
		plainDelta = plus(plainDelta, times(e.n, e.plainDelta))
		fixedDelta = plus(fixedDelta, times(e.n, e.fixedDelta))
	}
	best := int64(math.MaxInt64)
	if plainDelta <= attoDelta {
		best = plain
	}
	if fixedDelta < attoDelta {
		best = min(best, renyiMicroEpsilon(events, float64(attoDelta-fixedDelta)/attoPerDelta))
	}
	return best
}

// renyiMicroEpsilon adds up the curves and converts the sum at its best order.
func renyiMicroEpsilon(events []event, delta float64) int64 {
	var sum curve
	var cells float64
	for _, e := range events {
		n := float64(e.n)
		for i, divergence := range e.curve {
			sum[i] += n * divergence
		}
		cells += n * float64(e.loss.Cells)
	}
	best, lnDelta := math.Inf(1), math.Log(delta)
	for i, o := range orders {
		best = min(best, o.epsilon(sum[i]+(1+o.above)*cells*floodDivergence, lnDelta))
	}
	const roundingError = 1e-12 // relative, of all the sums
	micro := math.Ceil(best * (1 + roundingError) * microPerEpsilon)
	if micro >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(micro)
}

// times returns the product of two numbers that are at least 0, or the largest int64.
func times(a, b int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}

// plus returns the sum of two numbers that are at least 0, or the largest int64.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
