package bench

import (
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/internal/sample"
	"github.com/sotto-dev/sotto/party/config"
)

// running is a collaboration of two companies of 10 000 customers in this process, over TLS on loopback.
func running(b *testing.B) *lab.Lab {
	b.Helper()
	companies, err := sample.Bench(b.TempDir(), 10_000)
	if err != nil {
		b.Fatal(err)
	}
	file := &lab.File{Collaboration: "bench"}
	file.Agreement.Purposes = []string{sample.Planning}
	file.Agreement.EpsilonPerQuery, file.Agreement.EpsilonTotal = 1_000_000, 1_000_000_000
	for _, c := range companies {
		p, err := config.Load(c.ConfigFile)
		if err != nil {
			b.Fatal(err)
		}
		file.Parties = append(file.Parties, *p)
	}
	l, err := lab.Start(b.Context(), file, lab.Silent())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

var crossTab = client.Question{
	Count: "left.member && right.member", By: []string{"left.cohort", "right.cohort"}, Epsilon: 1, Precision: "low",
	Purpose: sample.Planning,
}

// BenchmarkExplain explains a cross-tab of 11 × 11 cells: catalog, plan, errors and budgets, all nodes included.
func BenchmarkExplain(b *testing.B) {
	l := running(b)
	for b.Loop() {
		if _, err := l.Client.Explain(b.Context(), crossTab, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExplainWithin finds the epsilon for a wanted accuracy as well.
func BenchmarkExplainWithin(b *testing.B) {
	l := running(b)
	for b.Loop() {
		if _, err := l.Client.Explain(b.Context(), crossTab, 2000); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAskAgain asks a question whose answer is stored.
func BenchmarkAskAgain(b *testing.B) {
	l := running(b)
	if _, err := l.Client.Ask(b.Context(), crossTab, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		answer, err := l.Client.Ask(b.Context(), crossTab, nil)
		if err != nil {
			b.Fatal(err)
		}
		if !answer.Earlier {
			b.Fatal("it was asked anew")
		}
	}
}
