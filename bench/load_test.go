package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// writeCustomers writes a CSV file of that many people, each once.
func writeCustomers(b *testing.B, people int) string {
	path := filepath.Join(b.TempDir(), "customers.csv")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	names := []string{"Anna.Smith", "jon.jones", "maria.huang", "Eugene.Torres", "ruben.zhu", "christy.verhoff", "lena.olsen"}
	bands := []string{"18-24", "25-34", "35-44", "45-54", "55-64", "65+", ""}
	cities := []string{"Oslo", "Bergen", "New York"}
	fmt.Fprintln(w, "email,churn,spend,consent,age_band,city")
	for i := range people {
		fmt.Fprintf(w, "%s%07d@example.com,%s,%d.%02d,%v,%s,%s\n", names[i%7], i*7919%10_000_000,
			[]string{"Yes", "No"}[i%5&1], i%5000, i%100, i%3 > 0, bands[i%11%7], cities[i%3])
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkLoad loads 100 000 customers with an e-mail address, three segments and one dimension. Beside the time it
// reports the processor time of all threads per row: DuckDB's are not Go's.
func BenchmarkLoad(b *testing.B) {
	const people = 100_000
	p := &config.Party{
		Name: "shop", Source: config.Source{CSV: writeCustomers(b, people)},
		Identity: config.Identities{{Column: "email", Type: ids.Email}}, CustomersUpTo: people,
		Purposes: map[string]config.Purpose{"planning": {Consent: "consent"}},
		Segments: map[string]string{"churned": "churn = 'Yes'", "rich": "spend > 1000", "agreed": "consent"},
		Dimensions: map[string]config.Dimension{
			"age_band": {SQL: "age_band", Values: []string{"18-24", "25-34", "35-44", "45-54", "55-64", "65+"}},
		},
	}
	before := processorTime(b)
	for b.Loop() {
		s, err := customers.Load(context.Background(), p, customers.Options{Agreement: &agreement.Agreement{}, Now: time.Now()})
		if err != nil {
			b.Fatal(err)
		}
		if len(s.IDs) != people {
			b.Fatalf("%d customers, want %d", len(s.IDs), people)
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/people, "cpu-ns/row")
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
