package report

import (
	"fmt"
	"strings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// everybody reports whether a purpose's rule asks nobody for consent.
func everybody(u config.Purpose) bool { return strings.EqualFold(strings.TrimSpace(u.Consent), "true") }

// ground returns the legal ground of a purpose, "" if none is declared.
func ground(u config.Purpose) string {
	switch {
	case u.Basis != "":
		return u.Basis
	case everybody(u):
		return ""
	}
	return "consent"
}

// takesPart says whose data is used for a purpose.
func takesPart(u config.Purpose) string {
	if everybody(u) {
		return "all customers, unless they object"
	}
	return "only customers on record as consenting to it, unless they withdraw"
}

// validity says how long consent holds.
func validity(u config.Purpose) string {
	switch {
	case u.Given == "" && everybody(u):
		return "not asked for"
	case u.Given == "":
		return "as long as it is on record"
	case u.ValidFor == (config.Period{}):
		return "from the day it was given, without an end"
	}
	return u.ValidFor.String() + " from the day it was given"
}

// noiseWords says who adds noise.
func noiseWords(a *agreement.Agreement) string {
	if a.Noise == agreement.NoiseCoordinator {
		return "only the coordinator adds noise; whoever colludes with it can take the noise off"
	}
	return "every party and the coordinator add noise that suffices alone; nobody needs to be trusted with taking it off"
}

var idWords = map[ids.Type]string{
	ids.Email: "e-mail address", ids.Phone: "phone number", ids.Opaque: "customer number",
}

func idWord(t ids.Type) string {
	if word, ok := idWords[t]; ok {
		return word
	}
	return string(t)
}

// inOrder returns the party's identities in the order in which they count.
func inOrder(a *agreement.Agreement, c *config.Party) (all []config.Identity) {
	matched, err := c.Matched(a)
	if err != nil { // the node does not start with these two
		return c.Identity
	}
	for _, m := range matched {
		all = append(all, m.Identity)
	}
	return all
}

// identifierWords says how the ids of a type are used.
func identifierWords(a *agreement.Agreement, i config.Identity) string {
	words := idWord(i.Type)
	for _, agreed := range a.Identifiers {
		if agreed.Type == i.Type && len(agreed.Ignore) > 0 {
			words = strings.Replace(agreed.String(), string(i.Type), words, 1)
		}
	}
	if i.AtMost > 0 {
		words += "; one that stands for more than " + people(i.AtMost) + " is nobody's"
	}
	return words
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// joined returns "a", "a and b" or "a, b and c".
func joined(texts []string) string {
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	return strings.Join(texts[:len(texts)-1], ", ") + " and " + texts[len(texts)-1]
}

// spelled returns a declared name as people write it.
func spelled(name string) string { return strings.NewReplacer("_", " ", "-", " ").Replace(name) }
