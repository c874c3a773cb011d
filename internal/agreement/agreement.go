// Package agreement holds what the members of a collaboration have agreed on: who they are, which keys speak for them, what
// questions may be for, what customers are matched by, and what a question may cost. Every node keeps a copy as a YAML file;
// copies are the same agreement when their hashes are equal.
//
//	collaboration: loyalty
//	coordinator: {address: "coordinator.example:7400", key: "ed25519:…"}
//	parties:
//	  - {name: bank, address: "bank.example:7401", key: "ed25519:…"}
//	  - {name: shop, address: "shop.example:7401", key: "ed25519:…"}
//	analysts:
//	  - {name: marketing, key: "ed25519:…", organisation: agency} # organisation may be left out: the name
//	purposes: [planning, measurement]                 # every question names one of them, word for word
//	identifiers:                                      # may be left out: each party has one, and those of a question the same
//	  - {type: email, ignore: {gmail.com: [dots, tags], outlook.com: [tags]}} # ignore may be left out; see ids.Rule
//	  - {type: phone}                                 # a customer's id is the first of these that they have
//	  - {type: opaque}
//	limits: {epsilon_per_query: 1, epsilon_total: 10} # besides, where left out: delta_per_query: 1e-6, delta_total: 1e-5
//	noise: everyone                                   # may be left out; or: coordinator
//	layouts: [hashed, matched]                        # may be left out: [hashed]
//	matching: {epsilon: 0.1, delta: 1e-9, every: 720h} # of one record in a matching; if and only if matched is a layout; every may be left out
package agreement

import (
	"cmp"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/identity"
)

const (
	// CoordinatorName is the name of the coordinator wherever a key-holder is named; no member may take it.
	CoordinatorName = "coordinator"

	// MinParties is the least number of parties: one alone has nobody to compare with.
	MinParties = 2
	// MaxParties is the greatest number of parties.
	MaxParties = 16

	// MaxEpsilonPerQuery is the greatest ε that an agreement can allow one question.
	MaxEpsilonPerQuery = 20 * oneEpsilon
	// MaxEpsilonPerMatching is the greatest ε of a record in one matching.
	MaxEpsilonPerMatching = oneEpsilon
	// MaxDeltaPerMatching is the greatest δ of a record in one matching.
	MaxDeltaPerMatching = 1e-6
	// MinMatchingEvery is the shortest time between matchings by schedule.
	MinMatchingEvery = time.Hour
	// MaxMatchingEvery is the longest time between matchings by schedule: ten years.
	MaxMatchingEvery = 10 * 365 * 24 * time.Hour
	// DefaultDeltaPerQuery is the δ of one question where the file does not say.
	DefaultDeltaPerQuery = 1e-6
	// DefaultDeltaTotal is the δ of all questions together where the file does not say, or ten times that of one question
	// if that is more.
	DefaultDeltaTotal = 1e-5
)

// Noise says who draws noise.
type Noise string

const (
	// NoiseEveryone: every party and the coordinator draw noise that suffices alone. Nobody needs to be trusted.
	NoiseEveryone Noise = "everyone"
	// NoiseCoordinator: only the coordinator draws. Answers are more exact, and whoever colludes with the coordinator can
	// take the noise off.
	NoiseCoordinator Noise = "coordinator"
)

// The layouts: where an id is in the vectors that questions are answered with.
const (
	LayoutHashed  = "hashed"  // in a slot that is a keyed hash of it: ready at once, with an error of known size
	LayoutMatched = "matched" // in a slot of its own, by a private matching: exact but for the noise
)

// Agreement is what the members agreed on. The order of its lists has no meaning, but for that of identifiers; [Parse] sorts
// the others.
type Agreement struct {
	Collaboration string       `yaml:"collaboration"`
	Coordinator   Coordinator  `yaml:"coordinator"`
	Parties       []Party      `yaml:"parties"`
	Analysts      []Analyst    `yaml:"analysts,omitempty"`
	Purposes      []string     `yaml:"purposes,flow"`              // what questions may be for
	Identifiers   []Identifier `yaml:"identifiers,omitempty,flow"` // what customers are matched by, in order; nil for what each party has
	Limits        Limits       `yaml:"limits"`
	Noise         Noise        `yaml:"noise"`
	Layouts       []string     `yaml:"layouts,flow"`            // those that a question may use
	Matching      Matching     `yaml:"matching,omitempty,flow"` // zero without [LayoutMatched]
}

