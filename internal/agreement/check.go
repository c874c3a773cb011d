package agreement

import (
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/match"
)

// Check returns what is wrong with the agreement first, as a fault.Invalid: it must name 2 to 16 parties, none of them by a
// reserved word of CEL; all names, the coordinator's included, and all keys must differ; addresses must be host:port;
// there must be 1 to 50 purposes, and no type of identifiers twice; limits must be above 0 and fit together; what a matching
// may cost must be there if and only if the matched layout is, which takes no more parties than a matching can have, and a
// total that one matching fits in.
func (a *Agreement) Check() error {
	if err := identity.CheckName(a.Collaboration); err != nil {
		return wrong("collaboration", err)
	}
	if n := len(a.Parties); n < MinParties || n > MaxParties {
		return fault.New(fault.Invalid, "parties: %d of them, must be %d to %d", n, MinParties, MaxParties)
	}
	if err := a.checkMembers(); err != nil {
		return err
	}
	if err := a.checkPurposes(); err != nil {
		return err
	}
	if err := a.checkIdentifiers(); err != nil {
		return err
	}
	if err := a.Limits.check(); err != nil {
		return err
	}
	if a.Noise != NoiseEveryone && a.Noise != NoiseCoordinator {
		return fault.New(fault.Invalid, "noise %.80q: must be %s or %s", a.Noise, NoiseEveryone, NoiseCoordinator)
	}
	if err := a.checkLayouts(); err != nil {
		return err
	}
	return a.checkMatching()
}

// reserved are the words that can't begin party.segment in an audience. (cel.dev, language definition, "Syntax":
// RESERVED, and the literals and operators that are spelled as words.)
var reserved = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "namespace",
	"null", "package", "return", "true", "var", "void", "while",
}

// member is one line of the agreement that has a key.
type member struct {
	where, name string
	key         identity.PublicKey
}

func (a *Agreement) checkMembers() error {
	if err := checkAddress(a.Coordinator.Address); err != nil {
		return wrong("coordinator", err)
	}
	members := []member{{where: "coordinator", name: CoordinatorName, key: a.Coordinator.Key}}
	for i, party := range a.Parties {
		where := fmt.Sprintf("party %d (%.80q)", i+1, party.Name)
		if err := checkAddress(party.Address); err != nil {
			return wrong(where, err)
		}
		if slices.Contains(reserved, party.Name) {
			return fault.New(fault.Invalid, "%s: the name is a reserved word of CEL; no audience could name the party", where)
		}
		members = append(members, member{where: where, name: party.Name, key: party.Key})
	}
	for i, analyst := range a.Analysts {
		where := fmt.Sprintf("analyst %d (%.80q)", i+1, analyst.Name)
		if analyst.Organisation != "" {
			if err := identity.CheckName(analyst.Organisation); err != nil {
				return wrong(where+": organisation", err)
			}
		}
		members = append(members, member{where: where, name: analyst.Name, key: analyst.Key})
	}

	byName, byKey := map[string]string{}, map[identity.PublicKey]string{}
	for _, m := range members {
		if err := identity.CheckName(m.name); err != nil {
			return wrong(m.where, err)
		}
		if err := m.key.Check(); err != nil {
			return wrong(m.where, err)
		}
		if first, taken := byName[m.name]; taken {
			return fault.New(fault.Invalid, "%s: the name is that of %s; names must differ", m.where, first)
		}
		if first, taken := byKey[m.key]; taken {
			return fault.New(fault.Invalid, "%s: key %s is that of %s; keys must differ", m.where, m.key, first)
		}
		byName[m.name], byKey[m.key] = m.where, m.where
	}
	return nil
}

func (l Limits) check() error {
	if l.EpsilonPerQuery <= 0 || l.EpsilonPerQuery > MaxEpsilonPerQuery {
		return fault.New(fault.Invalid, "limits: epsilon_per_query %s: must be above 0 and at most %s",
			l.EpsilonPerQuery, MaxEpsilonPerQuery)
	}
	if l.EpsilonTotal < l.EpsilonPerQuery || l.EpsilonTotal > maxEpsilon {
		return fault.New(fault.Invalid, "limits: epsilon_total %s: must be at least epsilon_per_query, %s, and at most %s",
			l.EpsilonTotal, l.EpsilonPerQuery, maxEpsilon)
	}
	if math.IsNaN(l.DeltaPerQuery) || l.DeltaPerQuery <= 0 || l.DeltaPerQuery >= 1 {
		return fault.New(fault.Invalid, "limits: delta_per_query %v: must be above 0 and below 1", l.DeltaPerQuery)
	}
	if !(l.DeltaTotal >= l.DeltaPerQuery && l.DeltaTotal < 1) {
		return fault.New(fault.Invalid, "limits: delta_total %v: must be at least delta_per_query, %v, and below 1", l.DeltaTotal, l.DeltaPerQuery)
	}
	return nil
}

