package dp

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Guards the published formulas, by values that were computed with 40 digits (mpmath): Laplace and pure as in Mironov
// 2017, Propositions 6 and 5 (that of Laplace also by integrating p^α·q^(1−α)), Gaussian α/(2σ²).
func TestDivergencesGolden(t *testing.T) {
	for _, c := range []struct {
		divergence func(o order, size float64) float64
		above      float64 // α − 1
		size       float64 // ε, or σ
		want       float64
	}{
		{order.laplaceDivergence, 0.5, 1, 0.5128835112945086},
		{order.laplaceDivergence, 1, 0.1, 0.0096442078403446747},
		{order.laplaceDivergence, 7, 3, 2.9101987629396608},
		{order.laplaceDivergence, 0.001953125, 1e-6, 5.0097639550785408e-13},
		{order.laplaceDivergence, 0.0009765625, 20, 19.001462623977017},
		{order.laplaceDivergence, 16, 0.01, 0.0008433784756383236},
		{order.laplaceDivergence, 1024, 0.001, 0.00044183683791238505},
		{order.laplaceDivergence, 16384, 1, 0.99995769551609016},
		{order.laplaceDivergence, 16384, 1e-6, 8.1921307470820582e-9},
		{order.laplaceDivergence, 0.25, 0.4, 0.087297263922844004},
		{order.pureDivergence, 0.5, 1, 0.62733264704949932},
		{order.pureDivergence, 1, 0.1, 0.009958584394956224},
		{order.pureDivergence, 7, 3, 2.9930589497751797},
		{order.pureDivergence, 0.001953125, 1e-6, 5.0097656249995809e-13},
		{order.pureDivergence, 0.0009765625, 20, 19.999999919143368},
		{order.pureDivergence, 16, 0.01, 0.00084616738037494263},
		{order.pureDivergence, 1024, 0.001, 0.00044195727398888678},
		{order.pureDivergence, 16384, 1, 0.99998088002395519},
		{order.pureDivergence, 16384, 1e-6, 8.1921334776208193e-9},
		{order.pureDivergence, 0.25, 0.4, 0.097890792343732011},
		{order.gaussianDivergence, 7, 2.5, 0.64},
	} {
		if got := c.divergence(orderAbove1(c.above), c.size); math.Abs(got/c.want-1) > 1e-12 {
			t.Errorf("α 1+%v, size %v: %.16g, want %.16g", c.above, c.size, got, c.want)
		}
	}
}

// Guards the conversion by two numbers of Google's accounting library (python/dp_accounting/rdp_privacy_accountant_test.py):
// a divergence of 1.1 at order 32 is ε = 1.32783806176 at δ = 10⁻⁵, and a Gaussian of σ = 4.530877117 is ε = 1 at
// δ = 10⁻⁶, at its best order; and by the cap at 0.
func TestConversionGolden(t *testing.T) {
	if got := orderAbove1(31).epsilon(1.1, math.Log(1e-5)); math.Abs(got-1.32783806176) > 1e-11 {
		t.Errorf("%.12g", got)
	}
	best := math.Inf(1)
	for above := 0.001; above < 100; above += 0.001 {
		o := orderAbove1(above)
		best = min(best, o.epsilon(o.gaussianDivergence(4.530877117), math.Log(1e-6)))
	}
	if math.Abs(best-1) > 1e-8 {
		t.Errorf("%.12g", best)
	}
	if got := orderAbove1(1).epsilon(0.1, math.Log(0.9)); got != 0 {
		t.Errorf("%v, want 0", got)
	}
}

// Guards the bound where it is used: what is drawn is a Laplace distribution on a grid g, wider by g/ε, and for any grid,
// however coarse, and any change of Δ = N·g in one cell its divergence is no larger than the continuous one's.
func TestLaplaceDivergenceCoversGrids(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epsilon := math.Exp(rapid.Float64Range(math.Log(1e-3), math.Log(MaxEpsilon)).Draw(t, "ln epsilon"))
		n := rapid.IntRange(1, 200).Draw(t, "change in grid steps")
		o := rapid.SampledFrom(orders[:]).Draw(t, "order")
		alpha := 1 + o.above
		x := epsilon / float64(n+1) // g/b
		// ln Σ_m p(m)^α·p(m−n)^(1−α): beyond 0 and beyond n are geometric series; top is the largest exponent.
		top := o.above * float64(n) * x
		total := (1 + math.Exp(-(alpha+o.above)*float64(n)*x)) / (1 + math.Exp(-x))
		for m := 1; m < n; m++ {
			total += math.Tanh(x/2) * math.Exp(-float64(m)*(alpha+o.above)*x)
		}
		drawn := (math.Log(total) + top) / o.above
		if bound := o.laplaceDivergence(epsilon); drawn > bound*(1+1e-9)+1e-13/o.above {
			t.Errorf("divergence %v on the grid, bound %v", drawn, bound)
		}
	})
}

