package he

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/sotto-dev/sotto/internal/params"
)

// joint is a test's key-holders, all on one machine.
type joint struct {
	ring   *Ring
	shares []*Share
	key    *PublicKey
}

func newJoint(t testing.TB, need params.Need, lanes int) *joint {
	t.Helper()
	set, err := params.Choose(need)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRing(set)
	if err != nil {
		t.Fatal(err)
	}
	transcript := sha256.Sum256([]byte(t.Name()))
	j := &joint{ring: r}
	var public [][]byte
	for range need.KeyHolders {
		s, err := r.NewShare(transcript, lanes)
		if err != nil {
			t.Fatal(err)
		}
		j.shares = append(j.shares, s)
		public = append(public, s.Public())
	}
	if j.key, err = r.JoinKey(transcript, public, lanes); err != nil {
		t.Fatal(err)
	}
	return j
}

// open sums all scalars of every lane, without flooding, and returns the sums modulo Q.
func (j *joint) open(t testing.TB, b *Block) []*big.Int {
	t.Helper()
	sums, c1 := j.ring.Output(b)
	for _, s := range j.shares {
		scalars, err := s.Scalars(c1, len(sums))
		if err != nil {
			t.Fatal(err)
		}
		for lane, sum := range sums {
			sum.Add(sum, scalars[lane]).Mod(sum, j.ring.modulus)
		}
	}
	return sums
}

// by returns what Encrypt asks for: the slots of each lane.
func by(lanes ...[]int64) func(lane int, out []int64) {
	return func(lane int, out []int64) { copy(out, lanes[lane]) }
}

// extremes returns slots at the edge of the plaintext space, deterministic and different per vector: the largest noise
// comes from large plaintext coefficients, which any such vector has.
func extremes(n, seed int) []int64 {
	slots := make([]int64, n)
	for i := range slots {
		slots[i] = int64((i*7919+seed*104729)%7) - 3
	}
	return slots
}

// Chains of two to five parties, of one lane and of three, re-randomised at every hop, open to the exact inner product of
// each lane, and the measured noise lies below the computed bound B (and not absurdly below it: the prototype measured some
// 6–40 bits of slack).
func TestChainsDecodeWithinTheNoiseBound(t *testing.T) {
	for parties := 2; parties <= 5; parties++ {
		for _, lanes := range []int{1, 3} {
			t.Run(fmt.Sprintf("%d parties, %d lanes", parties, lanes), func(t *testing.T) { checkChain(t, parties, lanes) })
		}
	}
}

func checkChain(t *testing.T, parties, lanes int) {
	const blocks = 4
	need := params.Need{Products: parties - 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: parties + 1, Coefficient: 1}
	j := newJoint(t, need, lanes)
	n := j.ring.set.N()
	w := j.key.NewWorker()
	want := make([]int64, lanes)
	result, plain, current := j.ring.NewBlock(lanes), w.NewPlain(), j.ring.NewBlock(lanes)
	for block := range blocks {
		products := make([][]int64, lanes)
		for lane := range products {
			products[lane] = extremes(n, block+1000*lane)
		}
		if err := w.Encrypt(by(products...), current); err != nil {
			t.Fatal(err)
		}
		for hop := 1; hop < parties; hop++ {
			factor := extremes(n, 100*hop+block)
			for _, product := range products {
				for i := range product {
					product[i] *= factor[i]
				}
			}
			w.Encode(factor, plain)
			if hop == parties-1 {
				w.MultiplyAdd(current, plain, result)
				break
			}
			w.Multiply(current, plain, current)
			if err := w.Rerandomise(current); err != nil {
				t.Fatal(err)
			}
		}
		for lane, product := range products {
			want[lane] += total(product)
		}
	}
	if err := w.Rerandomise(result); err != nil {
		t.Fatal(err)
	}
	bound := j.ring.set.NoiseBound(need).MantExp(nil)
	if flood := j.ring.set.FloodSigma(need).BitLen(); flood < bound+40 {
		t.Errorf("flooding is 2^%d, less than 40 bits above the bound 2^%d", flood, bound)
	}
	for lane, sum := range j.open(t, result) {
		got, err := j.ring.set.Decode(sum, need)
		if err != nil || got != want[lane] {
			t.Fatalf("lane %d: opened %d, %v, want %d", lane, got, err, want[lane])
		}
		noise := noiseBits(j.ring.set, sum)
		t.Logf("noise 2^%d, bound 2^%d, log2 Q %d", noise, bound, j.ring.modulus.BitLen())
		if noise > bound {
			t.Errorf("lane %d: noise is 2^%d, above the bound 2^%d", lane, noise, bound)
		}
	}
}

// noiseBits returns the size of what remains of an opened sum after its plaintext is taken away.
func noiseBits(set params.Set, sum *big.Int) int {
	t := new(big.Int).SetUint64(set.T)
	x := centred(new(big.Int).Mul(sum, t), set.Modulus())
	m := centred(new(big.Int).Set(x), t)
	return new(big.Int).Quo(x.Sub(x, m), t).BitLen()
}

func centred(x, q *big.Int) *big.Int {
	x.Mod(x, q)
	if x.Cmp(new(big.Int).Rsh(q, 1)) > 0 {
		x.Sub(x, q)
	}
	return x
}

// Noise of a fresh encryption has the standard deviation that the bound starts from, to 10 %: 8192 coefficients give a
// relative error of 0.8 % (one standard deviation), so this fails by chance with probability below 1e-30.
func TestFreshNoise(t *testing.T) {
	need := params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 3, Coefficient: 1}
	j := newJoint(t, need, 1)
	b := j.ring.NewBlock(1)
	if err := j.key.NewWorker().Encrypt(by(make([]int64, j.ring.set.N())), b); err != nil {
		t.Fatal(err)
	}
	phase := j.ring.q.NewPoly()
	for _, s := range j.shares {
		j.ring.q.MulCoeffsMontgomeryThenAdd(b.polys[0], s.secrets[0], phase)
	}
	j.ring.q.Add(phase, b.polys[1], phase)
	j.ring.q.INTT(phase, phase)
	coefficients := make([]*big.Int, j.ring.set.N())
	for i := range coefficients {
		coefficients[i] = new(big.Int)
	}
	j.ring.q.PolyToBigintCentered(phase, 1, coefficients)
	var squares float64
	for _, c := range coefficients {
		x, _ := new(big.Float).SetInt(c).Float64()
		squares += x * x
	}
	n := float64(len(coefficients))
	got, want := math.Sqrt(squares/n), params.SigmaFresh*math.Sqrt(1+4*n*3/3)
	// Ternary u and s have variance 2/3: σ_f² = σ²(1 + 2·(2/3)nN); 4/3 in the formula.
	if math.Abs(got/want-1) > 0.1 {
		t.Fatalf("noise has standard deviation %.1f, want %.1f", got, want)
	}
}
