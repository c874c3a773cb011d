package vault

import (
	"io"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
)

func BenchmarkHashes(b *testing.B) {
	v := fresh(b)
	all := make([]ids.ID, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	v.Hashes(all, func(int, Hash) {})
}

func BenchmarkHashesOneCore(b *testing.B) {
	h := fresh(b).newHasher()
	var id ids.ID
	b.ReportAllocs()
	for b.Loop() {
		h.hash(&id)
	}
}

func BenchmarkSeal(b *testing.B) {
	v, record := fresh(b), make([]byte, 100)
	for b.Loop() {
		v.Seal("context", record)
	}
}

func BenchmarkWriter(b *testing.B) {
	block := make([]byte, 1<<20)
	b.SetBytes(int64(len(block)))
	w, err := fresh(b).NewWriter(io.Discard, "context")
	must(b, err)
	for b.Loop() {
		_, err := w.Write(block)
		must(b, err)
	}
}
