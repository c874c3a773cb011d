package customers_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// SQL that is no measure, each with the name of the measure and why.
func TestRefusedMeasures(t *testing.T) {
	for sql, want := range map[string]string{
		"v":                          "is of type VARCHAR, a measure must be a number, such as: amount",
		"id":                         "is of type VARCHAR",
		"n > 1":                      "is of type BOOLEAN",
		"d":                          "is of type DATE",
		"d - DATE '2024-01-01' + d":  "Binder Error",
		"NULL::DATE":                 "is of type DATE",
		"'12'":                       "a measure must be a number",
		"[n]":                        "is of type LIST",
		"INTERVAL 1 DAY":             "is of type INTERVAL",
		"n::BIGNUM":                  "is of type another kind",
		"v + 1":                      "No function matches the given name and argument types '+(VARCHAR, INTEGER_LITERAL)'",
		"amount":                     `Referenced column "amount" not found`,
		"sum(n)":                     "aggregate",
		"n, n":                       "not one expression",
		"n FROM customers":           "not one expression",
		"n AS DOUBLE), CAST(n":       "syntax error",
		"(SELECT n)":                 "has a subquery",
		"sum(n) OVER ()":             "has a window function",
		"n = ":                       "syntax error",
		"unnest([n])":                "UNNEST",
		"CAST(v AS DOUBLE)":          "fails on some row: Conversion Error",
		"CAST(v AS DECIMAL(9,2))":    "fails on some row: Conversion Error",
		"n * 9223372036854775807":    "fails on some row: Out of Range Error",
		"CAST(n * 1000 AS TINYINT)":  "fails on some row: Conversion Error",
		"sqrt(n - 5)":                "fails on some row: Out of Range Error",
		"error(v)":                   "",
		"n / 0":                      "is not a finite number on some row",
		"-n / 0":                     "is not a finite number on some row",
		"CAST('nan' AS DOUBLE)":      "is not a finite number on some row",
		"pow(n, 1000000)":            "is not a finite number on some row",
		"CAST('-inf' AS FLOAT)":      "is not a finite number on some row",
		"1e308 * n":                  "is not a finite number on some row",
		"CAST(n AS DOUBLE) * 4e307":  "the rows of some customer add up to more than float64 holds",
		"CAST(n AS DOUBLE) * -4e307": "the rows of some customer add up to more than float64 holds",
	} {
		content := "id,v,n,d\n" + strings.Repeat("1,7,1,2024-01-01\n", 30) + secret + "," + secret + ",2,2024-01-01\n1,1," + "3,2024-01-02\n"
		p := measured(t, content, config.Measure{SQL: sql, Clip: [2]float64{0, 500}})
		checkError(t, sql, p, fault.Invalid, want, `measure "spend": SQL `)
	}
}

// One word among amounts makes the column text: its owner learns which measure that breaks and what to do, not that the
// row was left out. It is no different if the word comes late.
func TestAmountsWithAWord(t *testing.T) {
	for _, rows := range []int{1, 3000} {
		content := "id,amount\n" + strings.Repeat("1,5\n", rows) + "2," + secret + "\n" + strings.Repeat("3,5\n", rows)
		for sql, want := range map[string]string{"amount": "is of type VARCHAR, a measure must be a number", "amount * 2": "No function matches"} {
			p := measured(t, content, config.Measure{SQL: sql, Clip: [2]float64{0, 500}})
			checkError(t, sql, p, fault.Invalid, want)
			_, err := customers.Load(context.Background(), p, plain)
			if hint := fault.From(err).Hint; !strings.Contains(hint, "TRY_CAST") {
				t.Errorf("the hint is %q", hint)
			}
		}
		p := measured(t, content, config.Measure{SQL: "TRY_CAST(amount AS DOUBLE)", Clip: [2]float64{0, 500_000}, Step: 5})
		if got, want := mustLoad(t, p).Amounts[0], []int32{int32(rows), none, int32(rows)}; !slices.Equal(got, want) {
			t.Errorf("amounts are %v, want %v", got, want)
		}
	}
	// Commas for points, and leading zeros, are no numbers either.
	for _, written := range []string{`"1,50"`, "0012", "€ 5", "5 EUR", "inf", "nan", "0x10"} {
		p := measured(t, "id,amount\n1,5\n2,"+written+"\n", config.Measure{SQL: "amount", Clip: [2]float64{0, 500}})
		checkError(t, written, p, fault.Invalid, "is of type VARCHAR")
	}
	p := measured(t, "id,amount\n1,5\n", config.Measure{SQL: "sum(amount)", Clip: [2]float64{0, 500}})
	_, err := customers.Load(context.Background(), p, plain)
	if hint := fault.From(err).Hint; !strings.Contains(hint, "adds up without being told to") {
		t.Errorf("the hint is %q", hint)
	}
}

// The infinite amount of a row that is nobody's is nobody's problem.
func TestInfinityOfNobody(t *testing.T) {
	p := measured(t, "id,a,b\n1,6,2\n,1,0\n", config.Measure{SQL: "a / b", Clip: [2]float64{0, 500}})
	if got := mustLoad(t, p).Amounts[0]; !slices.Equal(got, []int32{3}) {
		t.Errorf("amounts are %v", got)
	}
}
