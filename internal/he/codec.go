package he

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// ErrMalformed is wrapped by every error about bytes that are not a block or a polynomial of these parameters.
var ErrMalformed = errors.New("malformed block")

// Block is a ciphertext of one block of slots.
type Block struct{ c0, c1 ring.Poly }

// NewBlock returns a block of zeros (which decrypts to zero under every key), to be used as an accumulator or buffer.
func (r *Ring) NewBlock() *Block { return &Block{r.q.NewPoly(), r.q.NewPoly()} }

// PolyBytes returns the length of an encoded polynomial; a block is two of them. Residues are packed to the bit length
// of their prime, most significant bit first, each prime's n residues padded with zeros to a byte.
func (r *Ring) PolyBytes() int { return r.polyBytes }

// BlockBytes returns the length of an encoded block.
func (r *Ring) BlockBytes() int { return 2 * r.polyBytes }

// AppendBlock appends the encoding of b to dst.
func (r *Ring) AppendBlock(dst []byte, b *Block) []byte {
	return r.appendPoly(r.appendPoly(dst, b.c0), b.c1)
}

// ReadBlock decodes exactly one block into b; the error wraps [ErrMalformed].
func (r *Ring) ReadBlock(encoded []byte, b *Block) error {
	if len(encoded) != r.BlockBytes() {
		return fmt.Errorf("%w: %d bytes, must be %d", ErrMalformed, len(encoded), r.BlockBytes())
	}
	if err := r.readPoly(encoded[:r.polyBytes], b.c0); err != nil {
		return err
	}
	return r.readPoly(encoded[r.polyBytes:], b.c1)
}

func (r *Ring) appendPoly(dst []byte, p ring.Poly) []byte {
	for i, size := range r.bits {
		dst = pack(dst, p.Coeffs[i], size)
	}
	return dst
}

// readPoly decodes a polynomial from exactly polyBytes bytes.
func (r *Ring) readPoly(encoded []byte, p ring.Poly) error {
	if len(encoded) != r.polyBytes {
		return fmt.Errorf("%w: a polynomial of %d bytes, must be %d", ErrMalformed, len(encoded), r.polyBytes)
	}
	for i, size := range r.bits {
		length := (size*r.set.N() + 7) / 8
		if !unpack(encoded[:length], p.Coeffs[i], size, r.set.Q[i]) {
			return fmt.Errorf("%w: a residue is not below its prime", ErrMalformed)
		}
		encoded = encoded[length:]
	}
	return nil
}

// pack appends values of size bits each, 33 ≤ size ≤ 63. Their count is a multiple of 8, so that no bits are left over.
func pack(dst []byte, values []uint64, size int) []byte {
	var pending uint64 // the low `have` bits wait to be written, have < 64
	have := 0
	for _, v := range values {
		if free := 64 - have; size >= free {
			dst = binary.BigEndian.AppendUint64(dst, pending<<free|v>>(size-free))
			have = size - free
			pending = v & (1<<have - 1)
		} else {
			pending = pending<<size | v
			have += size
		}
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(pending>>(have-8)))
	}
	return dst
}

// unpack reads len(values) integers of size bits each and reports whether all lie below limit.
func unpack(encoded []byte, values []uint64, size int, limit uint64) bool {
	var pending uint64 // the low `have` bits are still to be read
	have := 0
	var outside uint64
	for i := range values {
		var v uint64
		if have >= size {
			v = pending >> (have - size)
			have -= size
		} else {
			want := size - have // bits missing from the next word
			next, width := nextWord(encoded)
			encoded = encoded[width/8:]
			v = pending<<want | next>>(width-want)
			have = width - want
			pending = next
		}
		pending &= 1<<have - 1
		values[i] = v
		outside |= (limit - 1 - v) >> 63
	}
	return outside == 0
}

// nextWord reads up to 8 bytes; pack writes a multiple of 8 values, so the last, shorter word still holds a whole value.
func nextWord(encoded []byte) (word uint64, bits int) {
	if len(encoded) >= 8 {
		return binary.BigEndian.Uint64(encoded), 64
	}
	for _, b := range encoded {
		word = word<<8 | uint64(b)
	}
	return word, 8 * len(encoded)
}
