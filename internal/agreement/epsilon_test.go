package agreement_test

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
)

// An amount of ε is held exactly: what a person writes with up to six places, what is stored, and what is printed are the
// same number.
func TestMicroEpsilonIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micro := agreement.MicroEpsilon(rapid.Int64Range(1, 1_000_000_000_000).Draw(t, "micro"))
		literal, err := strconv.ParseFloat(micro.String(), 64)
		if err != nil {
			t.Fatal(err)
		}
		if literal != micro.Float() {
			t.Fatalf("%s parses to %v, Float is %v", micro, literal, micro.Float())
		}
		for _, epsilon := range []float64{literal, math.Nextafter(literal, 0), math.Nextafter(literal, 2*literal)} {
			back, err := agreement.MicroEpsilonOf(epsilon)
			if err != nil || back != micro {
				t.Fatalf("%v is %v (%v), want %v", epsilon, back, err, micro)
			}
		}
		half := (float64(micro) + 0.5) / 1e6
		if _, err := agreement.MicroEpsilonOf(half); !fault.IsKind(err, fault.Invalid) {
			t.Fatalf("%v: error is %v, want fault.Invalid", half, err)
		}
	})
}

// Printing shows no exponent and no trailing zeros; it goes into messages and files.
func TestMicroEpsilonString(t *testing.T) {
	for micro, want := range map[agreement.MicroEpsilon]string{
		0: "0", 1: "0.000001", 500_000: "0.5", 1_000_000: "1", 10_500_000: "10.5", 20_000_000: "20", 1_000_000_000_000: "1000000",
		-1: "-0.000001", math.MinInt64: "-9223372036854.775808",
	} {
		if micro.String() != want {
			t.Errorf("%d prints %s, want %s", int64(micro), micro, want)
		}
	}
}

// An ε that no budget can hold is refused where it enters, before anything is computed from it.
func TestMicroEpsilonRefuses(t *testing.T) {
	for _, bad := range []float64{
		0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e-7, 4e-7, 5e-7, 1.5e-6, 1.0000005, 1e6 + 1e-6, 1e7,
		1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3,
	} {
		if micro, err := agreement.MicroEpsilonOf(bad); !fault.IsKind(err, fault.Invalid) || micro != 0 {
			t.Errorf("%v: got %v, %v, want fault.Invalid", bad, micro, err)
		}
	}
	if micro, err := agreement.MicroEpsilonOf(0.1 + 0.2); err != nil || micro != 300_000 {
		t.Errorf("0.1 + 0.2 is %v (%v), want 0.3", micro, err)
	}
}
