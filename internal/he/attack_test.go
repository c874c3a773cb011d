package he

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/params"
)

// Attack 1: whoever saw both the block that a party received and the block that it sent divides one by the other,
// without any key, and reads the party's vector, unless the party re-randomises. The first half shows that the attack
// is real, the second that it fails.
func TestQuotientOfBlocksRevealsNothing(t *testing.T) {
	j := newJoint(t, params.Need{Products: 2, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 4, Coefficient: 1}, 1)
	n := j.ring.set.N()
	w := j.key.NewWorker()
	secret := extremes(n, 5)
	in, out, plain := j.ring.NewBlock(1), j.ring.NewBlock(1), w.NewPlain()
	if err := w.Encrypt(by(extremes(n, 6)), in); err != nil {
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
		inverse := new(big.Int).ModInverse(new(big.Int).SetUint64(in.polys[1].Coeffs[0][i]), prime)
		if inverse == nil {
			continue
		}
		inverse.Mul(inverse, new(big.Int).SetUint64(out.polys[1].Coeffs[0][i])).Mod(inverse, prime)
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
	j := newJoint(t, need, 1)
	transcript := sha256.Sum256([]byte(t.Name()))
	rogue, err := j.ring.NewShare(transcript, 1)
	if err != nil {
		t.Fatal(err)
	}
	// b' − Σ b_i, so that the sum is the rogue's own b'.
	own, others := j.ring.q.NewPoly(), j.ring.q.NewPoly()
	if err := errors.Join(j.ring.readPoly(rogue.Public(), own), j.ring.readPoly(j.shares[0].Public(), others)); err != nil {
		t.Fatal(err)
	}
	j.ring.q.Sub(own, others, own)
	key, err := j.ring.JoinKey(transcript, [][]byte{j.shares[0].Public(), j.ring.appendPoly(nil, own)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key.Sum(), rogue.Public()) {
		t.Fatal("the joint key is not the rogue's")
	}
	b := j.ring.NewBlock(1)
	slots := make([]int64, j.ring.set.N())
	for i := range slots {
		slots[i] = 1
	}
	if err := key.NewWorker().Encrypt(by(slots), b); err != nil {
		t.Fatal(err)
	}
	alone := &joint{ring: j.ring, shares: []*Share{rogue}}
	if got, err := j.ring.set.Decode(alone.open(t, b)[0], need); err != nil || got != int64(len(slots)) {
		t.Fatalf("the rogue reads %d, %v", got, err)
	}
}

// opensTo tells whether an opened sum is decoded, and to that number. A sum that is uniform modulo Q is with probability
// 1/t at most, below 5e-7 where it is used: how seldom such a sum is refused as no answer depends on the room that the row
// of parameters leaves.
func (j *joint) opensTo(sum *big.Int, need params.Need, want int64) bool {
	got, err := j.ring.set.Decode(sum, need)
	return err == nil && got == want
}

// One key-holder's share less, and what is opened is no answer.
func TestAllSharesAreNeeded(t *testing.T) {
	need := params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 3, Coefficient: 1}
	j := newJoint(t, need, 1)
	b := j.ring.NewBlock(1)
	slots := extremes(j.ring.set.N(), 1)
	if err := j.key.NewWorker().Encrypt(by(slots), b); err != nil {
		t.Fatal(err)
	}
	if !j.opensTo(j.open(t, b)[0], need, total(slots)) {
		t.Fatal("all shares together do not open it")
	}
	j.shares = j.shares[1:]
	if j.opensTo(j.open(t, b)[0], need, total(slots)) {
		t.Fatal("two of three shares open it")
	}
}

func total(slots []int64) (sum int64) {
	for _, x := range slots {
		sum += x
	}
	return sum
}

// The key of one lane opens no other: lanes have independent secrets, though they share a, u and c1.
func TestLanesHaveTheirOwnKeys(t *testing.T) {
	need := params.Need{Products: 1, Slots: 1 << 20, Largest: 1 << 20, KeyHolders: 2, Coefficient: 1}
	j := newJoint(t, need, 2)
	b := j.ring.NewBlock(2)
	slots := extremes(j.ring.set.N(), 1)
	if err := j.key.NewWorker().Encrypt(by(slots, slots), b); err != nil {
		t.Fatal(err)
	}
	for lane, sum := range j.open(t, b) {
		if !j.opensTo(sum, need, total(slots)) {
			t.Fatalf("lane %d does not open", lane)
		}
	}
	for _, s := range j.shares {
		s.secrets[0], s.secrets[1] = s.secrets[1], s.secrets[0]
	}
	for lane, sum := range j.open(t, b) {
		if j.opensTo(sum, need, total(slots)) {
			t.Errorf("lane %d opens with the key of the other", lane)
		}
	}
	if _, err := j.shares[0].Scalars(j.ring.appendPoly(nil, b.polys[0]), 3); err == nil {
		t.Error("a share of two lanes opens three")
	}
}

// A share that was erased opens nothing.
func TestErasedShare(t *testing.T) {
	j := newJoint(t, params.Need{Products: 1, Slots: 1 << 20, Largest: 1, KeyHolders: 2, Coefficient: 1}, 2)
	_, c1 := j.ring.Output(j.ring.NewBlock(2))
	secrets := j.shares[0].secrets
	j.shares[0].Erase()
	if _, err := j.shares[0].Scalars(c1, 1); err == nil {
		t.Fatal("an erased share still answers")
	}
	for _, secret := range secrets {
		for _, row := range secret.Coeffs {
			if slices.ContainsFunc(row, func(x uint64) bool { return x != 0 }) {
				t.Fatal("the secret is still in memory")
			}
		}
	}
}
