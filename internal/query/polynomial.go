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

// partyStates says what can be true of a person at one party: state 0 is not to be a customer, state 1+b to be one for
// whom exactly the atoms with a bit in b hold.
//
// Atoms are the audience's conditions on that party, however they are composed, if there is one of them or if they have many
// leaves. Else they are the leaves, since of several conditions one may imply another, and states that nobody can be in would
// make products of nothing.
type partyStates struct {
	name   string
	atoms  []*Expr
	leaves bool
}

// bit returns the index of an expression among the atoms, −1 if it is none of them.
func (s *partyStates) bit(e *Expr) int {
	text := e.String()
	return slices.IndexFunc(s.atoms, func(a *Expr) bool { return a.String() == text })
}

// possible tells whether somebody can be in a state: of leaves about one dimension, those hold that have its value.
func (s *partyStates) possible(state int) bool {
	holds := func(i int) bool { return (state-1)>>i&1 == 1 }
	for _, a := range s.atoms {
		if state == 0 || a.Op != In {
			continue
		}
		values := []string{""} // no dimension's, standing for all that no leaf names
		for _, b := range s.atoms {
			if b.Op == In && b.Name == a.Name {
				values = append(values, b.Values...)
			}
		}
		if !slices.ContainsFunc(values, func(v string) bool {
			for i, b := range s.atoms {
				if b.Op == In && b.Name == a.Name && slices.Contains(b.Values, v) != holds(i) {
					return false
				}
			}
			return true
		}) {
			return false
		}
	}
	return true
}

// resolve takes the atoms of parties with several of them, and not too many leaves, apart into leaves. It reports whether there
// are such parties.
func (p *expansion) resolve(e *Expr) bool {
	any := false
	for _, s := range p.states {
		if len(s.atoms) < 2 {
			continue
		}
		leaves := &partyStates{name: s.name, leaves: true}
		e.leaves(func(l *Expr) {
			if l.Party == s.name && l.Op != Member && leaves.bit(l) < 0 {
				leaves.atoms = append(leaves.atoms, l)
			}
		})
		if len(leaves.atoms) <= maxAtoms {
			*s, any = *leaves, true
		}
	}
	return any
}

func (s *partyStates) size() int { return 1 + 1<<len(s.atoms) }

func (p *expansion) party(name string) *partyStates {
	at := slices.IndexFunc(p.states, func(s *partyStates) bool { return s.name == name })
	if at >= 0 {
		return p.states[at]
	}
	s := &partyStates{name: name}
	p.states = append(p.states, s)
	return s
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

// atom makes a formula of an expression about one party.
func (p *expansion) atom(e *Expr) formula {
	name := e.Parties()[0]
	s := p.party(name)
	at := slices.Index(p.parties, name)
	absent := e.Holds(nobody)
	e, present := e.amongCustomers()
	if e != nil && e.constant() {
		e, present = nil, e.Holds(nobody)
	}
	if e == nil { // all customers are alike
		return func(state []int) bool {
			if state[at] == 0 {
				return absent
			}
			return present
		}
	}
	if s.leaves {
		bits := map[*Expr]int{}
		e.leaves(func(l *Expr) { bits[l] = s.bit(l) })
		return func(state []int) bool {
			if state[at] == 0 {
				return absent
			}
			return e.Holds(func(l *Expr) bool { return (state[at]-1)>>bits[l]&1 == 1 })
		}
	}
	bit := s.bit(e)
	if bit < 0 {
		bit = len(s.atoms)
		s.atoms = append(s.atoms, e)
	}
	return func(state []int) bool {
		if state[at] == 0 {
			return absent
		}
		return (state[at]-1)>>bit&1 == 1
	}
}

// amongCustomers returns what is left of an expression about one party for those who are its customers; nil, and whether it
// holds, if that is the same for all of them.
func (e *Expr) amongCustomers() (rest *Expr, holds bool) {
	switch e.Op {
	case Member:
		return nil, true
	case Not:
		rest, holds = e.Args[0].amongCustomers()
		if rest == nil {
			return nil, !holds
		}
		return not(rest), false
	case And, Or:
		out := &Expr{Op: e.Op}
		for _, a := range e.Args {
			rest, holds := a.amongCustomers()
			switch {
			case rest != nil:
				out.Args = append(out.Args, rest)
			case holds == (e.Op == Or): // decides for the whole
				return nil, holds
			}
		}
		switch len(out.Args) {
		case 0:
			return nil, e.Op == And
		case 1:
			return out.Args[0], false
		}
		return out, false
	}
	return e, false
}

// constant tells whether an expression is true or false whatever its leaves are, as a.x && !a.x. Where it has many leaves it
// is not asked: the answer would only spare a product of nothing.
func (e *Expr) constant() bool {
	const most = 8
	var leaves []string
	e.leaves(func(l *Expr) {
		if text := l.String(); !slices.Contains(leaves, text) {
			leaves = append(leaves, text)
		}
	})
	if len(leaves) > most {
		return false
	}
	first := e.Holds(nobody)
	for bits := range 1 << len(leaves) {
		if e.Holds(func(l *Expr) bool { return bits>>slices.Index(leaves, l.String())&1 == 1 }) != first {
			return false
		}
	}
	return true
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

// nobodys is the class of states that nobody can be in.
const nobodys = -1

// possible tells, for every combination of states, whether somebody can be in it.
func (p *expansion) possible(total int) []bool {
	out := make([]bool, total)
	for i := range out {
		out[i] = true
	}
	after := total
	for _, name := range p.parties {
		s := p.party(name)
		after /= s.size()
		for state := range s.size() {
			if s.possible(state) {
				continue
			}
			for i := range out {
				out[i] = out[i] && i/after%s.size() != state
			}
		}
	}
	return out
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

// audience writes out the customers whose states are in: a decision tree over the atoms, without what makes no difference.
func (s *partyStates) audience(in func(state int) bool) *Expr {
	var tree func(atom, bits int) *Expr                        // nil for nobody
	all, whatever := &Expr{Op: Member, Party: s.name}, &Expr{} // whatever: nobody can be there
	tree = func(atom, bits int) *Expr {
		if atom == len(s.atoms) {
			switch {
			case !s.possible(1 + bits):
				return whatever
			case in(1 + bits):
				return all
			}
			return nil
		}
		without, with := tree(atom+1, bits), tree(atom+1, bits|1<<atom)
		holds := s.atoms[atom]
		switch {
		case without == nil && with == nil:
			return nil
		case without == whatever:
			return with
		case with == whatever:
			return without
		case without != nil && with != nil && without.String() == with.String():
			return with
		case without == nil:
			return both(holds, with)
		case with == nil:
			return both(not(holds), without)
		case with == all:
			return &Expr{Op: Or, Args: []*Expr{holds, without}}
		case without == all:
			return &Expr{Op: Or, Args: []*Expr{not(holds), with}}
		}
		return &Expr{Op: Or, Args: []*Expr{both(holds, with), both(not(holds), without)}}
	}
	return tree(0, 0)
}

// both returns a && b for customers of one party.
func both(a, b *Expr) *Expr {
	if b.Op == Member {
		return a
	}
	return &Expr{Op: And, Args: []*Expr{a, b}}
}

func not(e *Expr) *Expr {
	if e.Op == Not {
		return e.Args[0]
	}
	return &Expr{Op: Not, Args: []*Expr{e}}
}
