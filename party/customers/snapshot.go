// Package customers loads a party's customers into memory. It is the only package that links DuckDB (cgo).
//
// Several rows of one id are one customer: a segment holds if any row has it, a dimension has the first row's value in
// the order of the file. A missing or undeclared value is unknown. Rows whose id is nobody (see package ids) are left out.
//
// Of a measure, what a customer's rows say adds up, NULL adding nothing: in float64, in the order of the file. The sum is
// clipped to the measure's bounds, then rounded to the nearest multiple of its step, halves away from zero. NaN and infinities
// are nobody's amount and stop the load, as does a sum beyond float64: taking them for no value, or for the bound, would
// answer questions wrongly without anybody knowing.
package customers

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/sotto-dev/sotto/internal/canon"
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
	Version        [32]byte   // two snapshots with equal versions have equal contents
}

// version hashes what a snapshot says: the names, declared values and clips under the domain "sotto/v1/snapshot" (see
// package canon), then the ids, the segments (8 bytes each, little-endian), dimension by dimension the codes (2 bytes
// each), and measure by measure the amounts (4 bytes each).
func (s *Snapshot) version(p *config.Party) [32]byte {
	type dimension struct {
		Name   string
		Values []string
	}
	type measure struct {
		Name      string
		Step      float64
		Low, High int64 // in steps
	}
	head := struct {
		Segments   []string
		Dimensions []dimension
		Measures   []measure
		Customers  int
	}{Segments: s.SegmentNames, Customers: len(s.IDs)}
	for _, name := range s.DimensionNames {
		head.Dimensions = append(head.Dimensions, dimension{name, p.Dimensions[name].Values})
	}
	for _, name := range s.MeasureNames {
		low, high := p.Measures[name].Steps()
		head.Measures = append(head.Measures, measure{name, p.Measures[name].StepSize(), low, high})
	}
	hash := sha256.New()
	hash.Write(canon.Encode("sotto/v1/snapshot", head))

	buffer := make([]byte, 0, 1<<16)
	flush := func() {
		hash.Write(buffer)
		buffer = buffer[:0]
	}
	for i := range s.IDs {
		if buffer = append(buffer, s.IDs[i][:]...); cap(buffer)-len(buffer) < len(ids.ID{}) {
			flush()
		}
	}
	for _, mask := range s.Segments {
		if buffer = binary.LittleEndian.AppendUint64(buffer, mask); cap(buffer)-len(buffer) < len(ids.ID{}) {
			flush()
		}
	}
	for _, codes := range s.Dimensions {
		for _, code := range codes {
			if buffer = binary.LittleEndian.AppendUint16(buffer, code); cap(buffer)-len(buffer) < len(ids.ID{}) {
				flush()
			}
		}
	}
	for _, amounts := range s.Amounts {
		for _, amount := range amounts {
			if buffer = binary.LittleEndian.AppendUint32(buffer, uint32(amount)); cap(buffer)-len(buffer) < len(ids.ID{}) {
				flush()
			}
		}
	}
	flush()
	return [32]byte(hash.Sum(nil))
}
