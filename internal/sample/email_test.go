package sample

import (
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// Guards the promise on which every truth rests: however an address is misspelt, it normalises to itself, and no two
// people have the same.
func TestMisspeltIsTheSamePerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStream(rapid.String().Draw(t, "seed"), "email")
		taken := make(map[string]struct{})
		for i := range 50 {
			// Few names, so that addresses would collide.
			c := cultures[i%len(cultures)]
			email := address(s, pick(s, c.first[:2]), pick(s, c.last[:2]), taken)
			if len(taken) != i+1 {
				t.Fatalf("%q was given out twice", email)
			}
			if normalise(email) != email {
				t.Fatalf("%q is not in normal form", email)
			}
			if spelt := misspell(s, email, 1); normalise(spelt) != email {
				t.Fatalf("%q is no spelling of %q", spelt, email)
			}
		}
	})
}

// Guards the normal form with examples, and that "ı", which has no way back from its capital, is kept small.
func TestNormalise(t *testing.T) {
	for spelt, want := range map[string]string{
		"  Jón@Example.com ":      "jón@example.com",
		"JO\u0301N@EXAMPLE.COM":   "jón@example.com",
		"\u00a0jón@example.com\t": "jón@example.com",
		" \u00a0\u3000\t":         "",
		"WEIß@example.com":        "weiß@example.com",
	} {
		if got := normalise(spelt); got != want {
			t.Errorf("%q normalises to %q, want %q", spelt, got, want)
		}
	}
	s := newStream("seed", "dotless")
	for range 200 {
		if spelt := misspell(s, "yılmaz@post.example", 1); normalise(spelt) != "yılmaz@post.example" {
			t.Fatalf("%q is another address", spelt)
		}
	}
}

// Guards the lists of names: 120 first and 120 last names, none twice, composed, and with a plain form in ASCII.
func TestNames(t *testing.T) {
	first, last := make(map[string]bool), make(map[string]bool)
	for _, c := range cultures {
		for _, name := range c.first {
			first[name] = true
		}
		for _, name := range c.last {
			last[name] = true
		}
		for _, name := range append(c.first[:len(c.first):len(c.first)], c.last...) {
			if !norm.NFC.IsNormalString(name) {
				t.Errorf("%q is not in composed form", name)
			}
			for _, r := range inMailbox.Replace(plain(name)) {
				if r != '-' && (r < 'a' || r > 'z') {
					t.Errorf("%q has %q in its plain form", name, r)
				}
			}
		}
	}
	if len(first) != 120 || len(last) != 120 {
		t.Errorf("%d first and %d last names, want 120 each", len(first), len(last))
	}
}
