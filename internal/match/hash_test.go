package match

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"github.com/sotto-dev/sotto/internal/ids"
)

// Messages are expanded as RFC 9380, appendix K.3, has it.
func TestExpandGolden(t *testing.T) {
	const tag = "QUUX-V01-CS02-with-expander-SHA512-256"
	for _, v := range []struct{ message, want string }{
		{"", "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"},
		{"abc", "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc"},
		{"abcdef0123456789", "087e45a86e2939ee8b91100af1583c4938e0f5fc6c9db4b107b83346bc967f58"},
		{
			"", "41b037d1734a5f8df225dd8c7de38f851efdb45c372887be655212d07251b921b052b62eaed99b46f72f2ef4cc96bfaf254ebbbec091e1a3b9e4fb5e5b619d2e" +
				"0c5414800a1d882b62bb5cd1778f098b8eb6cb399d5d9d18f5d5842cf5d13d7eb00a7cff859b605da678b318bd0e65ebff70bec88c753b159a805d2c89c55961",
		},
	} {
		out := make([]byte, len(v.want)/2)
		expand(out, []byte(v.message), tag)
		if got := hex.EncodeToString(out); got != v.want {
			t.Errorf("%q: %s, want %s", v.message, got, v.want)
		}
	}
}

// Uniform bytes become the elements of RFC 9496, appendix A.3.
func TestUniformGolden(t *testing.T) {
	hash := func(text string) [64]byte { return sha512.Sum512([]byte(text)) }
	plain := func(text string) [64]byte {
		b, err := hex.DecodeString(text)
		must(t, err)
		return [64]byte(b)
	}
	same := "304282791023b73128d277bdcb5c7746ef2eac08dde9f2983379cb8e5ef0517f"
	ff := strings.Repeat("ff", 31)
	for _, v := range []struct {
		in   [64]byte
		want string
	}{
		{hash("Ristretto is traditionally a short shot of espresso coffee"), "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"},
		{hash("made with the normal amount of ground coffee but extracted with"), "f26e5b6f7d362d2d2a94c5d0e7602cb4773c95a2e5c31a64f133189fa76ed61b"},
		{hash("about half the amount of water in the same amount of time"), "006ccd2a9e6867e6a2c5cea83d3302cc9de128dd2a9a57dd8ee7b9d7ffe02826"},
		{hash("by using a finer grind."), "f8f0c87cf237953c5890aec3998169005dae3eca1fbb04548c635953c817f92a"},
		{hash("This produces a concentrated shot of coffee per volume."), "ae81e7dedf20a497e10c304a765c1767a42d6e06029758d2d7e8ef7cc4c41179"},
		{hash("Just pulling a normal shot short will produce a weaker shot"), "e2705652ff9f5e44d3e841bf1c251cf7dddb77d140870d1ab2ed64f1a9ce8628"},
		{hash("and is not a Ristretto as some believe."), "80bd07262511cdde4863f8a7434cef696750681cb9510eea557088f76d9e5065"},
		{plain("ed" + ff + "12" + strings.Repeat("00", 31)), same},
		{plain("ed" + ff[2:] + "7f" + "ff" + ff), same},
		{plain(strings.Repeat("00", 31) + "80" + "ff" + ff[2:] + "7f"), same},
		{plain(strings.Repeat("00", 32) + "12" + strings.Repeat("00", 30) + "80"), same},
	} {
		var p extended
		p.uniform(&v.in)
		if got := encodeOne(t, &p); hex.EncodeToString(got[:]) != v.want {
			t.Errorf("%x: %x, want %s", v.in, got, v.want)
		}
	}
}

// Hashing to the group, and raising, are those of RFC 9497, appendix A.1.1: BlindedElement is H(Input) raised to Blind.
func TestHashToGroupGolden(t *testing.T) {
	blind, err := hex.DecodeString("64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706")
	must(t, err)
	scalar, err := edwards25519.NewScalar().SetCanonicalBytes(blind)
	must(t, err)
	var e Exponent
	e.set(scalar)
	for _, v := range []struct{ input, want string }{
		{"00", "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c"},
		{strings.Repeat("5a", 17), "da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418"},
	} {
		input, err := hex.DecodeString(v.input)
		must(t, err)
		var p extended
		hashToGroup(&p, input, "HashToGroup-OPRFV1-\x00-ristretto255-SHA512")
		got, err := Raise(nil, Points{encodeOne(t, &p)}, &e)
		must(t, err)
		if hex.EncodeToString(got[0][:]) != v.want {
			t.Errorf("%s: %x, want %s", v.input, got[0], v.want)
		}
	}
}

// One name is one point; another matching, another name, or a dummy of that name is another.
func TestHashSeparates(t *testing.T) {
	at := func(domain string, matching byte, name byte) Point {
		var p extended
		newHasher(domain, [32]byte{matching}).hash(&p, ids.ID{15: name})
		return encodeOne(t, &p)
	}
	id := at(idDomain, 1, 1)
	if id != at(idDomain, 1, 1) {
		t.Error("one name is two points")
	}
	for _, other := range []Point{at(idDomain, 2, 1), at(idDomain, 1, 2), at(dummyDomain, 1, 1)} {
		if other == id {
			t.Error("two names are one point")
		}
	}
	want, err := hex.DecodeString(golden)
	must(t, err)
	if !bytes.Equal(id[:], want) {
		t.Errorf("the hash of an id is %x, was %x: nodes of different versions would not match", id, want)
	}
}

// golden is what this implementation computed when it was written.
const golden = "c6f9ca123b3324ef2d3d61fde9d3ce2f696058164a23fcf65c5541aed2dedf25"

// encodeOne encodes by doubling half of p.
func encodeOne(t testing.TB, p *extended) Point {
	t.Helper()
	var e Exponent
	one, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	must(t, err)
	e.set(one)
	var q extended
	var state [1]doubled
	var out [1]Point
	q.times(&e.digits, p)
	state[0].from(&q)
	encodeDoubles(out[:], state[:])
	return out[0]
}
