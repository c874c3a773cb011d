package simulation

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// question builds what the SDK would sign for q, with a key to seal the answer to.
func (c *cluster) question(q client.Question) (*query.Query, *seal.Key) {
	c.Helper()
	q = filled(q)
	key, err := seal.NewKey()
	c.must(err)
	micro, err := agreement.MicroEpsilonOf(q.Epsilon)
	c.must(err)
	body := &query.Query{
		Collaboration: c.agreement.Collaboration, Agreement: c.agreement.Hash(), Analyst: "analyst_0", Purpose: q.Purpose,
		Layout: "hashed", Precision: q.Precision, Noise: string(c.noise), Mechanism: cmp.Or(q.Mechanism, "laplace"),
		MicroEpsilon: int64(micro), Recipient: key.Public(), Nonce: protocol.NewSession(), Expires: c.now().Add(time.Hour).Unix(),
	}
	if q.Delta > 0 {
		body.AttoDelta, err = dp.AttoDeltaOf(q.Delta)
		c.must(err)
	}
	list := func(parts []string) string { return "[" + strings.Join(parts, ", ") + "]" }
	switch {
	case q.Count != "":
		body.Measure, body.Audience = query.Count, q.Count
	case q.Sum != "":
		body.Measure, body.Audience, body.Amount = query.Sum, q.Where, amountOf(q.Sum)
	case q.Mean != "":
		body.Measure, body.Audience, body.Amount = query.Mean, q.Where, amountOf(q.Mean)
	case len(q.Total) > 0:
		body.Measure, body.Audience = query.Total, list(q.Total)
	case len(q.Frequency) > 0:
		body.Measure, body.Audience = query.Frequency, list(q.Frequency)
	}
	for i, p := range c.parties {
		if strings.Contains(body.Audience, p.name+".") {
			body.Participants = append(body.Participants, query.Participant{
				Party: p.name, IdentityType: "opaque", CustomersUpTo: customersUpTo, Snapshot: c.parties[i].descriptor().Snapshot,
			})
		}
	}
	for _, name := range q.By {
		party, dimension, _ := strings.Cut(name, ".")
		body.GroupBy = append(body.GroupBy, query.Dimension{Party: party, Name: dimension, Values: dimensions[dimension].Values})
	}
	return body, key
}

// amountOf is a measure as its party declares it.
func amountOf(fullName string) query.Amount {
	party, name, _ := strings.Cut(fullName, ".")
	m := measures[name]
	low, high := m.Steps()
	return query.Amount{Party: party, Name: name, Unit: m.Unit, Step: m.StepSize(), Low: low, High: high}
}

// conductor is a hostile coordinator that runs a session by hand, step by step. It has the coordinator's key, its share
// and its connections, and no other secret.
type conductor struct {
	*cluster
	parties map[string]sottov1.PartyClient
	plan    *query.Plan
	signed  *sottov1.Signed
	id      [16]byte
	own     *keyholder.Session

	commitments []*sottov1.Signed // in the order of plan.KeyHolders
	openings    []*sottov1.Opening
	approvals   []*sottov1.Signed
	streams     [][]*sottov1.ContributeResponse // what each hop of each chain sent, in the order of the plan
}

// conduct begins a session for a question that the analyst of its name signed.
func (c *cluster) conduct(q *query.Query) *conductor {
	c.Helper()
	plan, err := query.NewPlan(q)
	c.must(err)
	k := &conductor{cluster: c, parties: map[string]sottov1.PartyClient{}, plan: plan, signed: protocol.Sign(c.keys[q.Analyst], q)}
	for _, p := range q.Participants {
		k.parties[p.Party] = c.party(p.Party).dial()
	}
	k.begin()
	return k
}

// begin begins another session for the same question.
func (k *conductor) begin() {
	k.Helper()
	k.id = protocol.NewSession()
	var err error
	k.own, err = keyholder.Prepare(k.plan, k.id, k.agreement, agreement.CoordinatorName, k.keys[agreement.CoordinatorName])
	k.must(err)
	n := len(k.plan.KeyHolders)
	k.commitments, k.openings, k.approvals = make([]*sottov1.Signed, n), make([]*sottov1.Opening, n), make([]*sottov1.Signed, n)
	k.commitments[n-1] = k.own.Commitment()
	k.streams = nil
}

