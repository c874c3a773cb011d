package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/ledger"
)

func openRisks(t *testing.T, s Sources) (all []string) {
	t.Helper()
	for _, row := range recordOf(t, s).Sections[1].Blocks[0].Table.Rows {
		all = append(all, row[2].Text)
	}
	return all
}

// more adds entries to those of a node.
func more(s *Sources, added ...audit.Entry) {
	before := s.Audit.Entries
	s.Audit.Entries = func(f func(audit.Entry) error) error {
		if err := before(f); err != nil {
			return err
		}
		return entries(added...)(f)
	}
}

// Each rule speaks up for what it is there for, alone, and is silent just before.
func TestRules(t *testing.T) {
	if found := openRisks(t, busy()); found != nil {
		t.Fatalf("a node in good order has risks: %q", found)
	}
	purpose := func(s *Sources, change func(*config.Purpose)) {
		u := s.Config.Purposes["marketing"]
		change(&u)
		s.Config.Purposes["marketing"] = u
	}
	withdrawn := func(received, answered string) audit.Entry {
		return audit.Entry{At: at(answered), Actor: "owner", Action: audit.Withdraw, Verdict: audit.Done, Subjects: 2, Received: at(received)}
	}
	refresh := func(when string, verdict audit.Verdict, marketing int) audit.Entry {
		return audit.Entry{At: at(when), Actor: "node", Action: audit.Refresh, Verdict: verdict, Coverage: map[string]int{"marketing": marketing}}
	}
	for want, change := range map[string]func(*Sources){
		"row 7 is not what was written":                  func(s *Sources) { s.Audit.Damage = "row 7 is not what was written" },
		"the ledger is an older copy":                    func(s *Sources) { s.Ledger.Damage = "the ledger is an older copy" },
		"the node last started under agreement":          func(s *Sources) { s.Agreement.Limits.DeltaTotal /= 2 },
		"marketing: nobody is asked":                     func(s *Sources) { purpose(s, func(u *config.Purpose) { u.Consent = " True " }) },
		"no controller":                                  func(s *Sources) { s.Config.About.Controller = "" },
		"nothing is declared that customers can turn to": func(s *Sources) { s.Config.About.Contact, s.Config.About.Link = "", "" },
		"": func(s *Sources) { s.Config.About.Contact = "" },
		"withdrawal of consent, or objection: 2 requests answered later": func(s *Sources) { more(s, withdrawn("2026-01-31 23:59", "2026-03-01 00:00")) },
		"\x01":                               func(s *Sources) { more(s, withdrawn("2026-01-31 00:00", "2026-02-28 23:59")) },
		"none is declared":                   func(s *Sources) { s.Config.About.DPO = "" },
		"rows of any age":                    func(s *Sources) { s.Config.Retention = config.Retention{} },
		"marketing: consent has no date":     func(s *Sources) { purpose(s, func(u *config.Purpose) { u.Given, u.ValidFor = "", config.Period{} }) },
		"marketing: consent has no end":      func(s *Sources) { purpose(s, func(u *config.Purpose) { u.ValidFor = config.Period{} }) },
		"the last refresh was on 2026-06-14": func(s *Sources) { s.Now = at("2026-06-16 13:01") },
		"\x02":                               func(s *Sources) { s.Now = at("2026-06-16 13:00") },
		"\x03": func(s *Sources) { // off the air
			s.Now = at("2026-06-20 13:00")
			more(s, audit.Entry{At: at("2026-06-15 00:00"), Actor: "node", Action: audit.Stop, Verdict: audit.Done})
		},
		"the last refresh, on 2026-06-15, failed": func(s *Sources) { more(s, refresh("2026-06-15 09:00", audit.Failed, 0)) },
		"marketing: 9 % of the customers":         func(s *Sources) { more(s, refresh("2026-06-15 09:00", audit.Done, 9)) },
		"\x04":                                    func(s *Sources) { more(s, refresh("2026-06-15 09:00", audit.Done, 10)) },
		"the agreement's hold":                    func(s *Sources) { s.Config.Limits = config.Limits{EpsilonPerQuery: 1e6} },
		"\x05":                                    func(s *Sources) { s.Config.Limits = config.Limits{EpsilonPerQuery: 1e6 - 1} },
		"agency, in total: 80 % of ε 5":           func(s *Sources) { s.Ledger.Usage[2] = usage("agency", ledger.Ever, 5e6, 4e6, 1) },
		"\x06":                                    func(s *Sources) { s.Ledger.Usage[2] = usage("agency", ledger.Ever, 5e6, 4e6, 0) },
		"\x07":                                    func(s *Sources) { s.Ledger.Usage[0] = usage("", ledger.Day, 4e6, 4e6, 0) },
		"all analysts together, in total: 100 %":  func(s *Sources) { s.Ledger.Usage[1] = usage("", ledger.Ever, 8e6, math.MaxInt64, 0) },
		"identity of the node: 2 years old":       func(s *Sources) { s.Keys[0].Since = at("2024-06-15 11:59") },
		"\x08":                                    func(s *Sources) { s.Keys[0].Since = at("2024-06-15 12:00") },
		"identity of the node: ends on 2026-09-01": func(s *Sources) { s.Keys[0].Until = at("2026-09-01 00:00") },
	} {
		s := busy()
		if change(&s); strings.HasPrefix(want, "the node last started") || s.Audit.Damage != "" {
			// the log is of another agreement, or not looked at
		} else if hash := s.Agreement.Hash(); hash != busy().Agreement.Hash() {
			t.Fatalf("%q changes the agreement", want)
		}
		found := openRisks(t, s)
		switch silent := want < " "; {
		case silent && found != nil:
			t.Errorf("nothing should be found, not %q", found)
		case !silent && (len(found) != 1 || !strings.Contains(found[0], want)):
			t.Errorf("%q should be found, not %q", want, found)
		}
	}
	s := busy()
	s.Agreement.Noise = agreement.NoiseCoordinator // which is another agreement too
	if found := openRisks(t, s); len(found) != 2 || !strings.Contains(found[1], "only the coordinator adds noise") {
		t.Errorf("found %q", found)
	}
}

