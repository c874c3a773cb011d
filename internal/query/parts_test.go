package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// Guards the language of totals and frequencies: a list of audiences, one per party, each of customers of that party.
func TestParseParts(t *testing.T) {
	for text, want := range map[string]string{
		`[a.member, b.member]`:                      `a:member b:member`,
		`[b.x||b.y, a.d != "v" && !a.x]`:            `or(b:x b:y) and(and(a:member not(a:d["v"])) not(a:x))`,
		"[ // all\n a.member]":                      `a:member`,
		`[a.member, (b.member || b.x) && !b.x,c.x]`: `a:member and(or(b:member b:x) not(b:x)) c:x`,
	} {
		parts, err := query.ParseParts(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var shown []string
		for _, part := range parts {
			shown = append(shown, show(part))
		}
		if got := strings.Join(shown, " "); got != want {
			t.Errorf("%s: parsed as %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		``:                            `audience is empty`,
		`a.member`:                    `line 1 column 2: expected a list of audiences, such as [a.member, b.member]`,
		`a.member && b.member`:        `expected a list of audiences`,
		`{a: b}`:                      `expected a list of audiences`,
		`[a.member, b.member`:         `not CEL`,
		`[a.member, 5]`:               `line 1 column 12: expected a segment or a comparison`,
		`[[a.member], b.member]`:      `line 1 column 2: expected a segment or a comparison`,
		`[a.member, ?b.member]`:       `not CEL`,
		`[a.member, a.x]`:             `line 1 column 13: each element of the list must be about one party, each party once`,
		`[a.member || b.x, b.member]`: `each element of the list must be about one party, each party once`,
		`[a.member, !b.x]`:            `line 1 column 12: holds for people who are not customers of b`,
		`[a.x || !a.y, b.member]`:     `holds for people who are not customers of a`,
	} {
		parts, err := query.ParseParts(text)
		if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: parsed as %v, error %v, want fault.Invalid with %q", text, parts, err, want)
		}
	}
	if _, err := query.ParseParts("[" + strings.Repeat(" ", query.MaxAudience) + "]"); !fault.IsKind(err, fault.Size) {
		t.Errorf("too long: error is %v", err)
	}
}

// A list without parts is about nobody. It is refused, not answered, wherever it gets to.
func TestNoParts(t *testing.T) {
	for _, measure := range []string{query.Total, query.Frequency} {
		for _, text := range []string{"[]", "[a.member]"} {
			q := counting(about(text, 1000), measure)
			err := func() (err error) {
				defer func() {
					if r := recover(); r != nil {
						t.Errorf("%s of %s: panic: %v", measure, text, r)
					}
				}()
				if err := q.Check(agreed(), now); err != nil {
					return err
				}
				_, err = query.NewPlan(q)
				return err
			}()
			if err == nil || fault.IsKind(err, fault.Internal) {
				t.Errorf("%s of %s: error is %v", measure, text, err)
			}
		}
	}
}

// partsOf draws one part for each of the first so many parties.
func partsOf(t *rapid.T, parties int) (text string, parts []statement) {
	var texts []string
	for _, party := range truthParties[:parties] {
		member := statement{party + ".member", 3, func(p map[string]*record) bool { return p[party] != nil }}
		part := and(t, member, combined(t, []string{party}, 2))
		parts = append(parts, part)
		texts = append(texts, part.text)
	}
	return "[" + strings.Join(texts, ", ") + "]", parts
}

// For every person that there can be: a frequency counts them once, for the number of parts that they are in, and so all its
// cells together are who is in at least one part; a total counts them once for every part.
func TestFrequencyAndTotal(t *testing.T) {
	people := everybody()
	rapid.Check(t, func(t *rapid.T) {
		text, parts := partsOf(t, rapid.IntRange(2, 3).Draw(t, "parties"))
		frequency, total := plan(t, counting(about(text, 1000), query.Frequency)), plan(t, counting(about(text, 1000), query.Total))
		if frequency.Cells != len(parts) || total.Cells != 1 {
			t.Fatalf("%s: %d and %d cells", text, frequency.Cells, total.Cells)
		}
		for _, person := range people {
			in := 0
			for _, part := range parts {
				if part.holds(person) {
					in++
				}
			}
			want := make([]int64, len(parts))
			if in > 0 {
				want[in-1] = 1
			}
			if got := exactOf(frequency, person); !slices.Equal(got, want) {
				t.Fatalf("frequency of %s: somebody in %d parts adds %v", text, in, got)
			}
			if got := exactOf(total, person); got[0] != int64(in) {
				t.Fatalf("total of %s: somebody in %d parts adds %v", text, in, got)
			}
		}
	})
}

// The same for every number of parties that a frequency can have, over all sets of parties that a person can be in.
func TestFrequencyOfManyParties(t *testing.T) {
	for parties := 2; parties <= 6; parties++ {
		var members []string
		for i := range parties {
			members = append(members, fmt.Sprintf("%c.member", 'a'+i))
		}
		p := plan(t, counting(about("["+strings.Join(members, ", ")+"]", 100), query.Frequency))
		if len(p.Chains) != 1<<parties-1 {
			t.Errorf("%d parties: %d chains", parties, len(p.Chains))
		}
		for set := range 1 << parties {
			person := map[string]*record{}
			want := make([]int64, parties)
			in := 0
			for i := range parties {
				if set>>i&1 == 1 {
					person[string(rune('a'+i))] = &record{}
					in++
				}
			}
			if in > 0 {
				want[in-1] = 1
			}
			if got := exactOf(p, person); !slices.Equal(got, want) {
				t.Errorf("%d parties: somebody in the set %b adds %v", parties, set, got)
			}
		}
	}
}
