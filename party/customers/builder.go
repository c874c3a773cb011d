package customers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// misreadBit is set in the mask of a row with a value that is not of its column's type. Segments have the bits below.
const misreadBit = 1 << config.MaxSegments

// errMisread says that the types of columns were guessed wrongly.
var errMisread = errors.New("a column's values are not of one type")

// builder makes customers of rows.
type builder struct {
	*loading
	known    index
	snapshot Snapshot
	room     int         // for so many customers at first
	totals   []*total    // by measure
	given    []*consents // by purpose that has a date
	crowds   []*crowd    // by identity; nil where nobody asks how many people have one id
	now      int64       // Unix seconds
	rows     bool        // there was one
	bearers  uint64      // that were told apart by their rows

	people []person // of one chunk
	ends   []uint32 // of its rows: when each is too old to be used; 0 if it has no date; nil without retention
}

// mostRoom is for how many customers there is room at first, at most.
const mostRoom = 1 << 26

// newBuilder returns a builder with room for the customers of so many rows: slices that grow are there twice. Room that turns
// out not to be needed is never touched, and so costs no memory.
func newBuilder(l *loading, rows int64) *builder {
	b := &builder{loading: l, now: l.options.Now.Unix(), room: int(min(rows, l.party.CustomersUpTo, mostRoom))}
	b.known.ids = room[ids.ID](b)
	b.snapshot.Segments, b.snapshot.Consented = room[uint64](b), room[uint64](b)
	for _, e := range l.segments {
		b.snapshot.SegmentNames = append(b.snapshot.SegmentNames, e.name)
	}
	for _, e := range l.dimensions {
		b.snapshot.DimensionNames = append(b.snapshot.DimensionNames, e.name)
	}
	for _, e := range l.measures {
		b.snapshot.MeasureNames = append(b.snapshot.MeasureNames, e.name)
		b.totals = append(b.totals, &total{expression: e, declared: l.party.Measures[e.name], sums: room[float64](b)})
	}
	for _, e := range l.consents {
		b.snapshot.Purposes = append(b.snapshot.Purposes, e.name)
	}
	for _, e := range l.given {
		b.given = append(b.given, &consents{
			period: l.party.Purposes[e.name].ValidFor, Validity: Validity{room[uint32](b), room[uint32](b)},
		})
	}
	for _, i := range l.identities {
		var counted *crowd
		if i.AtMost > 0 || l.profile != nil {
			counted = &crowd{}
		}
		b.crowds = append(b.crowds, counted)
	}
	for range l.dimensions {
		b.snapshot.Dimensions = append(b.snapshot.Dimensions, room[uint16](b))
	}
	if len(l.since) > 0 {
		b.snapshot.KeepUntil = room[uint32](b)
	}
	return b
}

func room[T any](b *builder) []T { return make([]T, 0, b.room) }

// add takes in a chunk of rows, as [loading.query] lays them out.
func (b *builder) add(c chunk) error {
	masks, consents := column[uint64](c, b.at.mask), column[uint64](c, b.at.consents)
	codes := make([][]uint16, len(b.snapshot.Dimensions))
	for d := range codes {
		codes[d] = column[uint16](c, b.at.dimensions[d])
	}
	for m, t := range b.totals {
		t.look(c, b.at.measures[m])
	}
	for p, v := range b.given {
		v.times = column[int64](c, b.at.given[p])
	}
	b.rows = b.rows || c.rows() > 0
	// All ids of the chunk first, then all look-ups, so that the processor can wait for many of them at a time.
	if err := b.identify(c, masks); err != nil {
		return err
	}
	s := &b.snapshot
	for i := range b.people {
		p := &b.people[i]
		position, isNew := b.known.add(&p.id)
		if isNew && int64(position) >= b.party.CustomersUpTo && b.profile == nil {
			return tooMany(b.party)
		}
		if isNew {
			s.Segments = append(s.Segments, masks[p.row])
			s.Consented = append(s.Consented, consents[p.row])
			for d := range codes {
				s.Dimensions[d] = append(s.Dimensions[d], codes[d][p.row])
			}
		} else {
			s.Segments[position] |= masks[p.row]
			s.Consented[position] &= consents[p.row]
		}
		for _, v := range b.given {
			v.add(position, p.row)
		}
		b.keep(position, p.row)
		for k := range b.identities {
			if p.aliases[k] != (ids.ID{}) {
				s.Aliases = append(s.Aliases, Alias{p.aliases[k], uint32(position)})
			}
		}
		for _, t := range b.totals {
			if err := t.add(position, p.row); err != nil {
				return err
			}
		}
	}
	return nil
}

// expire finds out until when each row of a chunk may be used.
func (b *builder) expire(c chunk) {
	if b.at.since < 0 {
		return
	}
	b.ends = b.ends[:0]
	for _, since := range column[int64](c, b.at.since) {
		end := uint32(0)
		if since != noTime {
			end = until(since, b.party.Retention.KeepFor)
		}
		b.ends = append(b.ends, end)
	}
}

// keep notes when the first row of a customer may not be used any more.
func (b *builder) keep(customer, row int) {
	s := &b.snapshot
	switch {
	case b.ends == nil:
	case customer == len(s.KeepUntil):
		s.KeepUntil = append(s.KeepUntil, b.ends[row])
	default:
		s.KeepUntil[customer] = min(s.KeepUntil[customer], b.ends[row])
	}
}

// finish returns the snapshot. The builder must not be used any more.
func (b *builder) finish() (*Snapshot, error) {
	if !b.rows {
		return nil, badSource("has no rows")
	}
	if len(b.known.ids) == 0 {
		return nil, b.nobody()
	}
	b.snapshot.IDs = b.known.ids
	b.known = index{}
	for _, t := range b.totals {
		amounts, err := t.amounts()
		if err != nil {
			return nil, err
		}
		b.snapshot.Amounts = append(b.snapshot.Amounts, amounts)
	}
	b.snapshot.Validity = make([]Validity, len(b.snapshot.Purposes))
	for i, e := range b.loading.given {
		if at, found := slices.BinarySearch(b.snapshot.Purposes, e.name); found {
			b.snapshot.Validity[at] = b.given[i].Validity
		}
	}
	s := b.leaveOut()
	s.sortAliases()
	b.profile.finish(b, s)
	s.Version = s.version(b.party)
	return s, nil
}

// leaveOut returns the snapshot without those who are known by an id that too many people have.
func (b *builder) leaveOut() *Snapshot {
	s := &b.snapshot
	out := make([]bool, len(s.IDs))
	for k, i := range b.identities {
		if i.AtMost == 0 {
			continue
		}
		shared := b.crowds[k].above(i.AtMost)
		if len(shared) == 0 {
			continue
		}
		for customer, id := range s.IDs {
			out[customer] = out[customer] || shared[id]
		}
	}
	return s.without(func(customer int) bool { return out[customer] })
}

// nobody says that there is not one customer.
func (b *builder) nobody() error {
	columns := make([]string, len(b.identities))
	for k, i := range b.identities {
		columns[k] = fmt.Sprintf("%q (%s)", i.Column, i.Identity.Type)
	}
	return badSource("no row that may be used has an id in column %s", strings.Join(columns, " or "))
}

// tooMany says that there are more customers than the others plan with, but not how many.
func tooMany(p *config.Party) *fault.Error {
	return fault.New(fault.Limit, "source %s: more customers than customers_up_to says, %d", p.Source, p.CustomersUpTo).
		WithHint("the other members plan with that bound; agree on a higher one with them")
}
