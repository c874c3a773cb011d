package he

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"testing"
)

// exactEdges computes P(|X| < k)·2^79, k = 1 … 19, from the definition, to 300 bits: exp(−x²/2σ²) is the x²-th power of
// exp(−25/512) for σ = 3.2, and that is a Taylor series.
func exactEdges() (edges []*big.Int) {
	number := func(x int64) *big.Float { return new(big.Float).SetPrec(300).SetInt64(x) }
	base, term := number(0), number(1)
	for i := int64(1); i < 60; i++ {
		base.Add(base, term)
		term.Mul(term, number(-25)).Quo(term, number(512*i))
	}
	weight := func(x int) *big.Float {
		w := number(1)
		for range x * x {
			w.Mul(w, base)
		}
		return w
	}
	total := weight(0)
	for x := 1; x <= 19; x++ {
		total.Add(total, weight(x)).Add(total, weight(x))
	}
	sum := weight(0)
	for x := 1; x <= 19; x++ {
		scaled := new(big.Float).Quo(sum, total)
		scaled.SetMantExp(scaled, 79).Add(scaled, big.NewFloat(0.5))
		edge, _ := scaled.Int(nil)
		edges = append(edges, edge)
		sum.Add(sum, weight(x)).Add(sum, weight(x))
	}
	return edges
}

// Guards the table against a wrong digit: it is the exact distribution, to the last of its 79 bits.
func TestGaussianTable(t *testing.T) {
	for i, want := range exactEdges() {
		got := new(big.Int).SetUint64(edges[i].high)
		got.Lsh(got, 64).Add(got, new(big.Int).SetUint64(edges[i].low))
		if got.Cmp(want) != 0 {
			t.Errorf("edge %d is %x, want %x", i+1, got, want)
		}
	}
}

