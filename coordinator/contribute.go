package coordinator

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

type hopStream = grpc.BidiStreamingClient[sottov1.ContributeRequest, sottov1.ContributeResponse]

// contribute is step 3: chain by chain, blocks are relayed from hop to hop as they come. The coordinator holds one block
// per hop at a time, and in the end the results.
func (s *session) contribute(ctx context.Context) error {
	total := 0
	for i := range s.plan.Chains {
		total += s.expected(&s.plan.Chains[i])
	}
	var relayed atomic.Int64
	for i, chain := range s.plan.Chains {
		r := &relay{session: s, chain: i, hops: chain.Hops, expect: chain.Ciphertexts, total: int64(total), relayed: &relayed}
		if err := r.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// expected is how many messages with blocks a chain's hops send.
func (s *session) expected(chain *query.Chain) int {
	messages := chain.Ciphertexts
	for _, hop := range chain.Hops[:len(chain.Hops)-1] {
		messages += s.plan.Blocks(chain) * hop.Out
	}
	return messages
}

// relay moves the blocks of one chain.
type relay struct {
	*session
	chain   int
	hops    []query.Hop
	expect  int // results
	total   int64
	relayed *atomic.Int64 // messages so far, over all chains

	streams   []hopStream
	receiving []atomic.Bool // per hop: its pump waits for it to send
	bytes     []uint64      // per hop: sent by it
	handOvers []*sottov1.Signed
	results   [][]byte
}

func (r *relay) run(ctx context.Context) error {
	r.receiving = make([]atomic.Bool, len(r.hops))
	r.bytes = make([]uint64, len(r.hops))
	r.handOvers = make([]*sottov1.Signed, len(r.hops))
	// The first that fails ends all streams, for the others would wait for it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for _, hop := range r.hops {
		stream, err := r.start(ctx, hop.Party)
		if err != nil {
			return at(hop.Party, err)
		}
		r.streams = append(r.streams, stream)
	}
	var pumps sync.WaitGroup
	pumps.Add(len(r.hops))
	for i := range r.hops {
		g.Go(func() error {
			defer pumps.Done()
			return r.pump(ctx, i)
		})
	}
	finished := make(chan struct{})
	g.Go(func() error {
		pumps.Wait()
		close(finished)
		return nil
	})
	g.Go(func() error { return r.watch(ctx, finished, r.relayed.Load, r.toBlame) })
	if err := g.Wait(); err != nil {
		return err
	}
	for i, hop := range r.hops {
		to := agreement.CoordinatorName
		if i+1 < len(r.hops) {
			to = r.hops[i+1].Party
		}
		r.session.hops = append(r.session.hops, &sottov1.HopBytes{From: hop.Party, To: to, Bytes: r.bytes[i]})
	}
	r.session.handOvers = append(r.session.handOvers, r.handOvers...)
	r.session.results = append(r.session.results, r.results...)
	return nil
}

func (r *relay) start(ctx context.Context, party string) (hopStream, error) {
	stream, err := r.Parties[party].Contribute(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Start{Start: &sottov1.ContributeStart{
		Session: r.id[:], Chain: uint32(r.chain), Approvals: r.approvals,
	}}})
	if errors.Is(err, io.EOF) {
		err = nil // the stream's own error shows when its pump receives
	}
	return stream, err
}

// pump takes what hop i sends until its hand-over, and hands it to the next hop; what the last one sends are results.
func (r *relay) pump(ctx context.Context, i int) error {
	name := r.hops[i].Party
	for {
		r.receiving[i].Store(true)
		m, err := r.streams[i].Recv()
		r.receiving[i].Store(false)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fault.New(fault.Protocol, "the stream ended before its hand-over")
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return at(name, err)
		}
		switch m := m.GetMessage().(type) {
		case *sottov1.ContributeResponse_Block:
			err = r.block(i, m.Block)
		case *sottov1.ContributeResponse_HandOver:
			if err := r.handOver(i, m.HandOver); err != nil {
				return at(name, err)
			}
			return at(name, r.ended(ctx, i))
		default:
			err = fault.New(fault.Protocol, "there is an empty message among the blocks")
		}
		if err != nil {
			return at(name, err)
		}
	}
}

// ended waits until hop i has ended its stream. Were it cancelled before that, the party would take the session for
// cancelled.
func (r *relay) ended(ctx context.Context, i int) error {
	r.receiving[i].Store(true)
	_, err := r.streams[i].Recv()
	r.receiving[i].Store(false)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	return fault.New(fault.Protocol, "there is a message after the hand-over")
}

func (r *relay) block(i int, block []byte) error {
	r.bytes[i] += uint64(len(block))
	done := r.relayed.Add(1)
	if done%16 == 0 {
		r.progress.within(float64(done) / float64(r.total))
	}
	if i+1 < len(r.hops) {
		return r.send(i+1, &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_Block{Block: block}})
	}
	if len(r.results) == r.expect {
		return fault.New(fault.Protocol, "there are more results than the plan has, %d", r.expect)
	}
	r.results = append(r.results, block)
	return nil
}

func (r *relay) handOver(i int, signed *sottov1.Signed) error {
	r.handOvers[i] = signed
	if i+1 == len(r.hops) {
		if len(r.results) != r.expect {
			return fault.New(fault.Protocol, "there are %d results, must be %d", len(r.results), r.expect)
		}
		return nil
	}
	if err := r.send(i+1, &sottov1.ContributeRequest{Message: &sottov1.ContributeRequest_HandOver{HandOver: signed}}); err != nil {
		return err
	}
	return r.streams[i+1].CloseSend()
}

// send hands a message to a hop. A hop that has failed is reported by the pump that receives from it.
func (r *relay) send(to int, m *sottov1.ContributeRequest) error {
	if err := r.streams[to].Send(m); err != nil && !errors.Is(err, io.EOF) {
		return fault.From(err)
	}
	return nil
}

// toBlame is the first hop whose pump waits for it, when nothing has moved for too long: all before it wait for those behind them to
// take what they sent. Nil if no pump waits.
func (r *relay) toBlame() error {
	for i := range r.hops {
		if r.receiving[i].Load() {
			return at(r.hops[i].Party, fault.New(fault.Unavailable, "no block within %s", r.Patience))
		}
	}
	return nil
}
