package query

import (
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
)

// CheckPurpose tells whether the question is for a purpose that the members have agreed on. Whether a party answers for it
// is checked by that party.
func (q *Query) CheckPurpose(a *agreement.Agreement) error {
	if a.HasPurpose(q.Purpose) {
		return nil
	}
	refusal := fault.New(fault.Purpose, "a question must say its purpose")
	if q.Purpose != "" {
		refusal = fault.New(fault.Purpose, "purpose %.80q is not one of the agreement", q.Purpose)
	}
	return refusal.WithHint("the agreement has: " + strings.Join(a.Purposes, ", "))
}

// checkIdentities tells whether the participants have ids of agreed types, and, unless they are only added up, any two of
// them one in common.
func (q *Query) checkIdentities(a *agreement.Agreement) error {
	for i, p := range q.Participants {
		if err := p.checkIdentity(a); err != nil {
			return err
		}
		for _, other := range q.Participants[:i] {
			if q.Measure != Total && !p.comparable(other) {
				return fault.New(fault.Unsupported, "%s identifies customers by %s and %s by %s: they can't be compared",
					other.Party, strings.Join(other.identities(), " or "), p.Party, strings.Join(p.identities(), " or ")).
					WithHint("a total adds parties up without comparing their customers")
			}
		}
	}
	return nil
}

// checkIdentity tells whether what the party has is some of the agreed types in their order, or one of all types where none
// are agreed.
func (p Participant) checkIdentity(a *agreement.Agreement) error {
	order := a.MatchOrder()
	if order == nil {
		if err := (ids.Normalizer{Type: ids.Type(p.IdentityType)}).Check(); err != nil {
			return fault.New(fault.Invalid, "%s: %v", p.Party, err)
		}
		return nil
	}
	last := -1
	for _, identity := range p.identities() {
		at := slices.Index(order, ids.Type(identity))
		if at <= last {
			return fault.New(fault.Invalid, "%s identifies customers by %.80q: must be some of the agreed %q, in their order, joined by commas",
				p.Party, p.IdentityType, order)
		}
		last = at
	}
	return nil
}

// identities returns the types of ids that the party has.
func (p Participant) identities() []string { return strings.Split(p.IdentityType, ",") }

// comparable reports whether a person can have the same id at both.
func (p Participant) comparable(other Participant) bool {
	theirs := other.identities()
	return slices.ContainsFunc(p.identities(), func(identity string) bool { return slices.Contains(theirs, identity) })
}
