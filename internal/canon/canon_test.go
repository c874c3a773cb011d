package canon_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/canon"
)

type inner struct {
	Key   [4]byte
	Flags []bool
}

type outer struct {
	Name   string
	Count  int64
	Size   uint64
	Weight float64
	Short  uint32
	Raw    []byte
	Parts  []inner
	Words  []string
}

const domain = "sotto/test"

// The encoding is part of the wire: signatures made today must verify tomorrow.
func TestGoldenEncoding(t *testing.T) {
	got := canon.Encode(domain, outer{
		Name: "é", Count: -2, Size: 3, Weight: 0.5, Short: 7, Raw: []byte{9},
		Parts: []inner{{Key: [4]byte{1, 2, 3, 4}, Flags: []bool{true, false}}}, Words: []string{"", "a"},
	})
	const want = "0000000a736f74746f2f74657374" + "00000002c3a9" + "fffffffffffffffe" + "0000000000000003" +
		"3fe0000000000000" + "00000007" + "0000000109" + "00000001" + "01020304" + "000000020100" +
		"00000002" + "00000000" + "0000000161"
	if hex.EncodeToString(got) != want {
		t.Fatalf("encoding is %x, want %s", got, want)
	}
}

func drawOuter(t *rapid.T) outer {
	o := outer{
		Name: rapid.String().Draw(t, "name"), Count: rapid.Int64().Draw(t, "count"), Size: rapid.Uint64().Draw(t, "size"),
		Weight: rapid.Float64().Draw(t, "weight"), Short: rapid.Uint32().Draw(t, "short"),
		Raw: rapid.SliceOf(rapid.Byte()).Draw(t, "raw"), Words: rapid.SliceOf(rapid.String()).Draw(t, "words"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		o.Parts = append(o.Parts, inner{Flags: rapid.SliceOf(rapid.Bool()).Draw(t, "flags")})
	}
	return o
}

// What is decoded is what was encoded, and encodes to the same bytes again: one value, one encoding.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		encoded := canon.Encode(domain, drawOuter(t))
		var back outer
		if err := canon.Decode(domain, encoded, &back); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(canon.Encode(domain, back), encoded) {
			t.Fatal("decoded value encodes differently")
		}
	})
}

// A truncated or extended encoding, or one of another domain, is never taken for a value.
func TestRefusesOtherBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		encoded := canon.Encode(domain, drawOuter(t))
		cut := rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")
		for _, bad := range [][]byte{encoded[:cut], append(bytes.Clone(encoded), 0)} {
			if err := canon.Decode(domain, bad, new(outer)); !errors.Is(err, canon.ErrMalformed) {
				t.Fatalf("error is %v, want ErrMalformed", err)
			}
		}
		if err := canon.Decode("sotto/other", encoded, new(outer)); !errors.Is(err, canon.ErrMalformed) {
			t.Fatalf("another domain: error is %v, want ErrMalformed", err)
		}
	})
}

// Moving a boundary between two neighbouring fields changes the encoding: no two lists of strings collide.
func TestInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawOuter(t), drawOuter(t)
		same := reflect.DeepEqual(normal(a), normal(b))
		if equal := canon.Hash(domain, a) == canon.Hash(domain, b); equal != same {
			t.Fatalf("hashes equal: %v, values equal: %v", equal, same)
		}
	})
}

// normal maps nil to empty, as the encoding does.
func normal(o outer) outer {
	var back outer
	if err := canon.Decode(domain, canon.Encode(domain, o), &back); err != nil {
		panic(err)
	}
	return back
}

// Hostile bytes neither crash the decoder nor decode to something that encodes differently.
func FuzzDecode(f *testing.F) {
	f.Add(canon.Encode(domain, outer{Name: "n", Parts: []inner{{}}}))
	f.Add([]byte("\x00\x00\x00\x0asotto/test\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		var o outer
		if canon.Decode(domain, encoded, &o) == nil && !bytes.Equal(canon.Encode(domain, o), encoded) {
			t.Fatal("accepted a second encoding of one value")
		}
	})
}
