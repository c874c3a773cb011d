package match

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/sotto-dev/sotto/internal/canon"
)

// Merge returns the union of the final lists of pass A, sorted, and how many tokens each subset of the parties shares:
// counts[mask] are those of exactly the lists whose bits are set (counts[0] is 0). It sorts the lists in place. A token
// that a list has twice is [ErrTwice]. It does not look whether tokens are points: who raises them does.
func Merge(lists []Points) (union Points, counts []int, err error) {
	if len(lists) > MaxParties {
		return nil, nil, fmt.Errorf("merge tokens: there are %d lists, must be at most %d", len(lists), MaxParties)
	}
	most := 0
	for _, list := range lists {
		list.Sort()
		most += len(list)
	}
	union, counts = make(Points, 0, most), make([]int, 1<<len(lists))
	rest := slices.Clone(lists)
	for {
		var least *Point
		for i := range rest {
			if len(rest[i]) > 0 && (least == nil || compare(rest[i][0], *least) < 0) {
				least = &rest[i][0]
			}
		}
		if least == nil {
			return union, counts, nil
		}
		mask, token := 0, *least
		for i := range rest {
			if len(rest[i]) == 0 || rest[i][0] != token {
				continue
			}
			mask |= 1 << i
			if rest[i] = rest[i][1:]; len(rest[i]) > 0 && rest[i][0] == token {
				return nil, nil, ErrTwice
			}
		}
		union = append(union, token)
		counts[mask]++
	}
}

// Spine is the sorted list of all ids' final points: the position of a point is its slot. Immutable; safe for concurrent
// use.
type Spine struct{ points Points }

// NewSpine returns the spine of points that are in ascending order, each once; [ErrOrder] if they are not. It keeps them.
func NewSpine(points Points) (*Spine, error) {
	for i := 1; i < len(points); i++ {
		if compare(points[i-1], points[i]) >= 0 {
			return nil, ErrOrder
		}
	}
	return &Spine{points}, nil
}

// Len returns the number of slots.
func (s *Spine) Len() int { return len(s.points) }

// Points returns the points, for being sent. The caller must not change them.
func (s *Spine) Points() Points { return s.points }

// Hash returns what all parties must agree on, and what every question over this matching binds: [canon.Hash] under
// "sotto/v1/match/spine" of struct{Matching, List [32]byte}, List being [Points.Digest].
func (s *Spine) Hash(matching [32]byte) ([32]byte, error) {
	list, err := s.points.Digest()
	return canon.Hash("sotto/v1/match/spine", struct{ Matching, List [32]byte }{matching, list}), err
}

// Find returns the slots of points, a party's own list at the end of pass C. One that has none is [ErrMissing].
func (s *Spine) Find(points Points) ([]uint32, error) {
	slots := make([]uint32, len(points))
	err := onAllCores(len(points), func(_ []doubled, from, to int) error {
		for i := from; i < to; i++ {
			slot, found := slices.BinarySearchFunc(s.points, points[i], compare)
			if !found {
				return ErrMissing
			}
			slots[i] = uint32(slot)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slots, nil
}

func compare(a, b Point) int { return bytes.Compare(a[:], b[:]) }
