package config

import (
	"fmt"
	"math"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxMeasures is the most measures that a party can declare.
	MaxMeasures = 32
	// MaxUnitBytes is the most bytes that a measure's unit can have.
	MaxUnitBytes = 20
	// MaxAmount is the farthest from 0 that a bound of a clip can be.
	MaxAmount = 1e12
	// MaxSteps is the most steps that a bound of a clip can be away from 0.
	MaxSteps = 100_000
	// MinStep is the least step that can be declared, and the least default.
	MinStep = 1e-12

	// defaultSteps is the least number of steps to the farther bound of a clip where the file says nothing of steps: rounding
	// then moves a customer's amount by at most a thousandth of what noise has to cover.
	defaultSteps = 500
	// tolerance is by how much, of its own size, a bound may miss a whole multiple of the step: 0.3 is no multiple of 0.1 in
	// float64.
	tolerance = 1e-9
)

// Measure is an amount that each customer has, such as what was spent. What the rows of one customer say adds up; the sum is
// then clipped, and rounded to whole steps, in which all further arithmetic is done. A customer whose rows all say NULL has no
// amount.
type Measure struct {
	SQL  string     `yaml:"sql"`  // expression whose value is a number
	Clip [2]float64 `yaml:"clip"` // the lowest and the highest amount of a customer, in units
	Unit string     `yaml:"unit"` // such as EUR, or ""
	Step Step       `yaml:"step"` // as declared, 0 for left out: see [Measure.StepSize]
}

// Step is an amount, above 0, that amounts are rounded to multiples of. 0 stands for left out.
type Step float64

// UnmarshalYAML reads a number that is above 0 and finite; a step that is left out is not written as 0.
func (s *Step) UnmarshalYAML(node *yaml.Node) error {
	var size float64
	if err := node.Decode(&size); err != nil {
		return err // says the line
	}
	if !(size > 0) || math.IsInf(size, 0) {
		return fmt.Errorf("line %d: step %v: must be a finite number above 0", node.Line, size)
	}
	*s = Step(size)
	return nil
}

// StepSize returns the step in units: the declared one or, where none is, the greatest power of ten of which the farther
// bound of the clip is at least 500. The measure must be one that passed [Party.Check].
func (m Measure) StepSize() float64 {
	if m.Step != 0 {
		return float64(m.Step)
	}
	far := m.far()
	for exponent := 12; exponent > -12; exponent-- {
		if power := math.Pow10(exponent); far/power >= defaultSteps*(1-tolerance) {
			return power
		}
	}
	return MinStep
}

// far returns how far from 0 an amount can be, in units.
func (m Measure) far() float64 { return max(math.Abs(m.Clip[0]), math.Abs(m.Clip[1])) }

// Steps returns the clip in steps, low < high, both within ±[MaxSteps]. The measure must be one that passed [Party.Check].
func (m Measure) Steps() (low, high int64) {
	size := m.StepSize()
	return int64(math.Round(m.Clip[0] / size)), int64(math.Round(m.Clip[1] / size))
}

func (p *Party) checkMeasure(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, taken := p.Segments[name]; taken {
		return fmt.Errorf("a segment has that name too; names must differ")
	}
	if _, taken := p.Dimensions[name]; taken {
		return fmt.Errorf("a dimension has that name too; names must differ")
	}
	m := p.Measures[name]
	if err := checkSQL(m.SQL); err != nil {
		return err
	}
	if err := m.checkClip(); err != nil {
		return err
	}
	if len(m.Unit) > MaxUnitBytes {
		return fmt.Errorf("unit %.80q: %d bytes, must be at most %d", m.Unit, len(m.Unit), MaxUnitBytes)
	}
	if !printable(m.Unit) {
		return fmt.Errorf("unit %q: must be printable text", m.Unit)
	}
	return nil
}

func (m Measure) checkClip() error {
	for _, bound := range m.Clip {
		if !(math.Abs(bound) <= MaxAmount) { // NaN is refused too
			return fmt.Errorf("clip [%v, %v]: must be finite and within ±%v", m.Clip[0], m.Clip[1], MaxAmount)
		}
	}
	if m.Clip[0] >= m.Clip[1] {
		return fmt.Errorf("clip [%v, %v]: the low bound must be below the high one, such as [0, 500]", m.Clip[0], m.Clip[1])
	}
	if m.Step != 0 && !(m.Step >= MinStep) || math.IsInf(float64(m.Step), 0) {
		return fmt.Errorf("step %v: must be finite and at least %v", float64(m.Step), MinStep)
	}
	size := m.StepSize()
	for _, bound := range m.Clip {
		steps := bound / size
		if !(math.Abs(steps) <= MaxSteps*(1+tolerance)) {
			return fmt.Errorf("clip [%v, %v]: must be within %d steps of %v", m.Clip[0], m.Clip[1], MaxSteps, size)
		}
		if math.Abs(steps-math.Round(steps)) > tolerance*math.Abs(steps) {
			return fmt.Errorf("clip [%v, %v]: must be whole multiples of the step, %v", m.Clip[0], m.Clip[1], size)
		}
	}
	if low, high := m.Steps(); low >= high {
		return fmt.Errorf("clip [%v, %v]: must be at least a step of %v apart", m.Clip[0], m.Clip[1], size)
	}
	return nil
}
