package sample

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Guards that equal seeds and labels give equal choices for ever: the first words are fixed.
func TestStreamIsFixed(t *testing.T) {
	s := newStream("seed", "label")
	got := []uint64{s.Uint64(), s.Uint64(), s.Uint64()}
	want := []uint64{0xfdf04c6f8a912c4b, 0x4fe4ca6e150619e5, 0x76a73458d96d58cf}
	if !slices.Equal(got, want) {
		t.Errorf("first words are %#x, want %#x", got, want)
	}
	// A seed and a label do not run into each other.
	if newStream("ab", "c").Uint64() == newStream("a", "bc").Uint64() {
		t.Error("two pairs of seed and label give the same stream")
	}
	long := newStream("seed", "label")
	for range 5000 / 8 {
		long.Uint64()
	}
	if long.Uint64() == got[0] {
		t.Error("the stream repeats after its buffer")
	}
}

// Guards that IntN stays in its range and misses no value, whatever the range.
func TestIntNRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStream(rapid.String().Draw(t, "seed"), "range")
		n := rapid.IntRange(1, 1<<62).Draw(t, "n")
		for range 100 {
			if v := s.IntN(n); v < 0 || v >= n {
				t.Fatalf("IntN(%d) gave %d", n, v)
			}
		}
	})
	s := newStream("seed", "values")
	var hit [7]int
	for range 7000 {
		hit[s.IntN(7)]++
	}
	// Each count is binomial(7000, 1/7), σ = 29.3; 5.5 σ either way has a chance below 4e-8 each, 3e-7 in all.
	for v, n := range hit {
		if n < 1000-161 || n > 1000+161 {
			t.Errorf("IntN(7) gave %d %d times in 7000", v, n)
		}
	}
}

// Guards the rejection in IntN: in a range of 3·2^61 a product without it hits the numbers of remainder 2 (mod 3) a
// quarter of the time instead of a third. The count is binomial(10000, 1/3), σ = 47.1; 5.5 σ: below 4e-8.
func TestIntNUnbiased(t *testing.T) {
	s := newStream("seed", "bias")
	hits := 0
	for range 10000 {
		if s.IntN(3<<61)%3 == 2 {
			hits++
		}
	}
	if hits < 3333-259 || hits > 3333+259 {
		t.Errorf("%d of 10000 have remainder 2, want a third", hits)
	}
}

// Guards Float64: in [0, 1), with the mean that it should have (σ of the mean of 10000 is 0.0029; 5.5 σ: below 4e-8).
func TestFloat64(t *testing.T) {
	s := newStream("seed", "float")
	sum := 0.0
	for range 10000 {
		f := s.Float64()
		if f < 0 || f >= 1 {
			t.Fatalf("Float64 gave %v", f)
		}
		sum += f
	}
	if mean := sum / 10000; mean < 0.4841 || mean > 0.5159 {
		t.Errorf("mean %v", mean)
	}
}
