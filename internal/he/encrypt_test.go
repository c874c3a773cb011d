package he

import (
	"math"
	"slices"
	"testing"

	"github.com/tuneinsight/lattigo/v5/ring"

	"github.com/sotto-dev/sotto/internal/params"
)

// A key of constants shows what an encryption is made of: with a = b_i = 64 it is c0 = 64u + e0 (+ the message) and
// c1 = 64u + e1, and all are small. Guards against noise that is left out, drawn once for several polynomials or lanes, or
// reused for the next encryption: any of it would give messages away, and no test of what is decrypted would notice.
func TestEncryptionHasAllItsNoise(t *testing.T) {
	const factor, lanes, encryptions = 64, 3, 24
	j := newJoint(t, params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 2, Coefficient: 1}, lanes)
	q, n := j.ring.q, j.ring.set.N()
	constant := q.NewPoly()
	for _, row := range constant.Coeffs {
		row[0] = factor
	}
	q.NTT(constant, constant)
	q.MForm(constant, constant)
	j.key.a, j.key.b = constant, []ring.Poly{constant, constant, constant}

	w, block := j.key.NewWorker(), j.ring.NewBlock(lanes)
	var seen [][]int64 // every u and every noise of all encryptions
	for encryption := range encryptions {
		var err error
		switch encryption % 3 {
		case 0:
			err = w.EncryptZero(block)
		case 1:
			err = w.Encrypt(func(_ int, slots []int64) { clear(slots) }, block)
		case 2:
			block.Zero()
			err = w.Rerandomise(block)
		}
		if err != nil {
			t.Fatal(err)
		}
		var shared []int64
		for i, p := range block.polys {
			u, e := make([]int64, n), make([]int64, n)
			for k, x := range small(t, j.ring, p) {
				u[k] = int64(math.Round(float64(x) / factor))
				e[k] = x - factor*u[k]
				if u[k] < -1 || u[k] > 1 || e[k] < -19 || e[k] > 19 {
					t.Fatalf("%d is not made of a ternary number and of noise up to 6σ", x)
				}
			}
			if i == 0 {
				shared = u
				seen = append(seen, u)
			} else if !slices.Equal(u, shared) {
				t.Fatalf("lane %d has another u than c1", i-1)
			}
			seen = append(seen, e)
		}
	}
	// Variances 2/3 and σ² to 6.5 of their standard errors, and no correlation between any two beyond 7 of its own: 120
	// comparisons, each wrong with probability 1e-9 at most, and 7140, each with 3e-12.
	for i, x := range seen {
		want, fourth := params.SigmaFresh*params.SigmaFresh, 3*math.Pow(params.SigmaFresh, 4)
		if i%(lanes+2) == 0 {
			want, fourth = 2./3, 2./3
		}
		if got := covariance(x, x); math.Abs(got-want) > 6.5*math.Sqrt((fourth-want*want)/float64(n)) {
			t.Errorf("polynomial %d has variance %.3f, want %.3f", i, got, want)
		}
		for k, y := range seen[:i] {
			if got := covariance(x, y) / math.Sqrt(covariance(x, x)*covariance(y, y)); math.Abs(got) > 7/math.Sqrt(float64(n)) {
				t.Errorf("polynomials %d and %d have correlation %.3f", k, i, got)
			}
		}
	}
}

func covariance(x, y []int64) float64 {
	var sum int64
	for i := range x {
		sum += x[i] * y[i]
	}
	return float64(sum) / float64(len(x))
}

// small returns the coefficients of a transformed polynomial, which must be small and the same modulo every prime.
func small(t *testing.T, r *Ring, p ring.Poly) (out []int64) {
	coefficients := r.q.NewPoly()
	r.q.INTT(p, coefficients)
	for i, s := range r.q.SubRings {
		for k, x := range coefficients.Coeffs[i] {
			centred := int64(x)
			if x > s.Modulus/2 {
				centred = -int64(s.Modulus - x)
			}
			if i == 0 {
				out = append(out, centred)
			} else if out[k] != centred {
				t.Fatalf("coefficient %d is %d modulo one prime and %d modulo another", k, out[k], centred)
			}
		}
	}
	return out
}

// What was drawn for an encryption is gone when it is done.
func TestEncryptionForgets(t *testing.T) {
	j := newJoint(t, params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 2, Coefficient: 1}, 2)
	w, block := j.key.NewWorker(), j.ring.NewBlock(2)
	slots := extremes(j.ring.set.N(), 3)
	for name, do := range map[string]func() error{
		"Encrypt":     func() error { return w.Encrypt(by(slots, slots), block) },
		"EncryptZero": func() error { return w.EncryptZero(block) },
		"Rerandomise": func() error { return w.Rerandomise(block) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		left := slices.ContainsFunc(w.small, func(x int8) bool { return x != 0 }) ||
			slices.ContainsFunc(w.random.bytes, func(x byte) bool { return x != 0 }) ||
			slices.ContainsFunc(w.values, func(x int64) bool { return x != 0 })
		polys := []ring.Poly{w.noise}
		if w.zero != nil {
			polys = append(polys, w.zero.polys...)
		}
		for _, p := range polys {
			for _, row := range p.Coeffs {
				left = left || slices.ContainsFunc(row, func(x uint64) bool { return x != 0 })
			}
		}
		if left {
			t.Errorf("%s leaves something in its buffers", name)
		}
	}
}

// The whole plaintext space can be encoded, and what lies outside it would wrap round to another number: that is an error of
// the program, and stops it with words that do not show the number.
func TestSlotsOutsideThePlaintextSpace(t *testing.T) {
	need := params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 2, Coefficient: 1}
	j := newJoint(t, need, 1)
	w, block := j.key.NewWorker(), j.ring.NewBlock(1)
	slots := make([]int64, j.ring.set.N())
	half := int64(j.ring.set.T / 2)
	for _, edge := range []int64{half, -half} {
		slots[5] = edge
		if err := w.Encrypt(by(slots), block); err != nil {
			t.Fatal(err)
		}
		if !j.opensTo(j.open(t, block)[0], need, edge) {
			t.Errorf("%d does not come back", edge)
		}
	}
	for _, beyond := range []int64{half + 1, -half - 1, math.MaxInt64, math.MinInt64} {
		func() {
			defer func() {
				if said := recover(); said != "he: a slot lies outside the plaintext space" {
					t.Errorf("slot %d: %v", beyond, said)
				}
			}()
			slots[5] = beyond
			w.Encode(slots, w.NewPlain())
		}()
	}
}
