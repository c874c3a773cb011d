package config_test

import (
	"fmt"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/party/config"
)

// A period that a file can have arrives as written, and is written so again.
func TestPeriods(t *testing.T) {
	for text, want := range map[string]config.Period{
		"1 day": {Days: 1}, "1 days": {Days: 1}, "90 days": {Days: 90}, "36500 days": {Days: 36500},
		"1 month": {Months: 1}, "24 months": {Months: 24}, "1200 months": {Months: 1200},
		"1 year": {Years: 1}, "2 years": {Years: 2}, "100 years": {Years: 100}, " 7 days ": {Days: 7},
	} {
		var got config.Period
		if err := yaml.Unmarshal([]byte(fmt.Sprintf("%q", text)), &got); err != nil || got != want {
			t.Errorf("%q is %+v, error %v", text, got, err)
		}
		var again config.Period
		if err := yaml.Unmarshal([]byte(got.String()), &again); err != nil || again != want {
			t.Errorf("%q, written as %q, is %+v, error %v", text, got, again, err)
		}
	}
	if got := (config.Period{}).String(); got != "" {
		t.Errorf("no period is %q", got)
	}
}

// What is not a whole number of days, months or years from now on is refused: a period that is misread keeps data too long.
func TestPeriodRefusals(t *testing.T) {
	for _, text := range []string{
		"24", "months", "24months", "24  months", "24 Months", "24 monthss", "24 m", "24 weeks", "1.5 years", "0 days", "-1 days",
		"36501 days", "1201 months", "101 years", "99999999999999999999 days", "1 year 6 months", "P2Y", "720h", "''", "[1, years]", "{years: 1}",
	} {
		var got config.Period
		if err := yaml.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

// Periods follow the calendar in UTC, whatever zone a time comes in, over the ends of months and leap days.
func TestPeriodOnTheCalendar(t *testing.T) {
	for _, c := range []struct {
		from string
		p    config.Period
		to   string
	}{
		{"2024-01-15T10:30:00Z", config.Period{Months: 1}, "2024-02-15T10:30:00Z"},
		{"2024-01-31T00:00:00Z", config.Period{Months: 1}, "2024-03-02T00:00:00Z"}, // February 31st of a leap year
		{"2023-01-31T00:00:00Z", config.Period{Months: 1}, "2023-03-03T00:00:00Z"},
		{"2024-02-29T00:00:00Z", config.Period{Years: 1}, "2025-03-01T00:00:00Z"},
		{"2024-02-29T00:00:00Z", config.Period{Years: 4}, "2028-02-29T00:00:00Z"},
		{"2024-02-28T23:59:59Z", config.Period{Days: 2}, "2024-03-01T23:59:59Z"},
		{"2024-01-15T00:00:00Z", config.Period{Months: 24}, "2026-01-15T00:00:00Z"},
		{"2024-03-30T23:30:00-02:00", config.Period{Days: 1}, "2024-04-01T01:30:00Z"}, // it is the 31st in UTC
		{"2024-03-30T12:00:00+01:00", config.Period{Days: 1}, "2024-03-31T11:00:00Z"}, // clocks change in Berlin; not in UTC
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.p.After(from).Format(time.RFC3339); got != c.to {
			t.Errorf("%s after %s is %s, want %s", c.p, c.from, got, c.to)
		}
	}
}

// Later data is kept at least as long: a period never brings two moments into the other order, over days of 24 hours it is
// exactly undone, and no period ends before it began.
func TestPeriodKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Map(rapid.Int64Range(-1<<35, 1<<35), func(s int64) time.Time { return time.Unix(s, 0) })
		first, second := moment.Draw(t, "first"), moment.Draw(t, "second")
		if second.Before(first) {
			first, second = second, first
		}
		days := config.Period{Days: rapid.IntRange(1, 36500).Draw(t, "days")}
		for _, p := range []config.Period{days, {Years: rapid.IntRange(1, 100).Draw(t, "years")}} {
			if p.After(second).Before(p.After(first)) {
				t.Fatalf("%s after %s is after that after %s", p, first, second)
			}
		}
		for _, p := range []config.Period{days, {Months: rapid.IntRange(1, 1200).Draw(t, "months")}} {
			if !p.After(first).After(first) || !p.Before(first).Before(first) {
				t.Fatalf("%s after %s is %s, before it %s", p, first, p.After(first), p.Before(first))
			}
		}
		if got := days.Before(days.After(first)); !got.Equal(first) {
			t.Fatalf("%s after and before %s is %s", days, first, got)
		}
	})
}
