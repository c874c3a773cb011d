package keyholder

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// table is where all key-holders of one session sit: parties a and b and the coordinator, in this order. Party b has the
// dimension and is the last hop.
type table struct {
	testing.TB
	agreement *agreement.Agreement
	keys      map[string]*identity.Key
	analyst   *seal.Key
	plan      *query.Plan
	id        [16]byte
	holders   []*Session
}

// sit begins a session about so many cells, with that noise.
func sit(t testing.TB, cells int, noise agreement.Noise) *table {
	t.Helper()
	x := &table{TB: t, keys: map[string]*identity.Key{}, id: protocol.NewSession()}
	key := func(name string) identity.PublicKey {
		k, err := identity.Generate()
		x.must(err)
		x.keys[name] = k
		return k.Public()
	}
	x.agreement = &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: "c:1", Key: key(agreement.CoordinatorName)},
		Parties:       []agreement.Party{{Name: "a", Address: "a:1", Key: key("a")}, {Name: "b", Address: "b:1", Key: key("b")}},
		Noise:         noise,
	}
	var err error
	x.analyst, err = seal.NewKey()
	x.must(err)
	q := &query.Query{
		Audience: "a.member && b.member", Precision: "low", Noise: string(noise), Mechanism: "laplace", MicroEpsilon: 1_000_000,
		Recipient: x.analyst.Public(),
		Participants: []query.Participant{
			{Party: "a", IdentityType: "email", CustomersUpTo: 1000}, {Party: "b", IdentityType: "email", CustomersUpTo: 1000},
		},
	}
	if cells > 1 {
		values := make([]string, cells-1)
		for i := range values {
			values[i] = fmt.Sprint(i)
		}
		q.GroupBy = []query.Dimension{{Party: "b", Name: "shelf", Values: values}}
	}
	x.plan, err = query.NewPlan(q)
	x.must(err)
	for _, name := range x.plan.KeyHolders {
		x.holders = append(x.holders, x.prepare(name))
	}
	return x
}

func (x *table) prepare(name string) *Session {
	s, err := Prepare(x.plan, x.id, x.agreement, name, x.keys[name])
	x.must(err)
	return s
}

func (x *table) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// The honest steps, at every key-holder.

func (x *table) commitments() (all []*sottov1.Signed) {
	for _, s := range x.holders {
		all = append(all, s.Commitment())
	}
	return all
}

func (x *table) open() (all []*sottov1.Opening) {
	x.Helper()
	commitments := x.commitments()
	for _, s := range x.holders {
		o, err := s.Open(commitments)
		x.must(err)
		all = append(all, o)
	}
	return all
}

func (x *table) agree() (all []*sottov1.Signed) {
	x.Helper()
	openings := x.open()
	for _, s := range x.holders {
		approval, err := s.Agree(openings)
		x.must(err)
		all = append(all, approval)
	}
	return all
}

func (x *table) joint() *Joint {
	x.Helper()
	approvals := x.agree()
	var joint *Joint
	for _, s := range x.holders {
		j, err := s.Joint(approvals)
		x.must(err)
		if joint != nil && (j.PublicHash != joint.PublicHash || j.Salt != joint.Salt) {
			x.Fatal("key-holders have different joint keys or salts")
		}
		joint = j
	}
	return joint
}

// chain is what the hops leave behind.
type chain struct {
	bodies []protocol.HandOver
	signed []*sottov1.Signed
	c1     [][]byte // per cell
}

