package ids

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/canon"
)

type vector struct {
	Type    Type   `json:"type"`
	Country string `json:"country"`
	Ignore  ignore `json:"ignore"`
	Raw     string `json:"raw"`
	Normal  string `json:"normal"` // the one spelling
	ID      string `json:"id"`     // hex of the 16 bytes
	Nobody  bool   `json:"nobody"` // instead of normal and id
	Why     string `json:"why"`
}

// ignore is what domains ignore in local parts: "dots", "tags".
type ignore map[string][]string

func (all ignore) rules(t testing.TB) *Rules {
	var list []Rule
	for domain, ignored := range all {
		list = append(list, Rule{Domain: domain, Dots: slices.Contains(ignored, "dots"), Tags: slices.Contains(ignored, "tags")})
	}
	rules, err := NewRules(list...)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func vectors(t testing.TB) []vector {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Two companies agree on who a person is only if both follow the same table: every line of it, and the ids that it gives,
// which were computed by another program. A changed id would silently make everybody a stranger.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		n := Normalizer{Type: v.Type, Country: v.Country, Rules: v.Ignore.rules(t)}
		if err := n.Check(); err != nil {
			t.Fatal(err)
		}
		normal, ok := n.Normalize(v.Raw)
		if ok == v.Nobody || normal != v.Normal {
			t.Errorf("%s %+q (%s): got %+q, %v", v.Type, v.Raw, v.Why, normal, ok)
		}
		id, ok := n.ID(v.Raw)
		if ok == v.Nobody || ok && hex.EncodeToString(id[:]) != v.ID {
			t.Errorf("%s %+q (%s): id is %x, %v; want %s", v.Type, v.Raw, v.Why, id, ok, v.ID)
		}
		if !v.Nobody && n.Type != Phone {
			if again, ok := n.Normalize(normal); !ok || again != normal {
				t.Errorf("%s %+q: normalised twice it is %+q, %v", v.Type, v.Raw, again, ok)
			}
		}
	}
}

// A type or country that nobody has rules for must be refused when the configuration is read, not give wrong ids.
func TestCheck(t *testing.T) {
	for n, want := range map[Normalizer]string{
		{Type: Opaque}:                ``,
		{Type: Email}:                 ``,
		{Type: Phone}:                 ``,
		{Type: Phone, Country: "DE"}:  ``,
		{}:                            `identity type "" is not one of`,
		{Type: "Email"}:               `identity type "Email" is not one of`,
		{Type: Phone, Country: "de"}:  `country "de" is not`,
		{Type: Phone, Country: "XX"}:  `country "XX" is not`,
		{Type: Phone, Country: "DEU"}: `country "DEU" is not`,
		{Type: Email, Country: "DE"}:  `country "DE" is for phone numbers`,
	} {
		switch err := n.Check(); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%+v: error is %v, want %q", n, err, want)
		}
	}
	if id, ok := (Normalizer{Type: "other"}).ID("x"); ok {
		t.Errorf("an unknown type gave id %x", id)
	}
}

// ID builds its encoding by hand for speed; it must be the canonical one, for values of every length.
func TestIDIsTheCanonicalHash(t *testing.T) {
	check := func(t *rapid.T, n Normalizer, raw string) {
		id, ok := n.ID(raw)
		value, someone := n.Normalize(raw)
		if ok != someone {
			t.Fatalf("%q: ID says %v, Normalize %v", raw, ok, someone)
		}
		if !ok {
			return
		}
		sum := canon.Hash("sotto/v1/id", struct {
			Type  string
			Value string
		}{string(n.Type), value})
		if !bytes.Equal(id[:], sum[:16]) {
			t.Fatalf("%q: id is %x, want %x", raw, id, sum[:16])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.String().Draw(t, "raw")
		check(t, Normalizer{Type: Opaque}, raw)
		check(t, Normalizer{Type: Email}, raw+"@"+rapid.StringN(1, 300, -1).Draw(t, "host"))
		check(t, Normalizer{Type: Phone, Country: "DE"}, rapid.StringMatching(`\+?[0-9 ()/-]{5,18}`).Draw(t, "number"))
	})
}

// address draws addresses of many alphabets, with blanks around and inside, mostly well formed.
func address(t *rapid.T) string {
	alphabet := []rune("abcXYZ019.+-_éÉßẞİıIiσςΣǅǆÅ\u212b\u0301\u0307ﬁДдＡａᏣꮳ")
	part := rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 8, -1)
	edge := rapid.StringOfN(rapid.SampledFrom([]rune(" \t\n\u00a0\u200b\ufeff\u3000\u0085\x00")), 0, 2, -1)
	at := rapid.SampledFrom([]string{"@", "@", "@", "@", "@", "@", "", "@@", " @", "\u200b@"})
	return edge.Draw(t, "left") + part.Draw(t, "local") + at.Draw(t, "at") + part.Draw(t, "host") + edge.Draw(t, "right")
}

