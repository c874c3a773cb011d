package keyholder

import (
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

// sit begins a session about so many cells, with that noise: a count of the customers of both, by a dimension of b.
func sit(t testing.TB, cells int, noise agreement.Noise) *table {
	t.Helper()
	q := &query.Query{Measure: query.Count, Audience: "a.member && b.member", Noise: string(noise)}
	if cells > 1 {
		q.GroupBy = []query.Dimension{dimension("b", cells-1)}
	}
	return sitFor(t, q)
}

// dimension is one of a party with so many values.
func dimension(party string, values int) query.Dimension {
	d := query.Dimension{Party: party, Name: "shelf"}
	for i := range values {
		d.Values = append(d.Values, fmt.Sprint(i))
	}
	return d
}

// sitFor begins a session about a question, of which measure, audience, group-by, amount and noise are given.
func sitFor(t testing.TB, q *query.Query) *table {
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
		Purposes:      []string{"planning"},
		Noise:         agreement.Noise(q.Noise),
	}
	var err error
	x.analyst, err = seal.NewKey()
	x.must(err)
	q.Purpose, q.Precision, q.Mechanism, q.MicroEpsilon, q.Recipient = "planning", "low", "laplace", 1_000_000, x.analyst.Public()
	q.Participants = []query.Participant{
		{Party: "a", IdentityType: "email", CustomersUpTo: 1000}, {Party: "b", IdentityType: "email", CustomersUpTo: 1000},
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
		sealed, body, err := s.Release(handOvers, results(c.c1))
		x.must(err)
		all = append(all, s.Sign(sealed, body))
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
	for cell := range sums {
		sums[cell] = new(big.Int)
	}
	last := -1
	for i := range x.plan.Chains {
		planned := &x.plan.Chains[i]
		last += len(planned.Hops)
		for ciphertext, signed := range handOvers[last].Results {
			for lane := range signed.C0 {
				scalar, err := x.plan.Params.ParseScalar(signed.C0[lane])
				x.must(err)
				for _, target := range planned.Into[planned.Result(ciphertext, lane)] {
					scaled := new(big.Int).Mul(scalar, big.NewInt(target.Coefficient))
					sums[target.Cell].Add(sums[target.Cell], scaled)
				}
			}
		}
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
