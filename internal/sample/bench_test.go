package sample_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/sample"
)

// Guards the benchmark's companies at sizes where the order of rows is delicate: n tidy rows of n people at each, half
// of them shared, declared values only, not in the same order, and the same files each time.
func TestBench(t *testing.T) {
	for _, n := range []int{1, 2, 3, 6, 97, 1000, 2310} {
		written, err := sample.Bench(t.TempDir(), n)
		if err != nil {
			t.Fatal(err)
		}
		again, err := sample.Bench(t.TempDir(), n)
		if err != nil {
			t.Fatal(err)
		}
		if len(written) != 2 || written[0].Name != "left" || written[1].Name != "right" {
			t.Fatalf("companies %v", written)
		}
		var people []map[string]bool
		for i, c := range written {
			if !bytes.Equal(readRaw(t, c.File), readRaw(t, again[i].File)) {
				t.Errorf("%s of %d: two files differ", c.Name, n)
			}
			header, rows := readFile(t, c.File, false)
			if !slices.Equal(header, []string{"email", "tier", "cohort", "active"}) {
				t.Errorf("header %q", header)
			}
			config := parseConfig(t, c.ConfigYAML)
			if config.CustomersUpTo != n || len(config.Segments) != 1 || len(config.Dimensions) != 1 {
				t.Errorf("%s of %d: configuration\n%s", c.Name, n, c.ConfigYAML)
			}
			ids, active := make(map[string]bool), 0
			for _, row := range rows {
				if normal(row[0]) != row[0] {
					t.Errorf("%q is not tidy", row[0])
				}
				ids[row[0]] = true
				if !slices.Contains(config.Dimensions["cohort"].Values, row[2]) {
					t.Errorf("cohort %q is not declared", row[2])
				}
				if row[3] == "true" {
					active++
				}
			}
			if len(ids) != n || len(rows) != n {
				t.Errorf("%s of %d: %d rows, %d people", c.Name, n, len(rows), len(ids))
			}
			// Three in four are active; the draw is fixed, the bounds leave it some room.
			if n >= 1000 && (active < n*7/10 || active > n*8/10) {
				t.Errorf("%s of %d: %d are active", c.Name, n, active)
			}
			people = append(people, ids)
		}
		shared := maps.Clone(people[0])
		maps.DeleteFunc(shared, func(id string, _ bool) bool { return !people[1][id] })
		if len(shared) != sample.BenchOverlap(n) {
			t.Errorf("%d of %d are shared, want %d", len(shared), n, sample.BenchOverlap(n))
		}
	}
	for _, n := range []int{0, -1} {
		if _, err := sample.Bench(t.TempDir(), n); err == nil {
			t.Errorf("%d customers are written", n)
		}
	}
}

// BenchmarkBench writes two companies of a million customers.
func BenchmarkBench(b *testing.B) {
	for b.Loop() {
		if _, err := sample.Bench(b.TempDir(), 1_000_000); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDemo invents the demo and writes its files.
func BenchmarkDemo(b *testing.B) {
	for b.Loop() {
		if _, err := sample.Demo("test").Write(b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
