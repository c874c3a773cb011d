package customers

import (
	"errors"

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
	party      *config.Party
	normalizer ids.Normalizer
	known      index
	snapshot   Snapshot
	totals     []*total // by measure
	rows       bool     // there was one

	people []person // of one chunk
}

// person is a row of a chunk whose id is somebody's.
type person struct {
	id  ids.ID
	row int
}

func newBuilder(p *config.Party, x *expressions) *builder {
	b := &builder{party: p, normalizer: p.Identity.Normalizer()}
	for _, e := range x.segments {
		b.snapshot.SegmentNames = append(b.snapshot.SegmentNames, e.name)
	}
	for _, e := range x.dimensions {
		b.snapshot.DimensionNames = append(b.snapshot.DimensionNames, e.name)
	}
	for _, e := range x.measures {
		b.snapshot.MeasureNames = append(b.snapshot.MeasureNames, e.name)
		b.totals = append(b.totals, &total{expression: e, declared: p.Measures[e.name]})
	}
	b.snapshot.Dimensions = make([][]uint16, len(x.dimensions))
	return b
}

// add takes in a chunk of rows: id, mask, codes, amounts.
func (b *builder) add(c chunk) error {
	written, masks := column[text](c, 0), column[uint64](c, 1)
	codes := make([][]uint16, len(b.snapshot.Dimensions))
	for d := range codes {
		codes[d] = column[uint16](c, 2+d)
	}
	for m, t := range b.totals {
		t.look(c, 2+len(codes)+m)
	}
	b.rows = b.rows || len(written) > 0
	// All ids of the chunk first, then all look-ups, so that the processor can wait for many of them at a time.
	b.people = b.people[:0]
	for i := range written {
		if masks[i]&misreadBit != 0 {
			return errMisread
		}
		if id, ok := b.normalizer.ID(written[i].String()); ok {
			b.people = append(b.people, person{id, i})
		}
	}
	s := &b.snapshot
	for i := range b.people {
		row := b.people[i].row
		position, isNew := b.known.add(&b.people[i].id)
		if isNew && int64(position) >= b.party.CustomersUpTo {
			return fault.New(fault.Limit, "source %s: more customers than customers_up_to says, %d",
				b.party.Source.CSV, b.party.CustomersUpTo).WithHint("the other members plan with that bound; agree on a higher one with them")
		}
		if isNew {
			s.Segments = append(s.Segments, masks[row])
			for d := range codes {
				s.Dimensions[d] = append(s.Dimensions[d], codes[d][row])
			}
		} else {
			s.Segments[position] |= masks[row]
		}
		for _, t := range b.totals {
			if err := t.add(position, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish returns the snapshot. The builder must not be used any more.
func (b *builder) finish() (*Snapshot, error) {
	switch {
	case !b.rows:
		return nil, errors.New("has no rows below its header")
	case len(b.known.ids) == 0:
		return nil, fault.New(fault.Invalid, "source %s: no row has an id of type %q in column %q",
			b.party.Source.CSV, b.party.Identity.Type, b.party.Identity.Column)
	}
	b.snapshot.IDs = b.known.ids
	for _, t := range b.totals {
		amounts, err := t.amounts()
		if err != nil {
			return nil, err
		}
		b.snapshot.Amounts = append(b.snapshot.Amounts, amounts)
	}
	b.snapshot.Version = b.snapshot.version(b.party)
	return &b.snapshot, nil
}
