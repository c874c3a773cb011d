package customers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

const none = customers.NoAmount

// measured declares customers in a new file with that content and one measure, amount.
func measured(t testing.TB, content string, m config.Measure) *config.Party {
	p := partyOf(t, content)
	p.Measures = map[string]config.Measure{"spend": m}
	return p
}

// lines returns a file of amounts, each of a customer of its own.
func lines(written ...string) string {
	var content strings.Builder
	content.WriteString("id,amount\n")
	for i, value := range written {
		fmt.Fprintf(&content, "%d,%s\n", i, value)
	}
	return content.String()
}

// amountsOf loads such a file and returns the amounts in steps.
func amountsOf(t testing.TB, m config.Measure, written ...string) []int32 {
	t.Helper()
	return mustLoad(t, measured(t, lines(written...), m)).Amounts[0]
}

// What the rows of a customer say adds up, and only the sum is clipped: refunds count against purchases that are far above
// the clip alone. NULL adds nothing, and is not 0 where there is nothing else. Rows of nobody count for nobody.
func TestRowsAddUpBeforeTheClip(t *testing.T) {
	s := mustLoad(t, measured(t, `id,amount
a,100
b,
c,600
a,50.25
c,-150
,400
d,
e,-30
f,300
d,7
f,300
e,
g,-5000
h,0
d,
`, config.Measure{SQL: "amount", Clip: [2]float64{-100, 500}, Step: 0.5}))
	// a: 150.25 is rounded up; c: 600 - 150, where clipping each row would make it 500 - 100; f: 600 is clipped once.
	want := []int32{301, none, 900, 14, -60, 1000, -200, 0}
	if !slices.Equal(s.Amounts[0], want) || !slices.Equal(s.MeasureNames, []string{"spend"}) {
		t.Errorf("%v are %v, want %v", s.MeasureNames, s.Amounts[0], want)
	}
}

// Amounts are rounded to the nearest step, halves away from zero, after they are clipped; whatever is nearest, it is within
// the clip.
func TestRounding(t *testing.T) {
	m := config.Measure{SQL: "amount", Clip: [2]float64{-10, 20}, Step: 1}
	got := amountsOf(t, m, "0.49", "0.5", "1.5", "2.5", "-0.49", "-0.5", "-1.5", "-2.5", "19.5", "20.4", "20.6", "-10.4", "-10.6", "-0.0")
	if want := []int32{0, 1, 2, 3, 0, -1, -2, -3, 20, 20, 20, -10, -10, 0}; !slices.Equal(got, want) {
		t.Errorf("amounts are %v, want %v", got, want)
	}
	// A clip that float64 does not divide evenly still ends where it says: 0.3/0.1 is a bit less than 3.
	m = config.Measure{SQL: "amount", Clip: [2]float64{0.1, 0.3}, Step: 0.1}
	if got, want := amountsOf(t, m, "0", "0.1", "0.16", "0.24", "0.3", "7", ""), []int32{1, 1, 2, 2, 3, 3, none}; !slices.Equal(got, want) {
		t.Errorf("amounts are %v, want %v", got, want)
	}
	// Without a step in the file, of 500 a step is 1, of 10 000 it is 10.
	if got := amountsOf(t, config.Measure{SQL: "amount", Clip: [2]float64{0, 500}}, "499.5", "3.2"); !slices.Equal(got, []int32{500, 3}) {
		t.Errorf("amounts are %v", got)
	}
	if got := amountsOf(t, config.Measure{SQL: "amount", Clip: [2]float64{0, 10_000}}, "9994.9", "15"); !slices.Equal(got, []int32{999, 2}) {
		t.Errorf("amounts are %v", got)
	}
}

// Numbers far larger than any clip are still numbers: they are clipped, on their side. The farthest clips and the most steps
// fit.
func TestBigAmounts(t *testing.T) {
	m := config.Measure{SQL: "CAST(amount AS DOUBLE)", Clip: [2]float64{-config.MaxAmount, config.MaxAmount}, Step: config.MaxAmount / config.MaxSteps}
	got := amountsOf(t, m, "1e12", "-1e12", "1e308", "-1e308", "9007199254740993", "12345678901234567890123", "5e-324", "4.9e6", "-5e6")
	most := int32(config.MaxSteps)
	if want := []int32{most, -most, most, -most, most, most, 0, 0, -1}; !slices.Equal(got, want) {
		t.Errorf("amounts are %v, want %v", got, want)
	}
	m = config.Measure{SQL: "amount", Clip: [2]float64{0, config.MinStep}, Step: config.MinStep}
	if got := amountsOf(t, m, "1", "4e-13", "6e-13"); !slices.Equal(got, []int32{1, 0, 1}) {
		t.Errorf("amounts are %v", got)
	}
}

