package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Purpose says whose data may be used for a purpose of the agreement.
//
// Consent is a boolean SQL expression over one row. Whoever needs no consent, because the law has another ground, says so in
// so many words: consent: "true". Given is SQL for when it was given, a date (from its first second in UTC on) or a timestamp;
// if it is declared, a row where it is NULL or infinite is one without consent, and consent holds from then on, for ValidFor if that is
// declared. Several rows of one customer must all consent.
type Purpose struct {
	Consent  string `yaml:"consent"`   // boolean SQL
	Given    string `yaml:"given"`     // SQL of a date or a timestamp, or ""
	ValidFor Period `yaml:"valid_for"` // from Given on; zero for without end
	Basis    string `yaml:"basis"`     // the legal ground, in words, for the record of processing; "" for consent
}

// Retention says how long rows of the source may be used.
type Retention struct {
	Since   string `yaml:"since"`    // SQL of a date or a timestamp; a row where it is NULL or infinite is not used
	KeepFor Period `yaml:"keep_for"` // from Since on; the node's own copies are destroyed after it too
}

// Declared reports whether the file says anything of retention.
func (r Retention) Declared() bool { return r != (Retention{}) }

// PurposeNames returns the purposes that questions may have, sorted.
func (p *Party) PurposeNames() []string { return slices.Sorted(maps.Keys(p.Purposes)) }

func (p *Party) checkPurposes() error {
	if n := len(p.Purposes); n < 1 || n > MaxPurposes {
		return fmt.Errorf("%d purposes: must be 1 to %d of the agreement's, each with a consent rule, such as "+
			"purposes: {planning: {consent: \"newsletter = 'yes'\"}}; a question for another purpose has no answer", n, MaxPurposes)
	}
	for _, name := range p.PurposeNames() {
		if err := checkText(name, MaxPurposeBytes); err != nil {
			return fmt.Errorf("purpose %.80q: %w", name, err)
		}
		if strings.TrimSpace(name) != name {
			return fmt.Errorf("purpose %.80q: blanks around it, which no purpose of an agreement has", name)
		}
		if err := p.Purposes[name].check(); err != nil {
			return fmt.Errorf("purpose %.80q: %w", name, err)
		}
	}
	return nil
}

func (u Purpose) check() error {
	if err := checkSQL(u.Consent); err != nil {
		return fmt.Errorf("consent: %w; consent: \"true\" is for data that may be used without", err)
	}
	if u.ValidFor != (Period{}) && u.Given == "" {
		return fmt.Errorf("valid_for %s: takes given, the date from which on it counts", u.ValidFor)
	}
	if u.Basis == "" {
		return nil
	}
	if err := checkText(u.Basis, MaxAboutBytes); err != nil {
		return fmt.Errorf("basis %.80q: %w", u.Basis, err)
	}
	return nil
}

func (r Retention) check() error {
	if !r.Declared() {
		return nil
	}
	if err := checkSQL(r.Since); err != nil {
		return fmt.Errorf("retention: since: %w", err)
	}
	if r.KeepFor == (Period{}) {
		return fmt.Errorf("retention: no keep_for, must be a period, such as 36 months")
	}
	return nil
}

// checkText checks a text that others are shown.
func checkText(text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("empty")
	case len(text) > most:
		return fmt.Errorf("%d bytes, must be at most %d", len(text), most)
	case !printable(text):
		return fmt.Errorf("must be printable text")
	}
	return nil
}