// Coordinator is the node that plans and relays. It has no data.
type Coordinator struct {
	Address string             `yaml:"address"` // host:port
	Key     identity.PublicKey `yaml:"key"`
}

// Party is a company's node.
type Party struct {
	Name    string             `yaml:"name"`
	Address string             `yaml:"address"` // host:port
	Key     identity.PublicKey `yaml:"key"`
}

// Analyst is somebody who may ask questions.
type Analyst struct {
	Name         string             `yaml:"name"`
	Key          identity.PublicKey `yaml:"key"`
	Organisation string             `yaml:"organisation,omitempty"` // whose budget the questions are on; "" for the name
}

// Budget returns the organisation on whose account the analyst asks.
func (a Analyst) Budget() string { return cmp.Or(a.Organisation, a.Name) }

// Limits are what every party enforces, whoever asks.
type Limits struct {
	EpsilonPerQuery MicroEpsilon `yaml:"epsilon_per_query"` // most that one question may spend, up to 20
	EpsilonTotal    MicroEpsilon `yaml:"epsilon_total"`     // most that all questions together may spend at one party
	DeltaPerQuery   float64      `yaml:"delta_per_query"`   // most that one question may spend, in (0, 1)
	DeltaTotal      float64      `yaml:"delta_total"`       // most that all questions together may spend at one party, in (0, 1)
}

// Matching is the privacy loss of a matching for one record: one customer of one party. Somebody who is a customer of all N
// parties loses N times as much, and that is what ledgers are charged for each matching.
type Matching struct {
	Epsilon MicroEpsilon `yaml:"epsilon"` // in (0, 1]
	Delta   float64      `yaml:"delta"`   // in (0, 10⁻⁶]
	// Every is how often the coordinator runs a matching anew by itself, one hour to ten years; 0 for not: then analysts ask for
	// it. Parties refuse one that it asks for earlier.
	Every time.Duration `yaml:"every,omitempty"`
}

// Hash returns what tells agreements apart: SHA-256 over the canonical encoding, under "sotto/v1/agreement", of the fields in
// their order, all lists but that of identifiers sorted by name, rules by domain, ε in 10⁻⁶, and times in nanoseconds. How the file was written does not matter. The
// agreement must have passed [Agreement.Check].
func (a *Agreement) Hash() [32]byte {
	return canon.Hash("sotto/v1/agreement", a.sorted())
}

// Basis returns what tells apart what the slots of a matching depend on: [canon.Hash] under "sotto/v1/agreement/basis" of the
// collaboration, the parties' names and keys, and the identifiers. Analysts, addresses and limits can change without a new matching.
func (a *Agreement) Basis() [32]byte {
	type member struct {
		Name string
		Key  identity.PublicKey
	}
	basis := struct {
		Collaboration string
		Parties       []member
		Identifiers   []Identifier
	}{Collaboration: a.Collaboration}
	ordered := a.sorted()
	for _, p := range ordered.Parties {
		basis.Parties = append(basis.Parties, member{p.Name, p.Key})
	}
	basis.Identifiers = ordered.Identifiers
	return canon.Hash("sotto/v1/agreement/basis", basis)
}

// sorted returns a copy with all lists in the order that they are hashed in.
func (a *Agreement) sorted() *Agreement {
	ordered := *a
	ordered.Parties = slices.SortedFunc(slices.Values(a.Parties), func(x, y Party) int { return cmp.Compare(x.Name, y.Name) })
	ordered.Analysts = slices.SortedFunc(slices.Values(a.Analysts), func(x, y Analyst) int { return cmp.Compare(x.Name, y.Name) })
	ordered.Purposes = slices.Sorted(slices.Values(a.Purposes))
	ordered.Identifiers = nil
	for _, i := range a.Identifiers {
		ordered.Identifiers = append(ordered.Identifiers, i.sorted())
	}
	ordered.Layouts = slices.Sorted(slices.Values(a.Layouts))
	return &ordered
}
