package match

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"os"
	"testing"

	"github.com/gtank/ristretto255"

	"github.com/sotto-dev/sotto/internal/ids"
)

// One exponentiation with decoding and encoding, per point: other packages on one core, this one on all (-cpu 1 to compare).
func BenchmarkPoint(b *testing.B) {
	e, s := randomExponent(b)
	f, _ := randomExponent(b)
	points, _ := randomPoints(b, 10*batch)
	b.Run("gtank-ristretto255", func(b *testing.B) {
		in := points[0][:]
		for b.Loop() {
			p, err := ristretto255.NewIdentityElement().SetCanonicalBytes(in)
			must(b, err)
			in = p.ScalarMult(s, p).Bytes()
		}
	})
	b.Run("P-256", func(b *testing.B) { // of the standard library: uncompressed points in, coordinates out
		key, err := ecdh.P256().GenerateKey(rand.Reader)
		must(b, err)
		in := key.PublicKey().Bytes()
		for b.Loop() {
			p, err := ecdh.P256().NewPublicKey(in)
			must(b, err)
			_, err = key.ECDH(p)
			must(b, err)
		}
	})
	perPoint := func(name string, work func(chunk Points) error) {
		b.Run(name, func(b *testing.B) {
			for left := b.N; left > 0; left -= len(points) {
				must(b, work(points[:min(left, len(points))]))
			}
		})
	}
	perPoint("raise", func(chunk Points) error { _, err := Raise(nil, chunk, e); return err })
	perPoint("raise-two", func(chunk Points) error { _, _, err := RaiseTwo(chunk, e, f); return err })
	perPoint("check", Check)
	secrets := NewSecrets()
	entries, err := NewEntries([32]byte{}, people(0, len(points)), nil)
	must(b, err)
	perPoint("hash-and-raise", func(chunk Points) error { _, err := entries.Tokens(0, len(chunk), secrets); return err })
}

// What a list costs besides, for a million points.
func BenchmarkList(b *testing.B) {
	const n = 1_000_000
	fresh := func() Points {
		points := make(Points, n)
		for i := range points {
			rand.Read(points[i][:])
		}
		return points
	}
	list, other := fresh(), fresh()
	run := func(name string, work func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, work())
			}
		})
	}
	run("shuffle", func() error { list.Shuffle(); return nil })
	run("digest", func() error { _, err := list.Digest(); return err })
	run("distinct", func() error { return list.CheckDistinct() })
	run("known", func() error { NewKnown(list, other); return nil })
	run("merge-two", func() error { list.Shuffle(); other.Shuffle(); _, _, err := Merge([]Points{list, other}); return err })
	list.Sort()
	spine, err := NewSpine(list)
	must(b, err)
	mixed := append(Points(nil), list...)
	mixed.Shuffle()
	run("find", func() error { _, err := spine.Find(mixed); return err })
}

// A whole matching of two parties and the coordinator in this process, a fifth of each party's people in common: 1000 people
// each, or 100 000 with SOTTO_LONG=1 (half a minute on two cores).
func BenchmarkMatching(b *testing.B) {
	n := 1000
	if os.Getenv("SOTTO_LONG") != "" {
		n = 100_000
	}
	set := func(from int) (all []ids.ID) {
		for i := range n {
			all = append(all, ids.ID{0: 7, 12: byte((from + i) >> 16), 13: byte((from + i) >> 8), 14: byte(from + i)})
		}
		return all
	}
	b.Run(fmt.Sprint(n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := newPlay(b, Cover{Epsilon: 0.1, Delta: 1e-9}, 1, set(0), set(n-n/5))
			must(b, p.run())
		}
	})
}
