package match

import "slices"

// Known holds turned tokens that a party has computed before it is asked to: of two parties, the one that goes first in pass
// B made the tokens of the other's list itself, P^a and P^k of each P, and (P^a)^(k/a) is P^k. It need not raise them again.
type Known struct {
	tokens Points
	turned Points
}

// NewKnown keeps what [RaiseTwo] returned for the other party's list, with Token and Slot.
func NewKnown(tokens, turned Points) *Known {
	order := ranked(tokens)
	k := &Known{make(Points, len(tokens)), make(Points, len(tokens))}
	for to, from := range order {
		k.tokens[to], k.turned[to] = tokens[from], turned[from]
	}
	return k
}

// Forget overwrites what is kept. Nothing may be using k, which may be nil.
func (k *Known) Forget() {
	if k != nil {
		clear(k.tokens)
		clear(k.turned)
	}
}

// ranked returns the indices of points in the order of the points.
func ranked(points Points) []uint32 {
	order := make([]uint32, len(points))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int { return compare(points[i], points[j]) })
	return order
}

// Turn returns tokens raised to k/a, in the same order, in a chunk of pass B; known may be nil. The caller shuffles the whole
// list before it hands it on.
func Turn(tokens Points, s *Secrets, known *Known) (Points, error) {
	if known == nil {
		return Raise(nil, tokens, &s.Turn)
	}
	if s.Turn.forgotten() {
		return nil, ErrForgotten
	}
	out := make(Points, len(tokens))
	var rest Points
	var places []int
	for i := range tokens {
		if at, found := slices.BinarySearchFunc(known.tokens, tokens[i], compare); found {
			out[i] = known.turned[at]
			continue
		}
		rest, places = append(rest, tokens[i]), append(places, i)
	}
	rest, err := Raise(rest, rest, &s.Turn)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		out[place] = rest[i]
	}
	return out, nil
}

// Finish is the end of the matching at the party that goes last in pass B: from the list that reaches it there, what [Turn] made of
// it in the same order, and its own list as pass C brings it back, it makes the spine and finds the slots of its entries, in the
// order of its list.
//
// Every other party raises its own list to k/a and looks the points up. The last one need not: what it holds of its own is
// H(x)^(a·κ/k), and so is what it raises in any case, so that it looks up there. It computes nothing from it that it could not
// compute otherwise; who goes last learns no more, and saves an exponentiation per id. It sorts turned in place and keeps it as the
// spine. ErrMissing is as in [Spine.Find].
func Finish(list, turned, own Points) (*Spine, []uint32, error) {
	if len(turned) != len(list) {
		return nil, nil, ErrCount
	}
	mine, order := make(Points, len(own)), ranked(list)
	for i, p := range own {
		place, found := slices.BinarySearchFunc(order, p, func(at uint32, p Point) int { return compare(list[at], p) })
		if !found {
			return nil, nil, ErrMissing
		}
		mine[i] = turned[order[place]]
	}
	turned.Sort()
	spine, err := NewSpine(turned)
	if err != nil {
		return nil, nil, ErrTwice
	}
	slots, err := spine.Find(mine)
	return spine, slots, err
}
