package simulation

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/params"
	"github.com/sotto-dev/sotto/internal/protocol"
)

// TestVectorsStayHidden guards against recovering a vector from what a party received and what it sent (attack 1). The
// attacker has all that passed the coordinator, and for the sharpest test it even knows the vector and only wants to
// confirm it: the plain product, of the blocks that came in and the vector, must have nothing in common with what went
// out, neither in a block nor in a result. The same attack on a product that was not re-randomised succeeds.
func TestVectorsStayHidden(t *testing.T) {
	c := start(t, setup{parties: 3, seed: 10})
	q, _ := c.question(c.everybody())
	k := c.conduct(q)
	k.prepareAll()
	c.must(k.contribute())
	hops := k.plan.Chains[0].Hops
	set := k.plan.Params
	ring, err := he.NewRing(set)
	c.must(err)
	transcript := k.plan.Transcript(k.id)
	var shares [][]byte
	var nonces [][32]byte
	for _, o := range k.openings {
		shares, nonces = append(shares, o.Share), append(nonces, [32]byte(o.Nonce))
	}
	joint, err := ring.JoinKey(transcript, shares, 1)
	c.must(err)
	worker := joint.NewWorker()
	plain, slots, product, sum := worker.NewPlain(), make([]int64, set.N()), ring.NewBlock(1), ring.NewBlock(1)

	for i := 1; i < len(hops); i++ {
		vectors := layout.Hashed{
			Salt: protocol.Salt(transcript, nonces), Length: len(hops), LogSlots: k.plan.LogSlots, LogN: int(set.LogN), Clip: k.plan.Clip, Scale: 1,
		}
		known, err := vectors.Place(i, snapshot(c.people, i, nil).IDs, 1, func(int) int { return 0 }, nil)
		c.must(err)
		for b := range k.plan.Blocks(&k.plan.Chains[0]) {
			in := ring.NewBlock(1)
			c.must(ring.ReadBlock(k.streams[i-1][b].GetBlock(), in))
			known.Block(b, 0, slots)
			worker.Encode(slots, plain)
			if i == len(hops)-1 {
				worker.MultiplyAdd(in, plain, sum)
				continue
			}
			if b%32 != 0 {
				continue // the attack is slow
			}
			worker.Multiply(in, plain, product)
			received, sent, bare := k.streams[i-1][b].GetBlock(), k.streams[i][b].GetBlock(), ring.AppendBlock(nil, product)
			if equal := common(set, bare, sent); equal > 2 {
				t.Errorf("hop %d, block %d: %d values are those of the plain product", i, b, equal)
			}
			if !divides(set, received, bare) {
				t.Fatal("the attack does not recover a vector even from a plain product")
			}
			if divides(set, received, sent) {
				t.Errorf("hop %d, block %d: dividing what went out by what came in gives the vector", i, b)
			}
		}
	}
	_, c1 := ring.Output(sum)
	if equal := common(set, c1, k.results()[0]); equal > 2 {
		t.Errorf("result: %d values are those of the plain sum of products", equal)
	}
	k.forget()
}

// common counts the values that two encodings have in common. By chance it is 0; above 2 with a probability below 2⁻⁹⁰.
func common(set params.Set, a, b []byte) int {
	size, equal := polynomialBytes(set), 0
	for ; len(a) > 0; a, b = a[size:], b[size:] {
		x, y := residues(set, a), residues(set, b)
		for j := range x {
			for i := range x[j] {
				if x[j][i] == y[j][i] {
					equal++
				}
			}
		}
	}
	return equal
}

// divides tells whether both polynomials of a block are those of another times one and the same plaintext.
func divides(set params.Set, in, out []byte) bool {
	size := len(in) / 2
	in0, in1, out0, out1 := residues(set, in[:size]), residues(set, in[size:]), residues(set, out[:size]), residues(set, out[size:])
	for i := range 64 {
		q := set.Q[0]
		if quotient(q, in0[0][i], out0[0][i]) != quotient(q, in1[0][i], out1[0][i]) {
			return false
		}
	}
	return true
}

// TestBlocksAreFresh guards that equal vectors never look alike (attack 1): a party without any customer sends blocks of
// which no two have anything in common, nor the lanes of one block, within a session and across two sessions of one signed
// question.
func TestBlocksAreFresh(t *testing.T) {
	c := start(t, setup{seed: 11, unknown: []string{"bank"}})
	q, _ := c.question(client.Question{Count: "bank.member && cinema.member", By: []string{"bank.band", "cinema.band"}})
	k := c.conduct(q)
	const lanes = 3
	size := polynomialBytes(k.plan.Params)
	seen := map[string]string{}
	for session := range 2 {
		if session > 0 {
			k.begin()
		}
		k.prepareAll()
		sent, err := k.hop(k.plan.Chains[0].Hops[0].Party, k.start())
		c.must(err)
		for b, m := range sent[:len(sent)-1] {
			// 32 bytes of each polynomial, at both ends: equal ciphertexts, or parts, would show.
			block := m.GetBlock()
			for polynomial := range 1 + lanes {
				here := fmt.Sprintf("session %d, block %d, polynomial %d", session, b, polynomial)
				for _, at := range []int{polynomial * size, (polynomial+1)*size - 32} {
					if where, again := seen[string(block[at:at+32])]; again {
						t.Fatalf("%s: bytes of %s", here, where)
					}
					seen[string(block[at:at+32])] = here
				}
			}
		}
		k.forget()
	}
	if want := 2 * blocks * (1 + lanes) * 2; len(seen) != want {
		t.Errorf("%d pieces were compared, must be %d", len(seen), want)
	}
}

// TestTrafficTellsNothing guards that every block and every cell is processed, empty ones too: the messages between
// coordinator and parties, their order within each call, and their lengths are the same for questions about a thousand
// customers each and about nobody.
func TestTrafficTellsNothing(t *testing.T) {
	questions := []client.Question{
		{Count: "bank.gold && cinema.member", By: []string{"cinema.region"}},
		{Sum: "cinema.balance", Where: "bank.gold || cinema.gold"},
		{Total: []string{"bank.gold", "cinema.member"}},
	}
	traffic := func(s setup) map[string]int {
		c := start(t, s)
		sizes := make(chan [2]any, 10000)
		for _, direction := range []bool{to, from} {
			c.tap.on(direction, "", "", watching(func(m message) {
				sizes <- [2]any{fmt.Sprintf("%s %s inward=%v %d", m.node, m.method, m.inward, m.at), proto.Size(m.body)}
			}))
		}
		for _, q := range questions {
			c.answered(q)
		}
		close(sizes)
		all := map[string]int{}
		for s := range sizes {
			all[s[0].(string)] += s[1].(int)
		}
		return all
	}
	some, none := traffic(setup{seed: 12}), traffic(setup{seed: 13, unknown: []string{"bank", "cinema"}})
	if len(some) < 2*blocks {
		t.Fatalf("only %d messages were seen", len(some))
	}
	if !maps.Equal(some, none) {
		for _, key := range slices.Sorted(maps.Keys(some)) {
			if some[key] != none[key] {
				t.Errorf("%s: %d bytes with customers, %d without", key, some[key], none[key])
			}
		}
		t.Errorf("%d messages with customers, %d without", len(some), len(none))
	}
}
