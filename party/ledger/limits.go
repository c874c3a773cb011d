package ledger

import (
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
)

// Period is how long a limit holds, in the calendar of UTC.
type Period int

const (
	// Day is from midnight to midnight.
	Day Period = 1 + iota
	// Month is a calendar month.
	Month
	// Ever is as long as the ledger exists.
	Ever
)

// String returns "per day", "per month" or "in total".
func (p Period) String() string {
	switch p {
	case Day:
		return "per day"
	case Month:
		return "per month"
	case Ever:
		return "in total"
	}
	return fmt.Sprintf("in period %d", int(p))
}

// Limit is the most that may be spent in each window of its period.
type Limit struct {
	Organisation string // whose analysts it holds for together; "" for all analysts together
	Period       Period
	MicroEpsilon agreement.MicroEpsilon // of all that is reserved or released in a window, composed
}

// Limits are what Reserve holds a charge against.
type Limits struct {
	Delta    float64 // total δ of every window, at which losses are composed to an ε; in [0, 1)
	Windows  []Limit // those of other organisations than the charge's do not apply to it; at least one must apply
	Sessions int     // of one signed question, this one included
}

// check reports what no limits can be. Its errors are defects of the caller.
func (l *Limits) check() error {
	if !(l.Delta >= 0 && l.Delta < 1) { // not (a or b), so that NaN is refused
		return fmt.Errorf("total delta %v must be at least 0 and below 1", l.Delta)
	}
	for _, limit := range l.Windows {
		if limit.Period < Day || limit.Period > Ever {
			return fmt.Errorf("a limit holds %s, which is none", limit.Period)
		}
	}
	return nil
}

// Usage is the state of a limit's present window.
type Usage struct {
	Limit     Limit
	Spent     agreement.MicroEpsilon // what was released; the greatest int64 where Delta does not suffice
	Reserved  agreement.MicroEpsilon // what would be spent besides, were all that is under way released
	Left      agreement.MicroEpsilon // of the limit, at least 0
	Questions int64                  // how many of the given loss fit besides, at most 10⁶; −1 if none was given
}

// mostQuestions bounds Usage.Questions: beyond it a number tells nothing.
const mostQuestions = 1_000_000

// window is a stretch of time in which an organisation's charges, or with "" everybody's, count together.
type window struct {
	organisation string
	period       Period
	index        int64 // days or months since 1970; 0 for ever
}

func (p Period) window(organisation string, at time.Time) window {
	at = at.UTC()
	w := window{organisation: organisation, period: p}
	switch p {
	case Day:
		w.index = at.Unix() / (24 * 60 * 60)
	case Month:
		w.index = int64(at.Year()-1970)*12 + int64(at.Month()-time.January)
	}
	return w
}

// renewal returns when the window of a time is over; the zero time for one that never is.
func (p Period) renewal(at time.Time) time.Time {
	at = at.UTC()
	switch p {
	case Day:
		return time.Date(at.Year(), at.Month(), at.Day()+1, 0, 0, 0, 0, time.UTC)
	case Month:
		return time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

// appliesTo reports whether an organisation's charges count against the limit.
func (l Limit) appliesTo(organisation string) bool {
	return l.Organisation == "" || l.Organisation == organisation
}

func (l Limit) window(at time.Time) window { return l.Period.window(l.Organisation, at) }

// with returns the ε, in millionths, of what counts in a window and of one more loss.
func (b *books) with(w window, l dp.Loss, delta float64) int64 {
	all := b.windows[w].all
	if all == nil {
		all = dp.Tally{}
	}
	all.Add(l, 1)
	defer all.Add(l, -1)
	return all.MicroEpsilon(delta)
}

// fits reports whether one more loss at a time keeps a limit.
func (b *books) fits(l dp.Loss, limit Limit, delta float64, at time.Time) bool {
	return b.with(limit.window(at), l, delta) <= int64(limit.MicroEpsilon)
}

func (b *books) usage(limit Limit, delta float64, loss *dp.Loss, now time.Time) Usage {
	s := b.windows[limit.window(now)] // tallies that are nil can be read
	spent, all := s.released.MicroEpsilon(delta), s.all.MicroEpsilon(delta)
	u := Usage{
		Limit: limit, Spent: agreement.MicroEpsilon(spent), Reserved: agreement.MicroEpsilon(max(0, all-spent)),
		Left: max(0, limit.MicroEpsilon-agreement.MicroEpsilon(all)), Questions: -1,
	}
	if loss != nil {
		u.Questions = s.all.Fits(*loss, int64(limit.MicroEpsilon), delta, mostQuestions)
	}
	return u
}

// Usage returns the state of every limit's window at a time, in the order of the limits, and how many more questions of a
// loss fit into it, if loss is not nil.
func (l *Ledger) Usage(limits Limits, loss *dp.Loss, now time.Time) []Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	usages := make([]Usage, len(limits.Windows))
	for i, limit := range limits.Windows {
		usages[i] = l.books.usage(limit, limits.Delta, loss, now)
	}
	return usages
}

// Organisations returns all that ever had a charge, sorted.
func (l *Ledger) Organisations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.books.organisations()
}
