package coordinator

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// relay moves a list from one party to the next, part by part, as it comes: it holds one at a time, and can't read it.
func (l *matchLists) relay(ctx context.Context, one *list) error {
	return l.send(ctx, one, func(ctx context.Context, emit func(*sottov1.ListPart) error) error {
		return l.read(ctx, one, true, emit)
	})
}

// collect takes one of the final lists of tokens in, which are for the coordinator to read.
func (l *matchLists) collect(ctx context.Context, one *list) error {
	from := l.nameOf(one.from)
	length := l.lengthOf(one)
	digest, err := match.NewDigest(int(length))
	if err != nil {
		return at(from, err)
	}
	// What is announced is not made room for before it comes: a million points at a time.
	points := make(match.Points, 0, min(length, 1<<20))
	err = l.read(ctx, one, false, func(part *sottov1.ListPart) error {
		if signed := part.GetHandOver(); signed != nil {
			sum, err := digest.Sum()
			if err != nil {
				return at(from, malformed(one, err))
			}
			var said protocol.ListHandOver
			member, _ := l.Agreement.Party(from)
			if err := protocol.Verify(signed, member.Key, from, &said); err != nil {
				return at(from, err)
			}
			return at(from, protocol.CheckListHandOver(&said, protocol.ListHandOver{
				Matching: l.id, List: one.ListID, From: from, Length: length, Digest: sum,
			}))
		}
		chunk, err := match.ParsePoints(part.GetChunk())
		if err == nil {
			err = digest.Add(chunk)
		}
		if err != nil {
			return at(from, malformed(one, err))
		}
		points = append(points, chunk...)
		return nil
	})
	if err != nil {
		return err
	}
	if err := points.CheckDistinct(); err != nil { // here it can still be told who has sent it
		return at(from, malformed(one, err))
	}
	l.tokens[one.Owner] = points
	return nil
}

// merge makes the union of all final tokens and sends it on its way. Which tokens are whose it keeps nowhere.
func (l *matchLists) merge(ctx context.Context, one *list) error {
	union, _, err := match.Merge(l.tokens)
	l.tokens = nil
	if err == nil && (len(union) == 0 || len(union) > match.MaxPoints) {
		err = match.ErrCount
	}
	if err != nil {
		return at(agreement.CoordinatorName, malformed(one, err))
	}
	digest, err := union.Digest()
	if err != nil {
		return at(agreement.CoordinatorName, malformed(one, err))
	}
	l.length = int64(len(union))
	l.union = protocol.Sign(l.Key, &protocol.MatchUnion{Matching: l.id, Length: l.length, Digest: digest})
	for _, other := range l.all {
		if l.ofUnion(other) {
			l.weigh(other)
		}
	}
	l.progress.enter(sottov1.MatchStage_MATCH_STAGE_SLOTS, 0)

	return l.send(ctx, one, func(_ context.Context, emit func(*sottov1.ListPart) error) error {
		for chunk := range slices.Chunk(union, protocol.ListChunk) {
			one.bytes += uint64(len(chunk) * match.PointSize)
			if err := emit(&sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: chunk.AppendBytes(nil)}}); err != nil {
				return err
			}
		}
		return emit(&sottov1.ListPart{Part: &sottov1.ListPart_HandOver{HandOver: protocol.Sign(l.Key, &protocol.ListHandOver{
			Matching: l.id, List: one.ListID, From: agreement.CoordinatorName, Length: l.length, Digest: digest,
		})}})
	})
}

// errRefused says that a receiver takes no more; why, shows where its answers are read.
var errRefused = errors.New("refused")

