package ledger_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/dp"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/party/ledger"
)

// large makes a ledger of 10⁵ rows, of three years and three organisations, with so many different losses.
func large(b *testing.B, losses int) (path string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "ledger.db")
	must(b, ledger.Create(path))
	l := open(b, path)
	charges := make([]ledger.Charge, 50_000)
	for n := range charges {
		c := charge(n, 1)
		c.Loss = dp.Loss{Mechanism: dp.Laplace, MicroEpsilon: int64(1000 + n%losses), Cells: 10}
		c.Organisation = fmt.Sprint("organisation ", n%3)
		c.Begun = begun.AddDate(0, 0, -n%1000)
		charges[n] = c
	}
	must(b, l.Fill(charges, make([]byte, 1000)))
	must(b, l.Close())
	return path
}

var generous = ledger.Limits{Delta: 1e-5, Sessions: 1, Windows: []ledger.Limit{
	{Period: ledger.Day, MicroEpsilon: 1e15},
	{Organisation: "agency", Period: ledger.Day, MicroEpsilon: 1e15},
	{Period: ledger.Month, MicroEpsilon: 1e15},
	{Organisation: "agency", Period: ledger.Month, MicroEpsilon: 1e15},
	{Period: ledger.Ever, MicroEpsilon: 1e15},
	{Organisation: "agency", Period: ledger.Ever, MicroEpsilon: 1e15},
}}

// From asking to durable, against six limits, beside 10⁵ rows. With TMPDIR on a disk in memory it is without the disk's part.
func BenchmarkReserve(b *testing.B) {
	for _, losses := range []int{1, 20, 500, 5000} {
		b.Run(fmt.Sprint(losses, " losses"), func(b *testing.B) {
			l := open(b, large(b, losses))
			n := 1_000_000
			for b.Loop() {
				n++
				c := charge(n, agreement.MicroEpsilon(1000+n%losses))
				c.Begun = begun.Add(time.Duration(n%24) * time.Hour)
				must(b, l.Reserve(b.Context(), c, generous))
			}
		})
	}
}

// The same for a release.
func BenchmarkRelease(b *testing.B) {
	l := open(b, large(b, 20))
	n := 1_000_000
	for b.Loop() {
		b.StopTimer()
		n++
		must(b, l.Reserve(b.Context(), charge(n, 1000), generous))
		b.StartTimer()
		must(b, l.Release(charge(n, 1).Session, sha256.Sum256(nil), func(ledger.Head) ([]byte, error) { return make([]byte, 10_000), nil }))
	}
}

// A node's start: every row and every stored byte of a ledger with 10⁵ rows is verified.
func BenchmarkOpen(b *testing.B) {
	path := large(b, 20)
	for b.Loop() {
		l, err := ledger.Open(path)
		must(b, err)
		must(b, l.Close())
	}
}
