package keyholder

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
)

// Guards the key share against being used as an oracle: only the c1 that the last hop signed are opened, each once and in
// its place. Anything else yields no scalar, and the session is over.
func TestOnlySignedResultsAreOpened(t *testing.T) {
	stopped := errors.New("the stream ended")
	for name, alter := range map[string]func(c1 [][]byte) func() ([]byte, error){
		"altered": func(c1 [][]byte) func() ([]byte, error) {
			c1[1] = bytes.Clone(c1[1])
			c1[1][5000] ^= 1
			return results(c1)
		},
		"foreign": func(c1 [][]byte) func() ([]byte, error) {
			return results([][]byte{c1[0], make([]byte, len(c1[1])), c1[2]})
		},
		"swapped":   func(c1 [][]byte) func() ([]byte, error) { return results([][]byte{c1[1], c1[0], c1[2]}) },
		"one twice": func(c1 [][]byte) func() ([]byte, error) { return results([][]byte{c1[0], c1[0], c1[2]}) },
		"cut":       func(c1 [][]byte) func() ([]byte, error) { return results([][]byte{c1[0], c1[1][1:], c1[2]}) },
		"empty":     func(c1 [][]byte) func() ([]byte, error) { return results([][]byte{c1[0], nil, c1[2]}) },
		"missing":   func(c1 [][]byte) func() ([]byte, error) { return results(c1[:2]) },
		"stopped":   func([][]byte) func() ([]byte, error) { return func() ([]byte, error) { return nil, stopped } },
	} {
		x := sit(t, 3, agreement.NoiseEveryone)
		c := x.hops([]int64{1, 2, 3})
		s := x.holders[0]
		handOvers, err := s.CheckHandOvers(c.signed, c.own("a"))
		x.must(err)
		sealed, body, err := s.Release(handOvers, alter(c.c1))
		if name == "stopped" && errors.Is(err, stopped) {
			err = fault.From(fault.New(fault.Protocol, "").Wrap(err))
		}
		refused(t, name, s, err)
		if sealed != nil || body != nil {
			t.Errorf("%s: something was released", name)
		}
		_, _, err = s.Release(handOvers, results(c.c1))
		refused(t, name+", then again", s, err)
	}

	// Signed by the last hop, but not a polynomial.
	x := sit(t, 1, agreement.NoiseEveryone)
	c := x.hops([]int64{1})
	c.c1[0] = bytes.Repeat([]byte{0xff}, len(c.c1[0]))
	c.bodies[1].Results[0].C1 = sha256.Sum256(c.c1[0])
	x.sign(c)
	handOvers, err := x.holders[0].CheckHandOvers(c.signed, c.own("a"))
	x.must(err)
	_, _, err = x.holders[0].Release(handOvers, results(c.c1))
	refused(t, "out of range", x.holders[0], err)
}

// Attack 3 and 4: hand-overs that are not those of this session, in the plan's order, with the own ones as they were
// signed, open nothing. Two cells with the same c1 would show the difference of two cells' noise.
func TestHandOversThatDoNotFit(t *testing.T) {
	for name, alter := range map[string]func(x *table, c *chain){
		"one missing":     func(_ *table, c *chain) { c.signed = c.signed[1:] },
		"swapped":         func(_ *table, c *chain) { slices.Reverse(c.signed) },
		"another session": func(x *table, c *chain) { c.bodies[1].Transcript[0]++; x.sign(c) },
		"another key":     func(x *table, c *chain) { c.bodies[1].PublicKey[0]++; x.sign(c) },
		"blocks swapped":  func(x *table, c *chain) { c.bodies[1].In[0]++; x.sign(c) },
		"a result less":   func(x *table, c *chain) { c.bodies[1].Results = c.bodies[1].Results[:2]; x.sign(c) },
		"one c1 twice":    func(x *table, c *chain) { c.bodies[1].Results[2].C1 = c.bodies[1].Results[0].C1; x.sign(c) },
		"own one altered": func(x *table, c *chain) { c.bodies[0].Out[0]++; c.bodies[1].In[0]++; x.sign(c) },
	} {
		x := sit(t, 3, agreement.NoiseEveryone)
		c := x.hops([]int64{1, 2, 3})
		s := x.holders[0]
		own := c.own("a")
		alter(x, c)
		_, err := s.CheckHandOvers(c.signed, own)
		refused(t, name, s, err)
	}

	// A party that was never asked to contribute, though hand-overs in its name are shown.
	x := sit(t, 1, agreement.NoiseEveryone)
	c := x.hops([]int64{1})
	_, err := x.holders[0].CheckHandOvers(c.signed, nil)
	refused(t, "no own one", x.holders[0], err)
}

// Attack 4: a second release of one session is refused, even of the same results: two draws of flooding over one scalar
// would let it be averaged out. (What was released is handed out again from the ledger, the same bytes.)
func TestReleasedOnce(t *testing.T) {
	x := sit(t, 1, agreement.NoiseEveryone)
	c := x.hops([]int64{1})
	handOvers, err := x.holders[0].CheckHandOvers(c.signed, c.own("a"))
	x.must(err)
	_, _, err = x.holders[0].Release(handOvers, results(c.c1))
	x.must(err)
	_, _, err = x.holders[0].Release(handOvers, results(c.c1))
	refused(t, "released twice", x.holders[0], err)
}

// A coordinator that begins a release and then sends nothing keeps no secret alive: the session can be erased while it
// waits for a result, and then releases nothing, with noise or without.
func TestErasedWhileWaiting(t *testing.T) {
	ended := sit(t, 1, agreement.NoiseEveryone).holders[0]
	ended.Erase()
	if sealed, err := ended.sealScalars([]*big.Int{big.NewInt(1)}); sealed != nil || !fault.IsKind(err, fault.Protocol) {
		t.Errorf("an erased session sealed a scalar without noise: %v", err)
	}
	for name, at := range map[string]int{"for the first result": 0, "for the last result": 2} {
		x := sit(t, 3, agreement.NoiseEveryone)
		c := x.hops([]int64{1, 2, 3})
		s := x.holders[0]
		handOvers, err := s.CheckHandOvers(c.signed, c.own("a"))
		x.must(err)
		cell, next := 0, results(c.c1)
		sealed, body, err := s.Release(handOvers, func() ([]byte, error) {
			if cell == at {
				s.Erase()
				refused(t, name, s, fault.New(fault.Protocol, ""))
			}
			cell++
			return next()
		})
		refused(t, name, s, err)
		if sealed != nil || body != nil || !strings.Contains(err.Error(), "ended before it was released") {
			t.Errorf("erased while waiting %s: error is %v", name, err)
		}
	}
}
