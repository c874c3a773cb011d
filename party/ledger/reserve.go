package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
)

// Reserve durably sets aside the price of a session, or refuses with a fault that says why: of fault.Protocol if the session
// was seen before, or its question was answered already or begun too often; of fault.Budget if a window that the charge
// counts in would hold more than its limit; of fault.Unavailable after a failed Check; of fault.Cancelled if the caller
// gave up in time. Of fault.Internal if the file failed: what it then holds is not known, and nothing goes on until it is
// opened anew. Refusals depend on the charge, the limits and what was charged before, never on customers.
func (l *Ledger) Reserve(ctx context.Context, c Charge, limits Limits) error {
	if err := errors.Join(c.check(), limits.check()); err != nil {
		return fault.New(fault.Internal, "reserve in the ledger").Wrap(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.spendable(); err != nil {
		return err
	}
	if err := l.file.Reach("reserve", "before reserve"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // from here on the context is not asked: a commit that it cuts off may be there or not
		return fault.From(err)
	}
	if err := l.books.admit(&c, limits); err != nil {
		return err
	}
	return l.append("reserve", nil, newRow(reserved, &c, c.Begun.Unix()))
}

// admit refuses a charge that may not be reserved.
func (b *books) admit(c *Charge, limits Limits) error {
	_, ended := b.closed[c.Session]
	asked := b.questions[c.Query]
	switch {
	case ended || b.open[c.Session] != nil:
		return fault.New(fault.Protocol, "the session is known and its key share is gone; it can't go on")
	case asked.answered:
		return fault.New(fault.Protocol, "the signed question was answered already")
	case asked.begun >= limits.Sessions:
		return fault.New(fault.Protocol, "the signed question was begun %d times, at most %d", asked.begun, limits.Sessions).WithHint("ask again, signed anew")
	}
	applying := limits
	applying.Windows = nil
	for _, limit := range limits.Windows {
		if limit.appliesTo(c.Organisation) {
			applying.Windows = append(applying.Windows, limit)
		}
	}
	if len(applying.Windows) == 0 {
		return fault.New(fault.Internal, "reserve in the ledger").Wrap(fmt.Errorf("there is no limit for organisation %q", c.Organisation))
	}
	return b.admitToWindows(c, applying)
}

func (b *books) admitToWindows(c *Charge, limits Limits) error {
	var full []Limit
	for _, limit := range limits.Windows {
		if !b.fits(c.Loss, limit, limits.Delta, c.Begun) {
			full = append(full, limit)
		}
	}
	if len(full) == 0 {
		return nil
	}
	return fault.New(fault.Budget, "%s", b.refusal(c, full[0], limits.Delta)).WithHint(b.acceptable(c, limits.Delta, full))
}

// refusal says why a charge does not fit into a window.
func (b *books) refusal(c *Charge, limit Limit, delta float64) string {
	left := b.usage(limit, delta, nil, c.Begun).Left
	with := b.with(limit.window(c.Begun), c.Loss, delta)
	if with == math.MaxInt64 {
		return fmt.Sprintf("the question costs delta %.2g; with what was spent that is more than %s %g %s", c.Loss.Delta(), whose(limit), delta, limit.Period)
	}
	cost := agreement.MicroEpsilon(c.Loss.MicroEpsilon)
	if cost <= left { // composed, it costs more than alone
		cost = agreement.MicroEpsilon(with) - limit.MicroEpsilon + left
	}
	return fmt.Sprintf("the question costs epsilon %s; of %s %s %s %s is left", cost, whose(limit), limit.MicroEpsilon, limit.Period, left)
}

func whose(limit Limit) string {
	if limit.Organisation == "" {
		return "all analysts'"
	}
	return "analyst organisation " + limit.Organisation + "'s"
}

// acceptable says what would be accepted instead of a charge for which some windows are too full.
func (b *books) acceptable(c *Charge, delta float64, full []Limit) string {
	var ways []string
	if epsilon := b.smaller(c, delta, full); epsilon > 0 {
		ways = append(ways, fmt.Sprintf("ask with epsilon %s or less", epsilon))
	}
	var renewal time.Time
	for _, limit := range full {
		ends := limit.Period.renewal(c.Begun)
		alone := dp.Tally{c.Loss: 1}.MicroEpsilon(delta)
		if ends.IsZero() || alone > int64(limit.MicroEpsilon) { // no later window has room for it either
			return strings.Join(append(ways, "ask the owner to raise the budget"), ", or ")
		}
		if ends.After(renewal) {
			renewal = ends
		}
	}
	return strings.Join(append(ways, "ask again from "+renewal.Format(time.DateOnly)+" on (UTC)"), ", or ")
}

// smaller returns an ε at which a charge, else the same, fits into windows that are too full for it; 0 if none is worth asking
// for. It tries what is left of the fullest one, and 1, 2 and 5 times each power of 10, so that a refusal is cheap.
func (b *books) smaller(c *Charge, delta float64, full []Limit) agreement.MicroEpsilon {
	const least = 1000 // of any collaboration, noise for less than ε = 0.001 drowns the answer
	left := agreement.MicroEpsilon(c.Loss.MicroEpsilon - 1)
	for _, limit := range full {
		left = min(left, b.usage(limit, delta, nil, c.Begun).Left)
	}
	for digits := agreement.MicroEpsilon(1); left/digits >= 1000; digits *= 10 {
		left -= left % (10 * digits) // three digits are enough
	}
	candidates := []agreement.MicroEpsilon{left}
	for power := agreement.MicroEpsilon(least); power < agreement.MicroEpsilon(c.Loss.MicroEpsilon); power *= 10 {
		candidates = append(candidates, power, 2*power, 5*power)
	}
	slices.Sort(candidates)
	for _, epsilon := range slices.Backward(candidates) {
		l := c.Loss
		l.MicroEpsilon = int64(epsilon)
		exceeds := func(limit Limit) bool { return !b.fits(l, limit, delta, c.Begun) }
		if epsilon >= least && l.MicroEpsilon < c.Loss.MicroEpsilon && !slices.ContainsFunc(full, exceeds) {
			return epsilon
		}
	}
	return 0
}