// send gives the party that a list is for all parts that produce emits, and waits until it is done with them.
func (l *matchLists) send(ctx context.Context, one *list, produce func(ctx context.Context, emit func(*sottov1.ListPart) error) error) error {
	g, ctx := errgroup.WithContext(ctx)
	to := l.nameOf(one.to)
	start := &sottov1.MatchReceiveStart{Session: l.session[:], List: one.ID(), Lengths: l.lengths}
	if l.ofUnion(one) {
		start.Union = l.union
	}
	out, err := l.Parties[to].MatchReceive(ctx)
	if err != nil {
		return at(to, err)
	}
	write := func(m *sottov1.MatchReceiveRequest) error {
		one.waits.Store(int64(one.to))
		err := out.Send(m)
		if errors.Is(err, io.EOF) {
			return errRefused
		}
		l.moved.Add(1)
		return at(to, err)
	}
	var handed atomic.Bool
	g.Go(func() error {
		err := write(&sottov1.MatchReceiveRequest{Message: &sottov1.MatchReceiveRequest_Start{Start: start}})
		if err == nil {
			err = produce(ctx, func(part *sottov1.ListPart) error {
				if part.GetHandOver() != nil {
					handed.Store(true) // before its receiver can have it
				}
				return write(&sottov1.MatchReceiveRequest{Message: &sottov1.MatchReceiveRequest_Part{Part: part}})
			})
		}
		switch {
		case errors.Is(err, errRefused):
			return nil
		case err != nil:
			return err
		}
		one.waits.Store(int64(one.to))
		return at(to, out.CloseSend())
	})
	g.Go(func() error { return l.listen(ctx, one, out, &handed) })
	return g.Wait()
}

type listReceiver = grpc.BidiStreamingClient[sottov1.MatchReceiveRequest, sottov1.MatchReceiveResponse]

// listen reads how far the receiver of a list is, until it is done.
func (l *matchLists) listen(ctx context.Context, one *list, out listReceiver, handed *atomic.Bool) error {
	for {
		r, err := out.Recv()
		switch {
		case errors.Is(err, io.EOF) && handed.Load():
			l.progress.worked(one.ListID, l.lengthOf(one))
			return nil
		case errors.Is(err, io.EOF):
			return at(l.nameOf(one.to), fault.New(fault.Protocol, "%s: the stream ended before the list", one.ListID))
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return at(l.nameOf(one.to), err)
		}
		if l.progress.worked(one.ListID, r.GetWorked()) {
			l.moved.Add(1)
		}
	}
}

// read calls take with all parts that the sender of a list sends, in their order: an encapsulated key if it is sealed, its points in
// chunks of the agreed size, the hand-over.
func (l *matchLists) read(ctx context.Context, one *list, sealed bool, take func(*sottov1.ListPart) error) error {
	from := l.nameOf(one.from)
	one.waits.Store(int64(one.from))
	in, err := l.Parties[from].MatchSend(ctx, &sottov1.MatchSendRequest{Session: l.session[:], List: one.ID()})
	if err != nil {
		return at(from, err)
	}
	next := func() (*sottov1.ListPart, error) {
		one.waits.Store(int64(one.from))
		part, err := in.Recv()
		if err == nil {
			l.moved.Add(1)
		} else if ctx.Err() != nil {
			err = ctx.Err()
		} else if !errors.Is(err, io.EOF) {
			err = at(from, err)
		}
		return part, err
	}
	left, begun, ended := l.lengthOf(one), !sealed, false
	for {
		part, err := next()
		if errors.Is(err, io.EOF) && ended {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return at(from, malformed(one, errors.New("it ends before its hand-over")))
		}
		if err != nil {
			return err
		}
		points := min(left, protocol.ListChunk)
		size := points * match.PointSize
		if sealed {
			size += seal.Overhead
		}
		switch {
		case ended:
			return at(from, malformed(one, errors.New("it goes on after its hand-over")))
		case !begun && part.GetEncapsulated() != nil:
			begun = true
		case begun && left > 0 && int64(len(part.GetChunk())) == size:
			left -= points
			one.bytes += uint64(size)
			l.progress.sent(one.ListID, points)
		case begun && left == 0 && part.GetHandOver() != nil:
			ended = true
		default:
			return at(from, malformed(one, match.ErrCount))
		}
		if err := take(part); err != nil {
			return err
		}
	}
}

func malformed(one *list, err error) error {
	return fault.New(fault.Protocol, "%s: %v", one.ListID, err).Wrap(err)
}
