package simulation

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestSealedAnswer guards what reaches the analyst (attack 3): a release or sealed answer of another session, swapped
// between key-holders, left out, altered, or sealed anew by the coordinator; other hand-overs; a whole other answer. Each
// is refused, and the true one still opens.
func TestSealedAnswer(t *testing.T) {
	c := start(t, setup{seed: 70})
	ctx := context.Background()
	analyst := c.analysts[0]
	var earlier *sottov1.ResultResponse
	c.ends.on(from, agreement.CoordinatorName, "Result", watching(func(m message) {
		earlier = proto.Clone(m.body).(*sottov1.ResultResponse)
	}))
	c.answered(c.everybody())
	c.ends.clear()
	asked := c.submitted()
	ticket, err := analyst.Submit(ctx, filled(c.everybody()))
	c.must(err)
	c.must(analyst.Watch(ctx, ticket.ID, nil))
	plan, err := query.NewPlan(asked())
	c.must(err)

	// What would be found out later, too, when the numbers don't add up.
	reasons := map[string]string{
		"sealed anew by the coordinator":     "what bank sealed was altered",
		"a result that its party signs anew": "is over other hand-overs",
	}
	for name, change := range map[string]func(r *sottov1.ResultResponse){
		"another answer":                 func(r *sottov1.ResultResponse) { proto.Reset(r); proto.Merge(r, earlier) },
		"nothing":                        func(r *sottov1.ResultResponse) { proto.Reset(r) },
		"another session's identifier":   func(r *sottov1.ResultResponse) { r.Session = earlier.Session },
		"a short identifier":             func(r *sottov1.ResultResponse) { r.Session = r.Session[:15] },
		"a release of another session":   func(r *sottov1.ResultResponse) { r.Releases[1] = earlier.Releases[1] },
		"sealed bytes of another":        func(r *sottov1.ResultResponse) { r.Releases[1].Sealed = earlier.Releases[1].Sealed },
		"a release without its bytes":    func(r *sottov1.ResultResponse) { r.Releases[0].Sealed = nil },
		"a bit of the sealed bytes":      func(r *sottov1.ResultResponse) { s := r.Releases[0].Sealed; s[len(s)-1] ^= 1 },
		"two releases swapped":           func(r *sottov1.ResultResponse) { r.Releases[0], r.Releases[1] = r.Releases[1], r.Releases[0] },
		"a release twice":                func(r *sottov1.ResultResponse) { r.Releases[1] = r.Releases[0] },
		"another name on a release":      func(r *sottov1.ResultResponse) { r.Releases[1].KeyHolder = "bank" },
		"a release left out":             func(r *sottov1.ResultResponse) { r.Releases = r.Releases[1:] },
		"one release more":               func(r *sottov1.ResultResponse) { r.Releases = append(r.Releases, r.Releases[0]) },
		"the coordinator in bank's name": func(r *sottov1.ResultResponse) { r.Releases[0].Release = r.Releases[2].Release },
		"sealed anew by the coordinator": func(r *sottov1.ResultResponse) {
			// It can seal to the analyst, as everybody can, and sign in its own name, but not as bank.
			context := seal.Context{Transcript: plan.Transcript([16]byte(r.Session)), KeyHolder: "bank", Cells: 1}
			forged, err := seal.To(plan.Query.Recipient, context, make([]byte, plan.Params.ScalarBytes()))
			c.must(err)
			r.Releases[0].Sealed = forged
		},
		"a result that its party signs anew": func(r *sottov1.ResultResponse) {
			last := len(r.HandOvers) - 1
			r.HandOvers[last] = c.resigned(plan.Chains[0].Hops[last].Party, r.HandOvers[last], func(b *protocol.HandOver) {
				b.Results[0].C0[0][10] ^= 1
			})
		},
		"no hand-overs":                func(r *sottov1.ResultResponse) { r.HandOvers = nil },
		"hand-overs of another":        func(r *sottov1.ResultResponse) { r.HandOvers = earlier.HandOvers },
		"one hand-over of another":     func(r *sottov1.ResultResponse) { r.HandOvers[1] = earlier.HandOvers[1] },
		"a hand-over's bit":            func(r *sottov1.ResultResponse) { r.HandOvers[1] = flipped(r.HandOvers[1], 805).(*sottov1.Signed) },
		"hand-overs in another order":  func(r *sottov1.ResultResponse) { slices.Reverse(r.HandOvers) },
		"a hand-over without its body": func(r *sottov1.ResultResponse) { r.HandOvers[0].Body = nil },
	} {
		fired := c.ends.on(from, agreement.CoordinatorName, "Result", as(change))
		a, err := analyst.Result(ctx, ticket)
		if fired() == 0 {
			t.Fatalf("%s: nothing was tampered with", name)
		}
		if !fault.IsKind(err, fault.Protocol) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if text, ok := reasons[name]; ok {
			refused(t, err, fault.Protocol, text)
		}
		c.ends.clear()
	}
	a, err := analyst.Result(ctx, ticket)
	c.must(err)
	checkAnswer(t, c.people, c.everybody(), a)
	if charged := c.charges()["bank"]; charged != 20 {
		t.Errorf("bank was charged %v for two questions of epsilon 10", charged)
	}
}