// Any numeric type of SQL will do, and columns are of the type that all their values have, wherever in the file the one
// stands that decides it.
func TestAmountTypes(t *testing.T) {
	m := config.Measure{Clip: [2]float64{-1000, 1000}, Step: 0.5}
	wants := map[string]int32{
		"amount":                                 3,
		"CAST(amount AS FLOAT)":                  3,
		"CAST(amount AS DECIMAL(9,1))":           3,
		"amount * 1.2":                           4, // 1.8
		"- amount":                               -3,
		"10 -- ten":                              20,
		"12::TINYINT":                            24,
		"12::UHUGEINT":                           24,
		"12::HUGEINT":                            24,
		"CASE WHEN amount > 1 THEN 7 ELSE 0 END": 14,
		"date_diff('day', DATE '2024-02-28', DATE '2024-03-01')": 4,
		"length('abc')":              6,
		"NULL::INTEGER":              none,
		"NULLIF(amount, 1.5)":        none,
		"amount / NULLIF(x, 0)":      none,
		"TRY_CAST('many' AS DOUBLE)": none,
		`customers."AMOUNT"`:         3,
		"amount + COALESCE(x, 1)":    5,
	}
	p := partyOf(t, "id,amount,x\n1,1.5,\n")
	p.Measures = map[string]config.Measure{}
	sqls := slices.Sorted(maps.Keys(wants))
	for i, sql := range sqls {
		m.SQL = sql
		p.Measures[fmt.Sprintf("m%02d", i)] = m
	}
	for i, amounts := range mustLoad(t, p).Amounts {
		if sql := sqls[i]; amounts[0] != wants[sql] {
			t.Errorf("%s: %d steps, want %d", sql, amounts[0], wants[sql])
		}
	}
	filler := func(value string) []string { return slices.Repeat([]string{value}, 3000) }
	for name, c := range map[string]struct {
		written []string
		last    int32
	}{
		"late decimals": {append(filler("1"), "2.5"), 5},
		"late integers": {append(filler(""), "12"), 24},
		"late negative": {append(filler("1"), "-3"), -6},
		"late nothing":  {append(filler("1"), ""), none},
		"nothing":       {filler(""), none},
		"exponents":     {append(filler("1"), "1e2"), 200},
	} {
		plain, computed := m, m
		plain.SQL, computed.SQL = "amount", "amount * 1.0"
		p := partyOf(t, lines(c.written...))
		p.Measures = map[string]config.Measure{"plain": plain, "computed": computed}
		s := mustLoad(t, p)
		for i, amounts := range s.Amounts {
			if got := amounts[len(amounts)-1]; got != c.last {
				t.Errorf("%s, %s: the last is %d, want %d", name, s.MeasureNames[i], got, c.last)
			}
		}
	}
}

// Several measures, beside the most segments and a dimension, are not mistaken for each other.
func TestMostMeasures(t *testing.T) {
	var content strings.Builder
	content.WriteString("id,n\n")
	const people = 5000
	for i := range people {
		fmt.Fprintf(&content, "%d,%d\n%d,\n", i, i, i)
	}
	p := partyOf(t, content.String())
	p.Measures = map[string]config.Measure{}
	for j := range config.MaxMeasures {
		p.Measures[fmt.Sprintf("m%02d", j)] = config.Measure{
			SQL: fmt.Sprintf("CASE WHEN n %% 3 > 0 THEN n * %d END", j-5), Clip: [2]float64{-99_999, 100_000}, Step: 1,
		}
	}
	for j := range config.MaxSegments {
		p.Segments[fmt.Sprintf("s%02d", j)] = fmt.Sprintf("n %% %d = 0", j+1)
	}
	p.Dimensions["odd"] = config.Dimension{SQL: "n % 2", Values: []string{"0", "1"}}
	s := mustLoad(t, p)
	for i := range people {
		for j, name := range s.MeasureNames {
			want := int32(min(max(i*(j-5), -99_999), 100_000))
			if i%3 == 0 {
				want = none
			}
			if name != fmt.Sprintf("m%02d", j) || s.Amounts[j][i] != want {
				t.Fatalf("%s of customer %d is %d, want %d", name, i, s.Amounts[j][i], want)
			}
		}
		if int(s.Dimensions[0][i]) != i%2 || s.Segments[i]>>1&1 != uint64(1-i%2) {
			t.Fatalf("customer %d has the value or segment of another", i)
		}
	}
}

// A big file is read by several threads; sums still follow the order of the file, in which a float64 that is lost to a
// far larger one is lost, and otherwise is not.
func TestSumsFollowTheFile(t *testing.T) {
	const people = 40_000
	var content strings.Builder
	content.WriteString("id,amount\n")
	for _, said := range [][2]string{{"1e15", "1e15"}, {"0.01", "-1e15"}, {"-1e15", "0.01"}} {
		for i := range people {
			fmt.Fprintf(&content, "customer number %d,%s\n", i, said[i%2])
		}
	}
	m := config.Measure{SQL: "amount", Clip: [2]float64{0, 1}, Step: 0.01}
	for i, amount := range mustLoad(t, measured(t, content.String(), m)).Amounts[0] {
		if want := int32(i % 2); amount != want {
			t.Fatalf("customer %d has %d, want %d", i, amount, want)
		}
	}
}
