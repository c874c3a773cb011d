package party

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/pipeline"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// hop is this party's work in one chain.
type hop struct {
	*session
	node   *Node
	chain  int
	index  int
	hops   []query.Hop
	joint  *keyholder.Joint
	vector *layout.Vector // nil in a chain of one hop, which has
	counts []int64        // by group

	in, out *protocol.StreamHash
	buffers sync.Pool // encoded blocks
}

// begin checks that the joint key is agreed on, that this party has a hop in the chain and has not begun it before, and
// places the audience into a vector.
func (n *Node) begin(s *session, start *sottov1.ContributeStart) (*hop, error) {
	joint, err := s.Joint(start.GetApprovals())
	if err != nil {
		return nil, err
	}
	chain := int(start.GetChain())
	if chain >= len(s.Plan.Chains) {
		return nil, fault.New(fault.Protocol, "there is no chain %d", chain)
	}
	h := &hop{session: s, node: n, chain: chain, index: -1, hops: s.Plan.Chains[chain].Hops, joint: joint}
	for i := range h.hops {
		if h.hops[i].Party == n.config.Name {
			h.index = i
		}
	}
	if h.index < 0 {
		return nil, fault.New(fault.Protocol, "%s is not in chain %d", n.config.Name, chain)
	}
	s.mu.Lock()
	again := s.begun[chain]
	s.begun[chain] = true
	s.mu.Unlock()
	if again {
		return nil, fault.New(fault.Protocol, "contribute was called twice for chain %d", chain)
	}
	contributed := n.contribution(s.Plan, &h.hops[h.index], s.snapshot, s.taking)
	if len(h.hops) == 1 {
		h.counts = h.count(contributed)
	} else if h.vector, err = h.place(contributed); err != nil {
		return nil, fault.New(fault.Internal, "place customers").Wrap(err)
	}
	n.trace("contribute: placed")
	h.in = protocol.NewStreamHash(h.Transcript, h.chain, h.index-1)
	h.out = protocol.NewStreamHash(h.Transcript, h.chain, h.index)
	return h, nil
}

func (h *hop) last() bool { return h.index == len(h.hops)-1 }

// unit is the work on one block for some of the combinations of the groups of the hops before, its branches.
type unit struct {
	block, first int
	branches     [][]byte // encoded ciphertexts; none at the first hop
}

// run does the work of the hop, from the stream's first block to the hand-over.
func (h *hop) run(ctx context.Context, stream contributeStream) error {
	w := h.newWork()
	blocks := h.Plan.Blocks(&h.Plan.Chains[h.chain])
	branches := h.hops[h.index].In
	next := unit{}
	err := pipeline.Ordered(ctx, w.workers,
		func(ctx context.Context) (unit, bool, error) {
			u := next
			if u.block == blocks {
				return u, false, nil
			}
			for range min(w.window, branches-u.first) {
				encoded, err := h.receive(ctx, stream)
				if err != nil {
					return u, false, err
				}
				u.branches = append(u.branches, encoded)
			}
			if next.first += len(u.branches); next.first == branches {
				next = unit{block: u.block + 1}
			}
			return u, true, nil
		},
		w.do,
		func(ctx context.Context, blocks []*[]byte) error {
			for _, b := range blocks {
				h.out.Add(*b)
				if err := send(ctx, stream, &sottov1.ContributeResponse{Message: &sottov1.ContributeResponse_Block{Block: *b}}); err != nil {
					return err
				}
				h.node.trace("contribute: block sent")
				h.buffers.Put(b)
			}
			return nil
		})
	if err != nil {
		return err
	}
	if h.index > 0 {
		if err := h.checkReceived(ctx, stream); err != nil {
			return err
		}
	}
	return h.handOver(ctx, stream, h.joint.Key.NewWorker(), w.finish())
}

func send(ctx context.Context, stream contributeStream, m *sottov1.ContributeResponse) error {
	_, err := until(ctx, func() (struct{}, error) { return struct{}{}, stream.Send(m) })
	return err
}

// receive reads the next block of the hop before.
func (h *hop) receive(ctx context.Context, stream contributeStream) ([]byte, error) {
	m, err := until(ctx, stream.Recv)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = fault.New(fault.Protocol, "the stream of %s ended early", h.hops[h.index-1].Party)
		}
		return nil, err
	}
	block, ok := m.GetMessage().(*sottov1.ContributeRequest_Block)
	if !ok {
		return nil, fault.New(fault.Protocol, "there is a message among the blocks of %s that is not a block", h.hops[h.index-1].Party)
	}
	if size := h.Ring().BlockBytes(h.lanes()); len(block.Block) != size {
		return nil, fault.New(fault.Protocol, "a block of %s has %d bytes, must be %d", h.hops[h.index-1].Party, len(block.Block), size)
	}
	h.in.Add(block.Block)
	h.node.trace("contribute: block received")
	return block.Block, nil
}

// checkReceived compares what arrived with what the hop before signed that it sent.
func (h *hop) checkReceived(ctx context.Context, stream contributeStream) error {
	m, err := until(ctx, stream.Recv)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	before, err := protocol.VerifyHandOver(m.GetHandOver(), h.Plan, h.node.agreement, h.Transcript, h.joint.PublicHash, h.chain, h.index-1)
	if err != nil {
		return err
	}
	if before.Out != h.in.Sum() {
		return fault.New(fault.Protocol, "what arrived is not what %s sent", before.Party)
	}
	return nil
}

// handOver signs what came in and what went out; the last hop sends the results first, re-randomised.
func (h *hop) handOver(ctx context.Context, stream contributeStream, worker *he.Worker, results resultsOfHop) error {
	body := &protocol.HandOver{
		Transcript: h.Transcript, PublicKey: h.joint.PublicHash, Party: h.node.config.Name, Chain: int64(h.chain), Hop: int64(h.index),
	}
	if h.index > 0 {
		body.In = h.in.Sum()
	}
	if !h.last() {
		body.Out = h.out.Sum()
	}
	block := h.newBlock()
	for i := range results.count {
		results.write(i, block)
		if err := worker.Rerandomise(block); err != nil {
			return err
		}
		c0, c1 := h.Ring().Output(block)
		if h.counts != nil { // the block was zero
			c0[0].Add(c0[0], h.Plan.Params.Encode(h.counts[i]))
		}
		result := protocol.Result{C1: sha256.Sum256(c1)}
		for lane := range h.Plan.Chains[h.chain].Used(i) {
			result.C0 = append(result.C0, h.Plan.Params.AppendScalar(nil, c0[lane]))
		}
		body.Results = append(body.Results, result)
		if err := send(ctx, stream, &sottov1.ContributeResponse{Message: &sottov1.ContributeResponse_Block{Block: c1}}); err != nil {
			return err
		}
	}
	signed := protocol.Sign(h.node.key, body)
	h.node.trace("contribute: signed")
	h.mu.Lock()
	h.handOvers[h.chain] = signed
	h.mu.Unlock()
	if err := send(ctx, stream, &sottov1.ContributeResponse{Message: &sottov1.ContributeResponse_HandOver{HandOver: signed}}); err != nil {
		return err
	}
	h.node.trace("contribute: handed over")
	return nil
}