// each calls every party, with its index among the key-holders.
func (k *conductor) each(call func(i int, p sottov1.PartyClient) error) error {
	for i, name := range k.plan.KeyHolders {
		if p, ok := k.parties[name]; ok {
			if err := call(i, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *conductor) prepare() error {
	return k.each(func(i int, p sottov1.PartyClient) error {
		r, err := p.Prepare(context.Background(), &sottov1.PrepareRequest{Session: k.id[:], Query: k.signed})
		k.commitments[i] = r.GetCommitment()
		return err
	})
}

func (k *conductor) open() error {
	var err error
	if k.openings[len(k.openings)-1], err = k.own.Open(k.commitments); err != nil {
		return err
	}
	return k.each(func(i int, p sottov1.PartyClient) error {
		r, err := p.Open(context.Background(), &sottov1.OpenRequest{Session: k.id[:], Commitments: k.commitments})
		k.openings[i] = r.GetOpening()
		return err
	})
}

func (k *conductor) agree() error {
	var err error
	if k.approvals[len(k.approvals)-1], err = k.own.Agree(k.openings); err != nil {
		return err
	}
	return k.each(func(i int, p sottov1.PartyClient) error {
		r, err := p.Agree(context.Background(), &sottov1.AgreeRequest{Session: k.id[:], Openings: k.openings})
		k.approvals[i] = r.GetApproval()
		return err
	})
}

// start is the first message of every hop of the first chain.
func (k *conductor) start() *sottov1.ContributeRequest { return k.startOf(0) }

func (k *conductor) startOf(chain int) *sottov1.ContributeRequest {
	return &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Start{Start: &sottov1.ContributeStart{
		Session: k.id[:], Chain: uint32(chain), Approvals: k.approvals,
	}}}
}

// hop lets a party do its part on these messages and returns what it sent.
func (k *conductor) hop(party string, requests ...*sottov1.ContributeRequest) ([]*sottov1.ContributeResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stream, err := k.parties[party].Contribute(ctx)
	if err != nil {
		return nil, err
	}
	go func() {
		for _, r := range requests {
			if stream.Send(r) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	var sent []*sottov1.ContributeResponse
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		sent = append(sent, m)
	}
}

// relayed turns what one hop sent into what the next one gets.
func relayed(sent []*sottov1.ContributeResponse) []*sottov1.ContributeRequest {
	var requests []*sottov1.ContributeRequest
	for _, m := range sent {
		r := &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Block{Block: m.GetBlock()}}
		if m.GetHandOver() != nil {
			r = &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_HandOver{HandOver: m.GetHandOver()}}
		}
		requests = append(requests, r)
	}
	return requests
}

// contribute lets all hops of all chains do their parts, one after the other.
func (k *conductor) contribute() error {
	for c, chain := range k.plan.Chains {
		for i, hop := range chain.Hops {
			requests := []*sottov1.ContributeRequest{k.startOf(c)}
			if i > 0 {
				requests = append(requests, relayed(k.streams[len(k.streams)-1])...)
			}
			sent, err := k.hop(hop.Party, requests...)
			if err != nil {
				return err
			}
			k.streams = append(k.streams, sent)
		}
	}
	return nil
}

// prepareAll goes through all steps before Contribute.
func (k *conductor) prepareAll() {
	k.Helper()
	k.must(k.prepare())
	k.must(k.open())
	k.must(k.agree())
}

// handOvers of all hops.
func (k *conductor) handOvers() []*sottov1.Signed {
	var all []*sottov1.Signed
	for _, sent := range k.streams {
		all = append(all, sent[len(sent)-1].GetHandOver())
	}
	return all
}

// results are the c1 of all results of all chains.
func (k *conductor) results() [][]byte {
	var all [][]byte
	last := -1
	for _, chain := range k.plan.Chains {
		last += len(chain.Hops)
		sent := k.streams[last]
		for _, m := range sent[:len(sent)-1] {
			all = append(all, m.GetBlock())
		}
	}
	return all
}

// release asks one party to open these ciphertexts.
func (k *conductor) release(party string, handOvers []*sottov1.Signed, results [][]byte) (*sottov1.SealedRelease, error) {
	stream, err := k.parties[party].Release(context.Background())
	if err != nil {
		return nil, err
	}
	err = stream.Send(&sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_Start{Start: &sottov1.ReleaseStart{
		Session: k.id[:], HandOvers: handOvers,
	}}})
	for _, c1 := range results {
		if err == nil {
			err = stream.Send(&sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_C1{C1: c1}})
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r, err := stream.CloseAndRecv()
	return r.GetRelease(), err
}

// forget ends the session at all parties.
func (k *conductor) forget() {
	k.Helper()
	k.must(k.each(func(_ int, p sottov1.PartyClient) error {
		_, err := p.Forget(context.Background(), &sottov1.ForgetRequest{Session: k.id[:]})
		return err
	}))
}