// submitted keeps the question that the coordinator is handed next.
func (c *cluster) submitted() func() *query.Query {
	signed := make(chan *sottov1.Signed, 1)
	c.ends.on(to, agreement.CoordinatorName, "Submit", watching(func(m message) {
		signed <- m.body.(*sottov1.SubmitRequest).GetQuery()
	}))
	return func() *query.Query {
		q := &query.Query{}
		c.must(canon.Decode(q.Domain(), (<-signed).GetBody(), q))
		c.ends.clear()
		return q
	}
}

// TestQuestionSwapped guards that a coordinator can't change the question (attack 3), above all not the key that the
// answer is sealed to: with any field changed, and the analyst's signature or its own under it, no party takes part. The
// same question signed by the analyst passes, so that it is the signature that stops it.
func TestQuestionSwapped(t *testing.T) {
	c := start(t, setup{parties: 3, analysts: 2, seed: 71})
	mine, err := seal.NewKey()
	c.must(err)
	original, _ := c.question(client.Question{Count: "bank.gold && cinema.member"})
	k := c.conduct(original)
	bank, ctx := k.parties["bank"], context.Background()
	for name, change := range map[string]func(q *query.Query){
		"recipient": func(q *query.Query) { q.Recipient = mine.Public() },
		"audience":  func(q *query.Query) { q.Audience = "bank.member && cinema.member" },
		"participants": func(q *query.Query) {
			q.Participants[1].Party, q.Audience = "florist", "bank.gold && florist.member"
		},
		"group-by": func(q *query.Query) {
			q.GroupBy = []query.Dimension{{Party: "bank", Name: "band", Values: dimensions["band"].Values}}
		},
		"epsilon": func(q *query.Query) { q.MicroEpsilon++ },
		"delta":   func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", 1e10 },
		"measure": func(q *query.Query) { q.Measure, q.Audience = "total", "[bank.gold, cinema.member]" },
		"amount":  func(q *query.Query) { q.Measure, q.Amount = "sum", amountOf("bank.spend") },
		"version": func(q *query.Query) { q.Participants[1].Snapshot[0]++ },
		"purpose": func(q *query.Query) { q.Purpose = "measurement" },
		"expiry":  func(q *query.Query) { q.Expires++ },
		"nonce":   func(q *query.Query) { q.Nonce = protocol.NewSession() },
		"analyst": func(q *query.Query) { q.Analyst = "analyst_1" },
	} {
		changed := *original
		changed.Participants = slices.Clone(original.Participants)
		change(&changed)
		for _, signature := range [][]byte{
			k.signed.Signature, protocol.Sign(c.keys[agreement.CoordinatorName], &changed).Signature, make([]byte, 64), nil,
		} {
			signed := &sottov1.Signed{Body: changed.Encode(), Signature: signature}
			_, err := bank.Prepare(ctx, &sottov1.PrepareRequest{Session: k.id[:], Query: signed})
			refused(t, err, fault.NotMember, "is not signed by analyst")
		}
		id := protocol.NewSession()
		_, err := bank.Prepare(ctx, &sottov1.PrepareRequest{Session: id[:], Query: protocol.Sign(c.keys[changed.Analyst], &changed)})
		if err != nil {
			t.Errorf("%s, signed by the analyst: %v", name, err)
		}
		_, err = bank.Forget(ctx, &sottov1.ForgetRequest{Session: id[:]})
		c.must(err)
	}
}

// TestTwoQuestionsAtOnce guards against a coordinator that shows two parties two questions, both signed (attack 3): what
// they commit to belongs to two transcripts, and neither opens.
func TestTwoQuestionsAtOnce(t *testing.T) {
	c := start(t, setup{seed: 72})
	one, _ := c.question(c.everybody())
	two, _ := c.question(c.everybody())
	k, other := c.conduct(one), c.conduct(two)
	other.id = k.id
	ctx := context.Background()
	for i, each := range []*conductor{k, other} {
		r, err := each.parties[partyNames[i]].Prepare(ctx, &sottov1.PrepareRequest{Session: k.id[:], Query: each.signed})
		c.must(err)
		k.commitments[i] = r.Commitment
	}
	_, err := k.parties["bank"].Open(ctx, &sottov1.OpenRequest{Session: k.id[:], Commitments: k.commitments})
	refused(t, err, fault.Protocol, "commitment of cinema is of another session")
	_, err = k.parties["cinema"].Open(ctx, &sottov1.OpenRequest{Session: k.id[:], Commitments: k.commitments})
	refused(t, err, fault.Protocol, "commitment of bank is of another session")
}

