package identity_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

type statement struct {
	Session string
	Cells   []int64
}

const domain = "sotto/test/statement"

func goldenKey() *identity.Key {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(i)
	}
	return identity.FromSeed(seed, "bank")
}

// Signatures are part of the wire: those made today must verify tomorrow, by any implementation. The public key of this
// seed is a known one, and the signed bytes are spelled out.
func TestGoldenSignature(t *testing.T) {
	key := goldenKey()
	const wantKey = "ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
	if key.Public().String() != wantKey {
		t.Errorf("public key is %s, want %s", key.Public(), wantKey)
	}
	const body = "00000014736f74746f2f746573742f73746174656d656e74" + "000000027331" + "00000001" + "ffffffffffffffff"
	const message = "00000012736f74746f2f76312f7369676e6174757265" +
		"00000014736f74746f2f746573742f73746174656d656e74" + "0000002a" + body
	raw, err := hex.DecodeString(message)
	if err != nil {
		t.Fatal(err)
	}
	signature := key.Sign(domain, statement{Session: "s1", Cells: []int64{-1}})
	public := key.Public()
	if !ed25519.Verify(public[:], raw, signature) {
		t.Error("the signature is not over the documented bytes")
	}
	const want = "d3318b09274b742bd12375e17f5fc55e19803229a4278f0e0faf4cfe963849f4" +
		"4b70b2821135728c1c82aaa1b64d9db910dfa33b4bd18aeac662385b236d2804"
	if got := hex.EncodeToString(signature); got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
}

// A signature verifies for its value, domain and key, and for no other: nothing signed can be passed off as something else.
func TestSignatureIsForOneThing(t *testing.T) {
	key, other := goldenKey(), identity.FromSeed([32]byte{1}, "shop")
	rapid.Check(t, func(t *rapid.T) {
		value := statement{
			Session: rapid.String().Draw(t, "session"), Cells: rapid.SliceOf(rapid.Int64()).Draw(t, "cells"),
		}
		signature := key.Sign(domain, value)
		if err := identity.Verify(key.Public(), domain, value, signature); err != nil {
			t.Fatal(err)
		}
		altered := value
		altered.Session += "x"
		flipped := append([]byte{}, signature...)
		flipped[rapid.IntRange(0, 63).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		for name, err := range map[string]error{
			"other value":       identity.Verify(key.Public(), domain, altered, signature),
			"other domain":      identity.Verify(key.Public(), domain+"2", value, signature),
			"other key":         identity.Verify(other.Public(), domain, value, signature),
			"zero key":          identity.Verify(identity.PublicKey{}, domain, value, signature),
			"altered signature": identity.Verify(key.Public(), domain, value, flipped),
			"short signature":   identity.Verify(key.Public(), domain, value, signature[:63]),
			"long signature":    identity.Verify(key.Public(), domain, value, append(signature[:64:64], 0)),
			"no signature":      identity.Verify(key.Public(), domain, value, nil),
		} {
			if !errors.Is(err, identity.ErrSignature) {
				t.Fatalf("%s: error is %v, want ErrSignature", name, err)
			}
		}
	})
}

// The keys that Check refuses are those under which a signature can be made without any secret: for each, one is shown.
// (S = 0 and R the neutral element verify when the hash is a multiple of the key's order, at most 8.)
func TestSmallOrderKeysCanBeForged(t *testing.T) {
	forged := make([]byte, 64)
	forged[0] = 1
	for i, weak := range identity.SmallOrder {
		if err := weak.Check(); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("key %x: error is %v, want fault.Invalid", weak, err)
		}
		weak[31] |= 0x80
		if err := weak.Check(); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("key %x, of negative x: error is %v, want fault.Invalid", weak, err)
		}
		weak[31] &= 0x7f
		found := false
		for n := range uint64(1000) {
			found = found || ed25519.Verify(weak[:], binary.BigEndian.AppendUint64(nil, n), forged)
		}
		if !found {
			t.Errorf("entry %d, %x: no forgery in 1000 messages: is the list mistyped?", i, [32]byte(weak))
		}
	}
}

// A key has one text, and that text reads back as the key; agreements are compared by people too.
func TestPublicKeyText(t *testing.T) {
	key := goldenKey().Public()
	back, err := identity.ParsePublicKey(key.String())
	if err != nil || back != key {
		t.Fatalf("parsed %v, %v, want %v", back, err, key)
	}
	text := key.String()
	for _, bad := range []string{
		"", "ed25519:", text[8:], text + "=", text + "A", text[:50], " " + text, text + "\n", "Ed25519:" + text[8:],
		strings.Replace(text, "_", "/", 1),      // not the URL-safe alphabet
		text[:50] + "h",                         // stray bits after the 32nd byte
		text[:20] + "\n" + text[21:],            // base64 decoders skip line ends
		identity.PublicKey{}.String(),           // a forgotten key
		identity.PublicKey{1}.String(),          // of small order
		"ed25519:" + strings.Repeat("é", 1<<10), // long
	} {
		if _, err := identity.ParsePublicKey(bad); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%.60q: error is %v, want fault.Invalid", bad, err)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%.60q: error has %d bytes", bad, len(err.Error()))
		}
	}
}

// No way of printing a key shows the secret half: keys end up in logs and panics.
func TestKeyDoesNotPrintItsSecret(t *testing.T) {
	key := goldenKey()
	secret := []string{"000102030405", "0 1 2 3 4 5", "0x0, 0x1, 0x2", `\x00\x01\x02`}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		printed := fmt.Sprintf(verb, key)
		for _, part := range secret {
			if strings.Contains(printed, part) {
				t.Errorf("%s prints the secret: %s", verb, printed)
			}
		}
		if !strings.Contains(printed, key.Public().String()) {
			t.Errorf("%s prints %s, without the public key", verb, printed)
		}
	}
}

// Names are the words of questions and logs; anything else in them would be a way to say one thing and mean another.
func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "bank", "bank_2", "a" + strings.Repeat("0", 62)} {
		if err := identity.CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "Bank", "2bank", "_bank", "bank ", "bank\n", "bänk", "a-b", "a.b", "a" + strings.Repeat("0", 63)} {
		if err := identity.CheckName(bad); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%q: error is %v, want fault.Invalid", bad, err)
		}
	}
}

// Whatever is accepted as a key writes back as the very same text.
func FuzzParsePublicKey(f *testing.F) {
	f.Add(goldenKey().Public().String())
	f.Add("ed25519:" + strings.Repeat("A", 43))
	f.Add("ed25519:" + strings.Repeat("\r", 43))
	f.Fuzz(func(t *testing.T, text string) {
		key, err := identity.ParsePublicKey(text)
		if err == nil && key.String() != text {
			t.Fatalf("%q is a second text for %s", text, key)
		}
	})
}
