package customers_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// The loader agrees with a few lines of plain Go on any file of amounts, missing ones, and repeated and empty ids.
func TestAmountsAgreeWithPlainGo(t *testing.T) {
	folder := t.TempDir()
	files := 0
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"", "a", "b", "c", "d", " "})
		number := rapid.OneOf(
			rapid.Just(""),
			rapid.Map(rapid.IntRange(-50, 50), strconv.Itoa),
			rapid.Map(rapid.Float64Range(-2000, 2000), func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }),
			rapid.Map(rapid.IntRange(-99, 99), func(n int) string { return strconv.FormatFloat(float64(n)/4, 'f', 2, 64) }),
		)
		rows := [][]string{{"id", "first", "second"}, {"last", "1", ""}}
		for range rapid.IntRange(0, 40).Draw(t, "rows") {
			rows = append(rows, []string{id.Draw(t, "id"), number.Draw(t, "first"), number.Draw(t, "second")})
		}
		low := rapid.IntRange(-2000, 1999).Draw(t, "low")
		high := rapid.IntRange(low+1, 2000).Draw(t, "high")
		step := rapid.SampledFrom([]float64{0.1, 0.25, 0.5, 1}).Draw(t, "step")
		m := config.Measure{Clip: [2]float64{float64(low), float64(high)}, Step: config.Step(step)}

		files++
		path := filepath.Join(folder, fmt.Sprintf("%d.csv", files))
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := csv.NewWriter(f).WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		p := &config.Party{
			Name: "shop", Source: config.Source{CSV: path}, Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, Purposes: anyone, CustomersUpTo: 100,
			Measures: map[string]config.Measure{},
		}
		for i, sql := range []string{"first", "CAST(first AS DOUBLE) - 2 * CAST(second AS DOUBLE)"} {
			m.SQL = sql
			p.Measures[fmt.Sprintf("m%d", i)] = m
		}
		s, err := customers.Load(context.Background(), p, plain)
		if err != nil {
			t.Fatal(err)
		}

		value := func(text string) float64 {
			if text == "" {
				return math.NaN()
			}
			x, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		sums := []map[string]float64{{}, {}}
		for _, row := range rows[1:] {
			first, second := value(row[1]), value(row[2])
			for i, said := range []float64{first, first - 2*second} {
				if !math.IsNaN(said) {
					sums[i][strings.TrimSpace(row[0])] += said
				}
			}
		}
		for _, name := range []string{"a", "b", "c", "d", "last"} {
			id, _ := normalizer(p).ID(name)
			at := slices.Index(s.IDs, id)
			for i, sum := range sums {
				want := int32(none)
				if total, ok := sum[name]; ok {
					want = int32(math.Round(math.Min(math.Max(total, m.Clip[0]), m.Clip[1]) / step))
				}
				if at >= 0 && s.Amounts[i][at] != want {
					t.Fatalf("%s has %d of %s, want %d", name, s.Amounts[i][at], s.MeasureNames[i], want)
				}
			}
		}
	})
}
