package matching_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
)

// Guards what the coordinator can do as it merges the tokens and signs their union: a token more is a slot of nobody, and its order means
// nothing; a token less, twice, or that is no point ends the matching with an error of that class at some party, and nobody has an outcome.
func TestTheCoordinatorChangesTheUnion(t *testing.T) {
	t.Parallel()
	raised := func(points match.Points) match.Points {
		raised, err := match.Raise(nil, points, &match.NewSecrets().Token)
		must(t, err)
		return raised
	}
	for _, attack := range []struct {
		name  string
		class error // nil for what does no harm
		more  int   // slots, where it does none
		merge func(union match.Points) match.Points
	}{
		{"a point inserted", nil, 1, func(u match.Points) match.Points { return append(u, foreign(1)...) }},
		{"a related token inserted", nil, 1, func(u match.Points) match.Points { return append(u, raised(u[3:4])...) }},
		{"reversed", nil, 0, func(u match.Points) match.Points { slices.Reverse(u); return u }},
		{"the first token dropped", match.ErrMissing, 0, func(u match.Points) match.Points { return u[1:] }},
		{"the last token dropped", match.ErrMissing, 0, func(u match.Points) match.Points { return u[:len(u)-1] }},
		{"a token replaced", match.ErrMissing, 0, func(u match.Points) match.Points { return append(u[1:], foreign(1)...) }},
		{"all tokens raised once more", match.ErrMissing, 0, raised},
		{"a token twice", match.ErrTwice, 0, func(u match.Points) match.Points { return append(u, u[0]) }},
		{"a token instead of another", match.ErrTwice, 0, func(u match.Points) match.Points { u[1] = u[0]; return u }},
		{"the identity", match.ErrMalformed, 0, func(u match.Points) match.Points { u[2] = match.Point{}; return u }},
		{"a negative encoding", match.ErrMalformed, 0, func(u match.Points) match.Points { u[2][0] ^= 1; return u }},
		{"one beyond the field", match.ErrMalformed, 0, func(u match.Points) match.Points { u[2] = beyond(); return u }},
	} {
		for parties := 2; parties <= 3; parties++ {
			p := newPlay(t, tiny, few(parties)...)
			honest := 0
			p.merge = func(union match.Points) match.Points { honest = len(union); return attack.merge(union) }
			err := p.run()
			if attack.class == nil {
				must(t, err)
				must(t, p.check())
				if slots := p.outcomes[0].Slots; slots != int64(honest+attack.more) {
					t.Errorf("%s: the spine has %d slots of %d", attack.name, slots, honest)
				}
				continue
			}
			if !errors.Is(err, attack.class) {
				t.Errorf("%s: %v, want %v", attack.name, err, attack.class)
			}
			p.mustEndForAll(t, attack.name)
		}
	}
}

// beyond is 2²⁵⁵−19+2, which stands for 2 in the field but is not its encoding.
func beyond() (p match.Point) {
	for i := range p {
		p[i] = 0xff
	}
	p[0], p[31] = 0xef, 0x7f
	return p
}

// mustEndForAll guards that nobody has an outcome of a matching that somebody has ended, whatever approvals the others gave.
func (p *play) mustEndForAll(t *testing.T, what string) {
	t.Helper()
	if len(p.approvals) == 0 {
		ended := 0
		for _, run := range p.runs {
			approval, err := run.Approve()
			if err != nil {
				ended++
			}
			p.approvals = append(p.approvals, approval)
		}
		if ended == 0 {
			t.Errorf("%s: all have approved", what)
		}
	}
	for i, run := range p.runs {
		if outcome, err := run.Finish(p.approvals); err == nil || outcome != nil {
			t.Errorf("%s: party %d has an outcome", what, i)
		}
	}
}

// Guards that the union is the one that the coordinator has signed, for all: in its length, its digest and its matching, each time that
// it is named.
func TestTheUnionIsTheSignedOne(t *testing.T) {
	for name, change := range map[string]func(p *play, u *protocol.MatchUnion){
		"longer than what is sent":  func(_ *play, u *protocol.MatchUnion) { u.Length++ },
		"shorter than what is sent": func(_ *play, u *protocol.MatchUnion) { u.Length-- },
		"another digest":            func(_ *play, u *protocol.MatchUnion) { u.Digest[5] ^= 1 },
		"another matching":          func(_ *play, u *protocol.MatchUnion) { u.Matching[0] ^= 1 },
		"none":                      func(p *play, _ *protocol.MatchUnion) { p.coordinator = nil },
		"signed by a party":         func(p *play, _ *protocol.MatchUnion) { p.coordinator = p.keys[0] },
	} {
		for _, first := range []bool{true, false} { // it is changed at once, or only for the second time
			p := newPlay(t, tiny, few(2)...)
			list := protocol.ListID{Pass: protocol.PassSlots}
			if !first {
				list = protocol.ListID{Pass: protocol.PassSpine, Owner: 1} // party 1 has had the union before
			}
			must(t, p.begin())
			must(t, p.until(list))
			parts, err := p.send(list)
			must(t, err)
			said := &protocol.MatchUnion{Matching: p.matching, Length: int64(len(p.merged)), Digest: digest(p.merged)}
			change(p, said)
			p.union = nil
			if p.coordinator != nil {
				p.union = protocol.Sign(p.coordinator, said)
			}
			_, to, _ := p.route.Way(list)
			if to != 1 {
				t.Fatal("the route is another one than the test is for")
			}
			p.refused(t, to, p.deliver(list, parts), "a union: "+name)
		}
	}
}
