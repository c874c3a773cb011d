package report

import (
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/journal"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
)

var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// entries returns what reads entries.
func entries(all ...audit.Entry) func(func(audit.Entry) error) error {
	return func(f func(audit.Entry) error) error {
		for _, e := range all {
			if err := f(e); err != nil {
				return err
			}
		}
		return nil
	}
}

func key(first byte) identity.PublicKey { return identity.PublicKey{first} }

// bank is a party that has thought of everything.
func bank() (*agreement.Agreement, *config.Party) {
	a := &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: "coordinator.example:7400", Key: key(1)},
		Parties: []agreement.Party{
			{Name: "bank", Address: "bank.example:7401", Key: key(2)},
			{Name: "shop", Address: "shop.example:7401", Key: key(3)},
			{Name: "airline", Address: "airline.example:7401", Key: key(4)},
		},
		Analysts: []agreement.Analyst{
			{Name: "marketing", Key: key(5), Organisation: "agency"}, {Name: "research", Key: key(6), Organisation: "agency"}, {Name: "shop_desk", Key: key(7)},
		},
		Purposes: []string{"planning", "marketing", "fraud prevention"},
		Identifiers: []agreement.Identifier{
			{Type: ids.Email, Ignore: agreement.Ignored{{Domain: "gmail.com", Dots: true, Tags: true}}}, {Type: ids.Phone},
		},
		Limits:  agreement.Limits{EpsilonPerQuery: 1e6, EpsilonTotal: 10e6, DeltaPerQuery: 1e-6, DeltaTotal: 1e-5},
		Noise:   agreement.NoiseEveryone,
		Layouts: []string{agreement.LayoutHashed},
	}
	c := &config.Party{
		Name:          "bank",
		Source:        config.Source{CSV: "secret-folder/customers.csv", Refresh: 24 * time.Hour},
		Identity:      config.Identities{{Column: "secret_email", Type: ids.Email}, {Column: "secret_phone", Type: ids.Phone, Country: "DE", AtMost: 1, People: "secret_person"}},
		CustomersUpTo: 50_000,
		Segments:      map[string]string{"gold": "secret_tier = 'gold'", "home_loan": "secret_loan > 0"},
		Dimensions:    map[string]config.Dimension{"age_band": {SQL: "secret_age", Values: []string{"18-34", "35-54", "55+"}}},
		Measures:      map[string]config.Measure{"spend": {SQL: "secret_amount", Clip: [2]float64{0, 500}, Unit: "EUR"}},
		Purposes: map[string]config.Purpose{
			"planning":  {Consent: "TRUE", Basis: "legitimate interests (Art. 6(1)(f)): planning of branches"},
			"marketing": {Consent: "secret_newsletter = 'yes'", Given: "secret_since", ValidFor: config.Period{Months: 24}},
		},
		Retention:      config.Retention{Since: "secret_purchase", KeepFor: config.Period{Months: 36}},
		Limits:         config.Limits{PeriodLimits: config.PeriodLimits{EpsilonPerMonth: 4e6, EpsilonTotal: 8e6}, PerOrganisation: config.PeriodLimits{EpsilonTotal: 5e6}},
		Administrators: []config.Administrator{{Name: "privacy_desk", Key: key(8)}},
		About: config.About{
			Controller: "Bank Ltd, 1 High Street, London", Contact: "privacy@bank.example", DPO: "dpo@bank.example", Link: "https://bank.example/privacy",
		},
	}
	return a, c
}

// released returns a question that was admitted and answered.
func released(when, analyst, organisation, purpose string, epsilon float64) []audit.Entry {
	q := audit.Entry{
		At: at(when), Actor: analyst, Action: audit.Question, Verdict: audit.Accepted, Organisation: organisation, Purpose: purpose,
		Audience: "bank.gold && shop.member", Measure: "count", MicroEpsilon: int64(epsilon * 1e6),
	}
	r := q
	r.Action, r.Verdict = audit.Release, audit.Done
	return []audit.Entry{q, r}
}

func usage(organisation string, period ledger.Period, limit, spent, reserved agreement.MicroEpsilon) ledger.Usage {
	return ledger.Usage{
		Limit: ledger.Limit{Organisation: organisation, Period: period, MicroEpsilon: limit},
		Spent: spent, Reserved: reserved, Left: max(0, limit-spent-reserved), Questions: -1,
	}
}

