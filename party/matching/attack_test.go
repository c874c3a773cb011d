package matching_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

var long = os.Getenv("SOTTO_LONG") == "1"

// scene is a list on its way to a party, in the hands of a coordinator that follows no rules.
type scene struct {
	*play
	list   protocol.ListID
	parts  []*sottov1.ListPart // what was sent, and what an attack makes of it
	points match.Points        // what is in it
	before []*sottov1.ListPart // the list that was sent before, or nil
	other  []*sottov1.ListPart // the same list of another matching of the same parties
	chunk  int                 // which part is the first chunk: 1 in sealed lists, after the encapsulated key
	end    int                 // which part is the hand-over
}

// attacks are what a coordinator can do to a list without a party's help.
var attacks = []struct {
	name string
	kind attackKind
	do   func(s *scene)
}{
	{"a chunk altered", always, func(s *scene) { flip(s.parts[s.chunk].GetChunk()) }},
	{"a chunk dropped", always, func(s *scene) { s.parts = slices.Delete(s.parts, s.chunk, s.chunk+1) }},
	{"a chunk repeated", always, func(s *scene) { s.insert(s.chunk, s.parts[s.chunk]) }},
	{"a chunk cut by a point", always, func(s *scene) { s.cut(match.PointSize) }},
	{"a chunk cut by a byte", always, func(s *scene) { s.cut(1) }},
	{"an empty chunk more", always, func(s *scene) { s.insert(s.chunk, chunkPart(nil)) }},
	{"an empty part more", always, func(s *scene) { s.insert(s.chunk, &sottov1.ListPart{}) }},
	{"no part", always, func(s *scene) { s.insert(s.chunk, nil) }},
	{"an empty part at its beginning", always, func(s *scene) { s.insert(0, &sottov1.ListPart{}) }},
	{"nothing", always, func(s *scene) { s.parts = nil }},
	{"cut before its first chunk", always, func(s *scene) { s.parts = s.parts[:s.chunk] }},
	{"cut before its hand-over", always, func(s *scene) { s.parts = s.parts[:s.end] }},
	{"nothing but a hand-over", always, func(s *scene) { s.parts = s.parts[s.end:] }},
	{"a chunk for a hand-over", always, func(s *scene) { s.parts[s.end] = s.parts[s.chunk] }},
	{"no hand-over in its part", always, func(s *scene) { s.parts[s.end] = handOverPart(nil) }},
	{"a hand-over altered", always, func(s *scene) { flip(s.parts[s.end].GetHandOver().Body) }},
	{"a signature altered", always, func(s *scene) { flip(s.parts[s.end].GetHandOver().Signature) }},
	{"the hand-over of another list", follows, func(s *scene) { s.parts[s.end] = s.before[len(s.before)-1] }},
	{"the hand-over of another matching", always, func(s *scene) { s.parts[s.end] = s.other[len(s.other)-1] }},
	{"a hand-over signed by another", always, func(s *scene) {
		from, to, _ := s.route.Way(s.list)
		by := len(s.keys)
		if from == by {
			by = to
		}
		s.parts[s.end] = handOverPart(protocol.Sign(s.keyOf(by), s.handOver(s.list, s.points)))
	}},
	{"a chunk after its end", always, func(s *scene) { s.insert(s.end+1, s.parts[s.chunk]) }},
	{"a hand-over after its end", always, func(s *scene) { s.insert(s.end+1, s.parts[s.end]) }},
	{"an empty part after its end", always, func(s *scene) { s.insert(s.end+1, nil) }},
	{"another list", follows, func(s *scene) { s.parts = s.before }},
	{"the list of another matching", always, func(s *scene) { s.parts = s.other }},

	{"the encapsulated key altered", sealed, func(s *scene) { flip(s.parts[0].GetEncapsulated()) }},
	{"the encapsulated key cut", sealed, func(s *scene) { s.parts[0] = beginPart(s.parts[0].GetEncapsulated()[1:]) }},
	{"the encapsulated key of another list", follows, func(s *scene) { s.parts[0] = s.before[0] }},
	{"the encapsulated key of another matching", sealed, func(s *scene) { s.parts[0] = s.other[0] }},
	{"no encapsulated key", sealed, func(s *scene) { s.parts = s.parts[1:] }},
	{"the encapsulated key twice", sealed, func(s *scene) { s.insert(1, s.parts[0]) }},
	{"in the clear", sealed, func(s *scene) {
		s.parts = []*sottov1.ListPart{chunkPart(s.points.AppendBytes(nil)), s.parts[s.end]}
	}},
	{"in the clear after an encapsulated key", sealed, func(s *scene) { s.parts[1] = chunkPart(s.points.AppendBytes(nil)) }},
	{"points of the coordinator's", sealed, func(s *scene) {
		s.parts = append(s.sealed(s.list, foreign(len(s.points))), s.parts[s.end])
	}},
	{"points of the coordinator's, signed by it", sealed, func(s *scene) {
		own := foreign(len(s.points))
		s.parts = append(s.sealed(s.list, own), handOverPart(protocol.Sign(s.coordinator, s.handOver(s.list, own))))
	}},
	{"two points swapped", clear, func(s *scene) {
		s.points[0], s.points[1] = s.points[1], s.points[0]
		s.parts[0] = chunkPart(s.points.AppendBytes(nil))
	}},
	{"sealed, which is due in the clear", clear, func(s *scene) { s.insert(0, s.other[0]) }},
}

