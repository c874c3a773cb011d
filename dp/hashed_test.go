package dp_test

import "math/rand/v2"

// The hashed layout with the first `split` parties divided into cells, as protocol.md describes it ("Layouts").
type hashed struct{ parties, split, clip, slots, cells int }

const (
	maxParties = 3
	maxCells   = 3
	absent     = -1
)

// A person is in the data of some parties, with a cell and a sign at each, and in the same slot everywhere. A person's
// place in a list of people is the hash rank, which is the same at all parties.
type person struct {
	slot int
	cell [maxParties]int // absent, or the cell; 0 at parties that are not split
	sign [maxParties]int64
}

// answer returns, for every combination of one cell per split party, Σ_slots Π_parties value.
func (h hashed) answer(people []person, without int) (answer [maxCells * maxCells * maxCells]int64) {
	combinations := 1
	for range h.parties {
		combinations *= maxCells
	}
	for slot := range h.slots {
		var value [maxParties][maxCells]int64
		for i := range h.parties {
			kept := 0
			for rank, p := range people {
				if rank == without || p.slot != slot || p.cell[i] == absent || (i < h.split && kept == h.clip) {
					continue
				}
				kept++
				value[i][p.cell[i]] += p.sign[i]
			}
			for cell := range value[i] {
				value[i][cell] = max(-int64(h.clip), min(int64(h.clip), value[i][cell]))
			}
		}
		for combination := range combinations {
			rest, product := combination, int64(1)
			for i := range h.parties {
				product *= value[i][rest%maxCells]
				rest /= maxCells
			}
			answer[combination] += product
		}
	}
	return answer
}

// largestChange returns the largest L1 distance between the answers with and without one of the people.
func (h hashed) largestChange(people []person) int64 {
	largest, full := int64(0), h.answer(people, absent)
	for i := range people {
		change := int64(0)
		for combination, value := range h.answer(people, i) {
			change += max(full[combination]-value, value-full[combination])
		}
		largest = max(largest, change)
	}
	return largest
}

// forEach calls visit with every list of people of that length, in every order.
func (h hashed) forEach(everyone, people []person, at int, visit func([]person)) {
	if at == len(people) {
		visit(people)
		return
	}
	for _, people[at] = range everyone {
		h.forEach(everyone, people, at+1, visit)
	}
}

// everyPerson returns all people with a slot of 0 that differ at some party, with two cells at the first split parties.
// Signs are dealt so that their product over all parties is 1.
func everyPerson(parties, split int) []person {
	all := []person{{}}
	for i := range parties {
		var longer []person
		for _, p := range all {
			p.cell[i] = absent
			longer = append(longer, p)
			for cell := range 2 {
				if i < split || cell == 0 {
					for _, p.sign[i] = range []int64{1, -1} {
						p.cell[i] = cell
						longer = append(longer, p)
					}
				}
			}
		}
		all = longer
	}
	var dealt []person
	for _, p := range all {
		product, everywhere := int64(1), true
		for i := range parties {
			product *= p.sign[i]
			everywhere = everywhere && p.cell[i] != absent
		}
		if !everywhere || product == 1 { // at a party where someone is absent, the sign may have been either
			dealt = append(dealt, p)
		}
	}
	return dealt
}

// anyPerson returns a random person of the layout, absent at a party one time in four.
func (h hashed) anyPerson(random *rand.Rand) person {
	p := person{slot: random.IntN(h.slots)}
	product := int64(1)
	for i := range h.parties {
		p.sign[i] = product
		if i < h.parties-1 {
			p.sign[i] = 1 - 2*random.Int64N(2)
			product *= p.sign[i]
		}
		if random.IntN(4) == 0 {
			p.cell[i] = absent
		} else if i < h.split {
			p.cell[i] = random.IntN(h.cells)
		}
	}
	return p
}

// climb returns the largest change that a random walk over lists of so many people finds.
func (h hashed) climb(random *rand.Rand, people, steps int) int64 {
	list := make([]person, people)
	for i := range list {
		list[i] = h.anyPerson(random)
	}
	worst := h.largestChange(list)
	for range steps {
		i := random.IntN(people)
		before := list[i]
		list[i] = h.anyPerson(random)
		if change := h.largestChange(list); change >= worst {
			worst = change
		} else {
			list[i] = before
		}
	}
	return worst
}
