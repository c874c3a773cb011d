package matching_test

import (
	"testing"

	"github.com/sotto-dev/sotto/internal/match"
)

// Guards matchings that are interrupted, before each list: whatever was sent by then has not one point in common with what is sent when the
// same parties begin anew, with the same sets, for the same request and session, and each beginning has another name. The last one comes
// to its end. (Who sees two runs would otherwise see who was there both times.)
func TestInterruptedMatchings(t *testing.T) {
	t.Parallel()
	for parties := 2; parties <= 3; parties++ {
		p := newPlay(t, tiny, few(parties)...)
		names, secrets, seen := map[[32]byte]int{}, map[match.Exponent]bool{}, map[match.Point]int{}
		note := func(attempt int) {
			if before, ok := names[p.matching]; ok {
				t.Fatalf("attempts %d and %d have the same name", before, attempt)
			}
			names[p.matching] = attempt
			for _, s := range p.secrets {
				for _, e := range []match.Exponent{s.Token, s.Slot, s.Turn} {
					if secrets[e] {
						t.Fatal("a secret is used twice")
					}
					secrets[e] = true
				}
			}
			for list := range p.sent {
				for _, point := range p.points(t, list) {
					if before, ok := seen[point]; ok && before != attempt {
						t.Fatalf("%s of attempt %d has a point of attempt %d", list, attempt, before)
					}
					seen[point] = attempt
				}
			}
		}
		must(t, p.begin())
		for attempt, list := range p.lists() {
			if attempt > 0 {
				p = p.again()
				must(t, p.begin())
			}
			must(t, p.until(list))
			for _, run := range p.runs {
				run.Erase()
			}
			note(attempt)
			for i := range p.runs {
				p.mustBeDead(t, i, "interrupted")
			}
		}
		p = p.again()
		must(t, p.run())
		must(t, p.check())
		note(-1)
	}
}
