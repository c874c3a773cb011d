package customers_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// A row that is too old, or of unknown age, is as if it were not in the file: it counts for no amount, segment, value, consent
// or id. The others say until when their customer may be used: the day on which the first of them is too old.
func TestRetention(t *testing.T) {
	const content = `id,bought,amount,tier,optin
1,2023-03-01 23:59:59,100,gold,false
1,2025-01-31 10:00:00,7,silver,true
2,,100,gold,true
2,2024-02-29 00:00:00,1,bronze,true
3,2023-03-01,100,gold,true
4,,100,gold,true
5,2023-03-02 00:00:00,5,bronze,true
5,2026-02-28 12:00:00,5,gold,true
6,2027-01-01,9,gold,true
`
	declare := func() *config.Party {
		p := measured(t, content, config.Measure{SQL: "amount", Clip: [2]float64{0, 500}})
		p.Retention = config.Retention{Since: "bought", KeepFor: config.Period{Months: 36}}
		p.Segments["golden"] = "tier = 'gold'"
		p.Dimensions["tier"] = config.Dimension{SQL: "tier", Values: []string{"gold", "silver", "bronze"}}
		p.Purposes = map[string]config.Purpose{"planning": {Consent: "optin"}}
		return p
	}
	p := declare()
	s := mustLoad(t, p) // at noon of March 1st, 2026: what was bought on March 1st, 2023 is too old since midnight
	if got, want := show(p, s, "1", "2", "3", "4", "5", "6"), "1 tier=silver\n2 tier=bronze\n5 golden tier=bronze\n6 golden tier=gold"; got != want {
		t.Errorf("customers are\n%s\nwant\n%s", got, want)
	}
	if want := []int32{7, 1, 10, 9}; !slices.Equal(s.Amounts[0], want) {
		t.Errorf("amounts are %v, want %v", s.Amounts[0], want)
	}
	var want []uint32
	for _, text := range []string{"2028-01-31", "2027-03-01", "2026-03-02", "2030-01-01"} { // no February 29th in 2027
		want = append(want, uint32(at(text+"T00:00:00Z")))
	}
	if !slices.Equal(s.KeepUntil, want) {
		t.Errorf("kept until %v, want %v", s.KeepUntil, want)
	}
	for now, want := range map[string]string{
		"2026-03-01T12:00:00Z": "yyyy", "2026-03-01T23:59:59Z": "yyyy", "2026-03-02T00:00:00Z": "yyny", "2027-02-28T23:59:59Z": "yyny", "2027-03-01T00:00:00Z": "ynny", "2030-01-01T00:00:00Z": "nnnn",
	} {
		if got := mays(s, 0, at(now)); got != want {
			t.Errorf("at %s %s may, want %s", now, got, want)
		}
	}
	// A load at that very moment leaves out the row, and not its customer.
	o := plain
	o.Now = time.Unix(at("2026-03-02T00:00:00Z"), 0)
	s, err := customers.Load(context.Background(), declare(), o)
	if err != nil || !slices.Equal(s.Amounts[0], []int32{7, 1, 5, 9}) || int64(s.KeepUntil[2]) != at("2029-02-28T00:00:00Z") || s.Dimensions[0][2] != 0 {
		t.Errorf("a day later there are %+v, error %v", s, err)
	}
	o.Now = o.Now.Add(-time.Second)
	if s, err = customers.Load(context.Background(), declare(), o); err != nil || !slices.Equal(s.Amounts[0], []int32{7, 1, 10, 9}) {
		t.Errorf("a second before there are %+v, error %v", s, err)
	}
	// Without a retention all rows count, and nobody is too old.
	p = declare()
	p.Retention = config.Retention{}
	if s := mustLoad(t, p); len(s.IDs) != 6 || s.KeepUntil != nil || s.Amounts[0][0] != 107 || mays(s, 0, at("2100-01-01T00:00:00Z")) != "nyyyyy" {
		t.Errorf("without a retention there are %d customers, kept until %v, amounts %v", len(s.IDs), s.KeepUntil, s.Amounts[0])
	}
	p = declare()
	p.Retention.KeepFor = config.Period{Days: 1}
	p.Retention.Since = "bought - INTERVAL 3 YEAR"
	checkError(t, "all too old", p, fault.Invalid, `no row that may be used has an id in column "id" (opaque)`)
	p.Retention.Since = "NULL::DATE"
	checkError(t, "no dates", p, fault.Invalid, "no row that may be used has an id")
	// A bound on customers is one on those that there are.
	p = declare()
	p.CustomersUpTo = 4
	mustLoad(t, p)
}
