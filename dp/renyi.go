package dp

import (
	"math"
	"sync"
)

// A curve is the Rényi differential privacy of an event at every order of the grid: an upper bound on the Rényi
// divergence of order α between its results on two neighbouring data sets. Curves of events add up, also when each
// question is chosen by the answers before it. (Mironov, Rényi Differential Privacy, 2017, Proposition 1.)
type curve [numOrders]float64

// The orders α = 1 + 2^(i/4), i = −28 … 56. At its best order a converted ε is, near enough, a·(α−1) + b/(α−1) plus what
// hardly depends on α; an order that is off by a factor of 2^(1/8) at most costs 0.4 % at most of that. The smallest α are
// for ε of a hundred thousand, the largest, of 16 385, for ε below 0.01. Still larger ones would trade a hundredth of
// a percent of a single question's ε for δ.
const (
	firstOrder = -28
	lastOrder  = 56
	numOrders  = lastOrder - firstOrder + 1
)

// order is α, kept as α − 1 for the digits, with what the conversion needs of it.
type order struct {
	above float64 // α − 1
	gain  float64 // ln((α−1)/α) − ln(α)/(α−1)
}

var orders = func() (all [numOrders]order) {
	for i := range all {
		all[i] = orderAbove1(math.Exp2(float64(firstOrder+i) / 4))
	}
	return all
}()

func orderAbove1(above float64) order {
	return order{above: above, gain: -math.Log1p(1/above) - math.Log1p(above)/above}
}

// epsilon returns ε such that Rényi divergence of that order implies (ε, δ), with ln δ given: Canonne, Kamath and Steinke,
// The Discrete Gaussian for Differential Privacy, 2020, Proposition 12 (also Balle, Barthe, Gaboardi, Hsu and Sato 2020,
// Theorem 21): ε = ρ + ln((α−1)/α) − (ln δ + ln α)/(α−1).
func (o order) epsilon(divergence, lnDelta float64) float64 {
	return max(0, divergence+o.gain-lnDelta/o.above)
}

// laplaceDivergence returns the Rényi divergence of order α between Laplace variables of scale 1 that are ε apart:
// ln(f(ε))/(α−1), where with A = e^((α−1)s) and B = e^(−αs)
//
//	f(s) = α/(2α−1)·A + (α−1)/(2α−1)·B = ½·(A+B) + ½·(A−B)/(2α−1)
//
// (Mironov 2017, Proposition 6). It bounds the divergence of what the library draws for ε, on vectors of cells too:
//
//   - A change of Δ in all that is spread over several cells adds up their divergences. ln f is convex and 0 at 0, so the
//     sum is largest if the change is in one cell.
//   - The library draws integers k times a grid g with weights e^(−g|k|/b), b = (Δ+g)/ε, and rounds, which is
//     post-processing. With x = g/b the two are s = ε − x apart, and summing up gives f(s) with (A−B)·F in place of A − B,
//     F = (y·coth y)/(z·coth z) for z = x/2, y = (2α−1)z. As y·coth y is concave in y², and at least 1,
//     F <= 1 + α(α−1)x²/3. What this adds to f is at most x/6 times what s = ε − x, instead of ε, takes away. (Also
//     F <= 2α−1, so that the weights of A and B are still positive, and the first point holds.)
func (o order) laplaceDivergence(epsilon float64) float64 {
	above := o.above
	spread := 1 + 2*above // 2α−1
	if spread*epsilon < 4 {
		// f − 1 is the integral of its derivative, in which nothing cancels. The rule is exact to 16 digits here.
		integral := gaussLegendre(0, epsilon, func(s float64) float64 { return math.Exp(-s/2) * math.Sinh(spread*s/2) })
		return min(epsilon, math.Log1p(2*(1+above)*above/spread*integral)/above)
	}
	first := above*epsilon + math.Log1p(-above/spread)
	return min(epsilon, (first+math.Log1p(above/(1+above)*math.Exp(-spread*epsilon)))/above)
}

// pureDivergence returns the largest Rényi divergence of order α that an ε-private event can have,
// ln(cosh((α−½)ε)/cosh(ε/2))/(α−1): that of randomised response, of which every ε-private event is a post-processing.
// (Kairouz, Oh and Viswanath 2015. The formula is in Bun and Steinke, Concentrated Differential Privacy, 2016, proof of
// Proposition 3.3, as (sinh(αε) − sinh((α−1)ε))/sinh(ε); it is below their αε²/2.)
func (o order) pureDivergence(epsilon float64) float64 {
	above := o.above
	if spread := (1 + 2*above) * epsilon; spread > 4 {
		return min(epsilon, (above*epsilon+math.Log1p(math.Exp(-spread))-math.Log1p(math.Exp(-epsilon)))/above)
	}
	more := 2 * math.Sinh((1+above)*epsilon/2) * math.Sinh(above*epsilon/2) / math.Cosh(epsilon/2)
	return min(epsilon, math.Log1p(more)/above)
}