// Guards the short cut: for every one of the 2^15 upper parts, in each lane, the comparison of all lanes together gives the
// number of edges reached whatever the lower bits are, or else says that it depends on them. With the table above this
// makes the distribution exact, not only near enough for a statistical test.
func TestGaussianComparisonIsExact(t *testing.T) {
	for high := range uint64(1 << 15) {
		least, most := reachedBy(high, 0), reachedBy(high, math.MaxUint64)
		for lane := range 4 {
			word := 0xa5c31234f00d7fff&^(0xffff<<(16*lane)) | high<<(16*lane)
			count := reached(word) >> (16 * lane) & 15
			if reached(word|1<<(16*lane+15))>>(16*lane)&15 != count {
				t.Fatalf("upper part %d: the sign changes what is reached", high)
			}
			if depends := atEdge[count] == high; depends != (least != most) || !depends && count != least {
				t.Fatalf("upper part %d in lane %d: %d edges reached, depends on the rest: %v; want %d to %d", high, lane, count, depends, least, most)
			}
		}
	}
	for i, e := range edges {
		number := new(big.Int).Lsh(new(big.Int).SetUint64(e.high), 64)
		number.Add(number, new(big.Int).SetUint64(e.low))
		for _, step := range []int64{-1, 0, 1} {
			x := new(big.Int).Add(number, big.NewInt(step))
			want := uint64(i + 1)
			if step < 0 {
				want--
			}
			low := new(big.Int).And(x, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
			if got := reachedBy(new(big.Int).Rsh(x, 64).Uint64(), low); got != want {
				t.Errorf("%d next to edge %d: %d edges reached, want %d", step, i+1, got, want)
			}
		}
	}
}

const draws = 1 << 22

// gaussians draws, and ends the test on an error.
func gaussians(t *testing.T) []int8 {
	out := make([]int8, draws)
	s := newSampler()
	for part := range slices.Chunk(out, 1<<13) {
		if err := s.gaussian(part); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// checkChi fails when the counts are improbable: by the Wilson–Hilferty approximation, (χ²/k)^⅓ is normal with mean
// 1 − 2/(9k) and variance 2/(9k) for k degrees of freedom; beyond 5.5 standard deviations it has probability 2e-8. Both
// too large and too small are refused.
func checkChi(t *testing.T, name string, counts, expected []float64) {
	t.Helper()
	var chi float64
	for i, want := range expected {
		chi += (counts[i] - want) * (counts[i] - want) / want
	}
	k := float64(len(counts) - 1)
	deviation := (math.Cbrt(chi/k) - 1 + 2/(9*k)) / math.Sqrt(2/(9*k))
	if math.Abs(deviation) > 5.5 {
		t.Errorf("%s: χ² is %.1f for %.0f degrees of freedom, %.1f standard deviations off", name, chi, k, deviation)
	}
}

// The sampler draws what the table says: 4 million draws, value by value and sign by sign, the far tail together, in each
// lane of four (false alarm below 1e-7 in all).
func TestGaussianDistribution(t *testing.T) {
	all := gaussians(t)
	exact := exactEdges()
	probability := func(x int) float64 { // of |X| = x
		below, to := new(big.Int), new(big.Int).Lsh(big.NewInt(1), 79)
		if x > 0 {
			below = exact[x-1]
		}
		if x < len(exact) {
			to = exact[x]
		}
		p, _ := new(big.Float).SetInt(new(big.Int).Sub(to, below)).Float64()
		return p / math.Exp2(79)
	}
	const tail = 13 // ±tail stand for all beyond as well
	for lane := range 4 {
		counts, expected := make([]float64, 2*tail+1), make([]float64, 2*tail+1)
		for i := lane; i < len(all); i += 4 {
			counts[max(-tail, min(tail, int(all[i])))+tail]++
		}
		for x := -19; x <= 19; x++ {
			p := probability(max(x, -x))
			if x != 0 {
				p /= 2
			}
			expected[max(-tail, min(tail, x))+tail] += p * draws / 4
		}
		checkChi(t, "lane", counts, expected)
	}
}

// Moments of 4 million draws: variance σ² of the cut Gaussian to 5.5 standard errors (0.4 %: a σ wrong by 2 % is off by 50
// of them), no mean, no correlation between draws that are up to eight apart. Ten comparisons: false alarm below 4e-7.
func TestGaussianMoments(t *testing.T) {
	all := gaussians(t)
	var sum, squares float64
	for _, x := range all {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	const variance = 3.2 * 3.2
	allowed := 5.5 * math.Sqrt2 * variance / math.Sqrt(draws)
	if got := squares / draws; math.Abs(got-variance) > allowed {
		t.Errorf("variance is %.4f, want %.4f ± %.4f", got, variance, allowed)
	}
	if mean := sum / draws; math.Abs(mean) > 5.5*3.2/math.Sqrt(draws) {
		t.Errorf("mean is %.5f", mean)
	}
	for lag := 1; lag <= 8; lag++ {
		var product float64
		for i := lag; i < len(all); i++ {
			product += float64(all[i]) * float64(all[i-lag])
		}
		if got := product / draws; math.Abs(got) > 5.5*variance/math.Sqrt(draws) {
			t.Errorf("draws %d apart have covariance %.4f", lag, got)
		}
	}
	if largest := max(slices.Max(all), -slices.Min(all)); largest > 19 || largest < 15 {
		t.Errorf("the largest of all is %d: up to 19 can occur, and 15 or more in 22 draws of 4 million", largest)
	}
}

// Five ternary numbers come from one byte: all 243 combinations are equally likely, in 800 000 (false alarm below 1e-7); and
// every length is filled.
func TestTernaryDistribution(t *testing.T) {
	s := newSampler()
	counts, expected := make([]float64, 243), make([]float64, 243)
	five := make([]int8, 5*1600)
	for range draws / len(five) {
		if err := s.ternary(five); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(five); i += 5 {
			number := 0
			for _, x := range five[i : i+5] {
				if x < -1 || x > 1 {
					t.Fatalf("%d is not ternary", x)
				}
				number = 3*number + int(x) + 1
			}
			counts[number]++
			expected[number]++ // counts how many there are; shared out below
		}
	}
	for i := range expected {
		expected[i] = float64(draws/len(five)*len(five)/5) / 243
	}
	checkChi(t, "five at a time", counts, expected)
	for length := range 40 {
		out := slices.Repeat([]int8{9}, length)
		if err := s.ternary(out); err != nil || slices.Contains(out, 9) {
			t.Fatalf("%d numbers: %v, %v", length, out, err)
		}
	}
}

// Each draw is the AES-256 counter stream of its own key, whose first 32 bytes become the next key and nothing else: with
// what is in memory after a draw, no draw before can be computed.
func TestDrawErasesItsKey(t *testing.T) {
	s := newSampler()
	if other := newSampler(); s.key == other.key {
		t.Fatal("two samplers have one key")
	}
	for _, length := range []int{5000, 16, 8192} {
		block, err := aes.NewCipher(s.key[:])
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for counter := uint64(0); len(want) < length+32; counter++ {
			var in, out [16]byte
			binary.BigEndian.PutUint64(in[8:], counter)
			block.Encrypt(out[:], in[:])
			want = append(want, out[:]...)
		}
		got, err := s.draw(length)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want[32:32+length]) {
			t.Fatal("a draw is not the stream of its key from byte 32 on")
		}
		if !bytes.Equal(s.key[:], want[:32]) {
			t.Fatal("the next key is not the stream's first 32 bytes")
		}
		if s.erase(); !bytes.Equal(got, make([]byte, length)) {
			t.Fatal("bytes of the last draw are left")
		}
	}
}

// Small numbers become residues, below the prime.
func TestResidue(t *testing.T) {
	const q = 0x7ffffffffb4001
	for x := -128; x < 128; x++ {
		want := new(big.Int).Mod(big.NewInt(int64(x)), big.NewInt(q)).Uint64()
		if got := residue(int8(x), q); got != want {
			t.Errorf("%d is %d modulo %d", x, got, uint64(q))
		}
		for _, y := range []uint64{0, 1, 50, q / 2, q - 50, q - 1} {
			row := []uint64{y}
			if addSmall([]int8{int8(x)}, row, q); row[0] != (want+y)%q {
				t.Errorf("%d + %d is %d modulo %d", x, y, row[0], uint64(q))
			}
		}
	}
}
