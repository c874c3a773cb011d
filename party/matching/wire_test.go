package matching_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	"github.com/sotto-dev/sotto/party/matching"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

func chunkPart(chunk []byte) *sottov1.ListPart {
	return &sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: chunk}}
}

func beginPart(encapsulated []byte) *sottov1.ListPart {
	return &sottov1.ListPart{Part: &sottov1.ListPart_Encapsulated{Encapsulated: encapsulated}}
}

func handOverPart(signed *sottov1.Signed) *sottov1.ListPart {
	return &sottov1.ListPart{Part: &sottov1.ListPart_HandOver{HandOver: signed}}
}

func clone(parts []*sottov1.ListPart) (all []*sottov1.ListPart) {
	for _, part := range parts {
		all = append(all, proto.Clone(part).(*sottov1.ListPart))
	}
	return all
}

// name of a party, or of the coordinator.
func (p *play) name(place int) string {
	if place == len(p.keys) {
		return agreement.CoordinatorName
	}
	return p.agreement.Parties[place].Name
}

// keyOf is what a party, or the coordinator, signs with.
func (p *play) keyOf(place int) *identity.Key {
	if place == len(p.keys) {
		return p.coordinator
	}
	return p.keys[place]
}

// parts returns a list as its sender would send it if it had these points.
func (p *play) parts(list protocol.ListID, points match.Points) []*sottov1.ListPart {
	from, _, _ := p.route.Way(list)
	return append(p.sealed(list, points), handOverPart(protocol.Sign(p.keyOf(from), p.handOver(list, points))))
}

func (p *play) handOver(list protocol.ListID, points match.Points) *protocol.ListHandOver {
	from, _, _ := p.route.Way(list)
	return &protocol.ListHandOver{Matching: p.matching, List: list, From: p.name(from), Length: int64(len(points)), Digest: digest(points)}
}

// sealed returns a list without its hand-over.
func (p *play) sealed(list protocol.ListID, points match.Points) (parts []*sottov1.ListPart) {
	from, to, _ := p.route.Way(list)
	write := func(chunk []byte) ([]byte, error) { return chunk, nil }
	if from < len(p.runs) && to < len(p.runs) {
		sender, begin, err := seal.NewSender(p.sealing[to].Public(), protocol.ListContext(p.matching, list, p.name(from), p.name(to)))
		if err != nil {
			panic(err)
		}
		write = sender.Seal
		parts = append(parts, beginPart(begin))
	}
	for chunk := range slices.Chunk(points, protocol.ListChunk) {
		bytes, err := write(chunk.AppendBytes(nil))
		if err != nil {
			panic(err)
		}
		parts = append(parts, chunkPart(bytes))
	}
	return parts
}

// read returns the points of a list, as its receiver reads them.
func (p *play) read(list protocol.ListID, parts []*sottov1.ListPart) (points match.Points, err error) {
	from, to, _ := p.route.Way(list)
	open := func(chunk []byte) ([]byte, error) { return chunk, nil }
	if from < len(p.runs) && to < len(p.runs) {
		receiver, err := p.sealing[to].NewReceiver(parts[0].GetEncapsulated(), protocol.ListContext(p.matching, list, p.name(from), p.name(to)))
		if err != nil {
			return nil, err
		}
		open, parts = receiver.Open, parts[1:]
	}
	for _, part := range parts[:len(parts)-1] {
		bytes, err := open(part.GetChunk())
		if err != nil {
			return nil, err
		}
		chunk, err := match.ParsePoints(bytes)
		if err != nil {
			return nil, err
		}
		points = append(points, chunk...)
	}
	return points, nil
}

// points returns what was sent as a list.
func (p *play) points(t testing.TB, list protocol.ListID) match.Points {
	t.Helper()
	points, err := p.read(list, p.sent[list])
	must(t, err)
	return points
}

func digest(points match.Points) [32]byte {
	digest, err := points.Digest()
	if err != nil {
		panic(err)
	}
	return digest
}

// refused guards what must follow when a party notices anything: a fault of the protocol, of which nothing comes at that party any
// more, whatever it is asked for.
func (p *play) refused(t testing.TB, party int, err error, what string) {
	t.Helper()
	if err == nil || fault.From(err).Kind != fault.Protocol {
		t.Errorf("%s: %v, must be a fault of the protocol", what, err)
		return
	}
	p.mustBeDead(t, party, what)
}

func (p *play) mustBeDead(t testing.TB, party int, what string) {
	t.Helper()
	run := p.runs[party]
	if !matching.Dead(run) {
		t.Errorf("%s: the run goes on", what)
	}
	if _, err := run.Open(p.announcements); err == nil {
		t.Errorf("%s: opens afterwards", what)
	}
	if length, err := run.Begin(nil); err == nil || length != nil {
		t.Errorf("%s: begins afterwards", what)
	}
	if p.route != nil {
		for _, list := range p.lists() {
			if run.Send(list, func(*sottov1.ListPart) error { t.Errorf("%s: sends afterwards", what); return nil }) == nil {
				t.Errorf("%s: sends afterwards", what)
			}
			if p.deliverTo(party, list, p.sent[list]) == nil {
				t.Errorf("%s: receives afterwards", what)
			}
		}
	}
	if approval, err := run.Approve(); err == nil || approval != nil {
		t.Errorf("%s: approves afterwards", what)
	}
	if outcome, err := run.Finish(p.approvals); err == nil || outcome != nil {
		t.Errorf("%s: has an outcome", what)
	}
}

// people returns the ids of the numbers from…to−1.
func people(from, to int) []ids.ID {
	var all []ids.ID
	for i := from; i < to; i++ {
		all = append(all, ids.ID{byte(i), byte(i >> 8), 0xaa})
	}
	return all
}

// fataler is a testing.TB or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// few are the sets of so few people that hundreds of matchings are quickly made. With tiny dummies, whose number is all but certain,
// party 0 of 2 and party 1 of 3 have the longest list.
func few(parties int) [][]ids.ID {
	if parties == 2 {
		return [][]ids.ID{people(0, 6), people(4, 7)}
	}
	return [][]ids.ID{people(0, 2), people(1, 7), people(2, 4)}
}
