package party

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/customers"
)

// Held is what the node holds on a person.
type Held struct {
	Customer  bool
	Segments  []string
	Values    map[string]string // by dimension
	Amounts   []HeldAmount
	Consents  []HeldConsent
	KeepUntil time.Time     // zero for no end
	Erased    time.Time     // zero if the person was not
	Matched   []time.Time   // when the matchings were asked for in which the person has a slot, the last first
	Questions []audit.Entry // that the person's data was among, with Action audit.Release where an answer left the node
}

// HeldAmount is what a measure says of a person.
type HeldAmount struct {
	Measure string
	Known   bool
	Amount  float64 // in units
	Unit    string
}

// HeldConsent says whether a person takes part in questions for a purpose.
type HeldConsent struct {
	Purpose   string
	TakesPart bool
	Why       string    // not, in words
	From      time.Time // zero where no date is declared
	Until     time.Time // zero for no end
	Withdrawn time.Time // zero if it was not
}

// Access returns what the node holds on the person that an id is of, and records that somebody asked for them.
func (n *Node) Access(actor, written string, t ids.Type, received time.Time) (*Held, error) {
	entry := audit.Entry{Actor: actor, Action: audit.Access}
	if err := n.checkReceived(received); err != nil {
		return nil, n.refused(entry, err)
	}
	entry.Received = received
	held, err := n.access(written, t)
	if err != nil {
		return nil, n.refused(entry, err)
	}
	entry.Verdict, entry.Subjects = audit.Done, 1
	return held, n.state.Audit.Record(entry)
}

func (n *Node) access(written string, t ids.Type) (*Held, error) {
	normalizers, err := n.normalizers(t)
	if err != nil {
		return nil, err
	}
	of := identify(normalizers, written)
	if len(of) == 0 {
		return nil, fault.New(fault.Invalid, "the id is none that customers here can have").WithHint("it must be " + typesOf(normalizers))
	}
	v := n.view()
	concerned := v.snapshot.Find(of)
	if len(concerned) > 1 {
		return nil, fault.New(fault.Invalid, "several customers have that id, and one must not see what is held on another").
			WithHint("ask with another id of the person, or with --type")
	}
	held := &Held{}
	for _, id := range of {
		if state, ok := n.state.Subjects.State(id); ok && !state.Erased.IsZero() {
			held.Erased = state.Erased
		}
	}
	switch {
	case len(concerned) == 1:
		n.describePerson(v, concerned[0], held)
		of = idsOf(v.snapshot, concerned[0])
	case held.Erased.IsZero(): // else there is nothing beside the date
		held.Consents = n.consentsOf(of)
	}
	if held.Questions, err = n.questionsOf(of); err != nil {
		return nil, err
	}
	held.Matched, err = n.matchingsOf(of)
	return held, err
}

// matchingsOf returns when the matchings were in which somebody with one of some ids has a slot, be they current or not.
func (n *Node) matchingsOf(of []ids.ID) ([]time.Time, error) {
	var found []time.Time
	for _, m := range n.state.Matches.All() {
		_, missing, err := n.state.Matches.Slots(m.ID, of)
		if err != nil {
			return nil, err
		}
		if missing < len(of) {
			found = append(found, m.At)
		}
	}
	return found, nil
}

func typesOf(normalizers []ids.Normalizer) string {
	var types []string
	for _, normalizer := range normalizers {
		types = append(types, string(normalizer.Type))
	}
	return strings.Join(types, ", or ")
}

func (n *Node) describePerson(v *view, customer int, held *Held) {
	s := v.snapshot
	held.Customer = true
	for j, name := range s.SegmentNames {
		if s.Segments[customer]>>j&1 == 1 {
			held.Segments = append(held.Segments, name)
		}
	}
	held.Values = map[string]string{}
	for i, d := range n.dimensions(s) {
		held.Values[d.Name] = d.Value(int(s.Dimensions[i][customer]))
	}
	for m, a := range n.measures(s) {
		amount := HeldAmount{Measure: a.Name, Unit: a.Unit}
		if steps := s.Amounts[m][customer]; steps != customers.NoAmount {
			amount.Known, amount.Amount = true, float64(steps)*a.Step
		}
		held.Amounts = append(held.Amounts, amount)
	}
	if s.KeepUntil != nil && s.KeepUntil[customer] != customers.Always {
		held.KeepUntil = time.Unix(int64(s.KeepUntil[customer]), 0).UTC()
	}
	withdrawn := n.consentsOf(idsOf(s, customer))
	for p, purpose := range s.Purposes {
		c := HeldConsent{Purpose: purpose, TakesPart: v.taking[p].has(customer)}
		if at := slices.IndexFunc(withdrawn, func(w HeldConsent) bool { return w.Purpose == purpose }); at >= 0 {
			c.Withdrawn = withdrawn[at].Withdrawn
		}
		if validity := s.Validity[p]; validity.From != nil && validity.From[customer] != customers.Never {
			c.From = time.Unix(int64(validity.From[customer]), 0).UTC()
			if validity.Until[customer] != customers.Always {
				c.Until = time.Unix(int64(validity.Until[customer]), 0).UTC()
			}
		}
		c.Why = why(c, s, customer, p, n.now())
		held.Consents = append(held.Consents, c)
	}
	for _, w := range withdrawn { // also from what the party does not answer for
		if !slices.Contains(s.Purposes, w.Purpose) {
			held.Consents = append(held.Consents, w)
		}
	}
}

// why says in words why a customer takes no part in questions for a purpose.
func why(c HeldConsent, s *customers.Snapshot, customer, purpose int, now time.Time) string {
	switch {
	case c.TakesPart:
		return ""
	case !c.Withdrawn.IsZero():
		return "withdrawn"
	case s.KeepUntil != nil && int64(s.KeepUntil[customer]) <= now.Unix():
		return "the data is too old"
	case s.Consented[customer]>>purpose&1 == 0 || s.Validity[purpose].From != nil && c.From.IsZero():
		return "no consent"
	case c.From.After(now):
		return "consent begins later"
	}
	return "consent has expired"
}

// consentsOf returns the purposes of the agreement that somebody who has some ids has withdrawn from.
func (n *Node) consentsOf(of []ids.ID) []HeldConsent {
	var found []HeldConsent
	for _, purpose := range n.agreement.Purposes {
		for _, id := range of {
			if state, ok := n.state.Subjects.State(id); ok && !state.Allows(purpose) {
				found = append(found, HeldConsent{Purpose: purpose, Why: "withdrawn", Withdrawn: state.Since(purpose)})
				break
			}
		}
	}
	return found
}

// questionsOf returns the questions that were over a view in which somebody with one of some ids was.
func (n *Node) questionsOf(of []ids.ID) ([]audit.Entry, error) {
	views := map[string]bool{}
	for _, id := range of {
		in, err := n.state.Members.Views(id)
		if err != nil {
			return nil, err
		}
		for _, view := range in {
			views[fmt.Sprintf("%x", view.ID)] = true
		}
	}
	var found []audit.Entry
	at := map[string]int{} // by session
	err := n.state.Audit.Entries(func(e audit.Entry) error {
		switch {
		case e.Action == audit.Question && e.Verdict == audit.Accepted && views[e.View]:
			at[e.Session] = len(found)
			found = append(found, e)
		case e.Action == audit.Release:
			if i, ok := at[e.Session]; ok {
				found[i].Action = audit.Release
			}
		}
		return nil
	})
	return found, err
}