// attackKind says what an attack is possible on.
type attackKind int

const (
	always  attackKind = iota
	follows            // where a list was sent before
	sealed             // where the list is sealed
	clear              // where it is not
)

// flip changes a bit in the middle.
func flip(bytes []byte) { bytes[len(bytes)/2] ^= 1 }

func (s *scene) insert(at int, part *sottov1.ListPart) { s.parts = slices.Insert(s.parts, at, part) }

func (s *scene) cut(bytes int) {
	chunk := s.parts[s.chunk].GetChunk()
	s.parts[s.chunk] = chunkPart(chunk[:len(chunk)-bytes])
}

// foreign returns random points, which are nobody's.
func foreign(n int) match.Points {
	entries, err := match.NewEntries([32]byte{9}, people(0, n), nil)
	if err != nil {
		panic(err)
	}
	points, err := entries.Tokens(0, n, match.NewSecrets())
	if err != nil {
		panic(err)
	}
	return points
}

// Guards every list on its way to a party against the coordinator that carries it: whatever it changes, leaves out, repeats, or takes from
// elsewhere, the party that should have got the list ends the matching for itself and never has an outcome.
func TestTheCoordinatorChangesAList(t *testing.T) {
	for parties := 2; parties <= 3; parties++ {
		other := newPlay(t, tiny, few(parties)...)
		must(t, other.run())
		for at, list := range other.received() {
			t.Run(fmt.Sprintf("%d parties, %s", parties, list), func(t *testing.T) {
				t.Parallel()
				for number, attack := range attacks {
					if parties > 2 && !long && (number+at)%11 > 0 {
						continue // each is done to some lists
					}
					attackList(t, other, list, attack.name, attack.kind, attack.do)
				}
			})
		}
	}
}

func attackList(t *testing.T, other *play, list protocol.ListID, name string, kind attackKind, do func(s *scene)) {
	s := &scene{play: other.again(), list: list, other: clone(other.sent[list])}
	must(t, s.begin())
	for _, earlier := range s.lists() {
		if earlier == list {
			break
		}
		must(t, s.carry(earlier))
		if parts := s.sent[earlier]; parts[0].GetEncapsulated() != nil {
			s.before = clone(parts)
		}
	}
	parts, err := s.send(list)
	must(t, err)
	s.points = s.play.points(t, list)
	s.parts, s.end = clone(parts), len(parts)-1
	if parts[0].GetEncapsulated() != nil {
		s.chunk = 1
	}
	if kind == sealed && s.chunk == 0 || kind == clear && s.chunk == 1 || kind == follows && s.before == nil {
		return
	}
	do(s)
	_, to, _ := s.route.Way(list)
	s.refused(t, to, s.deliver(list, s.parts), name)
}

// Guards lists of more than one message: none may take another's place.
func TestTheCoordinatorSwapsChunks(t *testing.T) {
	t.Parallel()
	p := newPlay(t, tiny, people(0, protocol.ListChunk+10), people(0, 5))
	must(t, p.begin())
	list := protocol.ListID{Pass: protocol.PassTokens}
	parts, err := p.send(list)
	must(t, err)
	parts[1], parts[2] = parts[2], parts[1]
	p.refused(t, 1, p.deliver(list, parts), "two chunks swapped")
}

