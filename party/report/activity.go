package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/party/audit"
)

// activity is what the audit log adds up to.
type activity struct {
	first time.Time // entry; zero if there is none

	asked, refused, failed, answered int64

	answers map[asker]*answers
	reasons map[reason]int64
	spent   map[time.Time]agreement.MicroEpsilon // by the day of the release

	refreshed     time.Time                    // last success; zero for none
	refreshFailed time.Time                    // if that was later; zero if not
	coverage      map[time.Time]map[string]int // the last of each day
	latest        map[string]int               // coverage at the last success

	requests map[audit.Action]*requests
	purges   []audit.Entry

	running   bool   // as far as the log says: a node that was killed says nothing
	agreement string // that the node last ran under, in hexadecimal, or ""
	config    string
	changes   int64
}

type asker struct{ purpose, organisation string }

type answers struct {
	number int64
	spent  agreement.MicroEpsilon
	last   time.Time
}

type reason struct {
	verdict audit.Verdict
	text    string
}

// requests are what persons asked for, of one kind. Those of several who asked at once count as so many.
type requests struct {
	persons int64
	timed   []timed // those of which it is known when they came in
}

type timed struct {
	took    time.Duration
	persons int64
	late    bool
}

func readActivity(entries func(func(audit.Entry) error) error) (*activity, error) {
	a := &activity{
		answers: map[asker]*answers{}, reasons: map[reason]int64{}, spent: map[time.Time]agreement.MicroEpsilon{},
		coverage: map[time.Time]map[string]int{}, latest: map[string]int{}, requests: map[audit.Action]*requests{},
	}
	if entries == nil {
		return a, nil
	}
	return a, entries(func(e audit.Entry) error {
		a.enter(e)
		return nil
	})
}

func (a *activity) enter(e audit.Entry) {
	if a.first.IsZero() {
		a.first = e.At
	}
	switch e.Action {
	case audit.Question:
		a.question(e)
	case audit.Release:
		a.release(e)
	case audit.Refresh:
		if e.Verdict != audit.Done {
			a.refreshFailed = e.At
			return
		}
		a.refreshed, a.refreshFailed = e.At, time.Time{}
		a.coverage[midnight(e.At)], a.latest = e.Coverage, e.Coverage
	case audit.Withdraw, audit.Erase, audit.Restore, audit.Access:
		if e.Verdict == audit.Done {
			a.request(e)
		}
	case audit.Purge:
		a.purges = append(a.purges, e)
	case audit.Configure:
		a.changes++
	case audit.Start, audit.Stop:
		a.running = e.Action == audit.Start
	}
	if e.Agreement != "" {
		a.agreement, a.config = e.Agreement, e.Config
	}
}

func (a *activity) question(e audit.Entry) {
	a.asked++
	switch e.Verdict {
	case audit.Refused:
		a.refused++
	case audit.Failed:
		a.failed++
	default:
		return
	}
	a.reasons[reason{e.Verdict, e.Reason}]++
}

func (a *activity) release(e audit.Entry) {
	a.answered++
	price := agreement.MicroEpsilon(e.MicroEpsilon)
	a.spent[midnight(e.At)] += price
	by := asker{e.Purpose, e.Organisation}
	if a.answers[by] == nil {
		a.answers[by] = &answers{}
	}
	a.answers[by].number++
	a.answers[by].spent += price
	a.answers[by].last = e.At
}

func (a *activity) request(e audit.Entry) {
	r := a.requests[e.Action]
	if r == nil {
		r = &requests{}
		a.requests[e.Action] = r
	}
	persons := max(1, e.Subjects)
	r.persons += persons
	if !e.Received.IsZero() {
		r.timed = append(r.timed, timed{max(0, e.At.Sub(e.Received)), persons, !e.At.Before(answerableUntil(e.Received))})
	}
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// speed is how fast requests were answered, each person's counting by itself.
type speed struct {
	persons, late   int64
	median, longest time.Duration
}

func (r *requests) speed() speed {
	var s speed
	sorted := slices.SortedFunc(slices.Values(r.timed), func(x, y timed) int { return cmp.Compare(x.took, y.took) })
	for _, t := range sorted {
		s.persons += t.persons
		s.longest = t.took
		if t.late {
			s.late += t.persons
		}
	}
	before := int64(0)
	for _, t := range sorted {
		if before += t.persons; 2*before >= s.persons {
			s.median = t.took // the lower of two in the middle
			break
		}
	}
	return s
}