// A damaged log or ledger is not summed up as an empty one.
func TestDamage(t *testing.T) {
	s := busy()
	s.Audit.Damage, s.Ledger.Damage = "row 7 is not what was written", "rows are missing"
	text := rendered(t, recordOf(t, s).Markdown)
	for _, wrong := range []string{"question was answered yet", "was spent yet", "asked for anything yet", "had to be destroyed yet", "ab01", "cd02", "| in total |", "Asked:** 0"} {
		if strings.Contains(text, wrong) {
			t.Errorf("%q is said of a damaged node", wrong)
		}
	}
	if n := strings.Count(text, "not known: the audit log is damaged"); n < 10 {
		t.Errorf("that the log is damaged is said %d times", n)
	}
	unknown, fine, _ := strings.Cut(text[strings.Index(text, "Could not be checked"):], "Checked, and nothing found")
	for _, rule := range rules {
		if rule.from != declared && (!strings.Contains(unknown, rule.name) || strings.Contains(fine, rule.name)) {
			t.Errorf("%q is said to be checked", rule.name)
		}
	}
}

// The month to answer in ends as the law counts: with the last hour of the day of the same date, or of the month's last day.
// The dates are worked out by hand from Regulation 1182/71, Art. 3.
func TestAnswerableUntil(t *testing.T) {
	for received, want := range map[string]string{
		"2026-03-01 09:00": "2026-04-02 00:00", "2026-01-31 23:59": "2026-03-01 00:00", "2024-01-30 00:00": "2024-03-01 00:00",
		"2026-02-28 12:00": "2026-03-29 00:00", "2026-12-31 12:00": "2027-02-01 00:00", "2026-03-31 12:00": "2026-05-01 00:00",
	} {
		if got := answerableUntil(at(received)); !got.Equal(at(want)) {
			t.Errorf("%s is answerable until %s, want %s", received, got, want)
		}
	}
}

// Half of the persons, not of the requests, is the middle, and every time has its unit.
func TestSpeed(t *testing.T) {
	r := requests{timed: []timed{{5 * time.Hour, 1, true}, {time.Second, 3, false}, {time.Minute, 1, false}, {49 * time.Hour, 1, true}}}
	if got, want := r.speed(), (speed{persons: 6, late: 2, median: time.Second, longest: 49 * time.Hour}); got != want {
		t.Errorf("speed is %+v, want %+v", got, want)
	}
	for d, want := range map[time.Duration]string{
		0: "less than a minute", time.Minute: "1 minute", 59 * time.Minute: "59 minutes", 47 * time.Hour: "47 hours", 48 * time.Hour: "2 days",
	} {
		if got := took(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	for since, want := range map[string]string{
		"2026-06-15 00:00": "less than a day", "2026-05-16 12:00": "30 days", "2025-06-15 12:00": "12 months", "2024-06-16 12:00": "23 months", "2024-06-15 12:00": "2 years",
	} {
		if got := age(at(since), now); got != want {
			t.Errorf("since %s is %q, want %q", since, got, want)
		}
	}
}

// Every time between the first and the last has one bucket, which starts before it and ends after it; few days are days.
func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		from, to, last string
		number         int
	}{
		{"2026-03-01 10:00", "2026-03-01 09:00", "2026-03-01", 1},
		{"2026-03-01 10:00", "2026-05-01 23:59", "2026-05-01", 62},
		{"2026-03-01 10:00", "2026-05-02 00:00", "2026-05", 3},
		{"2025-12-31 10:00", "2027-01-01 00:00", "2027-01", 14},
	} {
		from, to := at(c.from), at(c.to)
		if to.Before(from) {
			to = from
		}
		starts, layout := buckets(from, to)
		if len(starts) != c.number || starts[len(starts)-1].Format(layout) != c.last {
			t.Errorf("%s to %s has %d buckets, the last %s", c.from, c.to, len(starts), starts[len(starts)-1].Format(layout))
		}
		for when := from; !when.After(to); when = when.Add(7 * time.Hour) {
			i := bucketOf(starts, when)
			if i < 0 || starts[i].After(when) || i+1 < len(starts) && !starts[i+1].After(when) {
				t.Fatalf("%s is in bucket %d", when, i)
			}
		}
	}
}
