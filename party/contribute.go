package party

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"sync"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/he"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/pipeline"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

type contributeStream = grpc.BidiStreamingServer[sottov1.ContributeRequest, sottov1.ContributeResponse]

// Contribute is step 3: this party's hop in one chain, once per chain; a second call kills the session.
func (n *Node) Contribute(stream contributeStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return fault.New(fault.Protocol, "contribute does not begin with a start")
	}
	s, err := n.find(start.GetSession())
	if err != nil {
		return err
	}
	h, err := n.begin(s, start)
	if err != nil {
		return n.abort(s, err)
	}
	// The stream ends with the session, and the session with the stream: no hop is ever tried twice.
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if err := h.run(ctx, stream); err != nil {
		return n.abort(s, err)
	}
	return nil
}

// abort ends a session that failed, and returns why it did: what ended it first, if it had ended already.
func (n *Node) abort(s *session, err error) error {
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	if ended := n.end(s, err); ended != nil {
		return fault.From(err).Wrap(errors.Join(err, ended))
	}
	return err
}

// hop is this party's work in one chain.
type hop struct {
	*session
	node   *Node
	chain  int
	index  int
	hops   []query.Hop
	joint  *keyholder.Joint
	vector *layout.Vector

	workers []*worker
	in, out *protocol.StreamHash
	results []*result // per cell, at the last hop
	buffers sync.Pool // encoded blocks
}

// worker is what one goroutine needs.
type worker struct {
	*he.Worker
	plain *he.Plain
	in    *he.Block
	out   *he.Block
	slots []int64
}

// result accumulates a cell.
type result struct {
	mu  sync.Mutex
	sum *he.Block
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
	placed, err := n.place(s, h)
	if err != nil {
		return nil, fault.New(fault.Internal, "place customers").Wrap(err)
	}
	h.vector = placed
	h.prepareWork()
	return h, nil
}

func (h *hop) prepareWork() {
	ring := h.Ring()
	for range runtime.GOMAXPROCS(0) {
		w := h.joint.Key.NewWorker()
		h.workers = append(h.workers, &worker{
			Worker: w, plain: w.NewPlain(), in: ring.NewBlock(), out: ring.NewBlock(), slots: make([]int64, h.Plan.Params.N()),
		})
	}
	h.in = protocol.NewStreamHash(h.Transcript, h.chain, h.index-1)
	h.out = protocol.NewStreamHash(h.Transcript, h.chain, h.index)
	h.buffers.New = func() any { return new(make([]byte, 0, ring.BlockBytes())) }
	if h.last() {
		for range h.Plan.Cells {
			h.results = append(h.results, &result{sum: ring.NewBlock()})
		}
	}
}

func (h *hop) last() bool { return h.index == len(h.hops)-1 }

func (h *hop) run(ctx context.Context, stream contributeStream) error {
	own := h.hops[h.index]
	perBlock := max(1, own.In)
	total := h.Plan.Blocks() * perBlock
	job := -1
	err := pipeline.Ordered(ctx, len(h.workers),
		func(ctx context.Context) (incoming, bool, error) {
			if job++; job == total {
				return incoming{}, false, nil
			}
			i := incoming{block: job / perBlock, branch: job % perBlock}
			var err error
			if h.index > 0 {
				i.bytes, err = h.receive(ctx, stream)
			}
			return i, true, err
		},
		func(worker int, i incoming) ([]*[]byte, error) { return h.work(h.workers[worker], i) },
		func(ctx context.Context, blocks []*[]byte) error {
			for _, b := range blocks {
				h.out.Add(*b)
				if err := send(ctx, stream, &sottov1.ContributeResponse{Message: &sottov1.ContributeResponse_Block{Block: *b}}); err != nil {
					return err
				}
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
	return h.handOver(ctx, stream)
}

func send(ctx context.Context, stream contributeStream, m *sottov1.ContributeResponse) error {
	_, err := until(ctx, func() (struct{}, error) { return struct{}{}, stream.Send(m) })
	return err
}

// incoming is one unit of work: a block, for one combination of the groups of the hops before.
type incoming struct {
	block, branch int
	bytes         []byte // nil at the first hop
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
	if len(block.Block) != h.Ring().BlockBytes() {
		return nil, fault.New(fault.Protocol, "a block of %s has %d bytes, must be %d", h.hops[h.index-1].Party, len(block.Block), h.Ring().BlockBytes())
	}
	h.in.Add(block.Block)
	return block.Block, nil
}

// work multiplies one incoming block by this party's block of every group. Whatever is sent on is fresh: encrypted here,
// or re-randomised. Every block of every group is processed, empty ones too.
func (h *hop) work(w *worker, i incoming) ([]*[]byte, error) {
	if h.index > 0 {
		if err := h.Ring().ReadBlock(i.bytes, w.in); err != nil {
			return nil, fault.New(fault.Protocol, "block %d of %s", i.block, h.hops[h.index-1].Party).Wrap(err)
		}
	}
	groups := h.hops[h.index].Groups
	var out []*[]byte
	for g := range groups {
		h.vector.Block(i.block, g, w.slots)
		switch {
		case h.index == 0:
			if err := w.Encrypt(w.slots, w.out); err != nil {
				return nil, err
			}
		case h.last():
			w.Encode(w.slots, w.plain)
			r := h.results[i.branch*groups+g]
			r.mu.Lock()
			w.MultiplyAdd(w.in, w.plain, r.sum)
			r.mu.Unlock()
			continue
		default:
			w.Encode(w.slots, w.plain)
			w.Multiply(w.in, w.plain, w.out)
			if err := w.Rerandomise(w.out); err != nil {
				return nil, err
			}
		}
		buffer := h.buffers.Get().(*[]byte)
		*buffer = h.Ring().AppendBlock((*buffer)[:0], w.out)
		out = append(out, buffer)
	}
	return out, nil
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
func (h *hop) handOver(ctx context.Context, stream contributeStream) error {
	body := &protocol.HandOver{
		Transcript: h.Transcript, PublicKey: h.joint.PublicHash, Party: h.node.config.Name, Chain: int64(h.chain), Hop: int64(h.index),
	}
	if h.index > 0 {
		body.In = h.in.Sum()
	}
	if !h.last() {
		body.Out = h.out.Sum()
	}
	for _, r := range h.results {
		if err := h.workers[0].Rerandomise(r.sum); err != nil {
			return err
		}
		c0, c1 := h.Ring().Output(r.sum)
		body.Cells = append(body.Cells, protocol.Cell{C1: sha256.Sum256(c1), C0: h.Plan.Params.AppendScalar(nil, c0)})
		if err := send(ctx, stream, &sottov1.ContributeResponse{Message: &sottov1.ContributeResponse_Block{Block: c1}}); err != nil {
			return err
		}
	}
	signed := protocol.Sign(h.node.key, body)
	h.mu.Lock()
	h.handOvers[h.chain] = signed
	h.mu.Unlock()
	return send(ctx, stream, &sottov1.ContributeResponse{Message: &sottov1.ContributeResponse_HandOver{HandOver: signed}})
}
