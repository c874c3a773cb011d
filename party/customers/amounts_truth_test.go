package customers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// realMeasures are amounts of the real customer sets, as their owners could declare them.
var realMeasures = []struct {
	file     string
	identity config.Identity
	measures map[string]config.Measure
}{
	{
		// Customers with two rows, rows without an id, addresses in other case and with blanks around them.
		"adventureworks/gear.csv", config.Identity{Column: "Email", Type: ids.Email}, map[string]config.Measure{
			"spend":    {SQL: "CASE spend_band WHEN '<10' THEN 5 WHEN '10-39' THEN 24.5 WHEN '40-79' THEN 59.5 WHEN '80+' THEN 110 END", Clip: [2]float64{0, 150}, Step: 0.5, Unit: "EUR"},
			"children": {SQL: "CASE children WHEN '1-2' THEN 1.5 WHEN '3+' THEN 4 END", Clip: [2]float64{0, 5}, Step: 0.01},
			"balance":  {SQL: "CASE home WHEN 'owner' THEN 1000 ELSE -1000 END * TRY_CAST(left(income_band, 2) AS INTEGER)", Clip: [2]float64{-50_000, 60_000}, Step: 1000},
		},
	},
	{
		// Many customers share a phone number: up to 76 rows add up.
		"adventureworks/apparel.csv", config.Identity{Column: "phone_digits", Type: ids.Opaque}, map[string]config.Measure{
			"spend": {SQL: "CASE spend_band WHEN '<25' THEN 12.34 WHEN '25-59' THEN 41.7 WHEN '60-119' THEN 88.8 ELSE 150.01 END", Clip: [2]float64{0, 1000}, Step: 0.01},
		},
	},
	{"adventureworks/bikes.csv", config.Identity{Column: "email", Type: ids.Email}, map[string]config.Measure{
		"years": {SQL: "2019 - last_year", Clip: [2]float64{0, 1}, Step: 1}, "last_year": {SQL: "last_year", Clip: [2]float64{2000, 2018}, Step: 1},
	}},
	// Numbers of whole columns, some of them missing; a federal state as the customer adds up thousands of rows.
	{"febrl/clinic_b.csv", config.Identity{Column: "soc_sec_id", Type: ids.Opaque}, map[string]config.Measure{
		"born": {SQL: "date_of_birth // 10000", Clip: [2]float64{1900, 2000}, Step: 1},
	}},
	{"febrl/clinic_a.csv", config.Identity{Column: "state", Type: ids.Opaque}, map[string]config.Measure{
		"days": {SQL: "date_of_birth % 100 - 0.25", Clip: [2]float64{-100_000, 90_000}, Step: 1},
		"born": {SQL: "date_of_birth", Clip: [2]float64{0, 1e12}, Step: 1e7},
	}},
	{"telco/netco.csv", config.Identity{Column: "customer_id", Type: ids.Opaque}, map[string]config.Measure{
		"charges": {SQL: "TRY_CAST(left(charges_band, 2) AS INTEGER) + 0.99", Clip: [2]float64{0, 80}, Step: 0.01, Unit: "USD"},
	}},
}

// On real files, amounts are what one plain SQL statement per measure makes of them: read with DuckDB's own guesses, put
// together by GROUP BY, summed up in whatever order.
func TestRealAmounts(t *testing.T) {
	ctx := context.Background()
	for _, c := range realMeasures {
		path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "data", c.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Skip("the real customer sets are not here")
		}
		p := &config.Party{
			Name: "real", Source: config.Source{CSV: path}, Identity: config.Identities{c.identity}, Purposes: map[string]config.Purpose{"planning": {Consent: "true"}}, CustomersUpTo: 100_000, Measures: c.measures,
		}
		s, err := Load(ctx, p, Options{Agreement: &agreement.Agreement{}, Now: time.Unix(1.7e9, 0)})
		if err != nil {
			t.Fatal(err)
		}
		fold := "concat" // of one value: as it is
		if c.identity.Type == ids.Email {
			fold = "lower"
		}
		position := map[ids.ID]int{}
		for i, id := range s.IDs {
			position[id] = i
		}
		for i, name := range s.MeasureNames {
			m := c.measures[name]
			sql := fmt.Sprintf("SELECT CAST(%[9]s(trim(%[1]s)) AS VARCHAR), CAST(CASE WHEN count(%[2]s) = 0 THEN %[6]d "+
				"ELSE round(least(greatest(sum(%[2]s), %[3]v), %[4]v) / %[5]v) END AS BIGINT) "+
				"FROM read_csv(%[7]s, types = {%[8]s: 'VARCHAR'}) WHERE trim(%[1]s) <> '' GROUP BY 1",
				quoteName(c.identity.Column), m.SQL, m.Clip[0], m.Clip[1], m.StepSize(), NoAmount, quoteText(path), quoteText(c.identity.Column), fold)
			people, amounts := 0, map[int64]bool{}
			err := newTestDuck(t).each(ctx, sql, func(chunk chunk) error {
				raws, wants := column[text](chunk, 0), column[int64](chunk, 1)
				for row, want := range wants {
					id, _ := (ids.Normalizer{Type: c.identity.Type, Country: c.identity.Country}).ID(raws[row].String())
					at, known := position[id]
					if !known || int64(s.Amounts[i][at]) != want {
						t.Fatalf("%s, %s: a customer (known: %v) has another amount than SQL gives", c.file, name, known)
					}
					people++
					amounts[want] = true
				}
				return nil
			})
			if err != nil || people != len(s.IDs) {
				t.Errorf("%s, %s: %d of %d customers compared, error %v", c.file, name, people, len(s.IDs), err)
			}
			if len(amounts) < 2 {
				t.Errorf("%s, %s: all customers have the same amount", c.file, name)
			}
		}
	}
}
