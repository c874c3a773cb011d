package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
)

// level is how urgent a risk is.
type level string

const (
	high   level = "high"   // a duty may be broken now
	medium level = "medium" // somebody should decide about it
)

const (
	// mostSpent is from what percent of a budget on its end is near.
	mostSpent = 80
	// oldKeyYears is from what age on a key should be replaced.
	oldKeyYears = 2
	// soonDays is how long before its end a certificate should be replaced.
	soonDays = 90
	// leastCoverage is the percent of customers below which it is in doubt whether the purpose is what they want.
	leastCoverage = 10
	// staleDays is after how many days customers should be loaded anew where the config does not say.
	staleDays = 30
)

// evidence is what a rule looks at.
type evidence int

const (
	declared evidence = iota
	auditLog
	ledgerRows
)

// rule is something that must not be so.
type rule struct {
	name   string // as a question that is answered with yes when all is well
	level  level
	from   evidence
	advice string
	found  func(*record) []string // what is not well
}

var rules = []rule{
	{"Is the audit log whole?", high, declared, "Keep the files as they are, find out who changed them, and restore the latest backup.", (*record).auditDamage},
	{"Is the ledger whole?", high, declared, "Keep the files as they are, stop the node, and restore the latest backup.", (*record).ledgerDamage},
	{
		"Does the node run under the agreement that this record is about?", high, auditLog,
		"Restart the node with the agreement that all members have, and write this record anew.", (*record).otherAgreement,
	},
	{
		"Has every purpose a legal ground?", high, declared,
		"Declare basis: for the purpose, or a consent rule that asks customers.", (*record).noGround,
	},
	{"Is it declared who is responsible?", high, declared, "Declare about: with controller and contact.", (*record).nobodyResponsible},
	{
		"Were all requests of customers answered within a month?", high, auditLog,
		"Find out why, and tell the customers concerned (GDPR, Art. 12(3)).", (*record).lateAnswers,
	},
	{"Is there a data-protection officer?", medium, declared, "Declare about: dpo, or note why none is needed (GDPR, Art. 37).", (*record).noOfficer},
	{"Is it declared how long data is kept?", medium, declared, "Declare retention: with since and keep_for.", (*record).noRetention},
	{
		"Can it be shown when consent was given, and does it end?", medium, declared,
		"Declare given: and valid_for: for the purpose (GDPR, Art. 7(1)).", (*record).undatedConsent,
	},
	{
		"Are the customers of whom questions are asked up to date?", medium, auditLog,
		"Run sotto party refresh, and declare source: {refresh: 24h}.", (*record).staleCustomers,
	},
	{
		"Does every purpose cover a fair share of the customers?", medium, auditLog,
		"Look with sotto party check at what keeps customers out, and whether the purpose is one that they want.", (*record).fewTakePart,
	},
	{"Has the company limits of its own?", medium, declared, "Declare limits: that are stricter than the agreement's, or by month and organisation.", (*record).noLimits},
	{"Is enough of the budget left?", medium, ledgerRows, "Decide now what happens when it is spent: a budget is there to end questions.", (*record).nearlySpent},
	{
		"Does the company's own noise protect its customers?", medium, declared,
		"Agree on noise: everyone, unless all members may trust the coordinator.", (*record).trustedNoise,
	},
	{"Are the keys young enough?", medium, declared, "Make new keys, and have the agreement name them.", (*record).oldKeys},
}

// finding is a rule that something breaks.
type finding struct {
	rule  rule
	found []string
}

// assess returns what breaks a rule, the rules that nothing breaks, and those that can't be told of because what they look at is
// damaged.
func (r *record) assess() (open []finding, fine, unknown []rule) {
	for _, rule := range rules { // the high ones come first
		if rule.from == auditLog && r.Audit.Damage != "" || rule.from == ledgerRows && r.Ledger.Damage != "" {
			unknown = append(unknown, rule)
		} else if found := rule.found(r); len(found) > 0 {
			open = append(open, finding{rule, found})
		} else {
			fine = append(fine, rule)
		}
	}
	return open, fine, unknown
}

func some(found bool, format string, args ...any) []string {
	if !found {
		return nil
	}
	return []string{fmt.Sprintf(format, args...)}
}

func (r *record) auditDamage() []string { return some(r.Audit.Damage != "", "%s", r.Audit.Damage) }

func (r *record) ledgerDamage() []string { return some(r.Ledger.Damage != "", "%s", r.Ledger.Damage) }

func (r *record) otherAgreement() []string {
	return some(r.agreement != "" && r.agreement != fmt.Sprintf("%x", r.Agreement.Hash()), "the node last started under agreement %.16s…", r.agreement)
}

