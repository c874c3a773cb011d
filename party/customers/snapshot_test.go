package customers_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// crowded declares customers with two ids, dates and amounts, in a file with random rows.
func crowded(t *rapid.T, path string) (*config.Party, [][]string) {
	pick := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	rows := [][]string{{"last@x.de", "", "true", "", "1", "x"}}
	for range rapid.IntRange(0, 30).Draw(t, "rows") {
		rows = append(rows, []string{
			pick("email", "a@x.de", "b@x.de", "c@x.de", "", "C@x.de "), pick("number", "1", "2", "3", "4", ""), pick("agreed", "true", "false", ""),
			pick("since", "2025-01-01", "2025-06-30", "2019-01-01", ""), pick("amount", "1", "2.5", ""), pick("tier", "x", "y", ""),
		})
	}
	write(t, path, rows)
	return &config.Party{
		Name: "shop", Source: config.Source{CSV: path}, CustomersUpTo: 100,
		Identity:   config.Identities{{Column: "email", Type: ids.Email}, {Column: "number", Type: ids.Opaque}},
		Segments:   map[string]string{"big": "amount > 2"},
		Dimensions: map[string]config.Dimension{"tier": {SQL: "tier", Values: []string{"x", "y"}}},
		Measures:   map[string]config.Measure{"spend": {SQL: "CAST(amount AS DOUBLE)", Clip: [2]float64{0, 5}, Step: 0.5}},
		Purposes:   map[string]config.Purpose{"planning": {Consent: "agreed"}, "dated": {Consent: "true", Given: "since", ValidFor: config.Period{Years: 2}}},
		Retention:  config.Retention{Since: "COALESCE(since, TIMESTAMP '2026-01-01')", KeepFor: config.Period{Years: 5}},
	}, rows
}

func write(t *rapid.T, path string, rows [][]string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := csv.NewWriter(f).WriteAll(append([][]string{{"email", "number", "agreed", "since", "amount", "tier"}}, rows...)); err != nil {
		t.Fatal(err)
	}
}

// A snapshot without some customers is, in every field and so in its version, the one of a file without their rows; what is
// taken away by Options.Erased, by whatever id, is the same as what is taken away later; and Find finds whom a look at all
// ids finds.
func TestWithoutAndFind(t *testing.T) {
	folder := t.TempDir()
	files := 0
	email, number := ids.Normalizer{Type: ids.Email}, ids.Normalizer{Type: ids.Opaque}
	rapid.Check(t, func(t *rapid.T) {
		files++
		path := filepath.Join(folder, fmt.Sprintf("%d.csv", files))
		p, rows := crowded(t, path)
		o := agreed(ids.Email, ids.Opaque)
		s, err := customers.Load(context.Background(), p, o)
		if err != nil {
			t.Fatal(err)
		}
		known := func(row []string) (id, alias ids.ID) {
			first, ok := email.ID(row[0])
			second, _ := number.ID(row[1])
			if !ok {
				return second, ids.ID{}
			}
			return first, second
		}
		used := slices.DeleteFunc(slices.Clone(rows), func(row []string) bool { return row[3] == "2019-01-01" })

		for _, raw := range []string{"a@x.de", "b@x.de", "c@x.de", "1", "2", "9", "nobody"} {
			n := number
			if len(raw) == 6 {
				n = email
			}
			id, ok := n.ID(raw)
			if !ok {
				id, _ = number.ID(raw)
			}
			var want []int
			for customer, main := range s.IDs {
				if main == id || slices.ContainsFunc(used, func(row []string) bool { a, b := known(row); return a == main && b == id }) {
					want = append(want, customer)
				}
			}
			if got := s.Find([]ids.ID{id}); !slices.Equal(got, want) {
				t.Fatalf("%s is found as %v, want %v", raw, got, want)
			}
		}

		gone := make([]bool, len(s.IDs))
		for i := range gone[1:] {
			gone[i+1] = rapid.Bool().Draw(t, "gone")
		}
		before := *s
		less := s.Without(p, func(customer int) bool { return gone[customer] })
		if !reflect.DeepEqual(before, *s) {
			t.Fatal("the snapshot changed")
		}
		if !slices.Contains(gone, true) && less != s {
			t.Fatal("a copy of the snapshot without nobody")
		}
		write(t, path, slices.DeleteFunc(slices.Clone(rows), func(row []string) bool {
			id, _ := known(row)
			at := slices.Index(s.IDs, id)
			return at >= 0 && gone[at]
		}))
		want, err := customers.Load(context.Background(), p, o)
		if err != nil {
			t.Fatal(err)
		}
		if less.Version != want.Version || !equal(less, want) {
			t.Fatalf("without %v there are\n%+v\nof a file without their rows\n%+v", gone, less, want)
		}
	})
}

// equal compares all that a snapshot says; empty and no slice are alike.
func equal(a, b *customers.Snapshot) bool {
	return fmt.Sprintf("%+v", *a) == fmt.Sprintf("%+v", *b)
}

// A snapshot of nobody is one: whoever is erased last leaves a node that goes on.
func TestEverybodyErased(t *testing.T) {
	p := partyOf(t, "id\n1\n2\n")
	p.Dimensions["d"] = config.Dimension{SQL: "id", Values: []string{"1"}}
	nobody := mustLoad(t, p).Without(p, func(int) bool { return true })
	if len(nobody.IDs) != 0 || len(nobody.Dimensions) != 1 || len(nobody.Dimensions[0]) != 0 || len(nobody.Find([]ids.ID{{}})) != 0 {
		t.Errorf("snapshot %+v", nobody)
	}
}