// Guards that a list is only what it was sent as: no other pass, owner or hop, to whomever it is brought.
func TestAListIsNoOther(t *testing.T) {
	for parties := 2; parties <= 3; parties++ {
		model := newPlay(t, tiny, few(parties)...)
		must(t, model.run())
		for at, list := range model.received() {
			t.Run(fmt.Sprintf("%d parties, %s", parties, list), func(t *testing.T) {
				t.Parallel()
				for number, as := range model.received() {
					_, to, _ := model.route.Way(list)
					_, asTo, _ := model.route.Way(as)
					if as == list || parties > 2 && !long && (to != asTo || (at+number)%2 > 0) {
						continue
					}
					p := model.again()
					must(t, p.begin())
					must(t, p.until(list))
					parts, err := p.send(list)
					must(t, err)
					p.refused(t, asTo, p.deliver(as, parts), fmt.Sprintf("brought as the %s", as))
				}
			})
		}
	}
}

// Guards against lists that do not exist, or are somebody else's: asked for, or brought.
func TestListsThatAreNone(t *testing.T) {
	model := newPlay(t, tiny, few(3)...)
	for at, list := range []protocol.ListID{
		{},
		{Pass: 5},
		{Pass: -1},
		{Pass: protocol.PassTokens, Owner: 3},
		{Pass: protocol.PassTokens, Owner: -1},
		{Pass: protocol.PassTokens, Hop: 3},
		{Pass: protocol.PassTokens, Hop: -1},
		{Pass: protocol.PassTokens, Hop: 2}, // which the coordinator receives
		{Pass: protocol.PassOwn},
		{Pass: protocol.PassOwn, Hop: 3},
		{Pass: protocol.PassSlots, Owner: 1},
		{Pass: protocol.PassSlots, Hop: 3},
		{Pass: protocol.PassSpine, Owner: 1}, // who makes it
		{Pass: protocol.PassSpine, Hop: 1},
		{Pass: protocol.PassTokens, Owner: 2}, // of others
		{Pass: protocol.PassSlots},
		{Pass: protocol.PassOwn, Owner: 1, Hop: 2},
	} {
		p := model.again()
		must(t, p.begin())
		must(t, p.carry(protocol.ListID{Pass: protocol.PassTokens})) // so that the route is known at party 1
		err := p.runs[1].Send(list, func(*sottov1.ListPart) error { t.Errorf("%s is sent", list); return nil })
		p.refused(t, 1, err, fmt.Sprintf("%d: %s asked for", at, list))
		p.refused(t, 0, p.deliverTo(0, list, p.sent[protocol.ListID{Pass: protocol.PassTokens}]), fmt.Sprintf("%d: %s brought", at, list))
	}
}

// Guards that the union, which is sealed to nobody, is taken by the first party of its way alone.
func TestTheUnionIsBroughtToAnother(t *testing.T) {
	list := protocol.ListID{Pass: protocol.PassSlots}
	p := newPlay(t, tiny, few(3)...)
	must(t, p.begin())
	must(t, p.until(list))
	parts, err := p.send(list)
	must(t, err)
	for party := range p.runs {
		if _, to, _ := p.route.Way(list); party != to {
			p.refused(t, party, p.deliverTo(party, list, parts), "the union brought to another")
		}
	}
}

// Guards that each list is served once in each direction.
func TestReplays(t *testing.T) {
	t.Parallel()
	for parties := 2; parties <= 3; parties++ {
		model := newPlay(t, tiny, few(parties)...)
		must(t, model.run())
		for at, list := range model.lists() {
			if parties > 2 && !long && at%5 > 0 {
				continue
			}
			from, to, _ := model.route.Way(list)
			for _, twice := range []int{from, to} {
				if twice == parties {
					continue
				}
				p := model.again()
				must(t, p.begin())
				must(t, p.until(list))
				must(t, p.carry(list))
				if twice == to {
					p.refused(t, to, p.deliver(list, p.sent[list]), fmt.Sprintf("%s delivered twice", list))
					continue
				}
				_, err := p.send(list)
				p.refused(t, from, err, fmt.Sprintf("%s asked for twice", list))
			}
		}
	}
}
