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
	order := make([]uint32, len(tokens))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int { return compare(tokens[i], tokens[j]) })
	k := &Known{make(Points, len(tokens)), make(Points, len(tokens))}
	for to, from := range order {
		k.tokens[to], k.turned[to] = tokens[from], turned[from]
	}
	return k
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

// Finish is the end of the matching at the party that goes last in pass B: from the list that reaches it there, and its own
// list as pass C brings it back, it makes the spine and finds the slots of its entries, in the order of its list.
//
// Every other party raises its own list to k/a and looks the points up. The last one need not: what it holds of its own is
// H(x)^(a·κ/k), and so is what it is about to raise, so that it looks up first and raises once. It computes nothing from
// it that it could not compute otherwise; who goes last learns no more, and saves an exponentiation per id.
// It sorts list in place. ErrMissing is as in [Spine.Find].
func Finish(list, own Points, s *Secrets) (*Spine, []uint32, error) {
	list.Sort()
	before, err := NewSpine(list)
	if err != nil {
		return nil, nil, ErrTwice
	}
	after, err := Raise(nil, list, &s.Turn)
	if err != nil {
		return nil, nil, err
	}
	sorted := slices.Clone(after)
	sorted.Sort()
	spine, err := NewSpine(sorted)
	if err != nil {
		return nil, nil, ErrTwice
	}
	places, err := before.Find(own)
	if err != nil {
		return nil, nil, err
	}
	mine := make(Points, len(own))
	for i, place := range places {
		mine[i] = after[place]
	}
	slots, err := spine.Find(mine)
	return spine, slots, err
}
