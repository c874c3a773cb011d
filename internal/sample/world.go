// Package sample invents customers. Its demo has a bank, a grocer and an airline that share some of theirs, with files
// as untidy as real ones, and knows the true answer to what is asked about them; for benchmarks it writes two
// companies of any size. Equal seeds give equal files, byte for byte, on every platform.
//
// What the files of the demo have: e-mails in any case, with white space around them and with accents composed or not;
// the same customer twice, at times with other attributes in the later row; rows without an e-mail; missing values and
// values that nobody declared; commas and quotes inside fields; another name for every column at every company.
//
// The truth follows the product's rules. The rows with one normalised e-mail are one customer, of whom a segment holds
// if it holds in any row, who consents if they do in every row, and of whom a dimension has the value of the first row in
// file order; a missing or undeclared value is "unknown"; rows without an e-mail are nobody.
package sample

import "slices"

// World is the population of the demo.
type World struct {
	people []Person
	rows   [companies][]row
}

// population is how many people are customers of exactly this set of companies.
var population = []struct{ where, count int }{
	{1 << bank, 11027},
	{1 << grocer, 6983},
	{1 << airline, 2978},
	{1<<bank | 1<<grocer, 4873},
	{1<<bank | 1<<airline, 1846},
	{1<<grocer | 1<<airline, 831},
	{1<<bank | 1<<grocer | 1<<airline, 2362},
}

// Demo invents the population: 30 900 people, of whom 20 108 bank, 15 049 shop and 8 017 fly with the companies; 7 235
// bank and shop, 4 208 bank and fly, 3 193 shop and fly, and 2 362 do all three. The counts are the same for every
// seed, the people are not.
func Demo(seed string) *World {
	w := &World{}
	s := newStream(seed, "people")
	taken := make(map[string]struct{})
	for _, part := range population {
		for range part.count {
			p := newPerson(s, part.where, taken)
			w.people = append(w.people, p)
		}
	}
	for c := range demo {
		w.enrol(c, newStream(seed, demo[c].name))
	}
	return w
}

// enrol writes the people into a company's file in random order, some of them twice, and some rows of nobody.
func (w *World) enrol(c int, s *stream) {
	const nobody = -1
	var order []int // the person of each row
	from := 0
	for _, part := range population {
		if part.where>>c&1 == 1 {
			for i := from; i < from+part.count; i++ {
				order = append(order, slices.Repeat([]int{i}, enlist(s, c, &w.people[i]))...)
			}
		}
		from += part.count
	}
	order = append(order, slices.Repeat([]int{nobody}, len(order)/200)...)
	shuffle(s, order)

	seen := make([]int, len(w.people))
	for number, i := range order {
		if i == nobody {
			w.rows[c] = append(w.rows[c], stranger(s, c, number))
			continue
		}
		p := &w.people[i]
		w.rows[c] = append(w.rows[c], row{
			number: number, first: p.first, last: p.last,
			email:  misspell(s, p.Email, demo[c].messy),
			record: p.at[c][seen[i]],
		})
		seen[i]++
	}
}

// enlist draws what the company knows of a person and returns the number of rows: one, seldom more. Two later rows in
// five differ from the first.
func enlist(s *stream, c int, p *Person) int {
	first := demo[c].draw(s, p)
	p.at[c] = []*record{&first}
	for s.Chance(0.015) {
		later := first
		if s.Chance(0.4) {
			later.amend(s)
		}
		p.at[c] = append(p.at[c], &later)
	}
	return len(p.at[c])
}

// stranger is a row without an e-mail: nobody's, though all else is there.
func stranger(s *stream, c, number int) row {
	p := newPerson(s, 0, make(map[string]struct{}))
	r := demo[c].draw(s, &p)
	return row{
		number: number, first: p.first, last: p.last,
		email:  pick(s, []string{"", "", "", " ", "\u00a0"}),
		record: &r,
	}
}

// Count returns how many people the condition holds for. It is the true answer, exact and without noise.
func (w *World) Count(where func(p Person) bool) int {
	n := 0
	for i := range w.people {
		if where(w.people[i]) {
			n++
		}
	}
	return n
}
