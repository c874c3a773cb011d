package config

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
)

// OwnerName is who asks with the node's own key, in records.
const OwnerName = "owner"

// Whoever else acts in records has a name that no administrator may take, beside the analysts of the agreement.
var taken = []string{OwnerName, "node", agreement.CoordinatorName}

const (
	// MaxAdministrators is the most administrators that a party can name.
	MaxAdministrators = 50
	// MaxAboutBytes is the most bytes that a text about the company can have.
	MaxAboutBytes = 500
)

// Administrator is somebody who may send the node subject requests and have it refresh, beside the holder of its own key.
type Administrator struct {
	Name string             `yaml:"name"`
	Key  identity.PublicKey `yaml:"key"`
}

// About is what the record of processing and the public page say about the company (GDPR Art. 30(1)(a)).
type About struct {
	Controller string `yaml:"controller"` // the company, with its address
	Contact    string `yaml:"contact"`    // where customers write to
	DPO        string `yaml:"dpo"`        // the data-protection officer
	Link       string `yaml:"link"`       // https page on how to withdraw
}

// Administrator returns the name of whoever has key among the administrators, and whether anybody does.
func (p *Party) Administrator(key identity.PublicKey) (string, bool) {
	for _, a := range p.Administrators {
		if a.Key == key {
			return a.Name, true
		}
	}
	return "", false
}

func (p *Party) checkAdministrators() error {
	if n := len(p.Administrators); n > MaxAdministrators {
		return fmt.Errorf("%d administrators: must be at most %d", n, MaxAdministrators)
	}
	names, keys := map[string]bool{}, map[identity.PublicKey]bool{}
	for _, a := range p.Administrators {
		if err := identity.CheckName(a.Name); err != nil {
			return fmt.Errorf("administrator %.80q: %w", a.Name, err)
		}
		if slices.Contains(taken, a.Name) {
			return fmt.Errorf("administrator %q: the name means somebody else in records", a.Name)
		}
		if err := a.Key.Check(); err != nil {
			return fmt.Errorf("administrator %q: %w", a.Name, err)
		}
		if names[a.Name] || keys[a.Key] {
			return fmt.Errorf("administrator %q: name and key must be those of nobody else", a.Name)
		}
		names[a.Name], keys[a.Key] = true, true
	}
	return nil
}

func (a About) check() error {
	for _, t := range []struct{ key, text string }{
		{"controller", a.Controller}, {"contact", a.Contact}, {"dpo", a.DPO}, {"link", a.Link},
	} {
		if t.text == "" {
			continue
		}
		if err := checkText(t.text, MaxAboutBytes); err != nil {
			return fmt.Errorf("about: %s %.80q: %w", t.key, t.text, err)
		}
	}
	if link, err := url.Parse(a.Link); a.Link != "" && (err != nil || link.Scheme != "https" || link.Host == "") {
		return fmt.Errorf("about: link %.80q: must be an https address", a.Link)
	}
	return nil
}
