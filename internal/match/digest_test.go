package match

import (
	"errors"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/canon"
)

// A digest is of the whole list, however it is cut, and is what it is said to be; what is longer or shorter than announced
// has none, and is refused as soon as it shows.
func TestDigest(t *testing.T) {
	list, _ := randomPoints(t, 20)
	want := canon.Hash("sotto/v1/match/list", struct{ Points [][32]byte }{plain(list)})
	for size := 1; size <= 20; size++ {
		d, err := NewDigest(len(list))
		must(t, err)
		for chunk := range slices.Chunk(list, size) {
			must(t, d.Add(chunk))
		}
		if got, err := d.Sum(); err != nil || got != want {
			t.Fatalf("in chunks of %d: %x, %v", size, got, err)
		}
		if err := d.Add(list[:1]); !errors.Is(err, ErrCount) {
			t.Error("a point more than announced:", err)
		}
	}
	short, err := NewDigest(len(list) + 1)
	must(t, err)
	must(t, short.Add(list))
	if _, err := short.Sum(); !errors.Is(err, ErrCount) {
		t.Error("a point less than announced:", err)
	}
	for _, count := range []int{-1, MaxPoints + 1} {
		if _, err := NewDigest(count); !errors.Is(err, ErrCount) {
			t.Errorf("%d points: %v", count, err)
		}
	}
}

func plain(list Points) (all [][32]byte) {
	for _, p := range list {
		all = append(all, p)
	}
	return all
}

// A spine's hash is of the matching and of every point.
func TestSpineHash(t *testing.T) {
	list, _ := randomPoints(t, 4)
	list.Sort()
	hash := func(matching byte, points Points) [32]byte {
		s, err := NewSpine(points)
		must(t, err)
		h, err := s.Hash([32]byte{matching})
		must(t, err)
		return h
	}
	if hash(1, list) != hash(1, slices.Clone(list)) {
		t.Error("one spine has two hashes")
	}
	if hash(1, list) == hash(2, list) || hash(1, list) == hash(1, list[1:]) {
		t.Error("two spines have one hash")
	}
}
