package query

import "slices"

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
