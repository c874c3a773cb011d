package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
)

// Misfits returns all that keeps the party from taking part under an agreement, as it is declared; none if it can.
func (p *Party) Misfits(a *agreement.Agreement) []*fault.Error {
	var all []*fault.Error
	if _, ok := a.Party(p.Name); !ok {
		all = append(all, fault.New(fault.NotMember, "%q is not a party of the agreement of %q", p.Name, a.Collaboration).
			WithHint("name in the party's file must be the name in the agreement"))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Limits.Organisations)) {
		if !slices.ContainsFunc(a.Analysts, func(a agreement.Analyst) bool { return a.Budget() == name }) {
			all = append(all, fault.New(fault.Invalid, "limits: organisation %q has no analyst in the agreement", name).
				WithHint("an analyst without an organisation is one of its own, under the analyst's name"))
		}
	}
	for _, purpose := range p.PurposeNames() {
		if !a.HasPurpose(purpose) {
			all = append(all, fault.New(fault.Invalid, "purpose %q is not one of the agreement", purpose).
				WithHint("it has: "+strings.Join(a.Purposes, ", ")))
		}
	}
	for _, admin := range p.Administrators {
		if _, analyst := a.Analyst(admin.Name); analyst {
			all = append(all, fault.New(fault.Invalid, "administrator %q has the name of an analyst of the agreement", admin.Name).
				WithHint("records would not tell them apart; choose another name"))
		}
	}
	if _, err := p.Matched(a); err != nil {
		all = append(all, fault.From(err))
	}
	return all
}
