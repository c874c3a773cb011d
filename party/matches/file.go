package matches

import (
	"errors"
	"io"

	"github.com/sotto-dev/sotto/party/folder"
)

const headDomain = "sotto/v1/matches"

// A file holds its head, as [folder.AppendHead] has it, and the entries, in ascending order of their tags: each 12 bytes of tag and
// 4 bytes of slot, big-endian. Which matching it is, its name says, for which it is sealed.
type head struct {
	Serial       uint64 // that of what was kept later is larger
	Basis        [32]byte
	Participants []string
	At           int64 // Unix seconds
	Slots        int64
	Spine        [32]byte
	People       int64 // entries
}

func headOf(k numbered, people int64) head {
	return head{k.serial, k.Basis, k.Participants, k.At.Unix(), k.Slots, k.Spine, people}
}

func (h head) matching(id [32]byte) Matching {
	return Matching{id, h.Basis, h.Participants, seconds(h.At), h.Slots, h.Spine}
}

func readHead(r io.Reader) (h head, err error) {
	if err := folder.ReadHead(r, headDomain, &h); err != nil {
		return h, err
	}
	if h.Slots < 1 || h.Slots > MaxSlots || h.People < 0 || h.People > h.Slots {
		return h, errors.New("it is malformed: more people than slots, or slots than there can be")
	}
	return h, nil
}

// blockEntries is how many entries are in memory while a file is read or written.
const blockEntries = 1 << 14

func writeTable(w io.Writer, h head, table []entry) error {
	out, err := folder.AppendHead(nil, headDomain, h)
	if err != nil {
		return err
	}
	if _, err := w.Write(out); err != nil {
		return err
	}
	return writeEntries(w, table)
}

func writeEntries(w io.Writer, table []entry) error {
	block := make([]byte, 0, entrySize*min(blockEntries, len(table)))
	for len(table) > 0 {
		n := min(blockEntries, len(table))
		for _, e := range table[:n] {
			block = e.append(block)
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
		block, table = block[:0], table[n:]
	}
	return nil
}

// readEntries reads what follows a head and calls f with blocks of entries, one after the other, which are f's until it returns.
func readEntries(r io.Reader, h head, f func(some []entry) error) error {
	n := min(blockEntries, h.People)
	encoded, block := make([]byte, entrySize*n), make([]entry, n)
	var last entry
	for first := int64(0); first < h.People; first += blockEntries {
		n := min(blockEntries, h.People-first)
		if err := folder.ReadFull(r, encoded[:entrySize*n]); err != nil {
			return err
		}
		for i := range block[:n] {
			e := decodeEntry(encoded[entrySize*i:])
			if first+int64(i) > 0 && last.compare(e) >= 0 || int64(e.slot) >= h.Slots {
				return errors.New("it is malformed: entries out of order, or beyond the spine")
			}
			block[i], last = e, e
		}
		if err := f(block[:n]); err != nil {
			return err
		}
	}
	return nil
}
