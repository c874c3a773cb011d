package query

import (
	"fmt"
	"slices"

	"github.com/sotto-dev/sotto/internal/fault"
)

// An audience is evaluated as a polynomial: a sum of products, with integer coefficients, of audiences of single parties.
// It is unique up to how the customers of a party are divided, and that follows from the audience: two customers who make
// the same difference, whatever the other parties say about the person, belong together.

// term is a coefficient times one audience per party of Local; for people outside of Local's parties nothing is asked.
type term struct {
	coefficient int64
	local       map[string]*Expr
}

const (
	// maxAtoms is the most conditions on one party that an audience can combine with other parties' separately.
	maxAtoms = 5
	// maxStates is the most combinations of conditions of all parties.
	maxStates = 1 << 16
)

// polynomial returns the terms whose sum is 1 for the people of e and 0 for all others. e must not hold for people who are
// nobody's customers.
func (e *Expr) polynomial() ([]term, error) {
	p := &expansion{parties: e.Parties()}
	f := p.localize(e)
	if p.resolve(e) {
		f = p.localize(e)
	}
	total := 1
	for _, name := range p.parties {
		atoms := len(p.party(name).atoms)
		if atoms <= maxAtoms {
			total *= 1 + 1<<atoms
		}
		if atoms > maxAtoms || total > maxStates {
			return nil, fault.New(fault.Size, "audience: it combines too many conditions of %s with those of other parties", name).
				WithHint("put conditions on one party next to each other, in parentheses, or ask two questions")
		}
	}
	values := p.evaluate(f, total)
	classes := p.classes(values)
	coefficients := p.coefficients(values, classes)
	if coefficients[0] != 0 {
		return nil, fault.New(fault.Invalid, "audience: it holds for people who are nobody's customers, of whom there is no list").
			WithHint("add the customers that it is about, such as && " + p.parties[0] + ".member")
	}
	return p.terms(coefficients, classes), nil
}

// expansion is the work of polynomial.
type expansion struct {
	parties []string // in order of appearance
	states  []*partyStates
}

// formula is an expression over the states of all parties.
type formula func(state []int) bool

// localize makes a formula of e, in which whatever is about one party alone is one atom, however it is composed.
func (p *expansion) localize(e *Expr) formula {
	if len(e.Parties()) == 1 {
		return p.atom(e)
	}
	if e.Op == Not {
		inner := p.localize(e.Args[0])
		return func(state []int) bool { return !inner(state) }
	}
	var parts []formula
	together := map[string]*Expr{}
	var order []string
	for _, a := range e.operands(e.Op) {
		parties := a.Parties()
		if len(parties) > 1 {
			parts = append(parts, p.localize(a))
			continue
		}
		local, ok := together[parties[0]]
		if !ok {
			local = &Expr{Op: e.Op}
			together[parties[0]] = local
			order = append(order, parties[0])
		}
		local.Args = append(local.Args, a)
	}
	for _, name := range order {
		local := together[name]
		if len(local.Args) == 1 {
			local = local.Args[0]
		}
		parts = append(parts, p.atom(local))
	}
	every := e.Op == And
	return func(state []int) bool {
		for _, part := range parts {
			if part(state) != every {
				return !every
			}
		}
		return every
	}
}

// operands returns the operands of e, those of operands with the same operator in their place.
func (e *Expr) operands(op Op) []*Expr {
	if e.Op != op {
		return []*Expr{e}
	}
	var all []*Expr
	for _, a := range e.Args {
		all = append(all, a.operands(op)...)
	}
	return all
}

// evaluate returns the formula's value at every combination of states, the last party's state varying fastest.
func (p *expansion) evaluate(f formula, total int) []bool {
	values := make([]bool, total)
	state := make([]int, len(p.parties))
	for i := range values {
		values[i] = f(state)
		for at := len(state) - 1; at >= 0; at-- {
			if state[at]++; state[at] < p.party(p.parties[at]).size() {
				break
			}
			state[at] = 0
		}
	}
	return values
}

