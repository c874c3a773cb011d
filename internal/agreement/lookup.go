package agreement

import (
	"slices"

	"github.com/sotto-dev/sotto/internal/identity"
)

// KeyHolder is one who holds a share of a query's secret key: a party, or the coordinator under [CoordinatorName].
type KeyHolder struct {
	Name string
	Key  identity.PublicKey // verifies what it signs
}

// Party returns the party of that name, and whether there is one.
func (a *Agreement) Party(name string) (Party, bool) {
	return find(a.Parties, func(p Party) bool { return p.Name == name })
}

// PartyNames returns the names of all parties, in their order.
func (a *Agreement) PartyNames() []string {
	names := make([]string, len(a.Parties))
	for i, p := range a.Parties {
		names[i] = p.Name
	}
	return names
}

// PartyByKey returns the party with that key, and whether there is one.
func (a *Agreement) PartyByKey(key identity.PublicKey) (Party, bool) {
	return find(a.Parties, func(p Party) bool { return p.Key == key })
}

// Analyst returns the analyst of that name, and whether there is one.
func (a *Agreement) Analyst(name string) (Analyst, bool) {
	return find(a.Analysts, func(p Analyst) bool { return p.Name == name })
}

// AnalystByKey returns the analyst with that key, and whether there is one.
func (a *Agreement) AnalystByKey(key identity.PublicKey) (Analyst, bool) {
	return find(a.Analysts, func(p Analyst) bool { return p.Key == key })
}

// IsCoordinator reports whether key is the coordinator's.
func (a *Agreement) IsCoordinator(key identity.PublicKey) bool { return key == a.Coordinator.Key }

// IsMember reports whether key is anybody's: the coordinator's, a party's or an analyst's.
func (a *Agreement) IsMember(key identity.PublicKey) bool {
	_, member := a.NameOf(key)
	return member
}

// NameOf returns the name of whoever has key, and whether anybody does. Names are unique in an agreement.
func (a *Agreement) NameOf(key identity.PublicKey) (string, bool) {
	if a.IsCoordinator(key) {
		return CoordinatorName, true
	}
	if party, ok := a.PartyByKey(key); ok {
		return party.Name, true
	}
	analyst, ok := a.AnalystByKey(key)
	return analyst.Name, ok
}

// KeyHolder returns the key-holder of that name, and whether there is one.
func (a *Agreement) KeyHolder(name string) (KeyHolder, bool) {
	if name == CoordinatorName {
		return KeyHolder{Name: CoordinatorName, Key: a.Coordinator.Key}, true
	}
	party, ok := a.Party(name)
	return KeyHolder{Name: party.Name, Key: party.Key}, ok
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}