// A normalised address is a fixed point, has no blank and no capital left, and is composed.
func TestEmailIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkEmail(t, rapid.OneOf(rapid.Custom(address), rapid.String()).Draw(t, "raw"))
	})
}

func checkEmail(t interface{ Fatalf(string, ...any) }, raw string) {
	n := Normalizer{Type: Email}
	normal, ok := n.Normalize(raw)
	slow, slowOK := appendAnyEmail(nil, raw)
	if ok != slowOK || normal != string(slow) {
		t.Fatalf("%+q: the quick way gives %+q, %v; the definition %+q, %v", raw, normal, ok, slow, slowOK)
	}
	if !ok {
		if normal != "" {
			t.Fatalf("%+q is nobody, yet has the address %+q", raw, normal)
		}
		return
	}
	if again, ok := n.Normalize(normal); !ok || again != normal {
		t.Fatalf("%+q: normalised is %+q, twice %+q, %v", raw, normal, again, ok)
	}
	if !utf8.ValidString(normal) || !norm.NFC.IsNormalString(normal) || strings.Count(normal, "@") != 1 ||
		strings.ContainsFunc(normal, isBlank) || strings.ToLower(normal) != normal {
		t.Fatalf("%+q: normalised is %+q", raw, normal)
	}
}

// Writing an address in capitals, with blanks around it or decomposed never makes another person of it: for every letter
// of Unicode that has a capital of its own.
func TestEmailIgnoresCase(t *testing.T) {
	n := Normalizer{Type: Email}
	letters := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		capital := unicode.ToUpper(r)
		if capital == r || unicode.ToLower(capital) != r {
			continue
		}
		letters++
		small, ok1 := n.ID("x" + string(r) + "@example.com")
		large, ok2 := n.ID(" X" + norm.NFD.String(string(capital)) + "@EXAMPLE.COM\u00a0")
		if !ok1 || !ok2 || small != large {
			t.Errorf("%+q and %+q are two people", r, capital)
		}
	}
	if letters < 1300 { // Unicode 15 has 1390
		t.Fatalf("only %d letters tested", letters)
	}
}

// Ids of two types never meet, or a customer number could be taken for somebody's address.
func TestTypesAreApart(t *testing.T) {
	const raw = "+493012345678@example.com"
	opaque, ok1 := Normalizer{Type: Opaque}.ID(raw)
	email, ok2 := Normalizer{Type: Email}.ID(raw)
	if !ok1 || !ok2 || opaque == email {
		t.Fatalf("ids are %x and %x", opaque, email)
	}
}

// Invalid UTF-8 is nobody in every type, whatever stands around it: JSON has no way to write these vectors.
func TestInvalidUTF8IsNobody(t *testing.T) {
	for _, raw := range []string{"\xff", "jon\xff@example.com", "\xffjon@example.com", "+49301234\xff5678", "\xff+493012345678", "\xed\xa0\x80a"} {
		for _, n := range []Normalizer{{Type: Opaque}, {Type: Email}, {Type: Phone, Country: "DE"}} {
			if _, ok := n.ID(raw); ok {
				t.Errorf("%s %q is somebody", n.Type, raw)
			}
		}
	}
}

// The hot path: a million addresses per load must not leave a million pieces of garbage.
func TestIDDoesNotAllocate(t *testing.T) {
	for _, n := range []Normalizer{{Type: Opaque}, {Type: Email}} {
		raw := " Marco." + rand.Text() + "@Example.com"
		if allocations := testing.AllocsPerRun(100, func() { n.ID(raw) }); allocations != 0 {
			t.Errorf("%s: %v allocations per id", n.Type, allocations)
		}
	}
}

// The quick way for addresses and its definition agree on any bytes, and nothing panics.
func FuzzEmail(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Raw)
	}
	f.Fuzz(func(t *testing.T, raw string) { checkEmail(t, raw) })
}

// Any bytes are a number in E.164 or nobody.
func FuzzPhone(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Raw, v.Country)
	}
	f.Fuzz(func(t *testing.T, raw, country string) {
		n := Normalizer{Type: Phone, Country: country}
		if n.Check() != nil {
			return
		}
		normal, ok := n.Normalize(raw)
		if !ok {
			return
		}
		if len(normal) > 20 || normal[0] != '+' || strings.Trim(normal[1:], "0123456789") != "" {
			t.Fatalf("%q in %q is %q", raw, country, normal)
		}
	})
}

func BenchmarkID(b *testing.B) {
	for name, n := range map[string]Normalizer{"opaque": {Type: Opaque}, "email": {Type: Email}, "phone": {Type: Phone}} {
		raw := map[string]string{"opaque": "5575-GNVDE", "email": "Marco.Carlson2254257@example.com", "phone": "+493012345678"}[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.ID(raw)
			}
		})
	}
}