// busy is a node with some months behind it, in good order.
func busy() Sources {
	a, c := bank()
	hash := fmt.Sprintf("%x", a.Hash())
	log := []audit.Entry{
		{At: at("2026-02-03 09:00"), Actor: "owner", Action: audit.Configure, Verdict: audit.Done, Config: "0a0b", Agreement: hash},
		{At: at("2026-02-03 09:00"), Actor: "node", Action: audit.Start, Verdict: audit.Done, Config: "0a0b", Agreement: hash},
		{At: at("2026-02-03 09:01"), Actor: "node", Action: audit.Refresh, Verdict: audit.Done, Coverage: map[string]int{"planning": 100, "marketing": 46}},
	}
	log = append(log, released("2026-02-10 10:00", "marketing", "agency", "planning", 1)...)
	log = append(log, released("2026-02-11 10:00", "research", "agency", "marketing", 0.5)...)
	log = append(log,
		audit.Entry{At: at("2026-02-12 10:00"), Actor: "shop_desk", Action: audit.Question, Verdict: audit.Refused, Reason: "epsilon 2 is above 1, the limit of bank per question", Organisation: "shop_desk"},
		audit.Entry{At: at("2026-02-12 11:00"), Actor: "coordinator", Action: audit.Question, Verdict: audit.Failed, Reason: "no answer in time"},
		audit.Entry{At: at("2026-03-02 08:00"), Actor: "privacy_desk", Action: audit.Withdraw, Verdict: audit.Done, Purpose: "marketing", Subjects: 7313, Received: at("2026-03-01 00:00")},
		audit.Entry{At: at("2026-03-03 08:00"), Actor: "privacy_desk", Action: audit.Withdraw, Verdict: audit.Done, Subjects: 2111, Received: at("2026-02-25 00:00")},
		audit.Entry{At: at("2026-03-04 08:00"), Actor: "owner", Action: audit.Access, Verdict: audit.Done, Subjects: 1, Received: at("2026-02-04 08:00")},
		audit.Entry{At: at("2026-03-04 09:00"), Actor: "owner", Action: audit.Erase, Verdict: audit.Done, Subjects: 1},
		audit.Entry{At: at("2026-03-05 09:00"), Actor: "node", Action: audit.Refresh, Verdict: audit.Failed, Reason: "secret reason"},
		audit.Entry{At: at("2026-04-05 09:00"), Actor: "node", Action: audit.Refresh, Verdict: audit.Done, Coverage: map[string]int{"planning": 99, "marketing": 41}},
		audit.Entry{At: at("2026-04-06 09:00"), Actor: "node", Action: audit.Purge, Verdict: audit.Done, Detail: "3 stored files destroyed"},
	)
	log = append(log, released("2026-06-01 10:00", "shop_desk", "shop_desk", "planning", 0.25)...)
	log = append(log, audit.Entry{At: at("2026-06-14 13:00"), Actor: "node", Action: audit.Refresh, Verdict: audit.Done, Coverage: map[string]int{"planning": 99, "marketing": 43}})
	return Sources{
		Agreement: a, Config: c, Now: now,
		Audit: AuditLog{Head: journal.Head{Rows: int64(len(log)), Hash: [32]byte{0xab, 1}}, Entries: entries(log...)},
		Ledger: Ledger{
			Head: journal.Head{Rows: 6, Hash: [32]byte{0xcd, 2}},
			Usage: []ledger.Usage{
				usage("", ledger.Month, 4e6, 250_000, 0), usage("", ledger.Ever, 8e6, 1_700_000, 500_000),
				usage("agency", ledger.Ever, 5e6, 1_450_000, 500_000), usage("shop_desk", ledger.Ever, 5e6, 250_000, 0),
			},
		},
		Keys: []Key{
			{Name: "identity of the node", Public: key(2).String(), Since: at("2026-01-10 00:00"), Until: at("2036-01-10 00:00")},
			{Name: "encryption of stored data", Since: at("2026-02-03 08:00")},
		},
	}
}

// fresh is a node that has declared as little as possible and done nothing.
func fresh() Sources {
	a, c := bank()
	c.Purposes = map[string]config.Purpose{"planning": {Consent: "true"}}
	c.Retention, c.Limits, c.Administrators, c.About = config.Retention{}, config.Limits{}, nil, config.About{}
	c.Segments, c.Dimensions, c.Measures, c.Source.Refresh = nil, nil, nil, 0
	a.Noise = agreement.NoiseCoordinator
	return Sources{Agreement: a, Config: c, Now: now, Audit: AuditLog{Entries: entries()}, Ledger: Ledger{Usage: []ledger.Usage{usage("", ledger.Ever, 10e6, 0, 0)}}}
}
