package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/ledger"
)

// windows are the limits of a strict owner: of everybody and of one organisation, for each period.
var windows = ledger.Limits{Delta: plainly, Sessions: 1, Windows: []ledger.Limit{
	{Period: ledger.Day, MicroEpsilon: 1_000_000},
	{Organisation: "agency", Period: ledger.Day, MicroEpsilon: 600_000},
	{Period: ledger.Month, MicroEpsilon: 2_000_000},
	{Organisation: "agency", Period: ledger.Month, MicroEpsilon: 1_500_000},
	{Period: ledger.Ever, MicroEpsilon: 3_000_000},
	{Organisation: "agency", Period: ledger.Ever, MicroEpsilon: 2_500_000},
}}

// A charge is held against every window that it counts in, by the UTC calendar and by whose analyst asks, and against no
// other; a refusal names the window and says what would be accepted.
func TestWindows(t *testing.T) {
	l := open(t, create(t))
	n := 0
	reserve := func(organisation string, price agreement.MicroEpsilon, at time.Time) error {
		n++
		c := charge(n, price)
		c.Organisation, c.Begun = organisation, at
		return l.Reserve(t.Context(), c, windows)
	}
	accept := func(organisation string, price agreement.MicroEpsilon, at time.Time) {
		t.Helper()
		must(t, reserve(organisation, price, at))
	}
	refuse := func(organisation string, price agreement.MicroEpsilon, at time.Time, message, hint string) {
		t.Helper()
		err := reserve(organisation, price, at)
		if !fault.IsKind(err, fault.Budget) || err.Error() != message || fault.From(err).Hint != hint {
			t.Errorf("refused with\n%v\n%s, want\n%s\n%s", err, fault.From(err).Hint, message, hint)
		}
	}
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	accept("agency", 400_000, first)
	refuse("agency", 300_000, first.Add(24*time.Hour-time.Second),
		"the question costs epsilon 0.3; of analyst organisation agency's 0.6 per day 0.2 is left",
		"ask with epsilon 0.2 or less, or ask again from 2026-03-02 on (UTC)")
	accept("agency", 200_000, first.Add(24*time.Hour-time.Second)) // all of it
	refuse("agency", 300_000, first, "the question costs epsilon 0.3; of analyst organisation agency's 0.6 per day 0 is left",
		"ask again from 2026-03-02 on (UTC)")
	accept("shop", 300_000, first) // another organisation's day
	refuse("shop", 100_001, first, "the question costs epsilon 0.100001; of all analysts' 1 per day 0.1 is left",
		"ask with epsilon 0.1 or less, or ask again from 2026-03-02 on (UTC)")
	accept("shop", 100_000, first.In(time.FixedZone("east of midnight", 14*60*60))) // still that day in UTC

	accept("agency", 600_000, first.AddDate(0, 0, 1))
	refuse("agency", 400_000, first.AddDate(0, 0, 30), // in the month's last day
		"the question costs epsilon 0.4; of analyst organisation agency's 1.5 per month 0.3 is left",
		"ask with epsilon 0.3 or less, or ask again from 2026-04-01 on (UTC)")
	refuse("agency", 400_000, first.AddDate(0, 0, 30).In(time.FixedZone("April", 14*60*60)).Add(12*time.Hour), // UTC's calendar
		"the question costs epsilon 0.4; of analyst organisation agency's 1.5 per month 0.3 is left",
		"ask with epsilon 0.3 or less, or ask again from 2026-04-01 on (UTC)")
	refuse("shop", 900_000, first.AddDate(0, 0, 30), "the question costs epsilon 0.9; of all analysts' 2 per month 0.4 is left",
		"ask with epsilon 0.4 or less, or ask again from 2026-04-01 on (UTC)")
	refuse("shop", 1_100_000, first.AddDate(0, 0, 20), "the question costs epsilon 1.1; of all analysts' 1 per day 1 is left",
		"ask with epsilon 0.4 or less, or ask the owner to raise the budget") // it fits into no day; what is proposed is for the month too
	accept("shop", 200_000, first.AddDate(0, -1, 0)) // a clock that goes back
	accept("agency", 600_000, first.AddDate(0, 1, 0))
	accept("agency", 599_500, first.AddDate(1, 0, 0)) // next year's March is another month
	refuse("agency", 500_000, first.AddDate(2, 0, 0),
		"the question costs epsilon 0.5; of all analysts' 3 in total 0.0005 is left", "ask the owner to raise the budget")
	refuse("agency", 400_000, first.AddDate(1, 0, 0),
		"the question costs epsilon 0.4; of analyst organisation agency's 0.6 per day 0.0005 is left", "ask the owner to raise the budget")

	if got := l.Organisations(); !slices.Equal(got, []string{"agency", "shop"}) {
		t.Errorf("organisations are %v", got)
	}
}

