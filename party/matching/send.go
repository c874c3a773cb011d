package matching

import (
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Send hands a list on, once: it calls emit with each part, sealed to the party that the list is for. What goes to the coordinator,
// the final tokens, is not sealed. It fails unless all that the list follows from has come in and passed its checks. A run that
// fails is dead.
func (r *Run) Send(list protocol.ListID, emit func(*sottov1.ListPart) error) error {
	r.mu.Lock()
	done, err := r.use()
	if err != nil {
		r.mu.Unlock()
		return err
	}
	defer done()
	points, err := r.startSending(list)
	r.mu.Unlock()
	if err == nil {
		err = r.send(list, points, emit)
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.fail(err)
	}
	return nil
}

// source is a list that is sent: to whom, and its points from…to−1.
type source struct {
	to     int
	length int
	chunk  func(from, to int) (match.Points, error)
}

// startSending takes a list out of those that are ready. The caller holds r.mu.
func (r *Run) startSending(list protocol.ListID) (*source, error) {
	first := protocol.ListID{Pass: protocol.PassTokens, Owner: int64(r.self)}
	to := (r.self + 1) % len(r.agreement.Parties) // of the first, which goes before the route is known
	if list != first {
		if r.route == nil {
			return nil, fault.New(fault.Protocol, "%s: is asked for before anything has come in", list)
		}
		var from int
		var ok bool
		if from, to, ok = r.route.Way(list); !ok || from != r.self {
			return nil, fault.New(fault.Protocol, "%s: is not sent by %s", list, r.name())
		}
	}
	if err := r.once(way{list, false}); err != nil {
		return nil, err
	}
	if list == first {
		if r.step != begun {
			return nil, fault.New(fault.Protocol, "%s: is asked for out of order", list)
		}
		entries, secrets := r.entries, r.secrets
		return &source{to, entries.Len(), func(from, to int) (match.Points, error) { return entries.Tokens(from, to, secrets) }}, nil
	}
	points, ok := r.ready[list]
	if !ok {
		return nil, fault.New(fault.Protocol, "%s: is asked for before what it follows from has come in", list)
	}
	delete(r.ready, list)
	return &source{to, len(points), func(from, to int) (match.Points, error) { return points[from:to], nil }}, nil
}

// once notes that a list is served in one direction; a second time is an error. The caller holds r.mu.
func (r *Run) once(w way) error {
	if r.served[w] {
		return fault.New(fault.Protocol, "%s: was asked for twice", w.list)
	}
	r.served[w] = true
	return nil
}

func (r *Run) send(list protocol.ListID, points *source, emit func(*sottov1.ListPart) error) error {
	write, err := r.sealTo(list, points.to, emit)
	if err != nil {
		return err
	}
	digest, err := match.NewDigest(points.length)
	if err != nil {
		return fault.New(fault.Internal, "%s", list).Wrap(err)
	}
	var bytes []byte
	for from := 0; from < points.length; from += protocol.ListChunk {
		chunk, err := points.chunk(from, min(from+protocol.ListChunk, points.length))
		if err == nil {
			err = digest.Add(chunk)
		}
		if err != nil {
			return fault.New(fault.Internal, "%s", list).Wrap(err)
		}
		bytes = chunk.AppendBytes(bytes[:0])
		if err := write(bytes); err != nil {
			return err
		}
	}
	sum, err := digest.Sum()
	if err != nil {
		return fault.New(fault.Internal, "%s", list).Wrap(err)
	}
	return emit(&sottov1.ListPart{Part: &sottov1.ListPart_HandOver{HandOver: protocol.Sign(r.key, &protocol.ListHandOver{
		Matching: r.matching, List: list, From: r.name(), Length: int64(points.length), Digest: sum,
	})}})
}

// sealTo begins a list to a party, or to the coordinator, and returns what sends its chunks.
func (r *Run) sealTo(list protocol.ListID, to int, emit func(*sottov1.ListPart) error) (func(chunk []byte) error, error) {
	part := func(chunk []byte) error { return emit(&sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: chunk}}) }
	if to == len(r.agreement.Parties) {
		return part, nil
	}
	sealed, begin, err := seal.NewSender(r.announcements[to].Key, protocol.ListContext(r.matching, list, r.name(), r.nameOf(to)))
	if err != nil {
		return nil, fault.New(fault.Internal, "%s", list).Wrap(err)
	}
	return func(chunk []byte) error {
		message, err := sealed.Seal(chunk)
		if err != nil {
			return fault.New(fault.Internal, "%s", list).Wrap(err)
		}
		return part(message)
	}, emit(&sottov1.ListPart{Part: &sottov1.ListPart_Encapsulated{Encapsulated: begin}})
}
