// Package customers loads a party's customers into memory. It is the only package that links DuckDB (cgo).
//
// Several rows of one id are one customer: a segment holds if any row has it, a dimension has the first row's value in
// the order of the file. A missing or undeclared value is unknown. Rows whose id is nobody (see package ids) are left out.
package customers

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// Snapshot is one consistent version of a party's customers. Immutable; safe for concurrent use.
type Snapshot struct {
	IDs            []ids.ID   // distinct, in order of first appearance
	Segments       []uint64   // per customer: bit j says whether SegmentNames[j] holds
	Dimensions     [][]uint16 // [dimension][customer]: index into its declared values; their number means unknown
	SegmentNames   []string   // sorted
	DimensionNames []string   // sorted
	Version        [32]byte   // two snapshots with equal versions have equal contents
}

// version hashes what a snapshot says: the names and declared values under the domain "sotto/v1/snapshot" (see package
// canon), then the ids, the segments (8 bytes each, little-endian), and dimension by dimension the codes (2 bytes each).
func (s *Snapshot) version(p *config.Party) [32]byte {
	type dimension struct {
		Name   string
		Values []string
	}
	head := struct {
		Segments   []string
		Dimensions []dimension
		Customers  int
	}{Segments: s.SegmentNames, Customers: len(s.IDs)}
	for _, name := range s.DimensionNames {
		head.Dimensions = append(head.Dimensions, dimension{name, p.Dimensions[name].Values})
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
	flush()
	return [32]byte(hash.Sum(nil))
}