// The owner sees, of each window, what was spent, what is under way, what is left, and how many questions fit.
func TestUsage(t *testing.T) {
	path := create(t)
	l := open(t, path)
	a, b := charge(1, 300_000), charge(2, 200_000)
	b.Organisation, b.Begun = "shop", begun.AddDate(0, 0, 1)
	must(t, l.Reserve(t.Context(), a, windows))
	must(t, release(l, a))
	must(t, l.Reserve(t.Context(), b, windows))
	check := func(l *ledger.Ledger, now time.Time, want ...[4]int64) {
		t.Helper()
		for i, u := range l.Usage(windows, &dp.Loss{Mechanism: dp.Laplace, MicroEpsilon: 100_000}, now) {
			got := [4]int64{int64(u.Spent), int64(u.Reserved), int64(u.Left), u.Questions}
			if got != want[i] || u.Limit != windows.Windows[i] {
				t.Errorf("at %s, %+v: %v, want %v", now, u.Limit, got, want[i])
			}
		}
	}
	check(l, begun, [4]int64{300_000, 0, 700_000, 7}, [4]int64{300_000, 0, 300_000, 3},
		[4]int64{300_000, 200_000, 1_500_000, 15}, [4]int64{300_000, 0, 1_200_000, 12},
		[4]int64{300_000, 200_000, 2_500_000, 25}, [4]int64{300_000, 0, 2_200_000, 22})
	check(l, begun.AddDate(0, 0, 1), [4]int64{0, 200_000, 800_000, 8}, [4]int64{0, 0, 600_000, 6},
		[4]int64{300_000, 200_000, 1_500_000, 15}, [4]int64{300_000, 0, 1_200_000, 12},
		[4]int64{300_000, 200_000, 2_500_000, 25}, [4]int64{300_000, 0, 2_200_000, 22})
	check(l, begun.AddDate(0, 1, 0), [4]int64{0, 0, 1_000_000, 10}, [4]int64{0, 0, 600_000, 6},
		[4]int64{0, 0, 2_000_000, 20}, [4]int64{0, 0, 1_500_000, 15},
		[4]int64{300_000, 200_000, 2_500_000, 25}, [4]int64{300_000, 0, 2_200_000, 22})
	if u := l.Usage(windows, nil, begun)[0]; u.Questions != -1 {
		t.Errorf("%d questions of no loss", u.Questions)
	}
	tight := total(200_000) // the owner lowers a limit below what is spent
	if u := l.Usage(tight, nil, begun)[0]; u.Left != 0 || u.Spent != 300_000 {
		t.Errorf("below what is spent: %+v", u)
	}
	// What is under way counts where it was reserved, also when it is released much later.
	l.SetNow(func() time.Time { return begun.AddDate(1, 0, 0) })
	must(t, release(l, b))
	for range 2 {
		check(l, begun.AddDate(0, 0, 1), [4]int64{200_000, 0, 800_000, 8}, [4]int64{0, 0, 600_000, 6},
			[4]int64{500_000, 0, 1_500_000, 15}, [4]int64{300_000, 0, 1_200_000, 12},
			[4]int64{500_000, 0, 2_500_000, 25}, [4]int64{300_000, 0, 2_200_000, 22})
		must(t, l.Close())
		l = open(t, path)
	}
}

// Where the total delta does not suffice, nothing more is accepted, however much epsilon is left.
func TestDelta(t *testing.T) {
	l := open(t, create(t))
	limits := total(1_000_000_000)
	limits.Delta = 1e-9
	c := charge(1, 1000)
	c.Loss.Mechanism, c.Loss.AttoDelta = dp.Pure, 2_000_000_000 // 2·10⁻⁹
	const want = "the question costs delta 2e-09; with what was spent that is more than all analysts' 1e-09 in total"
	if err := l.Reserve(t.Context(), c, limits); !fault.IsKind(err, fault.Budget) || err.Error() != want {
		t.Errorf("error is %v, want fault.Budget, %s", err, want)
	}
	limits.Delta = 1e-6
	must(t, l.Reserve(t.Context(), c, limits))
}

// What losses cost together is not their sum: a refusal names what the question would add.
func TestComposedCost(t *testing.T) {
	l := open(t, create(t))
	limits := total(1_000_000)
	limits.Delta = 1e-9
	c := charge(1, 900_000)
	c.Loss.Mechanism, c.Loss.AttoDelta = dp.Gaussian, 100_000_000_000 // 10⁻⁷, for which less noise suffices than for 10⁻⁹
	err := l.Reserve(t.Context(), c, limits)
	const before, after = "the question costs epsilon 1.", "; of all analysts' 1 in total 1 is left"
	if !fault.IsKind(err, fault.Budget) || !strings.HasPrefix(err.Error(), before) || !strings.HasSuffix(err.Error(), after) {
		t.Fatalf("error is %v, want %s…%s", err, before, after)
	}
	if hint := fault.From(err).Hint; hint != "ask with epsilon 0.5 or less, or ask the owner to raise the budget" {
		t.Errorf("hint is %q", hint)
	}
	c.Loss.MicroEpsilon = 500_000
	must(t, l.Reserve(t.Context(), c, limits)) // as proposed
}
