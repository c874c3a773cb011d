package matching_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards against a party that follows no rules but seals and signs what it sends: each of its lists has the announced number of points,
// none twice, none malformed, and nobody's is missing at the end, or somebody ends the matching with an error of that class.
func TestAPartyLies(t *testing.T) {
	type lie struct {
		name  string
		class error
		tell  func(l match.Points) match.Points
	}
	lies := []lie{
		{"a point more", match.ErrCount, func(l match.Points) match.Points { return append(l, foreign(1)...) }},
		{"a point less", match.ErrCount, func(l match.Points) match.Points { return l[1:] }},
		{"a point twice", match.ErrTwice, func(l match.Points) match.Points { l[len(l)-1] = l[0]; return l }},
		{"the identity", match.ErrMalformed, func(l match.Points) match.Points { l[0] = match.Point{}; return l }},
		{"a negative encoding", match.ErrMalformed, func(l match.Points) match.Points { l[1][0] ^= 1; return l }},
		{"one beyond the field", match.ErrMalformed, func(l match.Points) match.Points { l[len(l)-1] = beyond(); return l }},
		{"all replaced", match.ErrMissing, func(l match.Points) match.Points { return foreign(len(l)) }},
		{"one replaced", match.ErrMissing, func(l match.Points) match.Points { return append(l[1:], foreign(1)...) }},
	}
	for parties := 2; parties <= 3; parties++ {
		model := newPlay(t, tiny, few(parties)...)
		must(t, model.run())
		for at, list := range model.received() {
			if from, _, _ := model.route.Way(list); from == parties || list.Pass == protocol.PassSpine {
				continue
			}
			t.Run(fmt.Sprintf("%d parties, %s", parties, list), func(t *testing.T) {
				t.Parallel()
				for number, lie := range lies {
					if parties > 2 && !long && (at+number)%3 > 0 {
						continue
					}
					// Its own customers are what it says they are; and what others bring too is in the union all the same.
					if lie.class == match.ErrMissing && (list.Pass == protocol.PassTokens && (list.Hop == 0 || lie.name == "one replaced")) {
						continue
					}
					p := model.again()
					p.relay = func(l protocol.ListID, parts []*sottov1.ListPart) []*sottov1.ListPart {
						if l != list {
							return parts
						}
						return p.parts(list, lie.tell(p.points(t, list)))
					}
					err := p.run()
					if !errors.Is(err, lie.class) {
						t.Errorf("%s: %v, want %v", lie.name, err, lie.class)
					}
					_, to, _ := p.route.Way(list)
					if lie.class != match.ErrMissing { // which shows later, and elsewhere
						p.refused(t, to, err, lie.name)
					}
					p.mustEndForAll(t, lie.name)
				}
			})
		}
	}
}

// Guards the spine against who makes it: what it sends is in order, holds everybody, and is the same for all.
func TestThePartyThatMakesTheSpineLies(t *testing.T) {
	const party = 1
	// replace puts a foreign point in the place of one of the party's, or of one that is not.
	replace := func(p *play, spine match.Points, mine bool) match.Points {
		back := protocol.ListID{Pass: protocol.PassOwn, Owner: party, Hop: int64(len(p.sets) - 1)}
		own, err := match.Turn(p.points(t, back), &p.secrets[party], nil)
		must(t, err)
		at := slices.IndexFunc(spine, func(point match.Point) bool { return slices.Contains(own, point) == mine })
		spine[at] = foreign(1)[0]
		spine.Sort()
		return spine
	}
	for _, lie := range []struct {
		name  string
		class error // at the party; nil where the approvals show it
		tell  func(p *play, l match.Points) match.Points
	}{
		{"in disorder", match.ErrOrder, func(_ *play, l match.Points) match.Points { l[1], l[2] = l[2], l[1]; return l }},
		{"the last two in disorder", match.ErrOrder, func(_ *play, l match.Points) match.Points {
			n := len(l)
			l[n-1], l[n-2] = l[n-2], l[n-1]
			return l
		}},
		{"a point twice", match.ErrTwice, func(_ *play, l match.Points) match.Points { l[1] = l[0]; return l }},
		{"the identity", match.ErrMalformed, func(_ *play, l match.Points) match.Points { l[0] = match.Point{}; return l }},
		{"one beyond the field", match.ErrMalformed, func(_ *play, l match.Points) match.Points { l[len(l)-1] = beyond(); return l }},
		{"a point more", match.ErrCount, func(_ *play, l match.Points) match.Points { return append(l, foreign(1)...) }},
		{"a point less", match.ErrCount, func(_ *play, l match.Points) match.Points { return l[1:] }},
		{"without a point of the party's", match.ErrMissing, func(p *play, l match.Points) match.Points { return replace(p, l, true) }},
		{"of foreign points", match.ErrMissing, func(_ *play, l match.Points) match.Points { l = foreign(len(l)); l.Sort(); return l }},
		{"another one for a party", nil, func(p *play, l match.Points) match.Points { return replace(p, l, false) }},
	} {
		p := newPlay(t, tiny, few(2)...)
		p.relay = func(l protocol.ListID, parts []*sottov1.ListPart) []*sottov1.ListPart {
			if l.Pass != protocol.PassSpine || l.Owner != party {
				return parts
			}
			return p.parts(l, lie.tell(p, p.points(t, l)))
		}
		err := p.run()
		if lie.class == nil {
			p.refused(t, 0, err, lie.name) // the first that hears of all approvals
		} else if !errors.Is(err, lie.class) {
			t.Errorf("%s: %v, want %v", lie.name, err, lie.class)
		} else {
			p.refused(t, party, err, lie.name)
		}
		p.mustEndForAll(t, lie.name)
	}
}
