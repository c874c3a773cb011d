package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// writeParquet writes a Parquet file of that many people, each once, in groups of rows of DuckDB's usual size.
func writeParquet(t testing.TB, path string, people int) {
	sql := fmt.Sprintf(`COPY (SELECT
		concat(['Anna.Smith', 'jon.jones', 'maria.huang', 'Eugene.Torres', 'ruben.zhu'][1 + i %% 5], i * 7919 %% 100000007, '@example.com') AS email,
		i %% 5 < 2 AS churned, (i %% 5000)::DECIMAL(9,2) + 0.99 AS spend, ['gold', 'silver', NULL][1 + i %% 3] AS tier,
		['18-24', '25-34', '35-44', '45-54', '55-64', '65+', NULL][1 + i %% 11 %% 7] AS age_band,
		['Oslo', 'Bergen', 'New York'][1 + i %% 3] AS city,
		DATE '2026-01-01' - (i %% 1000)::INTEGER AS consented_at, DATE '2026-02-01' - (i %% 800)::INTEGER AS last_purchase,
		'nothing that anybody declares' AS remark
		FROM range(%d) AS people(i)) TO '%s' (FORMAT parquet)`, people, path)
	var database bindings.Database
	var connection bindings.Connection
	var result bindings.Result
	if bindings.Open("", &database) == bindings.StateError || bindings.Connect(database, &connection) == bindings.StateError {
		t.Fatal("no DuckDB")
	}
	defer bindings.Close(&database)
	defer bindings.Disconnect(&connection)
	defer bindings.DestroyResult(&result)
	if bindings.Query(connection, sql, &result) == bindings.StateError {
		t.Fatal(bindings.ResultError(&result))
	}
}

// loadParquet loads such a file: an e-mail address, three segments, two dimensions, a measure, consent with a date, retention.
func loadParquet(t testing.TB, path string, people int) {
	p := &config.Party{
		Name: "shop", Source: config.Source{Parquet: path}, Identity: config.Identities{{Column: "email", Type: ids.Email}}, CustomersUpTo: int64(people),
		Segments: map[string]string{"churned": "churned", "rich": "spend > 1000", "gold": "tier = 'gold'"},
		Dimensions: map[string]config.Dimension{
			"age_band": {SQL: "age_band", Values: []string{"18-24", "25-34", "35-44", "45-54", "55-64", "65+"}},
			"city":     {SQL: "city", Values: []string{"Oslo", "Bergen"}},
		},
		Measures:  map[string]config.Measure{"spend": {SQL: "spend", Clip: [2]float64{0, 500}}},
		Purposes:  map[string]config.Purpose{"planning": {Consent: "true", Given: "consented_at", ValidFor: config.Period{Months: 24}}},
		Retention: config.Retention{Since: "last_purchase", KeepFor: config.Period{Months: 36}},
	}
	s, err := customers.Load(context.Background(), p, customers.Options{
		Agreement: &agreement.Agreement{}, Now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.IDs) != people {
		t.Fatalf("%d customers, want %d", len(s.IDs), people)
	}
}

// BenchmarkLoadParquet loads 100 000 customers.
func BenchmarkLoadParquet(b *testing.B) {
	const people = 100_000
	path := filepath.Join(b.TempDir(), "customers.parquet")
	writeParquet(b, path, people)
	for b.Loop() {
		loadParquet(b, path, people)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/people, "ns/row")
}

const millionsFile = "SOTTO_BENCH_MILLIONS"

// Ten million customers are loaded from Parquet by a process that never has more than 2 GB of memory, whatever the garbage
// collector leaves lying about. How long that takes is logged.
func TestMillions(t *testing.T) {
	const people = 10_000_000
	if path := os.Getenv(millionsFile); path != "" {
		debug.SetGCPercent(100) // as in a node
		loadParquet(t, path, people)
		return
	}
	if os.Getenv("SOTTO_LONG") != "1" {
		t.Skip("takes a minute; SOTTO_LONG=1 runs it")
	}
	path := filepath.Join(t.TempDir(), "customers.parquet")
	writeParquet(t, path, people)
	child := exec.Command(os.Args[0], "-test.run=^TestMillions$")
	child.Env = append(os.Environ(), millionsFile+"="+path)
	before := time.Now()
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", err, strings.TrimSpace(string(out)))
	}
	peak := child.ProcessState.SysUsage().(*syscall.Rusage).Maxrss // in KiB on Linux
	t.Logf("%d customers in %.1f s, at most %d MB", people, time.Since(before).Seconds(), peak/1000)
	if peak > 2e6 {
		t.Errorf("%d kB of memory, want at most 2 GB", peak)
	}
}
