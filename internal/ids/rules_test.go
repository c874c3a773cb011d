package ids

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// ruled returns the rules of most tests.
func ruled(t testing.TB) *Rules {
	return ignore{"gmail.com": {"dots", "tags"}, "outlook.com": {"tags"}, "dots.example": {"dots"}}.rules(t)
}

// Rules that could never apply, or of which one would silently win over another, must be refused when they are read.
func TestRulesAreChecked(t *testing.T) {
	for want, list := range map[string][]Rule{
		`domain "Gmail.com": must be written as in a normalised address, "gmail.com"`: {{Domain: "Gmail.com", Dots: true}},
		`must be written as in a normalised address, "mäil.example"`:                  {{Domain: "ma\u0308il.example", Dots: true}},
		`domain " gmail.com": must be what follows the @`:                             {{Domain: " gmail.com", Tags: true}},
		`domain "gmail.com ": must be written as`:                                     {{Domain: "gmail.com ", Tags: true}},
		`domain "": must be what follows the @`:                                       {{Tags: true}},
		`domain "@gmail.com": must be what follows the @`:                             {{Domain: "@gmail.com", Tags: true}},
		`domain "\xff": must be what follows the @`:                                   {{Domain: "\xff", Tags: true}},
		`domain "gmail.com": nothing to ignore`:                                       {{Domain: "a", Dots: true}, {Domain: "gmail.com"}},
		`domain "a": named twice`:                                                     {{Domain: "a", Dots: true}, {Domain: "b", Tags: true}, {Domain: "a", Tags: true}},
	} {
		if rules, err := NewRules(list...); err == nil || rules != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error is %v, want %s", list, err, want)
		}
	}
	if rules, err := NewRules(); rules != nil || err != nil {
		t.Errorf("no rules are %v, %v", rules, err)
	}
	rules := ruled(t)
	if err := (Normalizer{Type: Email, Rules: rules}).Check(); err != nil {
		t.Error(err)
	}
	for _, other := range []Type{Opaque, Phone} {
		if err := (Normalizer{Type: other, Rules: rules}).Check(); err == nil || !strings.Contains(err.Error(), `rules for domains are for ids of type "email"`) {
			t.Errorf("%s: error is %v", other, err)
		}
	}
}

// With rules, an address keeps its domain, is still a fixed point and composed, and changes only where the rules say:
// elsewhere it is what it is without them. Adding dots and tags at a domain that ignores both never makes another person.
func TestRulesChangeOnlyWhatTheyName(t *testing.T) {
	plain, withRules := Normalizer{Type: Email}, Normalizer{Type: Email, Rules: ruled(t)}
	local := rapid.StringOfN(rapid.SampledFrom([]rune("abXY.+-_éÉ\u0301\u0307İςﬁД")), 0, 8, -1)
	host := rapid.SampledFrom([]string{"gmail.com", "Gmail.COM", "outlook.com", "dots.example", "example.com", "gmail.com.", "sub.gmail.com", "é.com"})
	rapid.Check(t, func(t *rapid.T) {
		name, domain := local.Draw(t, "local"), host.Draw(t, "host")
		before, ok := plain.Normalize(name + "@" + domain)
		after, still := withRules.Normalize(name + "@" + domain)
		if !ok {
			if still {
				t.Fatalf("rules made %+q of nobody", after)
			}
			return
		}
		was, domain, _ := strings.Cut(before, "@")
		dots := domain == "gmail.com" || domain == "dots.example"
		tags := domain == "gmail.com" || domain == "outlook.com"
		want := was
		if tags {
			want, _, _ = strings.Cut(want, "+")
		}
		if dots {
			want = norm.NFC.String(strings.ReplaceAll(want, ".", ""))
		}
		if still != (want != "") || still && after != want+"@"+domain {
			t.Fatalf("%+q is %+q with rules (%v), want the local part %+q", before, after, still, want)
		}
		if !still {
			return
		}
		if again, ok := withRules.Normalize(after); !ok || again != after {
			t.Fatalf("normalised twice %+q is %+q, %v", after, again, ok)
		}
		if domain == "gmail.com" && norm.NFC.FirstBoundaryInString(want) == 0 {
			if dotted, ok := withRules.Normalize("." + want + ".+x.y@" + domain); !ok || dotted != after {
				t.Fatalf("%+q with dots and a tag is %+q, %v", after, dotted, ok)
			}
		}
	})
}

// The hot path again: rules cost no garbage either, at domains that have one and that have none.
func TestRulesDoNotAllocate(t *testing.T) {
	n := Normalizer{Type: Email, Rules: ruled(t)}
	for _, domain := range []string{"@Gmail.com", "@outlook.com", "@example.com"} {
		raw := " Marco." + rand.Text() + "+news" + domain
		if allocations := testing.AllocsPerRun(100, func() { n.ID(raw) }); allocations != 0 {
			t.Errorf("%s: %v allocations per id", domain, allocations)
		}
	}
}

// Rules must not reach what stands before the address in the buffer that is hashed.
func TestRulesStayInTheAddress(t *testing.T) {
	n := Normalizer{Type: Email, Rules: ruled(t)}
	for raw, want := range map[string]string{"a.b+c@gmail.com": "x.@+ab@gmail.com", "a.\u0301+c@gmail.com": "x.@+á@gmail.com"} {
		if out, ok := n.appendNormal([]byte("x.@+"), raw); !ok || !bytes.Equal(out, []byte(want)) {
			t.Errorf("%+q after a prefix is %+q, %v; want %+q", raw, out, ok, want)
		}
	}
}

func BenchmarkRules(b *testing.B) {
	n := Normalizer{Type: Email, Rules: ruled(b)}
	b.ReportAllocs()
	for b.Loop() {
		n.ID("Marco.Carlson2254257+news@gmail.com")
	}
}
