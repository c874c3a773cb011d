package match

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/sotto-dev/sotto/dp"
)

// The size of a pool keeps ε and δ, by the exact distribution of the number of dummies (Laplace noise, rounded, clamped),
// and is no larger than that takes, but for ln 2/ε.
func TestPoolKeepsDelta(t *testing.T) {
	for _, epsilon := range []float64{0.01, 0.1, 0.3, 0.48, 0.7, 1, 2, 5, 20} {
		for _, delta := range []float64{0.3, 0.01, 1e-4, 1e-6, 1e-9, 1e-12} {
			c := Cover{Parties: 2, Epsilon: epsilon, Delta: delta}
			must(t, c.Check())
			b := c.Pool()
			if b < 2 || b%2 != 0 {
				t.Fatalf("%+v: a pool of %d", c, b)
			}
			if got := breach(epsilon, b); got > delta*(1+1e-9) {
				t.Errorf("%+v: a pool of %d has delta %v", c, b, got)
			}
			if less := b - 2*int(math.Ceil(math.Ln2/epsilon)+1); less >= 2 && breach(epsilon, less) < delta*(1-1e-9) {
				t.Errorf("%+v: a pool of %d would do, has %d", c, less, b)
			}
		}
	}
}

// breach returns the smallest δ for which d and d+1 are (ε, δ)-indistinguishable, d being clamp(b/2 + noise, 0, b). By
// symmetry both directions have the same.
func breach(epsilon float64, b int) (delta float64) {
	probability := func(d int) float64 {
		switch {
		case d < 0 || d > b:
			return 0
		case d == 0 || d == b:
			return math.Exp(-epsilon*(float64(b)/2-0.5)) / 2
		case d == b/2:
			return -math.Expm1(-epsilon / 2)
		default:
			return math.Exp(-epsilon*math.Abs(float64(d-b/2))) * math.Sinh(epsilon/2)
		}
	}
	for d := range b + 1 {
		delta += max(0, probability(d)-math.Exp(epsilon)*probability(d-1))
	}
	return delta
}

// Dummies are where the design says: a pool in full at all of its subset, a part of it at its owner, nothing elsewhere. The
// average numbers are those expected. False alarms: below 10⁻⁸, 18 averages of 200 draws each, 6.5 σ.
func TestDrawPlacesDummies(t *testing.T) {
	const runs = 200
	for n := 2; n <= 5; n++ {
		c := Cover{Parties: n, Epsilon: 2, Delta: 0.05}
		b := c.Pool()
		wantParty, wantUnion := c.Expected()
		var sumUnion float64
		sums := make([]float64, n)
		for range runs {
			masks := map[Dummy]int{}
			for i := range n {
				drawn, err := c.Draw(i)
				must(t, err)
				sums[i] += float64(len(drawn))
				for _, d := range drawn {
					if masks[d]&(1<<i) != 0 {
						t.Fatalf("party %d has dummy %x twice", i, d)
					}
					masks[d] |= 1 << i
				}
			}
			sumUnion += float64(len(masks))
			found := 0
			for owner := range n {
				for others := range 1 << n {
					if others&(1<<owner) != 0 {
						continue
					}
					for number := range b {
						mask, ok := masks[dummy(owner, others, number)]
						if mask&^(1<<owner) != others {
							t.Fatalf("a dummy of party %d and the others %b is at %b", owner, others, mask)
						}
						if ok {
							found++
						}
					}
				}
			}
			if found != len(masks) {
				t.Fatal("there are dummies of no pool")
			}
		}
		// A draw's variance is below 1 at ε = 2; a party makes 2^(N−1), of which one moves the union.
		for i, sum := range append(sums, sumUnion) {
			want, variance := float64(wantParty), math.Exp2(float64(n-1))
			if i == n {
				want, variance = float64(wantUnion), float64(n)
			}
			if off := math.Abs(sum/runs - want); off > 6.5*math.Sqrt(variance/runs) {
				t.Errorf("%d parties, %d: %.2f on average, expected %v", n, i, sum/runs, want)
			}
		}
	}
}

// Which dummies of a pool its owner takes is even. False alarms: below 10⁻⁷, 8 numbers, 6 σ.
func TestDrawTakesAnySubset(t *testing.T) {
	c := Cover{Parties: 2, Epsilon: 1, Delta: 0.05}
	const runs = 2000
	taken := make([]float64, c.Pool())
	for range runs {
		drawn, err := c.Draw(0)
		must(t, err)
		for i := range taken {
			for _, d := range drawn {
				if d == dummy(0, 2, i) {
					taken[i]++
				}
			}
		}
	}
	for i, times := range taken { // each in half of the runs
		if math.Abs(times-runs/2) > 6*math.Sqrt(runs)/2 {
			t.Errorf("dummy %d was taken %v times of %d", i, times, runs)
		}
	}
}