// gaussianDivergence returns the Rényi divergence of order α between Gaussians of standard deviation sigma that are 1
// apart, α/(2σ²) (Mironov 2017, Proposition 7). It is that of a vector of cells that changes by 1 in L2, and bounds what
// the library draws: e^(−x²/(2σ²)) on a grid of which Δ is a multiple (Canonne, Kamath and Steinke 2020, Theorem 4), then
// rounded, which is post-processing. That ends at gaussianReach·σ: where the results of two neighbouring data sets can
// both be, cutting off the ends multiplies both densities by the same 1/(1−p), which cancels in their ratio and matters
// to δ by a factor of 1 + 2·10⁻¹⁸ per cell; where only one can be is a breach, for which breachDelta is charged.
func (o order) gaussianDivergence(sigma float64) float64 { return (1 + o.above) / (2 * sigma * sigma) }

// floodDivergence is what the key-holders' flooding leaves visible, per cell and at α = 1: flooding is Gaussian noise on
// the ciphertext's own, which is at most a 2⁻⁴⁰th of its σ on either side of 0, so that two are 2⁻³⁹ apart. ([FloodDelta]
// is charged as well, and is what counts where no Rényi divergences are added.)
const floodDivergence = 0x1p-79

// gaussianSigma returns a lower bound on σ/Δ of Gaussian noise as the library draws it for (ε, δ): the smallest that gives
// (ε, δ), by the formula that the library searches with (Balle and Wang 2018, Theorem 8), for a δ larger by what that
// formula can lose by cancellation. The library's is up to a thousandth more.
func gaussianSigma(epsilon, delta float64) float64 {
	delta *= 1 + 1e-6 + 1e-13/epsilon
	low, high := 1e-3, 1e10
	for high > low*(1+1e-12) {
		middle := math.Sqrt(low * high)
		a, b := 1/(2*middle), epsilon*middle
		if upperNormal(b-a)-math.Exp(epsilon)*upperNormal(b+a) > delta {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// rates is what one event of a loss adds, as far as it isn't written in the loss; a zero value without a curve stands for
// a loss that does not pass Check.
type rates struct {
	curve      *curve // without flooding
	plainDelta int64  // δ in 10⁻¹⁸, where ε is added to ε
	fixedDelta int64  // δ in 10⁻¹⁸ that is lost before curves are converted
}

func newRates(l Loss) rates {
	if l.Check() != nil {
		return rates{}
	}
	flood := ceilAtto(l.floodDelta())
	r := rates{curve: new(curve), plainDelta: plus(l.AttoDelta, flood), fixedDelta: plus(l.AttoDelta, flood)}
	epsilon := l.epsilon()
	divergence := func(o order) float64 { return o.pureDivergence(epsilon) }
	switch l.Mechanism {
	case Laplace:
		divergence = func(o order) float64 { return o.laplaceDivergence(epsilon) }
	case Gaussian:
		sigma := gaussianSigma(epsilon, l.delta())
		divergence = func(o order) float64 { return o.gaussianDivergence(sigma) }
		r.fixedDelta = plus(ceilAtto(l.breachDelta(sigma)), flood)
	}
	for i, o := range orders {
		r.curve[i] = divergence(o)
	}
	return r
}

// ceilAtto returns delta in units of 10⁻¹⁸, rounded up, or the largest int64.
func ceilAtto(delta float64) int64 {
	if atto := math.Ceil(delta * attoPerDelta); atto < math.MaxInt64 {
		return int64(atto)
	}
	return math.MaxInt64
}

// known remembers rates, which take longer to compute than to add. It holds 1024 losses at most, 1 MB, and is emptied
// when it is full: what others ask for must not fill the memory.
var known = struct {
	sync.Mutex
	rates map[Loss]rates
}{rates: map[Loss]rates{}}

func ratesOf(l Loss) rates {
	const most = 1024
	known.Lock()
	r, ok := known.rates[l]
	known.Unlock()
	if ok {
		return r
	}
	r = newRates(l)
	known.Lock()
	defer known.Unlock()
	if len(known.rates) >= most {
		clear(known.rates)
	}
	known.rates[l] = r
	return r
}
