package config_test

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// partyWith declares a party with that measure and nothing else.
func partyWith(m config.Measure) *config.Party {
	return &config.Party{
		Name: "a", Source: config.Source{CSV: "a"}, Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, CustomersUpTo: 1,
		Purposes: anyone,
		Measures: map[string]config.Measure{"m": m},
	}
}

// The default step is the greatest power of ten of which the clip is at least 500, exactly the float64 that the decimal
// number is: members compare steps, and clients print them.
func TestDefaultStep(t *testing.T) {
	for _, c := range []struct{ low, high, step float64 }{
		{0, 500, 1},
		{0, 499, 0.1},
		{0, 1, 0.001},
		{0, 10_000, 10},
		{-10_000, 1, 1}, // is refused: see below
		{-5000, 0, 10},
		{-500, 20, 1},
		{0, 0.5, 0.001},
		{0, 0.05, 0.0001},
		{0, 0.3, 0.0001},
		{0, 5e-7, 1e-9},
		{0, 5e6, 1e4},
		{0, 1e12, 1e9},
		{0, 4e-10, 1e-12},
	} {
		m := config.Measure{SQL: "x", Clip: [2]float64{c.low, c.high}}
		if c.low == -10_000 {
			// Bounds that are no multiples of the default step need a step in the file.
			if partyWith(m).Check() == nil {
				t.Errorf("%v is accepted with step %v", m.Clip, m.StepSize())
			}
			m.Step = config.Step(c.step)
		}
		if err := partyWith(m).Check(); err != nil {
			t.Errorf("%v: %v", m.Clip, err)
		}
		if got := m.StepSize(); got != c.step {
			t.Errorf("%v has step %v, want %v", m.Clip, got, c.step)
		}
	}
}

// Whatever is accepted has a clip of whole steps that fit, and says what was declared: bounds that are decimal multiples of
// a decimal step are always accepted, however badly float64 divides them.
func TestSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exponent := rapid.IntRange(-12, 6).Draw(t, "exponent")
		digits := rapid.Int64Range(1, 10).Draw(t, "digits of the step")
		decimal := func(n int64) float64 {
			x, err := strconv.ParseFloat(strconv.FormatInt(n, 10)+"e"+strconv.Itoa(exponent), 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		low := rapid.Int64Range(-config.MaxSteps, config.MaxSteps-1).Draw(t, "low")
		high := rapid.Int64Range(low+1, config.MaxSteps).Draw(t, "high")
		m := config.Measure{
			SQL: "x", Clip: [2]float64{decimal(low * digits), decimal(high * digits)}, Step: config.Step(decimal(digits)),
		}
		if err := partyWith(m).Check(); err != nil {
			t.Fatal(err)
		}
		gotLow, gotHigh := m.Steps()
		if gotLow != low || gotHigh != high || m.StepSize() != decimal(digits) {
			t.Fatalf("%+v is %d to %d steps of %v; want %d to %d", m, gotLow, gotHigh, m.StepSize(), low, high)
		}
	})
}

// Whatever two numbers are declared as a clip: with the default step they are accepted only if they are so many steps, and
// what was accepted keeps its promises.
func TestAcceptedClips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-1000, 1000), rapid.Map(rapid.IntRange(-5000, 5000), func(i int) float64 { return float64(i) }))
		m := config.Measure{SQL: "x", Clip: [2]float64{bound.Draw(t, "low"), bound.Draw(t, "high")}}
		if rapid.Bool().Draw(t, "step") {
			m.Step = config.Step(rapid.Float64().Draw(t, "size"))
		}
		if partyWith(m).Check() != nil {
			return
		}
		size := m.StepSize()
		low, high := m.Steps()
		if !(size >= config.MinStep) || low >= high || low < -config.MaxSteps || high > config.MaxSteps {
			t.Fatalf("%+v is %d to %d steps of %v", m, low, high, size)
		}
		for i, steps := range []int64{low, high} {
			if math.Abs(float64(steps)*size-m.Clip[i]) > 2e-9*math.Abs(m.Clip[i]) {
				t.Fatalf("%+v: %v is not %d steps of %v", m, m.Clip[i], steps, size)
			}
		}
	})
}
