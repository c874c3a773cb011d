package he

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/params"
)

// joint is a test's key-holders, all on one machine.
type joint struct {
	ring   *Ring
	shares []*Share
	key    *PublicKey
}

func newJoint(t testing.TB, need params.Need) *joint {
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
		s, err := r.NewShare(transcript)
		if err != nil {
			t.Fatal(err)
		}
		j.shares = append(j.shares, s)
		public = append(public, s.Public())
	}
	if j.key, err = r.JoinKey(transcript, public); err != nil {
		t.Fatal(err)
	}
	return j
}

// open sums all scalars, without flooding, and returns the sum modulo Q.
func (j *joint) open(t testing.TB, b *Block) *big.Int {
	t.Helper()
	sum, c1 := j.ring.Output(b)
	for _, s := range j.shares {
		scalar, err := s.Scalar(c1)
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(sum, scalar)
	}
	return sum.Mod(sum, j.ring.modulus)
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

// Chains of two to five parties, re-randomised at every hop, open to the exact inner product, and the measured noise
// lies below the computed bound B (and not absurdly below it: the prototype measured some 6–40 bits of slack).
func TestChainsDecodeWithinTheNoiseBound(t *testing.T) {
	for parties := 2; parties <= 5; parties++ {
		t.Run(fmt.Sprint(parties), func(t *testing.T) {
			blocks := 4
			need := params.Need{Products: parties - 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: parties + 1, Coefficient: 1}
			j := newJoint(t, need)
			n := j.ring.set.N()
			w := j.key.NewWorker()
			var want int64
			result, plain, current := j.ring.NewBlock(), w.NewPlain(), j.ring.NewBlock()
			for block := range blocks {
				product := extremes(n, block)
				if err := w.Encrypt(product, current); err != nil {
					t.Fatal(err)
				}
				for hop := 1; hop < parties; hop++ {
					factor := extremes(n, 100*hop+block)
					for i := range product {
						product[i] *= factor[i]
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
				for _, x := range product {
					want += x
				}
			}
			if err := w.Rerandomise(result); err != nil {
				t.Fatal(err)
			}
			sum := j.open(t, result)
			got, err := j.ring.set.Decode(sum, need)
			if err != nil || got != want {
				t.Fatalf("opened %d, %v, want %d", got, err, want)
			}
			noise := noiseBits(j.ring.set, sum)
			bound := j.ring.set.NoiseBound(need).MantExp(nil)
			t.Logf("noise 2^%d, bound 2^%d, log2 Q %d", noise, bound, j.ring.modulus.BitLen())
			if noise > bound {
				t.Errorf("noise is 2^%d, above the bound 2^%d", noise, bound)
			}
			if flood := j.ring.set.FloodSigma(need).BitLen(); flood < bound+40 {
				t.Errorf("flooding is 2^%d, less than 40 bits above the bound 2^%d", flood, bound)
			}
		})
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
	j := newJoint(t, need)
	b := j.ring.NewBlock()
	if err := j.key.NewWorker().Encrypt(make([]int64, j.ring.set.N()), b); err != nil {
		t.Fatal(err)
	}
	phase := j.ring.q.NewPoly()
	for _, s := range j.shares {
		j.ring.q.MulCoeffsMontgomeryThenAdd(b.c1, s.secret, phase)
	}
	j.ring.q.Add(phase, b.c0, phase)
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

// Attack 1: whoever saw both the block that a party received and the block that it sent divides one by the other,
// without any key, and reads the party's vector, unless the party re-randomises. The first half shows that the attack
// is real, the second that it fails.
func TestQuotientOfBlocksRevealsNothing(t *testing.T) {
	j := newJoint(t, params.Need{Products: 2, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 4, Coefficient: 1})
	n := j.ring.set.N()
	w := j.key.NewWorker()
	secret := extremes(n, 5)
	in, out, plain := j.ring.NewBlock(), j.ring.NewBlock(), w.NewPlain()
	if err := w.Encrypt(extremes(n, 6), in); err != nil {
		t.Fatal(err)
	}
	w.Encode(secret, plain)
	w.Multiply(in, plain, out)
	if !quotientIs(j.ring, in, out, plain) {
		t.Fatal("the attack does not work even without re-randomising: the test shows nothing")
	}
	if err := w.Rerandomise(out); err != nil {
		t.Fatal(err)
	}
	if quotientIs(j.ring, in, out, plain) {
		t.Fatal("the quotient of what was received and sent is the party's vector")
	}
}

// quotientIs tells whether the attacker's quotient out/in agrees with the plaintext in more than a tenth of places.
func quotientIs(r *Ring, in, out *Block, p *Plain) bool {
	hits := 0
	s := r.q.SubRings[0]
	prime := new(big.Int).SetUint64(s.Modulus)
	want := r.q.NewPoly()
	r.q.IMForm(p.poly, want)
	for i := range 256 {
		inverse := new(big.Int).ModInverse(new(big.Int).SetUint64(in.c0.Coeffs[0][i]), prime)
		if inverse == nil {
			continue
		}
		inverse.Mul(inverse, new(big.Int).SetUint64(out.c0.Coeffs[0][i])).Mod(inverse, prime)
		if inverse.Uint64() == want.Coeffs[0][i] {
			hits++
		}
	}
	return hits > 25
}

// Whoever speaks last without having committed chooses a share that cancels all others, knows the joint secret, and
// reads everything. This is the attack that commit-then-open must stop (package keyholder shows that it does).
func TestRogueShareWorksWithoutCommitments(t *testing.T) {
	need := params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 2, Coefficient: 1}
	j := newJoint(t, need)
	transcript := sha256.Sum256([]byte(t.Name()))
	rogue, err := j.ring.NewShare(transcript)
	if err != nil {
		t.Fatal(err)
	}
	// b' − Σ b_i, so that the sum is the rogue's own b'.
	own, others := j.ring.q.NewPoly(), j.ring.q.NewPoly()
	if err := errors.Join(j.ring.readPoly(rogue.Public(), own), j.ring.readPoly(j.shares[0].Public(), others)); err != nil {
		t.Fatal(err)
	}
	j.ring.q.Sub(own, others, own)
	key, err := j.ring.JoinKey(transcript, [][]byte{j.shares[0].Public(), j.ring.appendPoly(nil, own)})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key.Sum(), rogue.Public()) {
		t.Fatal("the joint key is not the rogue's")
	}
	b := j.ring.NewBlock()
	slots := make([]int64, j.ring.set.N())
	for i := range slots {
		slots[i] = 1
	}
	if err := key.NewWorker().Encrypt(slots, b); err != nil {
		t.Fatal(err)
	}
	alone := &joint{ring: j.ring, shares: []*Share{rogue}}
	if got, err := j.ring.set.Decode(alone.open(t, b), need); err != nil || got != int64(len(slots)) {
		t.Fatalf("the rogue reads %d, %v", got, err)
	}
}

// One key-holder's share less, and what is opened is no answer.
func TestAllSharesAreNeeded(t *testing.T) {
	need := params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 3, Coefficient: 1}
	j := newJoint(t, need)
	b := j.ring.NewBlock()
	if err := j.key.NewWorker().Encrypt(extremes(j.ring.set.N(), 1), b); err != nil {
		t.Fatal(err)
	}
	j.shares = j.shares[1:]
	if _, err := j.ring.set.Decode(j.open(t, b), need); !errors.Is(err, params.ErrRemainder) {
		t.Fatalf("error is %v, want ErrRemainder", err)
	}
}

// A share that was erased opens nothing.
func TestErasedShare(t *testing.T) {
	j := newJoint(t, params.Need{Products: 1, Slots: 1 << 20, Largest: 1, KeyHolders: 2, Coefficient: 1})
	_, c1 := j.ring.Output(j.ring.NewBlock())
	secret := j.shares[0].secret
	j.shares[0].Erase()
	if _, err := j.shares[0].Scalar(c1); err == nil {
		t.Fatal("an erased share still answers")
	}
	for _, row := range secret.Coeffs {
		for _, x := range row {
			if x != 0 {
				t.Fatal("the secret is still in memory")
			}
		}
	}
}
