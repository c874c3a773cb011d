package matching

import (
	"errors"
	"io"
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Receive takes a list in, once: it calls next for each part until that returns io.EOF, does this party's work on the points as they
// come, and calls worked with how many are done. Nothing that follows from the list is sent before all of it was checked: who has
// signed it, what they have signed, its length, and that no point is malformed or there twice. A run that fails is dead.
func (r *Run) Receive(start *sottov1.MatchReceiveStart, next func() (*sottov1.ListPart, error), worked func(points int64) error) error {
	r.mu.Lock()
	done, err := r.use()
	if err != nil {
		r.mu.Unlock()
		return err
	}
	defer done()
	in, err := r.startReceiving(start)
	r.mu.Unlock()
	if err == nil {
		err = in.receive(next, worked)
	}
	if err == nil {
		err = in.work.done(in.points)
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.fail(err)
	}
	return nil
}

// incoming is a list that is being received.
type incoming struct {
	*Run
	list   protocol.ListID
	from   int
	length int
	digest *[32]byte // of the union as the coordinator has signed it for all, where this is it
	work   work
	points match.Points // as they came
}

// startReceiving checks that a list is due. The caller holds r.mu.
func (r *Run) startReceiving(start *sottov1.MatchReceiveStart) (*incoming, error) {
	list := protocol.ParseListID(start.GetList())
	if !r.takesLists() {
		return nil, fault.New(fault.Protocol, "%s: comes out of order", list)
	}
	if err := r.learnLengths(start.GetLengths()); err != nil {
		return nil, err
	}
	in := &incoming{Run: r, list: list}
	var to int
	var ok bool
	if in.from, to, ok = r.route.Way(list); !ok || to != r.self {
		return nil, fault.New(fault.Protocol, "%s: is not for %s", list, r.name())
	}
	if err := r.once(way{list, true}); err != nil {
		return nil, err
	}
	union := int64(0)
	if list.Pass == protocol.PassSlots || list.Pass == protocol.PassSpine {
		if err := r.learnUnion(start.GetUnion()); err != nil {
			return nil, err
		}
		union = r.union.Length
		if in.from == r.route.Parties() {
			in.digest = &r.union.Digest
		}
	}
	in.length = int(r.route.Length(list, union))
	var err error
	in.work, err = r.workOn(list)
	return in, err
}

// learnLengths takes in how long all parties' lists are: the same every time. The caller holds r.mu.
func (r *Run) learnLengths(signed []*sottov1.Signed) error {
	lengths, err := protocol.VerifyLengths(signed, r.agreement, r.matching)
	switch {
	case err != nil:
		return err
	case lengths[r.self] != int64(r.entries.Len()):
		return fault.New(fault.Protocol, "the length of the list of %s is not the one that it said", r.name())
	case r.route == nil:
		r.route = protocol.NewRoute(lengths)
	case !slices.Equal(lengths, r.route.Lengths):
		return fault.New(fault.Protocol, "a list has two lengths")
	}
	return nil
}

// learnUnion takes in what the coordinator says of the union: the same every time. The caller holds r.mu.
func (r *Run) learnUnion(signed *sottov1.Signed) error {
	union, err := protocol.VerifyUnion(signed, r.agreement, r.matching, r.route.Lengths)
	switch {
	case err != nil:
		return err
	case r.union == nil:
		r.union = union
	case *union != *r.union:
		return fault.New(fault.Protocol, "there are two unions")
	}
	return nil
}

// receive reads the list to its end, and checks all that can be checked.
func (in *incoming) receive(next func() (*sottov1.ListPart, error), worked func(int64) error) error {
	open, err := in.opener(next)
	if err != nil {
		return err
	}
	digest, err := match.NewDigest(in.length)
	if err != nil {
		return in.malformed(err)
	}
	// What is announced is not made room for before it comes: a million points at a time.
	in.points = make(match.Points, 0, min(in.length, 1<<20))
	for len(in.points) < in.length {
		chunk, err := in.chunk(next, open, min(protocol.ListChunk, in.length-len(in.points)))
		if err != nil {
			return err
		}
		if err := digest.Add(chunk); err != nil {
			return in.malformed(err)
		}
		if err := in.work.add(chunk); err != nil {
			return in.malformed(err)
		}
		in.points = append(in.points, chunk...)
		if err := worked(int64(len(in.points))); err != nil {
			return err
		}
	}
	sum, err := digest.Sum()
	if err != nil {
		return in.malformed(err)
	}
	if err := in.handOver(next, sum); err != nil {
		return err
	}
	if err := in.points.CheckDistinct(); err != nil {
		return in.malformed(err)
	}
	return nil
}

// opener reads what begins a list, and returns what opens its chunks.
func (in *incoming) opener(next func() (*sottov1.ListPart, error)) (func([]byte) ([]byte, error), error) {
	if in.from == len(in.agreement.Parties) {
		return func(chunk []byte) ([]byte, error) { return chunk, nil }, nil
	}
	part, err := in.part(next)
	if err != nil {
		return nil, err
	}
	begin, ok := part.GetPart().(*sottov1.ListPart_Encapsulated)
	if !ok {
		return nil, fault.New(fault.Protocol, "%s of %s does not begin with an encapsulated key", in.list, in.nameOf(in.from))
	}
	receiver, err := in.sealing.NewReceiver(begin.Encapsulated, protocol.ListContext(in.matching, in.list, in.nameOf(in.from), in.name()))
	if err != nil {
		return nil, in.malformed(err)
	}
	return receiver.Open, nil
}

// chunk reads the next chunk, of so many points.
func (in *incoming) chunk(next func() (*sottov1.ListPart, error), open func([]byte) ([]byte, error), count int) (match.Points, error) {
	part, err := in.part(next)
	if err != nil {
		return nil, err
	}
	sealed, ok := part.GetPart().(*sottov1.ListPart_Chunk)
	if !ok {
		return nil, in.malformed(match.ErrCount)
	}
	bytes, err := open(sealed.Chunk)
	if err != nil {
		return nil, in.malformed(err)
	}
	if len(bytes) != count*match.PointSize {
		return nil, in.malformed(match.ErrCount)
	}
	points, err := match.ParsePoints(bytes)
	if err != nil {
		return nil, in.malformed(err)
	}
	return points, nil
}

// handOver compares what arrived with what its sender has signed, and sees to it that nothing follows.
func (in *incoming) handOver(next func() (*sottov1.ListPart, error), digest [32]byte) error {
	part, err := in.part(next)
	if err != nil {
		return err
	}
	signed, ok := part.GetPart().(*sottov1.ListPart_HandOver)
	if !ok {
		return in.malformed(match.ErrCount)
	}
	from := in.nameOf(in.from)
	var said protocol.ListHandOver
	if err := protocol.Verify(signed.HandOver, in.keyOf(in.from), from, &said); err != nil {
		return err
	}
	if err := protocol.CheckListHandOver(&said, protocol.ListHandOver{
		Matching: in.matching, List: in.list, From: from, Length: int64(in.length), Digest: digest,
	}); err != nil {
		return err
	}
	if in.digest != nil && digest != *in.digest {
		return fault.New(fault.Protocol, "%s: is not the one that the coordinator has signed for all", in.list)
	}
	if _, err := next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fault.New(fault.Protocol, "%s of %s goes on after its hand-over", in.list, from)
		}
		return err
	}
	return nil
}

// part reads the next part; that there is none is an error.
func (in *incoming) part(next func() (*sottov1.ListPart, error)) (*sottov1.ListPart, error) {
	part, err := next()
	if errors.Is(err, io.EOF) {
		err = in.malformed(match.ErrCount)
	}
	return part, err
}

func (in *incoming) malformed(err error) error {
	return fault.New(fault.Protocol, "%s of %s: %v", in.list, in.nameOf(in.from), err).Wrap(err)
}
