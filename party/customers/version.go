package customers

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
)

// version hashes what a snapshot says: the names, declared values, clips and purposes under the domain "sotto/v1/snapshot" (see
// package canon), then the ids, the segments and consents (8 bytes each, little-endian), dimension by dimension the codes (2
// bytes each), measure by measure the amounts (4 bytes each), the beginnings and ends of each purpose's consents and those of
// retention (4 bytes each), and the aliases (id and customer).
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
		Purposes   []string
		Dated      []string // purposes whose consents have dates
		Retained   bool
		Customers  int
		Aliases    int
	}{
		Segments: s.SegmentNames, Purposes: s.Purposes, Retained: s.KeepUntil != nil, Customers: len(s.IDs), Aliases: len(s.Aliases),
	}
	for _, name := range s.DimensionNames {
		head.Dimensions = append(head.Dimensions, dimension{name, p.Dimensions[name].Values})
	}
	for _, name := range s.MeasureNames {
		low, high := p.Measures[name].Steps()
		head.Measures = append(head.Measures, measure{name, p.Measures[name].StepSize(), low, high})
	}
	for i, v := range s.Validity {
		if v.From != nil {
			head.Dated = append(head.Dated, s.Purposes[i])
		}
	}
	sum := sha256.New()
	sum.Write(canon.Encode("sotto/v1/snapshot", head))

	feed(sum, s.IDs, func(to []byte, id ids.ID) []byte { return append(to, id[:]...) })
	feed(sum, s.Segments, binary.LittleEndian.AppendUint64)
	feed(sum, s.Consented, binary.LittleEndian.AppendUint64)
	for _, codes := range s.Dimensions {
		feed(sum, codes, binary.LittleEndian.AppendUint16)
	}
	for _, amounts := range s.Amounts {
		feed(sum, amounts, func(to []byte, a int32) []byte { return binary.LittleEndian.AppendUint32(to, uint32(a)) })
	}
	for _, v := range s.Validity {
		feed(sum, v.From, binary.LittleEndian.AppendUint32)
		feed(sum, v.Until, binary.LittleEndian.AppendUint32)
	}
	feed(sum, s.KeepUntil, binary.LittleEndian.AppendUint32)
	feed(sum, s.Aliases, func(to []byte, a Alias) []byte {
		return binary.LittleEndian.AppendUint32(append(to, a.ID[:]...), a.Customer)
	})
	return [32]byte(sum.Sum(nil))
}

// feed hashes values one after the other.
func feed[T any](sum hash.Hash, values []T, encode func([]byte, T) []byte) {
	const together = 4096
	var buffer []byte
	for some := range slices.Chunk(values, together) {
		buffer = buffer[:0]
		for _, value := range some {
			buffer = encode(buffer, value)
		}
		sum.Write(buffer)
	}
}
