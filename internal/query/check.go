package query

import (
	"fmt"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/layout"
)

// checkLayout tells whether the layout is an agreed one, and the question says what vectors in it follow from, and nothing
// about another one. Whether a party has the spine is checked by that party.
func (q *Query) checkLayout(a *agreement.Agreement) error {
	if !slices.Contains(a.Layouts, q.Layout) {
		return fault.New(fault.Unsupported, "layout %.80q is not supported: the agreement has %q", q.Layout, a.Layouts)
	}
	switch none := [32]byte{}; q.Layout {
	case agreement.LayoutHashed:
		if _, ok := layout.Precisions[q.Precision]; !ok {
			return fault.New(fault.Invalid, "precision %.80q is not one of low, medium, high", q.Precision)
		}
		if q.Spine != none || q.Slots != 0 {
			return fault.New(fault.Invalid, "a question in the hashed layout has a spine, of %d slots: it must have none", q.Slots)
		}
	case agreement.LayoutMatched:
		switch {
		case q.Precision != "":
			return fault.New(fault.Invalid, "precision %.80q in the matched layout: is for the hashed layout only", q.Precision).
				WithHint("leave the precision out")
		case q.Spine == none:
			return fault.New(fault.Invalid, "a question in the matched layout must name a spine")
		case q.Slots < 1 || q.Slots > layout.MaxSlots:
			return fault.New(fault.Invalid, "a spine of %d slots is out of range (1 to %d)", q.Slots, layout.MaxSlots)
		}
	default:
		return fault.New(fault.Unsupported, "layout %.80q is not supported", q.Layout)
	}
	return nil
}

func (q *Query) checkParticipants(a *agreement.Agreement) error {
	if len(q.Audience) > MaxAudience {
		return fault.New(fault.Size, "audience has %d bytes, at most %d", len(q.Audience), MaxAudience)
	}
	if len(q.Participants) > MaxParties {
		return fault.New(fault.Size, "question is about %d parties, at most %d", len(q.Participants), MaxParties)
	}
	last := -1
	for _, p := range q.Participants {
		at := slices.IndexFunc(a.Parties, func(m agreement.Party) bool { return m.Name == p.Party })
		if at < 0 {
			return fault.New(fault.NotMember, "%q is not a party of the agreement", p.Party)
		}
		if at <= last {
			return fault.New(fault.Invalid, "participants are not in the order of the agreement, each once")
		}
		last = at
		if p.CustomersUpTo < 1 || p.CustomersUpTo > math.MaxInt32 {
			return fault.New(fault.Invalid, "%s has customers_up_to %d, out of range", p.Party, p.CustomersUpTo)
		}
	}
	return q.checkIdentities(a)
}

// participant returns the index of a party among the participants, or -1.
func (q *Query) participant(party string) int {
	return slices.IndexFunc(q.Participants, func(p Participant) bool { return p.Party == party })
}

func (q *Query) checkMeasure() error {
	switch q.Measure {
	case Count, Total, Frequency:
		if q.Amount != (Amount{}) {
			return fault.New(fault.Invalid, "a %s has no amount", q.Measure)
		}
	case Sum, Mean:
		return q.checkAmount()
	default:
		return fault.New(fault.Unsupported, "measure %.80q is not one of %s, %s, %s, %s, %s", q.Measure, Count, Sum, Mean, Total, Frequency)
	}
	return nil
}

func (q *Query) checkAmount() error {
	a := q.Amount
	switch {
	case q.participant(a.Party) < 0:
		return fault.New(fault.Invalid, "%s of %s: %s is not in the audience", q.Measure, a.FullName(), a.Party).
			WithHint(fmt.Sprintf("add && %s.member to the audience", a.Party))
	case !(a.Step > 0) || math.IsInf(a.Step, 1):
		return fault.New(fault.Invalid, "%s: a step of %v is not above 0", a.FullName(), a.Step)
	case a.Low >= a.High || a.Low < -MaxAmount || a.High > MaxAmount:
		return fault.New(fault.Invalid, "%s: bounds of %d and %d steps are not in order, or more than %d from 0", a.FullName(), a.Low, a.High, MaxAmount)
	case len(a.Unit) > 20 || !utf8.ValidString(a.Unit) || slices.ContainsFunc([]rune(a.Unit), func(r rune) bool { return !unicode.IsPrint(r) }):
		return fault.New(fault.Invalid, "%s: the unit is not a short printable text", a.FullName())
	}
	return nil
}

func (q *Query) checkGroups() error {
	if len(q.GroupBy) > 0 && (q.Measure == Total || q.Measure == Frequency) {
		return fault.New(fault.Unsupported, "a %s can't be grouped", q.Measure).WithHint("ask it once for each group, with the group in every part")
	}
	if len(q.GroupBy) > MaxDimensions {
		return fault.New(fault.Size, "question groups by %d dimensions, at most %d", len(q.GroupBy), MaxDimensions)
	}
	cells := 1
	for i, d := range q.GroupBy {
		if q.participant(d.Party) < 0 {
			return fault.New(fault.Invalid, "group-by %s: %s is not in the audience", d.FullName(), d.Party).
				WithHint(fmt.Sprintf("add && %s.member to the audience", d.Party))
		}
		if slices.ContainsFunc(q.GroupBy[:i], func(e Dimension) bool { return e.FullName() == d.FullName() }) {
			return fault.New(fault.Invalid, "group-by %s is named twice", d.FullName())
		}
		if cells *= d.Groups(); cells > MaxCells {
			return fault.New(fault.Size, "question has more than %d cells", MaxCells).WithHint("group by fewer or smaller dimensions")
		}
	}
	return nil
}
