package matching_test

import (
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards what all others together can see of a party: none of the points that it sends is one that they can compute themselves, from
// anybody's id or dummy and all their own secrets. (That they look random otherwise, package match shows.)
func TestOthersCannotComputeWhatAPartySends(t *testing.T) {
	t.Parallel()
	for parties := 2; parties <= 3; parties++ {
		p := newPlay(t, tiny, few(parties)...)
		must(t, p.run())
		probe := match.NewSecrets() // both sides are raised to one more secret, so that the bare hashes are among them
		for party := range parties {
			// What they can compute: every id and dummy, raised to what each of them has.
			computable := p.hashes(t, probe)
			for other := range parties {
				if other == party {
					continue
				}
				s := &p.secrets[other]
				points := slices.Clone(computable)
				for _, e := range []*match.Exponent{&s.Token, &s.Slot, &s.Turn} {
					raised, err := match.Raise(nil, points, e)
					must(t, err)
					computable = append(computable, raised...)
				}
			}
			known := set(computable)
			for _, list := range p.lists() {
				if from, _, _ := p.route.Way(list); from != party {
					continue
				}
				sent, err := match.Raise(nil, p.points(t, list), &probe.Token)
				must(t, err)
				for _, point := range sent {
					if known[point] {
						t.Fatalf("of %d parties, the others can compute a point that party %d sends in %s", parties, party, list)
					}
				}
				// With its secret they could: the test would see it.
				if list.Pass == protocol.PassTokens && list.Hop == 0 {
					own, err := match.Raise(nil, p.hashes(t, probe), &p.secrets[party].Token)
					must(t, err)
					if known := set(own); !slices.ContainsFunc(sent, func(point match.Point) bool { return known[point] }) {
						t.Fatal("what is sent is not what the test takes it for")
					}
				}
			}
		}
	}
}

// hashes returns the points of everybody, and of every dummy, raised to the token secret of s.
func (p *play) hashes(t *testing.T, s *match.Secrets) match.Points {
	everybody := people(0, 10)
	var dummies []match.Dummy
	for party := range p.sets {
		drawn, err := p.agreement.Cover().Draw(party)
		must(t, err)
		dummies = append(dummies, drawn...)
	}
	entries, err := match.NewEntries(p.matching, everybody, dummies)
	must(t, err)
	points, err := entries.Tokens(0, entries.Len(), s)
	must(t, err)
	return points
}

func set(points match.Points) map[match.Point]bool {
	all := map[match.Point]bool{}
	for _, point := range points {
		all[point] = true
	}
	return all
}

// Guards what the coordinator can read of all that passes it: the final tokens, each list in an order of its own, and their union, which
// it has made. No other point is anywhere in what it relays, and none of the spine is among the tokens.
func TestTheCoordinatorReadsTheFinalTokensOnly(t *testing.T) {
	for parties := 2; parties <= 3; parties++ {
		p := newPlay(t, tiny, few(parties)...)
		must(t, p.run())
		tokens, secret := map[match.Point]bool{}, map[match.Point]bool{}
		for _, list := range p.tokens {
			for _, point := range list {
				tokens[point] = true
			}
		}
		for _, list := range p.received() {
			if from, _, _ := p.route.Way(list); from == parties {
				continue // the union, which it has made of the tokens
			}
			for _, point := range p.points(t, list) {
				secret[point] = true
				if tokens[point] {
					t.Fatalf("of %d parties, %s has a token in it", parties, list)
				}
			}
		}
		wire := append(append(append([]*sottov1.Signed{p.union}, p.announcements...), p.lengths...), p.approvals...)
		var all [][]byte
		for _, signed := range wire {
			all = append(all, marshal(t, signed))
		}
		for _, parts := range p.sent {
			for _, part := range parts {
				all = append(all, marshal(t, part))
			}
		}
		for _, bytes := range all {
			for i := 0; i+match.PointSize <= len(bytes); i++ {
				if secret[match.Point(bytes[i:])] {
					t.Fatalf("of %d parties, the coordinator can read a point that is not a final token", parties)
				}
			}
		}
	}
}

func marshal(t *testing.T, message proto.Message) []byte {
	t.Helper()
	bytes, err := proto.Marshal(message)
	must(t, err)
	return bytes
}

// Guards that nothing but the announced lengths shows in the number and size of messages.
func TestSizesFollowFromTheLengths(t *testing.T) {
	t.Parallel()
	for _, sets := range [][][]ids.ID{{people(0, 5), people(3, 9)}, {people(0, 5), nil, people(3, 9)}} {
		p := newPlay(t, usual, sets...)
		must(t, p.run())
		for list, parts := range p.sent {
			from, to, _ := p.route.Way(list)
			length := int(p.route.Length(list, int64(len(p.merged))))
			isSealed := from < len(sets) && to < len(sets)
			var want []int
			if isSealed {
				want = append(want, seal.Encapsulated)
			}
			for left := length; left > 0; left -= protocol.ListChunk {
				bytes := match.PointSize * min(left, protocol.ListChunk)
				if isSealed {
					bytes += 16
				}
				want = append(want, bytes)
			}
			var got []int
			for i, part := range parts {
				if i == len(parts)-1 {
					break
				}
				got = append(got, len(part.GetEncapsulated())+len(part.GetChunk()))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s of %d points has messages of %v bytes, want %v", list, length, got, want)
			}
			ends := protocol.Sign(p.keyOf(from), p.handOver(list, make(match.Points, length)))
			if got := marshal(t, parts[len(parts)-1].GetHandOver()); len(got) != len(marshal(t, ends)) {
				t.Errorf("%s: a hand-over has %d bytes", list, len(got))
			}
		}
	}
}

// Guards the orders of lists, on which all rests that others must not see: at each hop of passes A and B a list goes on in an order that
// has nothing to do with the one in which it came, and in pass C in the very same, or people would have others' slots. False alarms:
// 8 rank correlations at 5.5 σ, below 10⁻⁶.
func TestOrders(t *testing.T) {
	t.Parallel()
	p := newPlay(t, usual, people(0, 30), people(20, 60), people(10, 25))
	must(t, p.run())
	shuffled, kept := 0, 0
	for _, list := range p.received() {
		_, party, _ := p.route.Way(list)
		s, in := &p.secrets[party], p.points(t, list)
		follow := func(list protocol.ListID, e *match.Exponent) (ranks []int) {
			raised, err := match.Raise(nil, in, e)
			must(t, err)
			at := map[match.Point]int{}
			for i, point := range p.points(t, list) {
				at[point] = i
			}
			for _, point := range raised {
				rank, ok := at[point]
				if !ok {
					t.Fatalf("%s is not what party %d had to make", list, party)
				}
				ranks = append(ranks, rank)
			}
			return ranks
		}
		next := list
		next.Hop++
		if next.Hop < int64(len(p.sets)) && list.Pass != protocol.PassSpine {
			switch list.Pass {
			case protocol.PassTokens:
				mustBeShuffled(t, next, follow(next, &s.Token))
				shuffled++
			case protocol.PassSlots:
				mustBeShuffled(t, next, follow(next, &s.Turn))
				shuffled++
			}
			if list.Pass == protocol.PassOwn || list.Hop == 0 && list.Pass == protocol.PassTokens {
				next.Pass = protocol.PassOwn
				if !slices.IsSorted(follow(next, &s.Slot)) {
					t.Errorf("%s is not in its owner's order", next)
				}
				kept++
			}
		}
	}
	if shuffled != 8 || kept != 6 {
		t.Errorf("%d lists are shuffled, and %d kept in order", shuffled, kept)
	}
}

func mustBeShuffled(t *testing.T, list protocol.ListID, ranks []int) {
	t.Helper()
	n, sum := float64(len(ranks)), 0.
	for i, rank := range ranks {
		sum += float64(i-rank) * float64(i-rank)
	}
	// Spearman's coefficient, of variance 1/(n−1).
	if z := (1 - 6*sum/(n*(n*n-1))) * math.Sqrt(n-1); n < 100 || math.Abs(z) > 5.5 {
		t.Errorf("%s of %.0f points: %.1f sigma from any order", list, n, z)
	}
}
