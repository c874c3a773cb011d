package customers

import (
	"hash/maphash"
	"strings"

	"github.com/sotto-dev/sotto/internal/ids"
)

// maxIdentities is how many ids a row can have: one of each type.
const maxIdentities = 3

// person is a row of a chunk whose id is somebody's.
type person struct {
	id      ids.ID
	row     int
	aliases [maxIdentities]ids.ID // by identity: zero if it is the id, or there is none
}

// identify finds out whose rows those of a chunk are.
func (b *builder) identify(c chunk, masks []uint64) error {
	written := make([][]text, len(b.identities))
	people := make([][]text, len(b.identities))
	for k := range b.identities {
		written[k] = column[text](c, b.at.ids[k])
		if b.at.people[k] >= 0 {
			people[k] = column[text](c, b.at.people[k])
		}
	}
	b.expire(c)
	b.people = b.people[:0]
	for row := range c.rows() {
		if masks[row]&misreadBit != 0 {
			return errMisread
		}
		if b.ends != nil && int64(b.ends[row]) <= b.now {
			b.profile.expired()
			continue
		}
		var all [maxIdentities]ids.ID
		p := person{row: row}
		counts := -1 // the identity by which the row's person is known
		for k := range b.identities {
			id, ok := b.identities[k].ID(written[k][row].String())
			b.profile.identity(k, &written[k][row], ok)
			if !ok {
				continue
			}
			all[k] = id
			if counts < 0 {
				counts, p.id = k, id
			} else {
				p.aliases[k] = id
			}
		}
		for k, counted := range b.crowds {
			if counted != nil && all[k] != (ids.ID{}) {
				counted.add(&all[k], b.bearer(k, all, people[k], row))
			}
		}
		b.profile.row(counts >= 0)
		if counts >= 0 {
			b.people = append(b.people, p)
		}
	}
	return nil
}

// bearer tells apart who has an id of identity k: by the column that is declared for it or else by the row's other ids, by a
// hash; 0 if neither says anything. Rows of a party with one identity are people of their own.
func (b *builder) bearer(k int, all [maxIdentities]ids.ID, people []text, row int) uint64 {
	var hash uint64
	switch {
	case people != nil:
		if who := strings.TrimSpace(people[row].String()); who != "" {
			hash = maphash.String(seed, who)
		}
	case len(b.identities) == 1:
		b.bearers++
		return b.bearers
	default:
		all[k] = ids.ID{}
		if all == [maxIdentities]ids.ID{} {
			return 0
		}
		hash = maphash.Comparable(seed, all)
	}
	return hash
}
