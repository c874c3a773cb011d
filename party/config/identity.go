package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
)

// Identity says which column tells customers apart, and what it holds.
type Identity struct {
	Column  string   `yaml:"column"`
	Type    ids.Type `yaml:"type"`
	Country string   `yaml:"country"` // of phone numbers without a +prefix (ISO 3166 alpha-2), or ""

	// AtMost is how many people may have one id: whoever is known by an id that more have is left out. 0 for any number.
	AtMost int `yaml:"at_most"`
	// People is the column that tells people apart for AtMost; "" for the other identities or, if there are none, the rows.
	People string `yaml:"people"`
}

// Identities are all ids that customers have, in the order of the file. Which one counts is the agreement's to say.
type Identities []Identity

// MaxAtMost is the greatest number of people that an id may be allowed to stand for.
const MaxAtMost = 100

// UnmarshalYAML reads one identity, or a list of them. (This older form of the interface keeps the decoder's strictness.)
func (all *Identities) UnmarshalYAML(decode func(any) error) error {
	var shape any
	if err := decode(&shape); err != nil {
		return err
	}
	if _, list := shape.([]any); list {
		return decode((*[]Identity)(all))
	}
	*all = make(Identities, 1)
	return decode(&(*all)[0])
}

// Types returns the types of the identities, in their order.
func (all Identities) Types() []ids.Type {
	var types []ids.Type
	for _, i := range all {
		types = append(types, i.Type)
	}
	return types
}

func (all Identities) check() error {
	if len(all) == 0 {
		return fmt.Errorf("no identity, must be {column: …, type: …}: what tells customers apart")
	}
	for i, one := range all {
		if one.Column == "" {
			return fmt.Errorf("identity: no column, must be the one that has the customers' ids")
		}
		if err := (ids.Normalizer{Type: one.Type, Country: one.Country}).Check(); err != nil {
			return fmt.Errorf("identity: %w", err)
		}
		if slices.ContainsFunc(all[:i], func(before Identity) bool { return before.Type == one.Type }) {
			return fmt.Errorf("identity: two of type %q, must be one of each", one.Type)
		}
		if one.AtMost < 0 || one.AtMost > MaxAtMost {
			return fmt.Errorf("identity %q: at_most %d: must be 1 to %d, or left out", one.Column, one.AtMost, MaxAtMost)
		}
		if one.People != "" && one.AtMost == 0 {
			return fmt.Errorf("identity %q: people is for at_most, which is left out", one.Column)
		}
		if strings.EqualFold(one.People, one.Column) {
			return fmt.Errorf("identity %q: people: must be another column than that of the ids", one.Column)
		}
	}
	return nil
}

// Matched is an identity with the rules that the members agreed on.
type Matched struct {
	Identity
	ids.Normalizer
}

// Matched returns the party's identities in the order in which the agreement has them count: a customer is known by the first
// one that they have. Where the agreement says nothing of that, there can be only one.
func (p *Party) Matched(a *agreement.Agreement) ([]Matched, error) {
	order := a.MatchOrder()
	if order == nil {
		if len(p.Identity) > 1 {
			return nil, fault.New(fault.Invalid, "party %q: %d identities: the agreement does not say which one counts", p.Name, len(p.Identity)).
				WithHint("declare the one that all members have, or agree on identifiers: [{type: email}, {type: phone}]")
		}
		order = p.Identity.Types()
	}
	var matched []Matched
	for _, t := range order {
		if i := slices.IndexFunc(p.Identity, func(i Identity) bool { return i.Type == t }); i >= 0 {
			matched = append(matched, Matched{p.Identity[i], a.Normalizer(t, p.Identity[i].Country)})
		}
	}
	if len(matched) < len(p.Identity) {
		return nil, fault.New(fault.Invalid, "party %q: identity: the agreement matches by %s only", p.Name, joined(order)).
			WithHint("leave out the other identities, or agree on them")
	}
	return matched, nil
}

// IdentityType returns the types of the party's identities in the agreed order, as others see them: "email,phone".
func (p *Party) IdentityType(a *agreement.Agreement) (string, error) {
	matched, err := p.Matched(a)
	types := make([]ids.Type, len(matched))
	for i, m := range matched {
		types[i] = m.Identity.Type
	}
	return joined(types), err
}

func joined(types []ids.Type) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = string(t)
	}
	return strings.Join(texts, ",")
}
