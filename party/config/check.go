package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

// Check returns what is wrong with the declaration first, as a fault.Invalid that names the value and the rule. Whether
// the source exists and the SQL is any good shows when customers are loaded.
func (p *Party) Check() error {
	if err := p.checkHead(); err != nil {
		return fault.New(fault.Invalid, "party %.80q: %s", p.Name, err)
	}
	if n := len(p.Segments); n > MaxSegments {
		return fault.New(fault.Invalid, "party %q: %d segments: must be at most %d", p.Name, n, MaxSegments)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Segments)) {
		if err := checkSegment(name, p.Segments[name]); err != nil {
			return fault.New(fault.Invalid, "party %q: segment %.80q: %s", p.Name, name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Dimensions)) {
		if err := p.checkDimension(name); err != nil {
			return fault.New(fault.Invalid, "party %q: dimension %.80q: %s", p.Name, name, err)
		}
	}
	if n := len(p.Measures); n > MaxMeasures {
		return fault.New(fault.Invalid, "party %q: %d measures: must be at most %d", p.Name, n, MaxMeasures)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Measures)) {
		if err := p.checkMeasure(name); err != nil {
			return fault.New(fault.Invalid, "party %q: measure %.80q: %s", p.Name, name, err)
		}
	}
	for _, check := range []func() error{
		p.checkPurposes, p.Retention.check, p.Limits.check, p.checkAdministrators, p.About.check,
	} {
		if err := check(); err != nil {
			return fault.New(fault.Invalid, "party %q: %s", p.Name, err)
		}
	}
	return nil
}

func (p *Party) checkHead() error {
	if err := identity.CheckName(p.Name); err != nil {
		return err
	}
	if p.Name == agreement.CoordinatorName {
		return fmt.Errorf("the name is taken by the coordinator")
	}
	if err := p.Source.check(); err != nil {
		return err
	}
	if err := p.Identity.check(); err != nil {
		return err
	}
	if p.CustomersUpTo < 1 || p.CustomersUpTo > MaxCustomersUpTo {
		return fmt.Errorf("customers_up_to %d: must be 1 to %d", p.CustomersUpTo, int64(MaxCustomersUpTo))
	}
	return nil
}

func checkSegment(name, sql string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return checkSQL(sql)
}

func (p *Party) checkDimension(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, taken := p.Segments[name]; taken {
		return fmt.Errorf("a segment has that name too; names must differ")
	}
	d := p.Dimensions[name]
	if err := checkSQL(d.SQL); err != nil {
		return err
	}
	if n := len(d.Values); n < 1 || n > MaxValues {
		return fmt.Errorf("%d values: must be 1 to %d", n, MaxValues)
	}
	seen := make(map[string]bool, len(d.Values))
	for _, value := range d.Values {
		switch {
		case value == "":
			return fmt.Errorf("an empty value: customers without a value are %q", Unknown)
		case value == Unknown:
			return fmt.Errorf("value %q: every dimension has it without declaring it", Unknown)
		case seen[value]:
			return fmt.Errorf("value %.80q: declared twice", value)
		case len(value) > MaxValueBytes:
			return fmt.Errorf("value %.80q: %d bytes, must be at most %d", value, len(value), MaxValueBytes)
		case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Errorf("value %.80q: must be printable text", value)
		}
		seen[value] = true
	}
	return nil
}

// printable reports whether others can be shown the text as it is: nothing invisible, nothing that moves what is around it.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// unspeakable are CEL's literals and operators that are spelled as words. (cel.dev, language definition, "Syntax": the
// other reserved words may be selected by a dot.)
var unspeakable = []string{"false", "in", "null", "true"}

func checkName(name string) error {
	if name == Member {
		return fmt.Errorf("every party has %q, all its customers, without declaring it", Member)
	}
	if slices.Contains(unspeakable, name) {
		return fmt.Errorf("the name is a word of CEL that can't follow a dot; no audience could name it")
	}
	return identity.CheckName(name)
}

func checkSQL(sql string) error {
	if strings.TrimSpace(sql) == "" {
		return fmt.Errorf("no SQL, must be an expression over the source's columns")
	}
	return nil
}