func (a *Agreement) checkLayouts() error {
	if len(a.Layouts) == 0 {
		return fault.New(fault.Invalid, "layouts: none, must be at least one")
	}
	seen := map[string]bool{}
	for _, layout := range a.Layouts {
		if layout != LayoutHashed && layout != LayoutMatched {
			return fault.New(fault.Invalid, "layout %.80q: must be %s or %s", layout, LayoutHashed, LayoutMatched)
		}
		if seen[layout] {
			return fault.New(fault.Invalid, "layout %.80q: named twice", layout)
		}
		seen[layout] = true
	}
	return nil
}

func (a *Agreement) checkMatching() error {
	m := a.Matching
	if !slices.Contains(a.Layouts, LayoutMatched) {
		if m != (Matching{}) {
			return fault.New(fault.Invalid, "matching: epsilon and delta are for the layout %s, which layouts does not name", LayoutMatched)
		}
		return nil
	}
	switch {
	case m == (Matching{}):
		return fault.New(fault.Invalid, "layout %s: matching must say what a matching may cost, such as {epsilon: 0.1, delta: 1e-9}", LayoutMatched)
	case m.Epsilon <= 0 || m.Epsilon > MaxEpsilonPerMatching:
		return fault.New(fault.Invalid, "matching: epsilon %s: must be above 0 and at most %s", m.Epsilon, MaxEpsilonPerMatching)
	case !(m.Delta > 0 && m.Delta <= MaxDeltaPerMatching):
		return fault.New(fault.Invalid, "matching: delta %v: must be above 0 and at most %v", m.Delta, MaxDeltaPerMatching)
	case m.Every != 0 && (m.Every < MinMatchingEvery || m.Every > MaxMatchingEvery):
		return wrongEvery(m.Every)
	}
	loss, err := a.Cover().Loss()
	if err != nil {
		return wrong("matching", err)
	}
	// Every ledger would refuse it, and there were no matching ever.
	if of := MicroEpsilon(loss.MicroEpsilon); of > a.Limits.EpsilonTotal {
		return fault.New(fault.Invalid, "matching: epsilon %s is %s for a customer of all %d parties: must be at most epsilon_total, %s",
			m.Epsilon, of, len(a.Parties), a.Limits.EpsilonTotal)
	}
	if of := loss.Delta(); of > a.Limits.DeltaTotal {
		return fault.New(fault.Invalid, "matching: delta %v is %.6g for a customer of all %d parties: must be at most delta_total, %v",
			m.Delta, of, len(a.Parties), a.Limits.DeltaTotal)
	}
	return nil
}

func wrongEvery(every time.Duration) error {
	return fault.New(fault.Invalid, "matching: every %s: must be %s to %s, or left out for matchings on demand only", every, MinMatchingEvery, MaxMatchingEvery)
}

// Cover returns how the matchings of the agreement are covered by dummies, and so what one costs. It is for agreements with
// [LayoutMatched].
func (a *Agreement) Cover() match.Cover {
	return match.Cover{Parties: len(a.Parties), Epsilon: a.Matching.Epsilon.Float(), Delta: a.Matching.Delta}
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)

// checkAddress takes a host name or an IP address, and a port: nothing that a dialler would take for a scheme.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fault.New(fault.Invalid, "address %.300q: must be host:port", address)
	}
	if net.ParseIP(host) == nil && !hostPattern.MatchString(host) {
		return fault.New(fault.Invalid, "address %.300q: the host must be a name or an IP address", address)
	}
	// Only digits, no sign and no leading zero.
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return fault.New(fault.Invalid, "address %.300q: the port must be a number from 1 to 65535", address)
	}
	return nil
}

func wrong(where string, err error) error {
	return fault.New(fault.Invalid, "%s: %s", where, err)
}
