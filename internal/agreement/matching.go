package agreement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
)

// Identifier is one of the things that customers are matched by.
type Identifier struct {
	Type   ids.Type `yaml:"type"`
	Ignore Ignored  `yaml:"ignore,omitempty"` // only for [ids.Email]
}

// Ignored are the rules for domains, each at most once. In YAML they are a mapping from a domain to what is ignored there,
// of dots and tags: {gmail.com: [dots, tags], outlook.com: [tags]}.
type Ignored []ids.Rule

// What a rule can ignore, in YAML.
const (
	dots = "dots"
	tags = "tags"
)

// MatchOrder returns the types of ids that customers are matched by: a customer's id is the first that they have. Nil if the
// agreement leaves that to each party, and so to those of each question to have the same.
func (a *Agreement) MatchOrder() []ids.Type {
	var order []ids.Type
	for _, i := range a.Identifiers {
		order = append(order, i.Type)
	}
	return order
}

// Normalizer returns how members write ids of a type, with what was agreed to ignore in addresses. The country, of phone
// numbers without a +prefix, is the party's own (ISO 3166 alpha-2), or "". The agreement must have passed
// [Agreement.Check]; whether it has the type at all is in [Agreement.MatchOrder].
func (a *Agreement) Normalizer(t ids.Type, country string) ids.Normalizer {
	n := ids.Normalizer{Type: t, Country: country}
	if i, ok := find(a.Identifiers, func(i Identifier) bool { return i.Type == t }); ok {
		n.Rules, _ = ids.NewRules(i.Ignore...) // which Check has made
	}
	return n
}

func (a *Agreement) checkIdentifiers() error {
	if a.Identifiers != nil && len(a.Identifiers) == 0 {
		return fault.New(fault.Invalid, "identifiers: none, must be at least one, or left out for each party to have its own")
	}
	order := a.MatchOrder()
	for n, i := range a.Identifiers {
		where := fmt.Sprintf("identifier %d (%.80q)", n+1, i.Type)
		if slices.Contains(order[:n], i.Type) {
			return fault.New(fault.Invalid, "%s: a type named twice", where)
		}
		rules, err := ids.NewRules(i.Ignore...)
		if err != nil {
			return wrong(where+": ignore", err)
		}
		if err := (ids.Normalizer{Type: i.Type, Rules: rules}).Check(); err != nil {
			return wrong(where, err)
		}
	}
	return nil
}

// sorted returns a copy with the domains in their one order. That of types has a meaning.
func (i Identifier) sorted() Identifier {
	i.Ignore = slices.SortedFunc(slices.Values(i.Ignore), func(x, y ids.Rule) int { return cmp.Compare(x.Domain, y.Domain) })
	return i
}

// String returns the type with what is ignored: "email (ignoring dots and tags at gmail.com)".
func (i Identifier) String() string {
	var ignored []string
	for _, r := range i.Ignore {
		ignored = append(ignored, strings.Join(words(r), " and ")+" at "+r.Domain)
	}
	if ignored == nil {
		return string(i.Type)
	}
	return fmt.Sprintf("%s (ignoring %s)", i.Type, strings.Join(ignored, ", "))
}

// UnmarshalYAML reads the mapping.
func (all *Ignored) UnmarshalYAML(node *yaml.Node) error {
	var read map[string][]string
	if err := node.Decode(&read); err != nil {
		return err // says the line
	}
	if len(read) == 0 {
		return fmt.Errorf("line %d: ignore: no domain, must be at least one, or left out", node.Line)
	}
	for _, domain := range slices.Sorted(maps.Keys(read)) {
		rule := ids.Rule{Domain: domain}
		for _, word := range read[domain] {
			ignored := map[string]*bool{dots: &rule.Dots, tags: &rule.Tags}[word]
			if ignored == nil {
				return fmt.Errorf("line %d: ignore %.80q at %.80q: must be %s or %s", node.Line, word, domain, dots, tags)
			}
			if *ignored {
				return fmt.Errorf("line %d: ignore %s at %.80q: named twice", node.Line, word, domain)
			}
			*ignored = true
		}
		*all = append(*all, rule)
	}
	return nil
}

// MarshalYAML writes the mapping.
func (all Ignored) MarshalYAML() (any, error) {
	written := make(map[string][]string, len(all))
	for _, r := range all {
		written[r.Domain] = words(r)
	}
	return written, nil
}

// words returns what a rule ignores, as YAML has it.
func words(r ids.Rule) []string {
	var all []string
	if r.Dots {
		all = append(all, dots)
	}
	if r.Tags {
		all = append(all, tags)
	}
	return all
}