// dialCoordinator connects to the coordinator with anybody's key.
func (c *cluster) dialCoordinator(key *identity.Key) sottov1.CoordinatorClient {
	conn, err := grpc.NewClient("passthrough:///"+c.agreement.Coordinator.Address,
		append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(c.agreement.Coordinator.Key)))...)
	c.must(err)
	c.Cleanup(func() { _ = conn.Close() })
	return sottov1.NewCoordinatorClient(conn)
}

// TestForeignQuestions guards that analysts are kept apart (attack 3): nobody hands in what another has signed, and nobody
// sees or stops another's question, nor learns that there is one. Handing in one's own question twice starts one.
func TestForeignQuestions(t *testing.T) {
	c := start(t, setup{analysts: 2, seed: 73})
	ctx := context.Background()
	q, _ := c.question(c.everybody())
	signed := protocol.Sign(c.keys["analyst_0"], q)
	mine, theirs := c.dialCoordinator(c.keys["analyst_0"]), c.dialCoordinator(c.keys["analyst_1"])

	_, err := theirs.Submit(ctx, &sottov1.SubmitRequest{Query: signed})
	refused(t, err, fault.NotMember, "signed by analyst_0 and handed in by analyst_1")
	stolen := *q
	stolen.Analyst = "analyst_1"
	_, err = theirs.Submit(ctx, &sottov1.SubmitRequest{Query: &sottov1.Signed{Body: stolen.Encode(), Signature: signed.Signature}})
	refused(t, err, fault.NotMember, "is not signed by analyst analyst_1")

	for range 3 {
		r, err := mine.Submit(ctx, &sottov1.SubmitRequest{Query: signed})
		c.must(err)
		if r.QueryId != q.HexID() {
			t.Errorf("the identifier is %s, must be %s", r.QueryId, q.HexID())
		}
	}
	c.must(c.analysts[0].Watch(ctx, q.HexID(), nil))
	if charged := c.charges()["bank"]; charged != 10 {
		t.Errorf("bank was charged %v for one question, must be 10", charged)
	}
	_, exists := theirs.Result(ctx, &sottov1.ResultRequest{QueryId: q.HexID()})
	refused(t, exists, fault.NotFound, "no question has the identifier")
	_, doesNot := theirs.Result(ctx, &sottov1.ResultRequest{QueryId: newNonce(q).HexID()})
	refused(t, doesNot, fault.NotFound, "no question has the identifier")
	_, err = theirs.Cancel(ctx, &sottov1.CancelRequest{QueryId: q.HexID()})
	refused(t, err, fault.NotFound, "no question has the identifier")
	refused(t, c.analysts[1].Watch(ctx, q.HexID(), nil), fault.NotFound, "no question has the identifier")
	for _, id := range []string{"", "x", q.HexID()[1:], q.HexID() + "00"} {
		_, err := mine.Result(ctx, &sottov1.ResultRequest{QueryId: id})
		refused(t, err, fault.Invalid, "is not the identifier of a question")
	}
}

// TestStrangers guards who may connect to whom: only analysts to the coordinator, only the coordinator to parties, and
// everybody finds out when the other end is not the one that the agreement pins.
func TestStrangers(t *testing.T) {
	c := start(t, setup{seed: 74})
	ctx := context.Background()
	stranger, err := identity.Generate()
	c.must(err)
	for name, key := range map[string]*identity.Key{"a stranger": stranger, "a party": c.keys["bank"]} {
		if _, err := c.dialCoordinator(key).Catalog(ctx, &sottov1.CatalogRequest{}); !fault.IsKind(err, fault.NotMember) {
			t.Errorf("%s at the coordinator: %v", name, err)
		}
	}
	bank, _ := c.agreement.Party("bank")
	describe := func(key *identity.Key, pinned identity.PublicKey) error {
		conn, err := grpc.NewClient("passthrough:///"+bank.Address, append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(pinned)))...)
		c.must(err)
		defer conn.Close()
		_, err = sottov1.NewPartyClient(conn).Describe(ctx, &sottov1.DescribeRequest{})
		return err
	}
	for name, key := range map[string]*identity.Key{"a stranger": stranger, "an analyst": c.keys["analyst_0"], "another party": c.keys["cinema"]} {
		if err := describe(key, bank.Key); !fault.IsKind(err, fault.NotMember) {
			t.Errorf("%s at a party: %v", name, err)
		}
	}
	if err := describe(c.keys[agreement.CoordinatorName], stranger.Public()); !fault.IsKind(err, fault.NotMember) {
		t.Errorf("the coordinator at a party with another key than the pinned one: %v", err)
	}
	if err := describe(c.keys[agreement.CoordinatorName], bank.Key); err != nil {
		t.Errorf("the coordinator at a party: %v", err)
	}
}
