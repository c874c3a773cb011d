package he

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tuneinsight/lattigo/v5/ring"
)

// ErrMalformed is wrapped by every error about bytes that are not a block or a polynomial of these parameters.
var ErrMalformed = errors.New("malformed block")

// Block is a ciphertext of one block of slots of every lane: polynomial 0 is c1, which the lanes share, polynomial 1+i the c0
// of lane i.
type Block struct{ polys []ring.Poly }

// NewBlock returns a block of zeros (which decrypts to zero under every key), to be used as an accumulator or buffer.
func (r *Ring) NewBlock(lanes int) *Block {
	b := &Block{make([]ring.Poly, 1+lanes)}
	for i := range b.polys {
		b.polys[i] = r.q.NewPoly()
	}
	return b
}

// Zero makes b a block of zeros.
func (b *Block) Zero() {
	for _, p := range b.polys {
		p.Zero()
	}
}

// PolyBytes returns the length of an encoded polynomial. Residues are packed to the bit length of their prime, most
// significant bit first, and the residues of one prime follow those of the one before.
func (r *Ring) PolyBytes() int { return r.polyBytes }

// BlockBytes returns the length of an encoded block: c1, then c0 of every lane.
func (r *Ring) BlockBytes(lanes int) int { return (1 + lanes) * r.polyBytes }

// AppendBlock appends the encoding of b to dst.
func (r *Ring) AppendBlock(dst []byte, b *Block) []byte {
	for _, p := range b.polys {
		dst = r.appendPoly(dst, p)
	}
	return dst
}

// ReadBlock decodes exactly one block with b's lanes into b; the error wraps [ErrMalformed].
func (r *Ring) ReadBlock(encoded []byte, b *Block) error {
	if err := r.checkLength(encoded, len(b.polys)); err != nil {
		return err
	}
	for i, p := range b.polys {
		if err := r.readPoly(encoded[i*r.polyBytes:(i+1)*r.polyBytes], p); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ring) checkLength(encoded []byte, polys int) error {
	if len(encoded) != polys*r.polyBytes {
		return fmt.Errorf("%w: %d bytes, must be %d", ErrMalformed, len(encoded), polys*r.polyBytes)
	}
	return nil
}

func (r *Ring) appendPoly(dst []byte, p ring.Poly) []byte {
	for i, size := range r.bits {
		dst = pack(dst, p.Coeffs[i], size)
	}
	return dst
}

var errResidue = fmt.Errorf("%w: a residue is not below its prime", ErrMalformed)

// readPoly decodes a polynomial from exactly polyBytes bytes.
func (r *Ring) readPoly(encoded []byte, p ring.Poly) error {
	if len(encoded) != r.polyBytes {
		return fmt.Errorf("%w: a polynomial of %d bytes, must be %d", ErrMalformed, len(encoded), r.polyBytes)
	}
	for i, size := range r.bits {
		if !unpack(encoded, p.Coeffs[i], size, r.set.Q[i]) {
			return errResidue
		}
		encoded = encoded[r.rowBytes(i):]
	}
	return nil
}

// rowBytes returns the length of the residues of one prime, n of them: a multiple of 8, so that no bits are left over.
func (r *Ring) rowBytes(prime int) int { return r.bits[prime] * r.set.N() / 8 }

// pack appends values of size bits each, 33 ≤ size ≤ 63. Their count is a multiple of 8, so that no bits are left over.
func pack(dst []byte, values []uint64, size int) []byte {
	at := len(dst)
	dst = slices.Grow(dst, len(values)*size/8)[:at+len(values)*size/8]
	pending, free := uint64(0), 64 // the upper bits of pending wait to be written, the lower `free` ones are zero
	for _, v := range values {
		if free -= size; free > 0 {
			pending |= v << (free & 63)
			continue
		}
		binary.BigEndian.PutUint64(dst[at:], pending|v>>(-free&63))
		at += 8
		free += 64
		pending = v << 1 << ((free - 1) & 63) // in two steps, for free may be 64
	}
	for ; at < len(dst); at++ {
		dst[at] = byte(pending >> 56)
		pending <<= 8
	}
	return dst
}

// unpack reads len(values) integers of size bits each, 33 ≤ size ≤ 63, from the beginning of encoded, which may be longer,
// and reports whether all lie below limit.
func unpack(encoded []byte, values []uint64, size int, limit uint64) bool {
	var outside uint64
	bit := uint(0)
	for i := range values {
		if bit/8+9 > uint(len(encoded)) { // the last ones or two, from a copy that zeros follow
			encoded, bit = append(make([]byte, 0, 24), encoded[bit/8:]...), bit%8
			encoded = encoded[:24]
		}
		v := field(encoded, bit, 64-size)
		values[i] = v
		outside |= limit - 1 - v
		bit += uint(size)
	}
	return outside>>63 == 0
}

// field reads the integer that begins at a bit of encoded and has all but drop of 64 bits. It may reach into a ninth byte.
func field(encoded []byte, bit uint, drop int) uint64 {
	at, shift := bit/8, bit%8
	nine := encoded[at : at+9]
	return (binary.BigEndian.Uint64(nine)<<shift | uint64(nine[8])>>(8-shift)) >> (drop & 63)
}
