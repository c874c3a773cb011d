package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Period is a length of time on the calendar: "90 days", "24 months", "2 years". The zero period stands for left out.
type Period struct{ Years, Months, Days int }

// maxPeriodYears is the longest that a period can be.
const maxPeriodYears = 100

// After returns the time that lies the period after t, by the calendar in UTC (time.Time.AddDate: a month after January 31st
// is March 3rd or 2nd).
func (p Period) After(t time.Time) time.Time { return t.UTC().AddDate(p.Years, p.Months, p.Days) }

// Before returns the time that lies the period before t.
func (p Period) Before(t time.Time) time.Time { return t.UTC().AddDate(-p.Years, -p.Months, -p.Days) }

// String returns the period as the file has it.
func (p Period) String() string {
	for _, u := range periodUnits {
		if n := *u.of(&p); n != 0 {
			return fmt.Sprintf("%d %s", n, strings.TrimSuffix(u.name, "s")+map[bool]string{true: "", false: "s"}[n == 1])
		}
	}
	return ""
}

var periodUnits = []struct {
	name    string
	perYear int
	of      func(*Period) *int
}{
	{"days", 365, func(p *Period) *int { return &p.Days }},
	{"months", 12, func(p *Period) *int { return &p.Months }},
	{"years", 1, func(p *Period) *int { return &p.Years }},
}

// UnmarshalYAML reads a number and a unit.
func (p *Period) UnmarshalYAML(node *yaml.Node) error {
	number, unit, _ := strings.Cut(strings.TrimSpace(node.Value), " ")
	n, err := strconv.Atoi(number)
	for _, u := range periodUnits {
		if err == nil && node.Kind == yaml.ScalarNode && n >= 1 && n <= maxPeriodYears*u.perYear && (unit == u.name || unit+"s" == u.name) {
			*p = Period{}
			*u.of(p) = n
			return nil
		}
	}
	return fmt.Errorf("line %d: period %.40q: must be a number of days, months or years, such as 24 months, and at most %d years", node.Line, node.Value, maxPeriodYears)
}
