package simulation

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

const (
	universe      = 2400 // people, of whom each party knows some 1000
	customersUpTo = 2000 // what each party declares
)

// partyNames are in the order of the agreement.
var partyNames = []string{"bank", "cinema", "florist", "grocer", "insurer"}

// Every party declares the same names.
var (
	segments   = map[string]string{"gold": "tier = 'gold'"}
	dimensions = map[string]config.Dimension{
		"band":   {SQL: "band", Values: []string{"under 40", "40 and over"}},
		"region": {SQL: "region", Values: []string{"north", "south"}},
	}
	measures = map[string]config.Measure{
		"balance": {SQL: "balance", Clip: [2]float64{-10, 15}, Unit: "EUR", Step: 0.5},
		"spend":   {SQL: "spend", Clip: [2]float64{0, 50}, Unit: "EUR", Step: 1},
	}
)

// noAmount is the share of a party's customers of whom a measure says nothing.
const noAmount = 0.2

// person is somebody, with what each party knows of them.
type person struct {
	id    ids.ID
	knows []customer
}

// customer is what one party knows of a person, the zero value if nothing.
type customer struct {
	is         bool
	gold       bool
	dimensions map[string]string
	amounts    map[string]int32 // in steps, by measure; without those that say nothing
}

// people makes up a population. Half of it are people who buy everywhere, so that overlaps of many parties are not empty.
func people(random *rand.Rand, parties int) []person {
	all := make([]person, universe)
	for i := range all {
		for j := range all[i].id {
			all[i].id[j] = byte(random.Uint32())
		}
		likely := 0.7
		if random.IntN(2) == 0 {
			likely = 0.15
		}
		for range parties {
			c := customer{is: random.Float64() < likely}
			if c.is {
				c.gold = random.IntN(2) == 0
				c.dimensions = map[string]string{}
				for _, name := range []string{"band", "region"} {
					values := append(slices.Clone(dimensions[name].Values), query.Unknown)
					c.dimensions[name] = values[random.IntN(len(values))]
				}
				c.amounts = map[string]int32{}
				for _, name := range []string{"balance", "spend"} {
					low, high := measures[name].Steps()
					if random.Float64() >= noAmount {
						c.amounts[name] = int32(low + random.Int64N(high-low+1))
					}
				}
			}
			all[i].knows = append(all[i].knows, c)
		}
	}
	return all
}

// snapshot is what a party that knows these people, who all consent to the purposes, would have loaded.
func snapshot(all []person, party int, purposes []string) *customers.Snapshot {
	s := &customers.Snapshot{
		Purposes: purposes, Validity: make([]customers.Validity, len(purposes)),
		SegmentNames: []string{"gold"}, DimensionNames: []string{"band", "region"}, Dimensions: make([][]uint16, 2),
		MeasureNames: []string{"balance", "spend"}, Amounts: make([][]int32, 2),
	}
	version := sha256.New()
	for _, p := range all {
		c := p.knows[party]
		if !c.is {
			continue
		}
		s.IDs = append(s.IDs, p.id)
		s.Consented = append(s.Consented, 1<<len(purposes)-1)
		mask := uint64(0)
		if c.gold {
			mask = 1
		}
		s.Segments = append(s.Segments, mask)
		for d, name := range s.DimensionNames {
			code := slices.Index(dimensions[name].Values, c.dimensions[name])
			if code < 0 {
				code = len(dimensions[name].Values)
			}
			s.Dimensions[d] = append(s.Dimensions[d], uint16(code))
		}
		for m, name := range s.MeasureNames {
			amount, ok := c.amounts[name]
			if !ok {
				amount = customers.NoAmount
			}
			s.Amounts[m] = append(s.Amounts[m], amount)
		}
		fmt.Fprintf(version, "%x %+v\n", p.id, c) // maps are printed in the order of their keys
	}
	s.Version = [32]byte(version.Sum(nil))
	return s
}