// Guards changes of several cells at once: two cells that change by parts of Δ diverge less together than one that
// changes by all of it.
func TestLaplaceDivergenceCoversVectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epsilon := math.Exp(rapid.Float64Range(math.Log(1e-6), math.Log(MaxEpsilon)).Draw(t, "ln epsilon"))
		part := rapid.Float64Range(0.001, 0.5).Draw(t, "part")
		o := rapid.SampledFrom(orders[:]).Draw(t, "order")
		apart, all := o.laplaceDivergence(part*epsilon)+o.laplaceDivergence((1-part)*epsilon), o.laplaceDivergence(epsilon)
		if apart > all*(1+1e-12) {
			t.Errorf("%v in two cells, %v in one", apart, all)
		}
	})
}

// Guards curves against what is known of them: they rise with the order, and with ε; Laplace noise diverges less than the
// worst event of its ε, that by at most αε²/2 (Bun and Steinke 2016, Proposition 3.3), and none by more than ε.
func TestCurvesAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epsilon := math.Exp(rapid.Float64Range(math.Log(1e-6), math.Log(MaxEpsilon)).Draw(t, "ln epsilon"))
		before := [2]float64{}
		for _, o := range orders {
			now := [2]float64{o.laplaceDivergence(epsilon), o.pureDivergence(epsilon)}
			bounds := []float64{0, now[0], now[1], min(epsilon, (1+o.above)*epsilon*epsilon/2)}
			for i := 1; i < len(bounds); i++ {
				if bounds[i] < bounds[i-1]*(1-1e-12) {
					t.Errorf("α 1+%v: of 0, Laplace, pure and the bound %v, number %d is too large", o.above, bounds, i-1)
				}
			}
			for i := range now {
				if now[i] < before[i]*(1-1e-12) {
					t.Errorf("α 1+%v: %v, and %v at a lower order", o.above, now, before)
				}
			}
			before = now
			if more := [2]float64{o.laplaceDivergence(1.1 * epsilon), o.pureDivergence(1.1 * epsilon)}; more[0] < now[0] || more[1] < now[1] {
				t.Errorf("α 1+%v: %v, and %v for a larger ε", o.above, now, more)
			}
		}
	})
}

// Guards the grid of orders: for 1 to 10⁴ questions of ε 0.01 to 10, a grid that is 25 times as fine and goes ten times as
// far on both sides makes ε smaller by 1 % at most.
func TestOrdersAreFineEnough(t *testing.T) {
	var fine []order
	for i := 25 * (firstOrder - 14.); i <= 25*(lastOrder+14); i++ {
		fine = append(fine, orderAbove1(math.Exp2(i/100)))
	}
	worst := 1.
	for _, delta := range []float64{1e-3, 1e-6, 1e-9} {
		for _, e := range []float64{0.01, 0.1, 1, 10} {
			losses := []Loss{{Laplace, int64(e * 1e6), 0, 0}, {Pure, int64(e * 1e6), 0, 0}, {Gaussian, int64(e * 1e6), int64(delta * 1e16), 0}}
			for _, l := range losses {
				if l.Check() != nil {
					continue
				}
				sigma := 0.
				if l.Mechanism == Gaussian {
					sigma = gaussianSigma(e, l.delta())
				}
				for n := int64(1); n <= 10_000; n *= 10 {
					best := float64(n) * e
					for _, o := range fine {
						divergence := map[Mechanism]func() float64{
							Laplace:  func() float64 { return o.laplaceDivergence(e) },
							Pure:     func() float64 { return o.pureDivergence(e) },
							Gaussian: func() float64 { return o.gaussianDivergence(sigma) },
						}[l.Mechanism]()
						best = min(best, o.epsilon(float64(n)*divergence, math.Log(delta)))
					}
					got := float64(Tally{l: n}.MicroEpsilon(delta)) / 1e6
					worst = max(worst, got/best)
					if got > best*1.01+1e-6 {
						t.Errorf("%d of %+v, δ %v: ε %v, on a fine grid %v", n, l, delta, got, best)
					}
				}
			}
		}
	}
	t.Logf("at worst %v times that of a fine grid", worst)
}

