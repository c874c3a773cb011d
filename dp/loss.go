package dp

import (
	"fmt"
	"math"
)

// Pure is an event that is known to be (ε, δ)-private, and about which no more is known: the private matching. It is for
// accounting only; [Noise.Check] refuses it.
const Pure Mechanism = "pure"

const (
	microPerEpsilon = 1e6
	attoPerDelta    = 1e18

	// maxPureMicroEpsilon bounds the ε of one event that is no release, a million: a matching of a hundred lists has
	// ε = 2000 at most.
	maxPureMicroEpsilon = 1_000_000 * microPerEpsilon
	// maxCells bounds the cells of one release, far above what any question has.
	maxCells = 1 << 40
)

// Loss is the privacy loss of one release for one person, in exact integers. Losses that are == are the same.
type Loss struct {
	Mechanism    Mechanism // Laplace, Gaussian or Pure
	MicroEpsilon int64     // ε of the whole release in millionths, at least 1; at most MaxEpsilon unless Pure
	AttoDelta    int64     // δ of the mechanism in 10⁻¹⁸: 0 for Laplace, 1 to 10¹⁸−1 for Gaussian, 0 to 10¹⁸−1 for Pure
	Cells        int64     // numbers released under flooding, for which FloodDelta is charged; 0 for none
}

// AttoDeltaOf returns delta in units of 10⁻¹⁸, the nearest number of them. It must be above 0 and below 1, and not round
// to 0; the error says so.
func AttoDeltaOf(delta float64) (int64, error) {
	if !(delta > 0 && delta < 1) {
		return 0, fmt.Errorf("delta is %v, must be above 0 and below 1", delta)
	}
	atto := nearestAtto(delta)
	if atto == 0 {
		return 0, fmt.Errorf("delta is %v, must be at least 1e-18", delta)
	}
	return atto, nil
}

// nearestAtto is AttoDeltaOf for any number: what is below 0 or NaN counts as 0, what is 1 or more as 1 − 10⁻¹⁸.
func nearestAtto(delta float64) int64 {
	switch {
	case delta >= 1:
		return attoPerDelta - 1
	case !(delta > 0):
		return 0
	}
	return int64(math.Round(delta * attoPerDelta))
}

// Check reports whether l is a loss that a release can have. Its errors name the value and the rule.
func (l Loss) Check() error {
	if l.Cells < 0 || l.Cells > maxCells {
		return fmt.Errorf("privacy loss: number of cells is %d, must be 0 to 2^40", l.Cells)
	}
	switch l.Mechanism {
	case Laplace, Gaussian:
		if l.MicroEpsilon < 1 || l.MicroEpsilon > MaxEpsilon*microPerEpsilon {
			return fmt.Errorf("privacy loss: epsilon is %d millionths, must be 1 to %d", l.MicroEpsilon, int64(MaxEpsilon*microPerEpsilon))
		}
		if l.AttoDelta < 0 || l.AttoDelta >= attoPerDelta { // so that it can't round to 0 or 1 below
			return fmt.Errorf("privacy loss: delta is %d·10^-18, must be 0 to 10^18 - 1", l.AttoDelta)
		}
		// Whether the noise can be drawn depends on ε and δ alone, but for the largest sensitivities.
		if err := (Noise{l.Mechanism, l.epsilon(), l.delta(), 1}).Check(); err != nil {
			return fmt.Errorf("privacy loss: %w", err)
		}
	case Pure:
		if l.MicroEpsilon < 1 || l.MicroEpsilon > maxPureMicroEpsilon {
			return fmt.Errorf("privacy loss: epsilon is %d millionths, must be 1 to %d", l.MicroEpsilon, int64(maxPureMicroEpsilon))
		}
		if l.AttoDelta < 0 || l.AttoDelta >= attoPerDelta {
			return fmt.Errorf("privacy loss: delta is %d·10^-18, must be 0 to 10^18 - 1", l.AttoDelta)
		}
	default:
		return fmt.Errorf("privacy loss: mechanism is %q, must be %q, %q or %q", l.Mechanism, Laplace, Gaussian, Pure)
	}
	return nil
}

// Delta returns the δ of the release, the mechanism's and what flooding leaves, as [FloodDelta] has it; 0 if there is
// neither. It may be above 1, or infinite.
func (l Loss) Delta() float64 { return l.delta() + l.floodDelta() }

func (l Loss) epsilon() float64 { return float64(l.MicroEpsilon) / microPerEpsilon }

func (l Loss) delta() float64 { return float64(l.AttoDelta) / attoPerDelta }

func (l Loss) floodDelta() float64 {
	if l.Cells == 0 {
		return 0
	}
	return FloodDelta(l.epsilon(), int(l.Cells))
}

// breachDelta bounds the probability that Gaussian noise, which ends at gaussianReach·σ, shows which of two neighbouring
// data sets it is: that a changed cell's noise lies within the change of its end. A change of s·σ in a cell has the
// probability Q(reach−s) − Q(reach), which as a function of s² is concave up to s = 1/reach, then convex. So of all ways
// to spread Σs² = (Δ/σ)² over many cells, the worst has one cell that changes by much, and the others by 1/reach at most.
//
// All cells may change; where none is flooded, and none is stated, as many as the largest question has.
func (l Loss) breachDelta(sigma float64) float64 {
	const unstated = 1024
	most := float64(max(l.Cells, unstated))
	return upperNormal(gaussianReach-1/sigma) + most*upperNormal(gaussianReach-1/gaussianReach)
}