// classes divides every party's states into those that make the same difference; class 0 is that of people who are not
// customers, and [nobodys] that of states that nobody can be in. The result is the class of each state, by party.
func (p *expansion) classes(values []bool) [][]int {
	all := make([][]int, len(p.parties))
	possible := p.possible(len(values))
	after := len(values)
	for at, name := range p.parties {
		size := p.party(name).size()
		after /= size
		known := map[string]int{}
		for s := range size {
			if !p.party(name).possible(s) {
				all[at] = append(all[at], nobodys)
				continue
			}
			var difference []byte
			for i, v := range values {
				if i/after%size == s && possible[i] {
					bit := byte('0')
					if v {
						bit = '1'
					}
					difference = append(difference, bit)
				}
			}
			class, ok := known[string(difference)]
			if !ok {
				class = len(known)
				known[string(difference)] = class
			}
			all[at] = append(all[at], class)
		}
	}
	return all
}

// coefficients returns the coefficient of every product of classes, class 0 standing for a factor 1: since
// 1[class 0] = 1 − Σ 1[other classes], the coefficient of a class is the value there less the value at class 0.
func (p *expansion) coefficients(values []bool, classes [][]int) []int64 {
	sizes := make([]int, len(classes))
	total := 1
	for at := range classes {
		sizes[at] = slices.Max(classes[at]) + 1
		total *= sizes[at]
	}
	out := make([]int64, total)
	possible := p.possible(len(values))
	for i, v := range values {
		if !v || !possible[i] {
			continue
		}
		index, rest := 0, i
		stride := 1
		for at := len(classes) - 1; at >= 0; at-- {
			states := len(classes[at])
			index += stride * classes[at][rest%states]
			rest /= states
			stride *= sizes[at]
		}
		out[index] = 1
	}
	stride := total
	for at := range sizes {
		stride /= sizes[at]
		for i := total - 1; i >= 0; i-- {
			if class := i / stride % sizes[at]; class > 0 {
				out[i] -= out[i-class*stride]
			}
		}
	}
	return out
}

// product is a term before its audiences are written out: per party the classes of customers in it, none for a factor 1.
type product struct {
	coefficient int64
	classes     []uint64 // by party: bit c for class c
}

// terms joins products that differ in the classes of one party only, and writes out their audiences.
func (p *expansion) terms(coefficients []int64, classes [][]int) []term {
	var products []product
	for i, c := range coefficients {
		if c == 0 {
			continue
		}
		one := product{c, make([]uint64, len(classes))}
		rest := i
		for at := len(classes) - 1; at >= 0; at-- {
			size := slices.Max(classes[at]) + 1
			if class := rest % size; class > 0 {
				one.classes[at] = 1 << class
			}
			rest /= size
		}
		products = append(products, one)
	}
	// Joining by one party can keep others apart, so each is tried as the first one.
	best := products
	for first := range classes {
		joined := join(products, first)
		for at := range classes {
			if at != first {
				joined = join(joined, at)
			}
		}
		if len(joined) < len(best) {
			best = joined
		}
	}
	products = best
	out := make([]term, len(products))
	for i, one := range products {
		out[i] = term{one.coefficient, map[string]*Expr{}}
		for at, name := range p.parties {
			if one.classes[at] != 0 {
				out[i].local[name] = p.party(name).audience(func(state int) bool {
					class := classes[at][state]
					return class != nobodys && one.classes[at]>>class&1 == 1
				})
			}
		}
	}
	return out
}

// join adds up products that differ only in which classes of one party they are about.
func join(products []product, at int) []product {
	var out []product
	found := map[string]int{}
	for _, one := range products {
		if one.classes[at] == 0 {
			out = append(out, one)
			continue
		}
		others := slices.Clone(one.classes)
		others[at] = 0
		key := fmt.Sprint(one.coefficient, others)
		if i, ok := found[key]; ok {
			out[i].classes[at] |= one.classes[at]
			continue
		}
		found[key] = len(out)
		out = append(out, product{one.coefficient, slices.Clone(one.classes)})
	}
	return out
}
