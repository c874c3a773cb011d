package matching_test

import (
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// What is not promised, shown, so that SECURITY.md says it as it is: a party that deviates brings, for each id that it tries, the token
// and a power of it that only it knows. As the first to see the union it recognises the pair, and so the token; whether that is among
// those that it made of the other's list itself says whether the id is the other's customer. The other notices nothing.
func TestMarkedTokensAreNotNoticed(t *testing.T) {
	const victim, liar = 0, 1
	p := newPlay(t, tiny, people(0, 60), people(1000, 1040))
	must(t, p.begin())
	token := func(id ids.ID) match.Point {
		entries, err := match.NewEntries(p.matching, []ids.ID{id}, nil)
		must(t, err)
		points, err := entries.Tokens(0, 1, &p.secrets[liar])
		must(t, err)
		return points[0]
	}
	tried := people(50, 70) // ten of them are the victim's customers
	var marks []*match.Secrets
	var marked match.Points
	for _, id := range tried {
		mark := match.NewSecrets()
		pair := match.Points{token(id)}
		power, err := match.Raise(nil, pair, &mark.Token)
		must(t, err)
		marks, marked = append(marks, mark), append(marked, pair[0], power[0])
	}
	own := map[match.Point]bool{} // its customers, whose places the pairs take
	for _, id := range p.sets[liar] {
		own[token(id)] = true
	}
	p.relay = func(l protocol.ListID, parts []*sottov1.ListPart) []*sottov1.ListPart {
		if l != (protocol.ListID{Pass: protocol.PassTokens, Owner: liar}) {
			return parts
		}
		points, next := slices.Clone(p.points(t, l)), 0
		for i := range points {
			if own[points[i]] {
				points[i] = marked[next]
				next++
			}
		}
		return p.parts(l, points)
	}
	first := protocol.ListID{Pass: protocol.PassSlots}
	must(t, p.until(first))
	must(t, p.carry(first))
	var union match.Points
	for _, part := range p.sent[first] {
		points, err := match.ParsePoints(part.GetChunk())
		must(t, err)
		union = append(union, points...)
	}
	theirs := set(p.points(t, protocol.ListID{Pass: protocol.PassTokens, Owner: victim, Hop: 1}))
	there := set(union)
	for i, id := range tried {
		powers, err := match.Raise(nil, union, &marks[i].Token)
		must(t, err)
		at := slices.IndexFunc(powers, func(power match.Point) bool { return there[power] })
		if at < 0 || theirs[union[at]] != slices.Contains(p.sets[victim], id) {
			t.Errorf("id %d is not told: if that is because it can't be any more, SECURITY.md and README.md are to be changed", i)
		}
	}
	must(t, p.carry(protocol.ListID{Pass: protocol.PassSlots, Hop: 1}))
	if _, err := p.runs[victim].Approve(); err != nil {
		t.Errorf("the victim has noticed: %v; then SECURITY.md and README.md are to be changed", err)
	}
}
