package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
)

// Limits are what the party is willing to spend where that is less than the agreement says. 0 stands for left out.
type Limits struct {
	EpsilonPerQuery agreement.MicroEpsilon `yaml:"epsilon_per_query"`
	PeriodLimits    `yaml:",inline"`       // of all analysts together

	PerOrganisation PeriodLimits            `yaml:"per_organisation"` // of each organisation's analysts together
	Organisations   map[string]PeriodLimits `yaml:"organisations"`    // by name; what is left out is PerOrganisation's

	Show Show `yaml:"show"` // as declared, "" for left out: see [Limits.Shown]
}

// PeriodLimits are the most that may be spent in a day, in a month (both of the calendar in UTC) and ever. 0 stands for no
// such limit.
type PeriodLimits struct {
	EpsilonPerDay   agreement.MicroEpsilon `yaml:"epsilon_per_day"`
	EpsilonPerMonth agreement.MicroEpsilon `yaml:"epsilon_per_month"`
	EpsilonTotal    agreement.MicroEpsilon `yaml:"epsilon_total"`
}

// Show says what an analyst is told of the party's budget.
type Show string

const (
	// ShowOwn: what the analyst's own organisation spent and has left. The default.
	ShowOwn Show = "own"
	// ShowAll: what each organisation, and all together, spent and have left.
	ShowAll Show = "all"
	// ShowNone: nothing. That a question is refused for want of budget still shows.
	ShowNone Show = "none"
)

// Within returns the limits that the party enforces: of each the stricter one of its own and of what was agreed.
func (l Limits) Within(agreed agreement.Limits) agreement.Limits {
	if l.EpsilonPerQuery > 0 {
		agreed.EpsilonPerQuery = min(agreed.EpsilonPerQuery, l.EpsilonPerQuery)
	}
	if l.EpsilonTotal > 0 {
		agreed.EpsilonTotal = min(agreed.EpsilonTotal, l.EpsilonTotal)
	}
	return agreed
}

// For returns the limits of what the analysts of one organisation spend. Those of all together hold besides.
func (l Limits) For(organisation string) PeriodLimits {
	resolved, own := l.PerOrganisation, l.Organisations[organisation]
	if own.EpsilonPerDay > 0 {
		resolved.EpsilonPerDay = own.EpsilonPerDay
	}
	if own.EpsilonPerMonth > 0 {
		resolved.EpsilonPerMonth = own.EpsilonPerMonth
	}
	if own.EpsilonTotal > 0 {
		resolved.EpsilonTotal = own.EpsilonTotal
	}
	return resolved
}

// Shown returns what an analyst is told of the budget, with the default where the file does not say.
func (l Limits) Shown() Show {
	if l.Show == "" {
		return ShowOwn
	}
	return l.Show
}

// limit is one line of a list that goes from the shortest period to the longest.
type limit struct {
	key     string
	epsilon agreement.MicroEpsilon
}

func (l PeriodLimits) list() []limit {
	return []limit{{"epsilon_per_day", l.EpsilonPerDay}, {"epsilon_per_month", l.EpsilonPerMonth}, {"epsilon_total", l.EpsilonTotal}}
}

func (l Limits) check() error {
	if l.EpsilonPerQuery > agreement.MaxEpsilonPerQuery {
		return fmt.Errorf("limits: epsilon_per_query %s: must be at most %s", l.EpsilonPerQuery, agreement.MaxEpsilonPerQuery)
	}
	if err := checkOrder(append([]limit{{"epsilon_per_query", l.EpsilonPerQuery}}, l.PeriodLimits.list()...)); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if err := l.checkOrganisation(l.PerOrganisation); err != nil {
		return fmt.Errorf("limits: per_organisation: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(l.Organisations)) {
		if err := identity.CheckName(name); err != nil {
			return fmt.Errorf("limits: organisations: %w", err)
		}
		if err := l.checkOrganisation(l.Organisations[name]); err != nil {
			return fmt.Errorf("limits: organisations: %s: %w", name, err)
		}
	}
	if shown := l.Shown(); shown != ShowOwn && shown != ShowAll && shown != ShowNone {
		return fmt.Errorf("limits: show %.80q: must be %s, %s or %s", shown, ShowOwn, ShowAll, ShowNone)
	}
	return nil
}

// checkOrganisation checks what is declared of one organisation. What it inherits is not looked at: a low total of one
// organisation is no contradiction to what the others may spend in a month. Neither is epsilon_per_query, which is for all.
func (l Limits) checkOrganisation(own PeriodLimits) error {
	if err := checkOrder(own.list()); err != nil {
		return err
	}
	for i, narrow := range own.list() {
		for _, wide := range l.PeriodLimits.list()[i:] {
			if wide.epsilon > 0 && narrow.epsilon > wide.epsilon {
				return fmt.Errorf("%s %s: must be at most %s of all together, %s", narrow.key, narrow.epsilon, wide.key, wide.epsilon)
			}
		}
	}
	return nil
}

// checkOrder checks that no limit is above one of a longer period.
func checkOrder(limits []limit) error {
	for i, short := range limits {
		if short.epsilon < 0 {
			return fmt.Errorf("%s %s: must be above 0", short.key, short.epsilon)
		}
		for _, long := range limits[i+1:] {
			if long.epsilon > 0 && short.epsilon > long.epsilon {
				return fmt.Errorf("%s %s: must be at most %s, %s", short.key, short.epsilon, long.key, long.epsilon)
			}
		}
	}
	return nil
}
