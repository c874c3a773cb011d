package customers

import (
	"hash/maphash"

	"github.com/sotto-dev/sotto/internal/ids"
)

// crowd counts, for each id of a type, how many people have it: a number that a whole household or office answers is no
// person's.
type crowd struct {
	known index
	first []uint64                    // by id: the first of those who have it, by a hash; 0 while none is known
	more  map[int]map[uint64]struct{} // by id: all others
}

// seed makes hashes of people that nobody can aim at. Two people are taken for one with a probability of 2⁻⁶⁴.
var seed = maphash.MakeSeed()

// add notes that somebody has id: bearer, or 0 for a row that does not say who.
func (c *crowd) add(id *ids.ID, bearer uint64) {
	position, isNew := c.known.add(id)
	if isNew {
		c.first = append(c.first, 0)
	}
	switch first := c.first[position]; {
	case bearer == 0 || bearer == first:
	case first == 0:
		c.first[position] = bearer
	default:
		if c.more == nil {
			c.more = map[int]map[uint64]struct{}{}
		}
		if c.more[position] == nil {
			c.more[position] = map[uint64]struct{}{}
		}
		c.more[position][bearer] = struct{}{}
	}
}

// above returns the ids that more than most people have.
func (c *crowd) above(most int) map[ids.ID]bool {
	found := map[ids.ID]bool{}
	for position, others := range c.more {
		if 1+len(others) > most {
			found[c.known.ids[position]] = true
		}
	}
	return found
}

// largest returns the greatest number of people that have one id, 0 if there are no ids.
func (c *crowd) largest() int {
	if len(c.known.ids) == 0 {
		return 0
	}
	most := 0
	for _, others := range c.more {
		most = max(most, len(others))
	}
	return 1 + most
}