// Guards that losses add up: the curve of a tally is the sum of the curves of its parts, flooding included, whatever is
// known from before.
func TestCurvesAddUp(t *testing.T) {
	a, b := Loss{Laplace, 100_000, 0, 0}, Loss{Gaussian, 200_000, 1_000_000_000, 0}
	for _, delta := range []float64{1e-6, 1e-9} {
		best := math.Inf(1)
		for _, o := range orders {
			sum := 300*o.laplaceDivergence(0.1) + 700*o.gaussianDivergence(gaussianSigma(0.2, 1e-9))
			left := delta - 700*b.breachDelta(gaussianSigma(0.2, 1e-9))
			best = min(best, o.epsilon(sum, math.Log(left)))
		}
		if got := float64(Tally{a: 300, b: 700}.MicroEpsilon(delta)) / 1e6; math.Abs(got-best) > 1.1e-6 {
			t.Errorf("δ %v: ε %v, by hand %v", delta, got, best)
		}
	}
}

// Guards the σ that is counted on: what the library draws with is at least that, for any sensitivity, and at most a
// thousandth more.
func TestGaussianSigmaIsWhatIsDrawn(t *testing.T) {
	anyNoise := rapid.Custom(func(t *rapid.T) Noise {
		return Noise{
			Gaussian, math.Exp(rapid.Float64Range(math.Log(1e-6), math.Log(MaxEpsilon)).Draw(t, "ln epsilon")),
			math.Exp(rapid.Float64Range(math.Log(1e-15), math.Log(0.9)).Draw(t, "ln delta")),
			rapid.Int64Range(1, 1_000_000).Draw(t, "sensitivity"),
		}
	}).Filter(func(n Noise) bool { return n.Check() == nil })
	rapid.Check(t, func(t *rapid.T) {
		n := anyNoise.Draw(t, "noise")
		drawn, counted := n.sigma()/float64(n.Sensitivity), gaussianSigma(n.Epsilon, n.Delta)
		if counted > drawn || drawn > counted*1.0011 {
			t.Errorf("%+v: σ/Δ is %v, counted on %v", n, drawn, counted)
		}
	})
}

// Guards the charge for noise that ends: however a change of L2 length Δ is spread over cells, the probability that some
// cell's noise shows which data set it is stays below the charge.
func TestBreachDeltaCoversAnySpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sigma := math.Exp(rapid.Float64Range(math.Log(0.15), math.Log(100)).Draw(t, "ln sigma")) // of Δ = 1
		changes := rapid.SliceOfN(rapid.Float64Range(1e-3, 1), 1, 20).Draw(t, "changes")
		equal := rapid.IntRange(0, 20_000).Draw(t, "equal changes")
		length := float64(equal)
		for _, c := range changes {
			length += c * c
		}
		exceed := func(c float64) float64 {
			return upperNormal(gaussianReach-c/math.Sqrt(length)/sigma) - upperNormal(gaussianReach)
		}
		breach := float64(equal) * exceed(1)
		for _, c := range changes {
			breach += exceed(c)
		}
		if charge := (Loss{Cells: int64(len(changes) + equal)}).breachDelta(sigma); breach > charge {
			t.Errorf("%v, charged %v", breach, charge)
		}
	})
}

// Guards the memory: what is remembered of losses is bounded, and right after it was forgotten.
func TestKnownRatesAreBounded(t *testing.T) {
	want := Tally{{Laplace, 1, 0, 0}: 7}.MicroEpsilon(0)
	for i := range int64(3000) {
		Tally{{Laplace, 1 + i, 0, 0}: 1}.MicroEpsilon(1e-6)
		if len(known.rates) > 1024 {
			t.Fatalf("%d are remembered", len(known.rates))
		}
	}
	if got := (Tally{{Laplace, 1, 0, 0}: 7}).MicroEpsilon(0); got != want {
		t.Errorf("%d, before %d", got, want)
	}
}