func (r *record) eachPurpose(found func(name string, u config.Purpose) string) (all []string) {
	for _, name := range r.Config.PurposeNames() {
		if text := found(name, r.Config.Purposes[name]); text != "" {
			all = append(all, name+": "+text)
		}
	}
	return all
}

func (r *record) noGround() []string {
	return r.eachPurpose(func(_ string, u config.Purpose) string {
		if ground(u) != "" {
			return ""
		}
		return "nobody is asked for consent, and no other ground is declared"
	})
}

func (r *record) nobodyResponsible() (all []string) {
	about := r.Config.About
	all = append(all, some(about.Controller == "", "no controller is declared")...)
	return append(all, some(about.Contact == "" && about.Link == "", "nothing is declared that customers can turn to")...)
}

func (r *record) noOfficer() []string {
	return some(r.Config.About.DPO == "", "none is declared")
}

func (r *record) noRetention() []string {
	return some(!r.Config.Retention.Declared(), "nothing is declared: rows of any age are used, and what the node stores is never destroyed for its age")
}

func (r *record) undatedConsent() []string {
	return r.eachPurpose(func(_ string, u config.Purpose) string {
		switch {
		case everybody(u):
			return ""
		case u.Given == "":
			return "consent has no date"
		case u.ValidFor == (config.Period{}):
			return "consent has no end"
		}
		return ""
	})
}

func (r *record) lateAnswers() (all []string) {
	for _, kind := range requestKinds {
		if asked := r.requests[kind.action]; asked != nil {
			if late := asked.speed().late; late > 0 {
				all = append(all, fmt.Sprintf("%s: %s answered later", strings.ToLower(kind.name), count(late, "request")))
			}
		}
	}
	return all
}

func (r *record) staleCustomers() []string {
	limit := staleDays * 24 * time.Hour
	if every := r.refreshEvery(); every > 0 {
		limit = 2 * every // one may fail
	}
	switch {
	case !r.refreshFailed.IsZero():
		return some(true, "the last refresh, on %s, failed; the audit log says why", day(r.refreshFailed))
	case r.running && r.refreshed.IsZero():
		return some(true, "the node runs, but no refresh is on record")
	case r.running:
		return some(r.Now.Sub(r.refreshed) > limit, "the last refresh was on %s", day(r.refreshed))
	}
	return nil // a node that is off the air has no customers in memory
}

// refreshEvery returns how often the node refreshes by schedule, 0 for never.
func (r *record) refreshEvery() time.Duration {
	every := r.Config.Source.Refresh
	if r.Config.Retention.Declared() && (every == 0 || every > 24*time.Hour) {
		return 24 * time.Hour
	}
	return every
}

func (r *record) fewTakePart() []string {
	return r.eachPurpose(func(name string, _ config.Purpose) string {
		if percent, known := r.latest[name]; known && percent < leastCoverage {
			return fmt.Sprintf("%d %% of the customers take part", percent)
		}
		return ""
	})
}

func (r *record) noLimits() []string {
	own := r.Config.Limits
	agreed := own.Within(r.Agreement.Limits) == r.Agreement.Limits && own.PerOrganisation == (config.PeriodLimits{}) &&
		len(own.Organisations) == 0 && own.EpsilonPerDay == 0 && own.EpsilonPerMonth == 0
	return some(agreed, "the agreement's hold, and nothing stricter")
}

func (r *record) nearlySpent() (all []string) {
	for _, u := range r.Ledger.Usage {
		used := u.Limit.MicroEpsilon - u.Left
		if u.Limit.Period != ledger.Day && 100*int64(used) > mostSpent*int64(u.Limit.MicroEpsilon) {
			all = append(all, fmt.Sprintf("%s, %s: %s of ε %s", whose(u.Limit.Organisation), u.Limit.Period, percent(used, u.Limit.MicroEpsilon), u.Limit.MicroEpsilon))
		}
	}
	return all
}

func (r *record) trustedNoise() []string {
	return some(r.Agreement.Noise == agreement.NoiseCoordinator, "%s", noiseWords(r.Agreement))
}

func (r *record) oldKeys() (all []string) {
	for _, k := range r.Keys {
		if !k.Since.IsZero() && k.Since.AddDate(oldKeyYears, 0, 0).Before(r.Now) {
			all = append(all, fmt.Sprintf("%s: %s old", k.Name, age(k.Since, r.Now)))
		}
		if !k.Until.IsZero() && k.Until.AddDate(0, 0, -soonDays).Before(r.Now) {
			all = append(all, fmt.Sprintf("%s: ends on %s", k.Name, day(k.Until)))
		}
	}
	return all
}
