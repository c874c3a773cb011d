package layout

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Guards the sizes of vectors, on which all parties must agree: 4, 16 or 64 slots per person of the largest party, rounded
// up to a power of two, and never fewer than 2^20. What is too large is refused with what would do.
func TestLogSlots(t *testing.T) {
	for _, c := range []struct {
		precision string
		largest   int64
		want      int
		says      string
	}{
		{"low", 1, 20, ""},
		{"low", 1 << 18, 20, ""},
		{"low", 1<<18 + 1, 21, ""},
		{"low", 1_000_000, 22, ""},
		{"medium", 1 << 16, 20, ""},
		{"medium", 1<<16 + 1, 21, ""},
		{"medium", 1_000_000, 24, ""},
		{"high", 1 << 14, 20, ""},
		{"high", 1<<14 + 1, 21, ""},
		{"high", 1_000_000, 26, ""},
		{"low", 1 << 24, 26, ""},
		{"medium", 1 << 22, 26, ""},
		{"high", 1 << 20, 26, ""},
		{"low", 1<<24 + 1, 0, "up to 16777217 customers at precision low need 2^27 slots, more than 2^26"},
		{"high", 1<<20 + 1, 0, "up to 1048577 customers at precision high need 2^27 slots, more than 2^26: ask with a lower precision"},
		{"low", 0, 0, "a party of up to 0 customers is out of range"},
		{"low", -5, 0, "a party of up to -5 customers is out of range"},
		{"low", math.MaxInt64, 0, "out of range for the hashed layout (1 to 67108864)"},
		{"", 5, 0, `precision "" is not one of low, medium, high`},
		{"exact", 5, 0, `precision "exact" is not one of low, medium, high`},
	} {
		got, err := LogSlots(c.precision, c.largest)
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, %d: 2^%d slots, error %v; want 2^%d, %q", c.precision, c.largest, got, err, c.want, c.says)
		}
	}
}

// Whatever is agreed, there are enough slots and not twice as many as needed, and a clip exists for them.
func TestLoadIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		precision := rapid.SampledFrom([]string{"low", "medium", "high"}).Draw(t, "precision")
		largest := rapid.Int64Range(1, 1<<26).Draw(t, "largest")
		size, err := LogSlots(precision, largest)
		if err != nil {
			if largest*Precisions[precision] <= 1<<26 {
				t.Fatal(err)
			}
			return
		}
		if need := largest * Precisions[precision]; 1<<size < need || size > 20 && 1<<(size-1) >= need {
			t.Fatalf("%d people at precision %s get 2^%d slots", largest, precision, size)
		}
		clip, err := Clip(largest, size)
		if err != nil {
			t.Fatal(err)
		}
		if bias := ClipBias(math.Ldexp(float64(largest), -size), clip); bias >= 0.001 {
			t.Fatalf("%d people on 2^%d slots with clip %d: bias %v", largest, size, clip, bias)
		}
	})
}

// The clip is 1 up to a load of 1/512, 2 up to 1/16 and 3 up to 1/4: there the bias is below 0.1 %, and with the next
// smaller clip it is not. A higher load is refused.
func TestClip(t *testing.T) {
	for _, c := range []struct {
		largest int64
		clip    int
	}{{1, 1}, {1 << 11, 1}, {1<<11 + 1, 2}, {1 << 16, 2}, {1<<16 + 1, 3}, {1 << 18, 3}} {
		if clip, err := Clip(c.largest, 20); clip != c.clip || err != nil {
			t.Errorf("%d people on 2^20 slots: clip %d, error %v, want %d", c.largest, clip, err, c.clip)
		}
	}
	for clip, load := range map[int]float64{1: 1. / 512, 2: 1. / 16, 3: 1. / 4} {
		if bias := ClipBias(load, clip); bias >= 0.001 || bias < 0.0001 {
			t.Errorf("load %v, clip %d: bias %v", load, clip, bias)
		}
		if clip > 1 {
			if bias := ClipBias(load, clip-1); bias < 0.001 {
				t.Errorf("load %v: clip %d would do, bias %v", load, clip-1, bias)
			}
		}
	}
	if _, err := Clip(1<<18+1, 20); err == nil || !strings.Contains(err.Error(), "a load of 262145 customers on 2^20 slots is above 1/4") {
		t.Errorf("error is %v", err)
	}
}

// Nobody loses anything to a clip alone in a slot, everybody nearly everything where it is crowded; more people lose more
// and a higher clip loses less.
func TestClipBiasIsMonotone(t *testing.T) {
	if bias := ClipBias(0, 1); bias != 0 {
		t.Errorf("bias without others is %v", bias)
	}
	rapid.Check(t, func(t *rapid.T) {
		load := rapid.Float64Range(0, 2).Draw(t, "load")
		clip := rapid.IntRange(1, 6).Draw(t, "clip")
		bias := ClipBias(load, clip)
		if bias < 0 || bias > 1 || ClipBias(load*1.1, clip) < bias || ClipBias(load, clip+1) > bias {
			t.Fatalf("load %v, clip %d: bias %v, at 1.1 times the load %v, with a higher clip %v", load, clip, bias,
				ClipBias(load*1.1, clip), ClipBias(load, clip+1))
		}
	})
}

