package customers

import (
	"math"
	"time"

	"github.com/sotto-dev/sotto/party/config"
)

// Validity is when each customer's consent to a purpose holds: at Unix seconds from From on and before Until.
type Validity struct {
	From, Until []uint32 // per customer
}

const (
	// Never, as From, says that there is no consent.
	Never = math.MaxUint32
	// Always, as Until, says that there is no end.
	Always = math.MaxUint32

	// noTime stands in columns of times for NULL.
	noTime = math.MinInt64
)

// from returns the first moment of what began at a time, in Unix seconds.
func from(t int64) uint32 { return uint32(min(max(t, 0), Never-1)) }

// until returns when a period that began at a time is over: at the beginning of its last day in UTC, so that what may be used
// changes at midnight and not all day long, and never too late.
func until(t int64, period config.Period) uint32 {
	if period == (config.Period{}) {
		return Always
	}
	const latest = 1 << 37 // beyond any calendar that matters
	end := period.After(time.Unix(min(max(t, -latest), latest), 0)).Truncate(24 * time.Hour).Unix()
	return uint32(min(max(end, 0), Always-1))
}

// consents takes in what rows say of one purpose that has a date.
type consents struct {
	period config.Period
	times  []int64 // of the chunk at hand
	Validity
}

// add takes in a row of a customer, the next new one or one before. All rows of a customer must consent.
func (v *consents) add(customer, row int) {
	begin, end := uint32(Never), uint32(0)
	if t := v.times[row]; t != noTime {
		begin, end = from(t), until(t, v.period)
	}
	if customer == len(v.From) {
		v.From, v.Until = append(v.From, begin), append(v.Until, end)
		return
	}
	v.From[customer], v.Until[customer] = max(v.From[customer], begin), min(v.Until[customer], end)
}