// A matching costs N·ε and N·δ; what can't be covered is refused.
func TestLoss(t *testing.T) {
	loss, err := Cover{Parties: 3, Epsilon: 0.1, Delta: 1e-9}.Loss()
	must(t, err)
	if want := (dp.Loss{Mechanism: dp.Pure, MicroEpsilon: 300_000, AttoDelta: 3_000_000_000}); loss != want {
		t.Errorf("%+v, want %+v", loss, want)
	}
	up, err := Cover{Parties: 3, Epsilon: 0.1000001, Delta: 1e-6}.Loss()
	must(t, err)
	if up.MicroEpsilon != 300_001 || up.AttoDelta != 3_000_000_000_000 {
		t.Errorf("0.3000003 and 3e-6 are charged as %+v", up)
	}
	for _, c := range []Cover{
		{1, 1, 1e-6},
		{MaxParties + 1, 1, 1e-6},
		{2, 0, 1e-6},
		{2, -1, 1e-6},
		{2, math.NaN(), 1e-6},
		{2, math.Inf(1), 1e-6},
		{2, 21, 1e-6},
		{2, 1, 0},
		{2, 1, 1},
		{2, 1, -1},
		{2, 1, math.NaN()},
		{2, 1, 1e-19},
		{2, 1e-4, 1e-6},
		{4, 1, 0.3},
	} {
		if loss, err := c.Loss(); err == nil {
			t.Errorf("%+v: costs %+v", c, loss)
		}
	}
	if _, err := (Cover{2, 1, 1e-6}).Draw(2); err == nil {
		t.Error("dummies of a party that is none")
	}
}

// What shows, lengths of lists, size of the union, and who shares how many, is as (ε, δ)-private for one record as was
// promised, by histograms: the outcomes that one input makes likelier are chosen on half of the draws, and their frequencies
// compared on the other half. That the matching itself shows exactly this is TestWholeMatchings. False alarms: 28
// comparisons at 6 σ, below 10⁻⁶ in all. A promise of half the ε is refuted, so that the test can fail.
func TestVisibleCountsArePrivate(t *testing.T) {
	const draws = 6000
	c := Cover{Parties: 2, Epsilon: 1, Delta: 0.02}
	type key [2]int
	statistics := map[string]func(p *play, counts []int) key{
		"length":           func(p *play, _ []int) key { return key{p.entries[0].Len()} },
		"union":            func(_ *play, n []int) key { return key{total(n)} },
		"shared":           func(_ *play, n []int) key { return key{n[3]} },
		"alone, and other": func(_ *play, n []int) key { return key{n[1], n[2]} },
		// The other party knows its own draws and tells the coordinator.
		"union, to the other":  func(p *play, n []int) key { return key{total(n) - p.drawn(1, 0)} },
		"shared, to the other": func(p *play, n []int) key { return key{n[3] - p.drawn(1, 1)} },
		"all, to the other":    func(p *play, n []int) key { return key{total(n) - p.drawn(1, 0), n[3] - p.drawn(1, 1)} },
	}
	sample := func(n int) map[string]*[2]map[key]float64 {
		found := map[string]*[2]map[key]float64{}
		for name := range statistics {
			found[name] = &[2]map[key]float64{{}, {}}
		}
		for i := range draws {
			p := &play{sets: nil}
			p.sets = append(p.sets, people(0, n), people(3, 6))
			for party, set := range p.sets {
				dummies, err := c.Draw(party)
				must(t, err)
				p.entries = append(p.entries, &Entries{people: set, dummies: dummies, order: make([]uint32, len(set)+len(dummies))})
			}
			counts := p.patterns()
			for name, of := range statistics {
				found[name][i%2][of(p, counts)] += 2.0 / draws
			}
		}
		return found
	}
	excess := func(a, b *[2]map[key]float64, epsilon float64) (value, tolerance float64) {
		var p, q float64
		for k, often := range a[0] {
			if often > math.Exp(epsilon)*b[0][k] {
				p += a[1][k]
				q += b[1][k]
			}
		}
		n := draws / 2.0
		return p - math.Exp(epsilon)*q, 6*math.Sqrt((p+math.Exp(2*epsilon)*q)/n) + 12*math.Exp(epsilon)/n
	}
	// Party 0 with persons 0 and 1; with 2 too, whom nobody else has; with 0…2 and 3, whom the other has; and so on.
	samples := []map[string]*[2]map[key]float64{sample(2), sample(3), sample(4)}
	refuted := map[string]bool{}
	for i := range samples[1:] {
		for name := range statistics {
			for _, pair := range [][2]int{{i, i + 1}, {i + 1, i}} {
				a, b := samples[pair[0]][name], samples[pair[1]][name]
				if value, tolerance := excess(a, b, c.Epsilon); value > c.Delta+tolerance {
					t.Errorf("%s, inputs %v: delta is %.4f, promised %v (tolerance %.4f)", name, pair, value, c.Delta, tolerance)
				}
				if value, tolerance := excess(a, b, c.Epsilon/2); value > c.Delta+tolerance {
					refuted[fmt.Sprintf("%s %d", name, i)] = true
				}
			}
		}
	}
	for _, name := range []string{"union, to the other 0", "shared, to the other 1"} {
		if !refuted[name] {
			t.Errorf("%s: half the epsilon would pass too", name)
		}
	}
}

// drawn returns how many dummies a party included of its pool for that subset of the others.
func (p *play) drawn(party, others int) (n int) {
	pool := dummy(party, others, 0)
	for _, d := range p.entries[party].dummies {
		if bytes.Equal(d[:8], pool[:8]) {
			n++
		}
	}
	return n
}
