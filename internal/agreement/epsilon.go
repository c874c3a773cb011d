package agreement

import (
	"fmt"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sotto-dev/sotto/internal/fault"
)

// MicroEpsilon is an amount of ε in units of 10⁻⁶, so that budgets add up exactly. In YAML it is written as the number of
// whole ε, such as 0.5.
type MicroEpsilon int64

const (
	oneEpsilon MicroEpsilon = 1e6
	maxEpsilon              = 1e6 * oneEpsilon // all of which float64 holds exactly
)

// MicroEpsilonOf returns epsilon in units of 10⁻⁶. It refuses, of fault.Invalid, NaN, infinities, what is not above 0, what
// is above 10⁶, and what is not a multiple of 10⁻⁶ but for rounding errors (one part in 10¹⁴).
func MicroEpsilonOf(epsilon float64) (MicroEpsilon, error) {
	switch {
	case math.IsNaN(epsilon) || math.IsInf(epsilon, 0):
		return 0, fault.New(fault.Invalid, "epsilon %v: must be a finite number", epsilon)
	case epsilon <= 0:
		return 0, fault.New(fault.Invalid, "epsilon %v: must be above 0", epsilon)
	}
	// Cut well above the greatest, so that the conversion to an integer cannot overflow.
	micro := MicroEpsilon(math.Round(min(epsilon, 2*maxEpsilon.Float()) * float64(oneEpsilon)))
	if micro > maxEpsilon {
		return 0, fault.New(fault.Invalid, "epsilon %v: must be at most %s", epsilon, maxEpsilon)
	}
	// A decimal literal with up to six places parses to exactly micro.Float(); a sum of such is a few roundings off.
	const tolerance = 1e-14
	if micro <= 0 || math.Abs(micro.Float()-epsilon) > tolerance*epsilon {
		return 0, fault.New(fault.Invalid, "epsilon %v: must be a multiple of 0.000001", epsilon)
	}
	return micro, nil
}

// Float returns the amount in whole ε.
func (m MicroEpsilon) Float() float64 { return float64(m) / float64(oneEpsilon) }

// String returns the amount in whole ε, exactly, in decimal without an exponent: "0.5".
func (m MicroEpsilon) String() string {
	if m < 0 {
		return "-" + decimal(-uint64(m))
	}
	return decimal(uint64(m))
}

func decimal(micro uint64) string {
	text := fmt.Sprintf("%d.%06d", micro/uint64(oneEpsilon), micro%uint64(oneEpsilon))
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// UnmarshalYAML reads a number of whole ε, as [MicroEpsilonOf] does.
func (m *MicroEpsilon) UnmarshalYAML(node *yaml.Node) error {
	var epsilon float64
	if err := node.Decode(&epsilon); err != nil {
		return err // says the line
	}
	micro, err := MicroEpsilonOf(epsilon)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*m = micro
	return nil
}

// MarshalYAML writes the number of whole ε.
func (m MicroEpsilon) MarshalYAML() (any, error) {
	tag := "!!int"
	text := m.String()
	if strings.ContainsRune(text, '.') {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}, nil
}
