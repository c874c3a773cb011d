package dp_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/dp"
)

// Guards the ledger's door: only losses that a release can have are accounted for.
func TestLossCheck(t *testing.T) {
	for _, c := range []struct {
		loss  dp.Loss
		words string // of the error; none if it is accepted
	}{
		{loss: dp.Loss{dp.Laplace, 1, 0, 0}},
		{loss: dp.Loss{dp.Laplace, 20_000_000, 0, 10_000}},
		{loss: dp.Loss{dp.Laplace, 1, 0, 1 << 40}},
		{loss: dp.Loss{dp.Gaussian, 1_000_000, 1_000_000_000_000, 10_000}},
		{loss: dp.Loss{dp.Gaussian, 1, 1_000_000_000, 1}},
		{loss: dp.Loss{dp.Pure, 1_000_000_000_000, 0, 0}},
		{loss: dp.Loss{dp.Pure, 4_000_000, 1_000_000, 0}},

		{dp.Loss{dp.Laplace, 0, 0, 0}, "epsilon is 0 millionths, must be 1 to 20000000"},
		{dp.Loss{dp.Laplace, -5, 0, 0}, "epsilon is -5 millionths"},
		{dp.Loss{dp.Laplace, 20_000_001, 0, 0}, "epsilon is 20000001 millionths"},
		{dp.Loss{dp.Laplace, 1, 1, 0}, "must be 0 for laplace noise"},
		{dp.Loss{dp.Laplace, 1, 0, -1}, "number of cells is -1, must be 0 to 2^40"},
		{dp.Loss{dp.Laplace, 1, 0, math.MaxInt64}, "number of cells is 9223372036854775807"},
		{dp.Loss{dp.Gaussian, 1_000_000, 0, 0}, "delta is 0, must be above 0 and below 1 for gaussian noise"},
		{dp.Loss{dp.Gaussian, 1_000_000, -1, 0}, "delta is -1·10^-18, must be 0 to 10^18 - 1"},
		{dp.Loss{dp.Gaussian, 1_000_000, 1_000_000_000_000_000_000, 0}, "must be 0 to 10^18 - 1"},
		{dp.Loss{dp.Gaussian, 20_000_000, 1_000_000, 0}, "gaussian noise ends at 8.81 sigma"},
		{dp.Loss{dp.Pure, 0, 0, 0}, "epsilon is 0 millionths, must be 1 to 1000000000000"},
		{dp.Loss{dp.Pure, 1_000_000_000_001, 0, 0}, "epsilon is 1000000000001 millionths"},
		{dp.Loss{dp.Pure, 1, -1, 0}, "delta is -1·10^-18"},
		{dp.Loss{"", 1, 0, 0}, `mechanism is "", must be "laplace", "gaussian" or "pure"`},
	} {
		err := c.loss.Check()
		if c.words == "" && err != nil || c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%+v: %v, want %q", c.loss, err, c.words)
		}
		bad := dp.Tally{c.loss: 1}.MicroEpsilon(0.5) == math.MaxInt64
		if bad != (c.words != "") {
			t.Errorf("%+v: counts as without end: %v, Check: %v", c.loss, bad, err)
		}
	}
	if err := (dp.Noise{dp.Pure, 1, 0, 1}).Check(); err == nil || !strings.Contains(err.Error(), `mechanism is "pure"`) {
		t.Errorf("noise that is pure is accepted: %v", err)
	}
}

// Guards the amounts of δ: whole numbers of 10⁻¹⁸, the nearest ones, for all that is written as decimals as for any other
// number, and refused in words where there is none.
func TestAttoDelta(t *testing.T) {
	for delta, want := range map[float64]int64{
		1e-18: 1, 1.4e-18: 1, 1.6e-18: 2, 1e-12: 1_000_000, 1e-6: 1_000_000_000_000, 2.5e-5: 25_000_000_000_000,
		0.001: 1_000_000_000_000_000, 0.1: 100_000_000_000_000_000, 0.5: 500_000_000_000_000_000,
	} {
		if got, err := dp.AttoDeltaOf(delta); err != nil || got != want {
			t.Errorf("%v: %d, %v, want %d", delta, got, err, want)
		}
	}
	for delta, words := range map[float64]string{
		0: "delta is 0, must be above 0 and below 1", 1: "delta is 1, must be above 0 and below 1", -1e-9: "delta is -1e-09, must be above 0",
		math.Inf(1): "delta is +Inf", 4e-19: "delta is 4e-19, must be at least 1e-18", math.SmallestNonzeroFloat64: "must be at least 1e-18",
	} {
		if got, err := dp.AttoDeltaOf(delta); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v: %d, %v, want %q", delta, got, err, words)
		}
	}
	if _, err := dp.AttoDeltaOf(math.NaN()); err == nil {
		t.Error("NaN is accepted")
	}
	rapid.Check(t, func(t *rapid.T) {
		delta := math.Exp(rapid.Float64Range(math.Log(1e-17), math.Log(0.999)).Draw(t, "ln delta"))
		atto, err := dp.AttoDeltaOf(delta)
		if err != nil {
			t.Fatal(err)
		}
		exact, _ := new(big.Float).Mul(new(big.Float).SetPrec(200).SetFloat64(delta), big.NewFloat(1e18)).Float64()
		if off := math.Abs(float64(atto) - exact); off > 0.5+exact*0x1p-52 {
			t.Errorf("%v: %d is %v off", delta, atto, off)
		}
	})
}

// Guards the δ that a release states: its mechanism's and what flooding leaves of it. (1+e)·√10⁴·2⁻⁴¹ = 1.690878811·10⁻¹⁰.
func TestLossDelta(t *testing.T) {
	for _, c := range []struct {
		loss dp.Loss
		want float64
	}{
		{dp.Loss{dp.Laplace, 1_000_000, 0, 0}, 0},
		{dp.Loss{dp.Laplace, 1_000_000, 0, 10_000}, 1.690878811341e-10},
		{dp.Loss{dp.Gaussian, 1_000_000, 1_000_000_000_000, 0}, 1e-6},
		{dp.Loss{dp.Gaussian, 1_000_000, 1_000_000_000_000, 10_000}, 1.0001690878811e-6},
		{dp.Loss{dp.Pure, 4_000_000, 2_000_000, 0}, 2e-12},
		{dp.Loss{dp.Pure, 1_000_000_000_000, 0, 1}, math.Inf(1)},
	} {
		if got := c.loss.Delta(); got != c.want && !(math.Abs(got/c.want-1) < 1e-10) {
			t.Errorf("%+v: %v, want %v", c.loss, got, c.want)
		}
	}
}
