package client

import (
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
)

// Guards which layout a question is in, for all that can be asked for, agreed on and declared: the matched one by itself where it
// can be, over the newest matching that all have, whatever the precision; and words that say whom it fails at where it can't.
func TestLayoutOfAQuestion(t *testing.T) {
	matching := func(n byte) protocol.Matched {
		return protocol.Matched{ID: [32]byte{n}, Spine: [32]byte{n, n}, Slots: 100 * int64(n), At: int64(n)}
	}
	older, newer, third := matching(1), matching(2), matching(3)
	forged := newer
	forged.Slots++
	type list = []protocol.Matched
	both, hashed, matched := []string{"hashed", "matched"}, []string{"hashed"}, []string{"matched"}
	const sottoMatch, orHashed = "run sotto match first", "run sotto match first; or ask in the hashed layout"
	for name, c := range map[string]struct {
		layouts           []string
		bank, shop        list
		layout, precision string

		want  string // layout and precision
		slots int64
		err   fault.Kind
		words string
		hint  string
	}{
		"not agreed":             {layouts: hashed, bank: list{newer}, shop: list{newer}, want: "hashed medium"},
		"not agreed, high":       {layouts: hashed, precision: "high", want: "hashed high"},
		"not agreed, forced":     {layouts: hashed, layout: "matched", err: fault.Unsupported, words: `layout "matched" is not supported: the agreement has ["hashed"]`},
		"no layout":              {layouts: both, layout: "exact", err: fault.Unsupported, words: `layout "exact" is not supported: the agreement has ["hashed" "matched"]`},
		"no precision":           {layouts: both, bank: list{newer}, shop: list{newer}, precision: "extreme", err: fault.Invalid, words: `precision "extreme" is not one of`},
		"by itself":              {layouts: both, bank: list{newer, older}, shop: list{newer, older}, want: "matched ", slots: 200},
		"by itself, high":        {layouts: both, bank: list{newer}, shop: list{newer}, precision: "high", want: "matched ", slots: 200},
		"one is late":            {layouts: both, bank: list{newer, older}, shop: list{older}, want: "matched ", slots: 100},
		"the other is late":      {layouts: both, bank: list{older}, shop: list{newer, older}, want: "matched ", slots: 100},
		"hashed forced":          {layouts: both, bank: list{newer}, shop: list{newer}, layout: "hashed", want: "hashed medium"},
		"matched forced":         {layouts: both, bank: list{newer}, shop: list{newer}, layout: "matched", precision: "low", want: "matched ", slots: 200},
		"one has none":           {layouts: both, bank: list{newer}, want: "hashed medium"},
		"one has none, forced":   {layouts: both, bank: list{newer}, layout: "matched", err: fault.Unsupported, words: "shop has no matching under this agreement", hint: orHashed},
		"none in common":         {layouts: both, bank: list{newer}, shop: list{third, older}, want: "hashed medium"},
		"none in common, forced": {layouts: both, bank: list{newer}, shop: list{third, older}, layout: "matched", err: fault.Unsupported, words: "there is no matching that all of bank, shop have", hint: orHashed},
		"not the same":           {layouts: both, bank: list{newer}, shop: list{forged}, want: "hashed medium"},
		"matched alone":          {layouts: matched, bank: list{older}, shop: list{older}, want: "matched ", slots: 100},
		"matched alone, none":    {layouts: matched, bank: list{older}, err: fault.Unsupported, words: "shop has no matching", hint: sottoMatch},
	} {
		body := &query.Query{Participants: []query.Participant{{Party: "bank"}, {Party: "shop"}}}
		declared := map[string]*protocol.Descriptor{"bank": {Matchings: c.bank}, "shop": {Matchings: c.shop}}
		used, err := lay(body, c.layout, c.precision, &agreement.Agreement{Layouts: c.layouts}, declared)
		if f := fault.From(err); f != nil {
			if f.Kind != c.err || !strings.Contains(f.Message, c.words) || f.Hint != c.hint {
				t.Errorf("%s: error is %v (%s), want %s with %q (%s)", name, f, f.Hint, c.err, c.words, c.hint)
			}
			continue
		}
		if got := body.Layout + " " + body.Precision; c.err != "" || got != c.want || body.Slots != c.slots || (used != nil) != (c.slots > 0) {
			t.Errorf("%s: %s of %d slots, matching %+v; want %s of %d", name, got, body.Slots, used, c.want, c.slots)
		}
		if used != nil && (used.Slots != c.slots || body.Spine[0] != byte(c.slots/100)) {
			t.Errorf("%s: the matching is %+v, the spine %x", name, used, body.Spine[:2])
		}
	}
}
