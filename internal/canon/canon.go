// Package canon is the one encoding over which Sotto signs and hashes ("a ‖ b" in the protocol), and in which it
// stores and sends what others must be able to check byte for byte.
//
// A value is a Go struct. Its encoding is its domain (a name such as "sotto/v1/query"), then its exported fields in
// the order of their declaration:
//
//	string, []byte        4-byte big-endian length, then the bytes
//	[k]byte               k bytes
//	bool                  one byte, 0 or 1
//	int64, uint64, int    8 bytes, big-endian (signed in two's complement)
//	uint32                4 bytes, big-endian
//	float64               8 bytes, IEEE 754 bits, big-endian; NaN is refused
//	[]T                   4-byte big-endian count, then each element
//	struct                its fields, without a domain
//
// Every value has exactly one encoding and every encoding exactly one value, so equal hashes mean equal values of the
// same domain. There are no optional fields, no maps and no pointers.
package canon

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"
)

// ErrMalformed is wrapped by every error of [Decode].
var ErrMalformed = errors.New("malformed encoding")

// Encode returns the canonical encoding of value, a struct or a pointer to one, under domain.
// It panics on a type that the encoding does not have (a programming error) and on a NaN.
func Encode(domain string, value any) []byte {
	out := appendBytes(nil, []byte(domain))
	return appendValue(out, reflect.Indirect(reflect.ValueOf(value)))
}

// Hash returns SHA-256 of [Encode].
func Hash(domain string, value any) [32]byte {
	return sha256.Sum256(Encode(domain, value))
}

// Decode reads an encoding made by [Encode] under the same domain into the struct that into points to.
// It never allocates more than a small multiple of len(encoded), and accepts nothing but what Encode can have written.
func Decode(domain string, encoded []byte, into any) error {
	r := reader{rest: encoded}
	if name := r.bytes(); r.err == nil && string(name) != domain {
		return fmt.Errorf("%w: domain is not %q", ErrMalformed, domain)
	}
	r.value(reflect.ValueOf(into).Elem())
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	return r.err
}

func appendBytes(out, b []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
	return append(out, b...)
}

func appendValue(out []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		return appendBytes(out, []byte(v.String()))
	case reflect.Bool:
		if v.Bool() {
			return append(out, 1)
		}
		return append(out, 0)
	case reflect.Int, reflect.Int64:
		return binary.BigEndian.AppendUint64(out, uint64(v.Int()))
	case reflect.Uint64:
		return binary.BigEndian.AppendUint64(out, v.Uint())
	case reflect.Uint32:
		return binary.BigEndian.AppendUint32(out, uint32(v.Uint()))
	case reflect.Float64:
		if math.IsNaN(v.Float()) {
			panic("canon: NaN has no canonical encoding")
		}
		return binary.BigEndian.AppendUint64(out, math.Float64bits(v.Float()))
	case reflect.Array:
		for i := range v.Len() {
			out = append(out, byte(v.Index(i).Uint()))
		}
		return out
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return appendBytes(out, v.Bytes())
		}
		out = binary.BigEndian.AppendUint32(out, uint32(v.Len()))
		for i := range v.Len() {
			out = appendValue(out, v.Index(i))
		}
		return out
	case reflect.Struct:
		for i := range v.NumField() {
			out = appendValue(out, v.Field(i))
		}
		return out
	default:
		panic(fmt.Sprintf("canon: type %s has no canonical encoding", v.Type()))
	}
}

type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

// take returns the next n bytes, or nil once anything has failed.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.rest) {
		r.fail("%d bytes wanted, %d left", n, len(r.rest))
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) count() int {
	b := r.take(4)
	if b == nil {
		return 0
	}
	n := binary.BigEndian.Uint32(b)
	// Every element takes at least one byte, so a larger count is a lie that must not cost memory.
	if int64(n) > int64(len(r.rest)) {
		r.fail("length %d exceeds the %d bytes left", n, len(r.rest))
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.count()) }

func (r *reader) uint64() uint64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (r *reader) value(v reflect.Value) {
	if r.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.String:
		b := r.bytes()
		if !utf8.Valid(b) {
			r.fail("a string is not UTF-8")
			return
		}
		v.SetString(string(b))
	case reflect.Bool:
		b := r.take(1)
		if b == nil {
			return
		}
		if b[0] > 1 {
			r.fail("a bool is %d, not 0 or 1", b[0])
			return
		}
		v.SetBool(b[0] == 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.uint64()))
	case reflect.Uint64:
		v.SetUint(r.uint64())
	case reflect.Uint32:
		if b := r.take(4); b != nil {
			v.SetUint(uint64(binary.BigEndian.Uint32(b)))
		}
	case reflect.Float64:
		f := math.Float64frombits(r.uint64())
		if math.IsNaN(f) {
			r.fail("a number is NaN")
			return
		}
		v.SetFloat(f)
	case reflect.Array:
		reflect.Copy(v, reflect.ValueOf(r.take(v.Len())))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(append([]byte{}, r.bytes()...))
			return
		}
		r.slice(v)
	case reflect.Struct:
		for i := range v.NumField() {
			r.value(v.Field(i))
		}
	default:
		panic(fmt.Sprintf("canon: type %s has no canonical encoding", v.Type()))
	}
}

// slice grows as elements are read rather than trusting the count, so that memory stays in proportion to the input.
func (r *reader) slice(v reflect.Value) {
	n := r.count()
	v.SetZero()
	for range n {
		element := reflect.New(v.Type().Elem()).Elem()
		r.value(element)
		if r.err != nil {
			return
		}
		v.Set(reflect.Append(v, element))
	}
}
