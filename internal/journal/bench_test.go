package journal_test

import (
	"testing"

	"github.com/sotto-dev/sotto/internal/journal"
)

// A journal of many rows opens, and reads, in reasonable time: all of it is verified each time.
func BenchmarkRows(b *testing.B) {
	const rows, group = 1_000_000, 10_000
	path := b.TempDir() + "/audit.db"
	must(b, journal.Create(path, kind))
	j, err := journal.Open(path, kind)
	must(b, err)
	for n := 0; n < rows; n += group {
		records := make([][]byte, group)
		for i := range records {
			records[i] = append(record(n+i), make([]byte, 260)...)
		}
		must(b, j.Append(records...))
	}
	must(b, j.Close())
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			j, err := journal.OpenReadOnly(path, kind)
			must(b, err)
			must(b, j.Close())
		}
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	j, err = journal.OpenReadOnly(path, kind)
	must(b, err)
	defer j.Close()
	b.Run("each", func(b *testing.B) {
		for b.Loop() {
			must(b, j.Each(func(int64, []byte) error { return nil }))
		}
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// What an append costs: most of it is waiting for the disk.
func BenchmarkAppend(b *testing.B) {
	path := b.TempDir() + "/audit.db"
	must(b, journal.Create(path, kind))
	j, err := journal.Open(path, kind)
	must(b, err)
	defer j.Close()
	for b.Loop() {
		must(b, j.Append(record(0)))
	}
}
