package simulation

import (
	"context"
	"math"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestHostileCalls guards a party against a coordinator that sends what no coordinator sends (attack 5): empty messages,
// sessions that don't exist or are no identifiers, chains that don't exist, streams that start in the middle.
func TestHostileCalls(t *testing.T) {
	c := start(t, setup{seed: 82})
	q, _ := c.question(c.everybody())
	bank := c.party("bank").dial()
	ctx := context.Background()
	signed := protocol.Sign(c.keys["analyst_0"], q)
	for _, id := range [][]byte{nil, {}, make([]byte, 15), make([]byte, 17), make([]byte, 1<<20)} {
		for name, call := range map[string]func() error{
			"Prepare": func() error {
				_, err := bank.Prepare(ctx, &sottov1.PrepareRequest{Session: id, Query: signed})
				return err
			},
			"Open":  func() error { _, err := bank.Open(ctx, &sottov1.OpenRequest{Session: id}); return err },
			"Agree": func() error { _, err := bank.Agree(ctx, &sottov1.AgreeRequest{Session: id}); return err },
			"Contribute": func() error {
				return contributeWith(bank, &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Start{Start: &sottov1.ContributeStart{Session: id}}})
			},
			"Release": func() error {
				return releaseWith(bank, &sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_Start{Start: &sottov1.ReleaseStart{Session: id}}})
			},
		} {
			if err := call(); !fault.IsKind(err, fault.Protocol) {
				t.Errorf("%s with a session of %d bytes: %v", name, len(id), err)
			}
		}
		if _, err := bank.Forget(ctx, &sottov1.ForgetRequest{Session: id}); err != nil {
			t.Errorf("Forget with a session of %d bytes: %v", len(id), err)
		}
	}
	for _, err := range []error{
		contributeWith(bank, &sottov1.ContributeRequest{}),
		contributeWith(bank, &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Block{Block: make([]byte, 100)}}),
		releaseWith(bank, &sottov1.ReleaseRequest{}),
		releaseWith(bank, &sottov1.ReleaseRequest{Message: &sottov1.ReleaseRequest_C1{C1: make([]byte, 100)}}),
	} {
		refused(t, err, fault.Protocol, "does not begin with a start")
	}
	for _, openings := range [][]*sottov1.Opening{nil, make([]*sottov1.Opening, 3), {{}, {}, {}}, make([]*sottov1.Opening, 1000)} {
		k := c.conduct(newNonce(q))
		c.must(k.prepare())
		c.must(k.open())
		_, err := bank.Agree(ctx, &sottov1.AgreeRequest{Session: k.id[:], Openings: openings})
		refused(t, err, fault.Protocol, "opening")
		k.forget()
	}
	k := c.conduct(newNonce(q))
	k.prepareAll()
	start := k.start()
	start.GetStart().Chain = math.MaxUint32
	refused(t, contributeWith(bank, start), fault.Protocol, "there is no chain")
	k.forget()
}

func contributeWith(p sottov1.PartyClient, first *sottov1.ContributeRequest) error {
	stream, err := p.Contribute(context.Background())
	if err == nil {
		_ = stream.Send(first)
		_, err = stream.Recv()
	}
	return err
}

func releaseWith(p sottov1.PartyClient, first *sottov1.ReleaseRequest) error {
	stream, err := p.Release(context.Background())
	if err == nil {
		_ = stream.Send(first)
		_, err = stream.CloseAndRecv()
	}
	return err
}
