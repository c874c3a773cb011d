package client

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
)

// Matched is a matching as a party has it, whose customers have slots by it.
type Matched struct {
	ID    string    `json:"id"`    // in hexadecimal
	Spine string    `json:"spine"` // hash of all slots, in hexadecimal: what questions and answers name
	At    time.Time `json:"at"`    // when it was asked for, in UTC, to the second
	Slots int64     `json:"slots"` // customers of all parties, each once, and dummies
}

func matchedOf(m protocol.Matched) Matched {
	return Matched{hex.EncodeToString(m.ID[:]), hex.EncodeToString(m.Spine[:]), time.Unix(m.At, 0).UTC(), m.Slots}
}

// lay chooses the layout of a question, and what vectors in it follow from. It returns the matching, nil in the hashed layout. A
// precision does not choose: no hashed layout is as exact as the matched one.
func lay(body *query.Query, wanted, precision string, a *agreement.Agreement, declared map[string]*protocol.Descriptor) (*Matched, error) {
	if precision != "" && layout.Precisions[precision] == 0 {
		return nil, fault.New(fault.Invalid, "precision %.80q is not one of low, medium, high", precision)
	}
	has := func(layout string) bool { return slices.Contains(a.Layouts, layout) }
	hashed := func() (*Matched, error) {
		body.Layout, body.Precision = agreement.LayoutHashed, cmp.Or(precision, "medium")
		return nil, nil
	}
	switch {
	case wanted == "" && !has(agreement.LayoutMatched), wanted == agreement.LayoutHashed:
		return hashed()
	case wanted == "":
	case !has(wanted) || wanted != agreement.LayoutMatched:
		return nil, fault.New(fault.Unsupported, "layout %.80q is not supported: the agreement has %q", wanted, a.Layouts)
	}
	common, err := commonMatching(body.Participants, declared)
	switch {
	case err == nil:
		body.Layout, body.Spine, body.Slots = agreement.LayoutMatched, common.Spine, common.Slots
		m := matchedOf(common)
		return &m, nil
	case wanted == "" && has(agreement.LayoutHashed):
		return hashed()
	}
	hint := "run sotto match first"
	if has(agreement.LayoutHashed) {
		hint += "; or ask in the hashed layout"
	}
	return nil, err.WithHint(hint)
}

// commonMatching returns the newest matching that all participants have, by the order of the first one.
func commonMatching(participants []query.Participant, declared map[string]*protocol.Descriptor) (protocol.Matched, *fault.Error) {
	var names []string
	for _, p := range participants {
		if names = append(names, p.Party); len(declared[p.Party].Matchings) == 0 {
			return protocol.Matched{}, fault.New(fault.Unsupported, "the matched layout: %s has no matching under this agreement", p.Party)
		}
	}
	if len(names) > 0 {
		for _, m := range declared[names[0]].Matchings {
			if !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(declared[name].Matchings, m) }) {
				return m, nil
			}
		}
	}
	return protocol.Matched{}, fault.New(fault.Unsupported, "the matched layout: there is no matching that all of %s have", strings.Join(names, ", "))
}
