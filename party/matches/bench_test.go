package matches

import (
	"testing"
)

// What a party of ten million does once per matching, with every refresh, and for each erasure.
const many = 10_000_000

func BenchmarkKeep(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	all, slots := customers(0, many), spread(many, 2*many, 1)
	n := 0
	for b.Loop() {
		n++
		m := matching(n, 2*many)
		m.ID[5] = byte(n >> 8)
		must(b, s.Keep(m, all, slots))
		b.StopTimer()
		_, err := s.Purge([][32]byte{m.ID}, false)
		must(b, err)
		b.StartTimer()
	}
}

func BenchmarkSlots(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	all, slots := customers(0, many), spread(many, 2*many, 1)
	must(b, s.Keep(matching(1, 2*many), all, slots))
	b.ReportAllocs()
	for b.Loop() {
		if got, missing := slotsOf(b, s, 1, all); missing != 0 || got[many-1] != slots[many-1] {
			b.Fatal("others")
		}
	}
}

func BenchmarkForget(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	all := customers(0, many)
	must(b, s.Keep(matching(1, 2*many), all, spread(many, 2*many, 1)))
	n := 0
	for b.Loop() {
		n++
		must(b, s.Forget(all[n:n+1]))
	}
}