// The error is that of protocol.md for two and three parties, with overlaps of two bounded by the smaller one, and does
// not depend on the order of the parties.
func TestStandardError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Float64Range(1, 1e6).Draw(t, "a")
		b := rapid.Float64Range(1, 1e6).Draw(t, "b")
		c := rapid.Float64Range(1, 1e6).Draw(t, "c")
		overlap := rapid.Float64Range(0, min(a, b, c)).Draw(t, "overlap")
		logSlots := rapid.IntRange(10, 26).Draw(t, "log slots")
		m := math.Exp2(float64(logSlots))
		two := math.Sqrt((a*b + overlap*overlap) / m)
		if got := StandardError([]float64{a, b}, overlap, logSlots); math.Abs(got/two-1) > 1e-12 {
			t.Fatalf("two parties: %v, want %v", got, two)
		}
		three := math.Sqrt((min(a, b)*c+min(a, c)*b+min(b, c)*a+3*overlap*overlap)/m + a*b*c/(m*m))
		for _, order := range [][]float64{{a, b, c}, {c, b, a}, {b, c, a}} {
			if got := StandardError(order, overlap, logSlots); math.Abs(got/three-1) > 1e-12 {
				t.Fatalf("three parties: %v, want %v", got, three)
			}
		}
	})
}

// Guards the place of everybody between versions: parties that differ would count nobody. The vectors were computed from
// the description of protocol.md by another implementation, with people named by SHA-256("person" ‖ 8-byte number).
func TestGoldenPlacement(t *testing.T) {
	h := Hashed{Chain: 1, Length: 3, LogSlots: 12, LogN: 12, Clip: 3, Scale: 1}
	for i := range h.Salt {
		h.Salt[i] = byte(i)
	}
	if id := person(0); hex.EncodeToString(id[:]) != "260ff99afde38c35c1b4c8c90252112a" {
		t.Fatalf("person 0 is %x", id)
	}
	for n, want := range []string{
		"2745:+1 2745:+1 2745:+1",
		"2302:-1 2302:-1 2302:+1",
		"2758:-1 2758:-1 2758:+1",
		"1456:+1 1456:+1 1456:+1",
		"1302:+1 1302:+1 1302:+1",
		"1968:-1 1968:+1 1968:-1",
	} {
		var got []string
		for position := range h.Length {
			slots, s := signs(t, h, position, people(n, n+1))
			got = append(got, fmt.Sprintf("%d:%+d", slots[0], s[0]))
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("person %d is at %s, want %s", n, text, want)
		}
	}
}

// What is out of range is refused by words that do not show the salt: everything else about a layout is public.
func TestPlaceRefusals(t *testing.T) {
	good := Hashed{Salt: salt(t, 0), Length: 2, LogSlots: 12, LogN: 10, Clip: 3, Scale: 1}
	for name, c := range map[string]struct {
		change           func(h *Hashed)
		position, groups int
	}{
		"position below":    {func(*Hashed) {}, -1, 1},
		"position above":    {func(*Hashed) {}, 2, 1},
		"one party":         {func(h *Hashed) { h.Length = 1 }, 0, 1},
		"too many parties":  {func(h *Hashed) { h.Length = 65 }, 0, 1},
		"negative block":    {func(h *Hashed) { h.LogN = -1 }, 0, 1},
		"too many blocks":   {func(h *Hashed) { h.LogN, h.LogSlots = 11, 25 }, 0, 1},
		"no scale":          {func(h *Hashed) { h.Scale = 0 }, 0, 1},
		"large scale":       {func(h *Hashed) { h.Scale = MaxScale + 1 }, 0, 1},
		"block over vector": {func(h *Hashed) { h.LogN = 13 }, 0, 1},
		"large blocks":      {func(h *Hashed) { h.LogN, h.LogSlots = 15, 20 }, 0, 1},
		"large vector":      {func(h *Hashed) { h.LogSlots = 27 }, 0, 1},
		"no clip":           {func(h *Hashed) { h.Clip = 0 }, 0, 1},
		"large clip":        {func(h *Hashed) { h.Clip = 8 }, 0, 1},
		"no group":          {func(*Hashed) {}, 0, 0},
		"too many groups":   {func(*Hashed) {}, 0, 1<<16 + 1},
	} {
		h := good
		c.change(&h)
		_, err := h.Place(c.position, people(0, 1), c.groups, everybody, nil)
		if err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("%s: error is %v", name, err)
		} else if shown := fmt.Sprint(h.Salt[:4]); strings.Contains(err.Error(), shown[1:len(shown)-1]) {
			t.Errorf("%s: the error shows the salt: %v", name, err)
		}
	}
	if _, err := good.Place(1, nil, 1<<16, nil, nil); err != nil {
		t.Errorf("nobody in 65536 groups: %v", err)
	}
}

// An amount beyond the scale would cost that person more privacy than is charged. It is refused, by words that show neither
// the amount nor whose it is; the amount of somebody who is in no group is not even asked for.
func TestPlaceRefusesLargeAmounts(t *testing.T) {
	h := Hashed{Salt: salt(t, 0), Length: 2, LogSlots: 12, LogN: 10, Clip: 3, Scale: 500}
	for _, amount := range []int64{501, -501, math.MaxInt64, math.MinInt64, 1 << 32} {
		of := func(i int) int64 { return []int64{500, -500, amount}[i] }
		_, err := h.Place(0, people(0, 3), 1, everybody, of)
		if err == nil || err.Error() != "place people: somebody's amount is not within ±500, the scale" {
			t.Errorf("amount %d: error is %v", amount, err)
		}
		none := func(i int) int { return []int{0, 0, None}[i] }
		if _, err := h.Place(0, people(0, 3), 1, none, of); err != nil {
			t.Errorf("amount %d of somebody who is left out: error is %v", amount, err)
		}
	}
}
