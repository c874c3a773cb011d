package report

import (
	"fmt"
	"slices"
	"time"
)

// answerableUntil returns the end of the month within which a request must be answered (GDPR, Art. 12(3)): with the last hour of
// the day that has the same date in the next month or, if there is none, of that month's last day (Regulation (EEC, Euratom)
// No 1182/71, Art. 3(2)(c)), in UTC.
func answerableUntil(received time.Time) time.Time {
	y, m, d := received.UTC().Date()
	last := time.Date(y, m+2, 0, 0, 0, 0, 0, time.UTC).Day() // day 0 is the one before the first
	return time.Date(y, m+1, min(d, last)+1, 0, 0, 0, 0, time.UTC)
}

// took says how long something took, in the unit that fits.
func took(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return count(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return count(int64(d/time.Hour), "hour")
	}
	return count(int64(d/(24*time.Hour)), "day")
}

// count returns "1 request" or "2 requests".
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// age returns how long ago something was, in days, months or years.
func age(since, now time.Time) string {
	days := int64(now.Sub(since) / (24 * time.Hour))
	months := int64(0)
	for months < 12*100 && !since.UTC().AddDate(0, int(months)+1, 0).After(now) {
		months++
	}
	switch {
	case days < 1:
		return "less than a day"
	case months < 2:
		return count(days, "day")
	case months < 24:
		return count(months, "month")
	}
	return count(months/12, "year")
}

func day(t time.Time) string    { return t.UTC().Format(time.DateOnly) }
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// mostDays is up to how many days a course is shown by day; longer ones are shown by month.
const mostDays = 62

// buckets returns the first moment of every day or, where there are more than mostDays, of every month from one time to another,
// and what to call them.
func buckets(from, to time.Time) (starts []time.Time, layout string) {
	from, to = from.UTC(), to.UTC()
	y, m, d := from.Date()
	start := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	layout = time.DateOnly
	monthly := to.Sub(start) >= mostDays*24*time.Hour
	if monthly {
		start, layout = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), "2006-01"
	}
	for t := start; !t.After(to); {
		starts = append(starts, t)
		if monthly {
			t = t.AddDate(0, 1, 0)
		} else {
			t = t.AddDate(0, 0, 1)
		}
	}
	return starts, layout
}

// bucketOf returns the position of the bucket that a time is in, -1 if it is before all.
func bucketOf(starts []time.Time, t time.Time) int {
	at, found := slices.BinarySearchFunc(starts, t, time.Time.Compare)
	if found {
		return at
	}
	return at - 1
}