// hops plays both hops of the chain: a encrypts the truth, one slot per cell, and b multiplies by the slot of each cell.
func (x *table) hops(truth []int64) *chain {
	x.Helper()
	joint := x.joint()
	w, ring := joint.Key.NewWorker(), x.holders[0].Ring()
	slots := make([]int64, x.plan.Params.N())
	copy(slots, truth)
	block, plain := ring.NewBlock(), w.NewPlain()
	x.must(w.Encrypt(slots, block))
	stream := protocol.NewStreamHash(x.holders[0].Transcript, 0, 0)
	stream.Add(ring.AppendBlock(nil, block))
	body := protocol.HandOver{Transcript: x.holders[0].Transcript, PublicKey: joint.PublicHash, Party: "a", Out: stream.Sum()}
	last := body
	last.Party, last.Hop, last.In, last.Out = "b", 1, body.Out, [32]byte{}
	c := &chain{}
	for cell := range x.plan.Cells {
		clear(slots)
		slots[cell] = 1
		w.Encode(slots, plain)
		result := ring.NewBlock()
		w.MultiplyAdd(block, plain, result)
		if cell < 10 { // what any real hop does for all; it costs the most, and the tests of noise have many cells
			x.must(w.Rerandomise(result))
		}
		c0, c1 := ring.Output(result)
		last.Cells = append(last.Cells, protocol.Cell{C1: sha256.Sum256(c1), C0: x.plan.Params.AppendScalar(nil, c0)})
		c.c1 = append(c.c1, c1)
	}
	c.bodies = []protocol.HandOver{body, last}
	x.sign(c)
	return c
}

// sign signs the hand-overs as they are now.
func (x *table) sign(c *chain) {
	c.signed = nil
	for i := range c.bodies {
		c.signed = append(c.signed, protocol.Sign(x.keys[c.bodies[i].Party], &c.bodies[i]))
	}
}

// own returns the hand-overs that a key-holder has signed.
func (c *chain) own(name string) (own []*sottov1.Signed) {
	for i := range c.bodies {
		if c.bodies[i].Party == name {
			own = append(own, c.signed[i])
		}
	}
	return own
}

// results returns what hands on one c1 after the other.
func results(c1 [][]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(c1) == 0 {
			return nil, fault.New(fault.Protocol, "no more results")
		}
		first := c1[0]
		c1 = c1[1:]
		return first, nil
	}
}

func (x *table) release(c *chain) (all []*sottov1.SealedRelease) {
	x.Helper()
	for i, s := range x.holders {
		handOvers, err := s.CheckHandOvers(c.signed, c.own(x.plan.KeyHolders[i]))
		x.must(err)
		release, err := s.Release(handOvers, results(c.c1), Charge{MicroEpsilon: 1_000_000, Delta: x.plan.Query.TotalDelta()})
		x.must(err)
		all = append(all, release)
	}
	return all
}

// answer verifies and opens everything as an analyst does.
func (x *table) answer(c *chain, releases []*sottov1.SealedRelease) []int64 {
	x.Helper()
	transcript := x.plan.Transcript(x.id)
	handOvers, err := protocol.VerifyHandOvers(c.signed, x.plan, x.agreement, transcript, c.bodies[0].PublicKey)
	x.must(err)
	_, err = protocol.VerifyReleases(releases, x.plan, x.agreement, transcript, handOvers)
	x.must(err)
	sums := make([]*big.Int, x.plan.Cells)
	for cell, signed := range handOvers[len(handOvers)-1].Cells {
		sums[cell], err = x.plan.Params.ParseScalar(signed.C0)
		x.must(err)
	}
	size := x.plan.Params.ScalarBytes()
	for i, r := range releases {
		message, err := x.analyst.Open(seal.Context{Transcript: transcript, KeyHolder: x.plan.KeyHolders[i], Cells: int64(x.plan.Cells)}, r.GetSealed())
		x.must(err)
		for cell := range sums {
			scalar, err := x.plan.Params.ParseScalar(message[cell*size : (cell+1)*size])
			x.must(err)
			sums[cell].Add(sums[cell], scalar)
		}
	}
	out := make([]int64, len(sums))
	for cell, sum := range sums {
		out[cell], err = x.plan.Params.Decode(sum, x.plan.Need)
		x.must(err)
	}
	return out
}

// refused fails the test unless err is a fault.Protocol and the session is dead, its secrets gone.
func refused(t testing.TB, what string, s *Session, err error) {
	t.Helper()
	if !fault.IsKind(err, fault.Protocol) {
		t.Errorf("%s: error is %v, want fault.Protocol", what, err)
	}
	if s.share != nil || s.noise != nil || s.nonce != [32]byte{} || s.salt != [32]byte{} || s.step != dead && s.step != released {
		t.Errorf("%s: the session lives on", what)
	}
}
