// Package customers loads a party's customers into memory, from CSV or Parquet files or from PostgreSQL. It is the only package
// that links DuckDB (cgo), which evaluates the owner's SQL whatever the source. Of a source, only the columns are read that the
// party's file names.
//
// A row's customer is the first of its ids, in the order of the agreement. Several rows of one id are one customer: a segment
// holds if any row has it, a dimension has the first row's value in the order of the source. A missing or undeclared value is
// unknown. Rows whose id is nobody (see package ids) are left out.
//
// Of a measure, what a customer's rows say adds up, NULL adding nothing: in float64, in the order of the source. The sum is
// clipped to the measure's bounds, then rounded to the nearest multiple of its step, halves away from zero. NaN and infinities
// are nobody's amount and stop the load, as does a sum beyond float64: taking them for no value, or for the bound, would
// answer questions wrongly without anybody knowing.
//
// Consent is the other way round: a customer consents to a purpose if all rows say so, from the latest date to the earliest end.
// Rows that are too old to be used are left out from the beginning; a customer is gone on the day on which the first of the rows
// that were used is too old, until the next load leaves out that row alone.
//
// The same rows are the same customers whatever they come from, and SQL means the same. An empty text is NULL. Numbers are
// BIGINT if they are whole and DOUBLE if not, whatever their type in the source; moments are TIMESTAMP, in UTC if they have a
// zone; ids are text. A dimension that is nothing but a column has the column's values as text: those of a CSV file as they are
// written there, others as PostgreSQL writes them, 1.50 in a column with two decimals, 2 and 0.5 in one of floats, which a
// program that writes CSV may call 2.0. A column of a CSV file is of a type if all its values are written as that type would
// be: without leading zeros, and below 2⁶³, or 2⁵³ if it is not whole.
//
// The order of files is that of their names and lines. A table of PostgreSQL has none of its own: where rows of one customer
// differ in a dimension, only a query with ORDER BY says which is the first.
package customers

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// NoAmount stands for the amount of a customer whose rows all say NULL. Such a customer adds nothing to any sum.
const NoAmount = math.MinInt32

// Snapshot is one consistent version of a party's customers. Immutable; safe for concurrent use.
type Snapshot struct {
	IDs            []ids.ID   // distinct, in order of first appearance
	Segments       []uint64   // per customer: bit j says whether SegmentNames[j] holds
	Dimensions     [][]uint16 // [dimension][customer]: index into its declared values; their number means unknown
	SegmentNames   []string   // sorted
	DimensionNames []string   // sorted
	Amounts        [][]int32  // [measure][customer]: in steps of the measure, within its clip; or NoAmount
	MeasureNames   []string   // sorted

	Purposes  []string   // sorted
	Consented []uint64   // per customer: bit j says whether all rows consent to Purposes[j]
	Validity  []Validity // by purpose; nil slices where consent has no date
	KeepUntil []uint32   // per customer: the Unix second at which a row becomes too old to be used; nil without retention
	Aliases   []Alias    // what else customers are known by, by customer; nil if they have one id each

	Version [32]byte // two snapshots with equal versions have equal contents
}

// Alias is an id of a customer that is not the one that counts.
type Alias struct {
	ID       ids.ID
	Customer uint32
}

// May reports whether a customer may take part in a question for purpose (an index of Purposes) at a time in Unix seconds, as
// far as the source says.
func (s *Snapshot) May(customer, purpose int, now int64) bool {
	if s.Consented[customer]>>purpose&1 == 0 || s.KeepUntil != nil && int64(s.KeepUntil[customer]) <= now {
		return false
	}
	v := s.Validity[purpose]
	return v.From == nil || int64(v.From[customer]) <= now && now < int64(v.Until[customer])
}

// Without returns the snapshot of a party without some customers, with the version that it has: s itself if there are none.
func (s *Snapshot) Without(p *config.Party, out func(customer int) bool) *Snapshot {
	less := s.without(out)
	if less != s {
		less.Version = less.version(p)
	}
	return less
}

func (s *Snapshot) without(out func(customer int) bool) *Snapshot {
	var stay []int
	for customer := range s.IDs {
		if !out(customer) {
			stay = append(stay, customer)
		}
	}
	if len(stay) == len(s.IDs) {
		return s
	}
	less := *s
	less.IDs, less.Segments, less.Consented, less.KeepUntil = pick(s.IDs, stay), pick(s.Segments, stay), pick(s.Consented, stay), pick(s.KeepUntil, stay)
	less.Dimensions, less.Amounts, less.Validity = nil, nil, nil
	for _, codes := range s.Dimensions {
		less.Dimensions = append(less.Dimensions, pick(codes, stay))
	}
	for _, amounts := range s.Amounts {
		less.Amounts = append(less.Amounts, pick(amounts, stay))
	}
	for _, v := range s.Validity {
		less.Validity = append(less.Validity, Validity{pick(v.From, stay), pick(v.Until, stay)})
	}
	less.Aliases = nil
	if s.Aliases != nil {
		moved := make([]uint32, len(s.IDs)) // where customers are now, plus one
		for now, customer := range stay {
			moved[customer] = uint32(now) + 1
		}
		for _, a := range s.Aliases {
			if at := moved[a.Customer]; at > 0 {
				less.Aliases = append(less.Aliases, Alias{a.ID, at - 1})
			}
		}
	}
	return &less
}

func pick[T any](of []T, which []int) []T {
	if of == nil {
		return nil
	}
	picked := make([]T, len(which))
	for i, at := range which {
		picked[i] = of[at]
	}
	return picked
}

// Find returns the customers who have one of some ids, as the one that counts or as another, in order.
func (s *Snapshot) Find(some []ids.ID) []int {
	wanted := make(map[ids.ID]bool, len(some))
	for _, id := range some {
		wanted[id] = true
	}
	var found []int
	for customer := range s.IDs {
		if wanted[s.IDs[customer]] {
			found = append(found, customer)
		}
	}
	for i := range s.Aliases {
		if wanted[s.Aliases[i].ID] {
			found = append(found, int(s.Aliases[i].Customer))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// AliasIDs returns the ids of all aliases, in their order.
func (s *Snapshot) AliasIDs() []ids.ID {
	all := make([]ids.ID, len(s.Aliases))
	for i, a := range s.Aliases {
		all[i] = a.ID
	}
	return all
}

// sortAliases brings aliases into an order that depends on what they say alone, each once.
func (s *Snapshot) sortAliases() {
	slices.SortFunc(s.Aliases, func(a, b Alias) int {
		return cmp.Or(cmp.Compare(a.Customer, b.Customer), bytes.Compare(a.ID[:], b.ID[:]))
	})
	s.Aliases = slices.Compact(s.Aliases)
}
