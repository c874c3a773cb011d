package vault

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fresh(t testing.TB) *Vault {
	t.Helper()
	v, err := New()
	must(t, err)
	return v
}

// flipped returns the content with one bit changed.
func flipped(content []byte, bit int) []byte {
	changed := bytes.Clone(content)
	changed[bit/8] ^= 1 << (bit % 8)
	return changed
}

// What is sealed is opened under its key and in its context, and shows nothing of itself.
func TestSeal(t *testing.T) {
	v := fresh(t)
	rapid.Check(t, func(t *rapid.T) {
		context, plaintext := rapid.String().Draw(t, "context"), rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "plaintext")
		sealed := v.Seal(context, plaintext)
		if len(sealed) != len(plaintext)+37 || len(plaintext) > 6 && bytes.Contains(sealed, plaintext) {
			t.Errorf("%d bytes of %d", len(sealed), len(plaintext))
		}
		if bytes.Equal(sealed, v.Seal(context, plaintext)) {
			t.Error("sealed alike twice: whoever sees it knows that it is the same")
		}
		got, err := v.Open(context, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("opened %x, %v", got, err)
		}
		other := rapid.String().Filter(func(s string) bool { return s != context }).Draw(t, "other")
		if _, err := v.Open(other, sealed); !errors.Is(err, ErrAltered) {
			t.Errorf("in another context: %v", err)
		}
	})
}

// A record that was changed in any bit, cut or made longer is refused, and one of another key is called that.
func TestSealRefusals(t *testing.T) {
	v, other := fresh(t), fresh(t)
	sealed := v.Seal("context", []byte("eight by"))
	for bit := range 8 * len(sealed) {
		if _, err := v.Open("context", flipped(sealed, bit)); !errors.Is(err, ErrAltered) && !errors.Is(err, ErrOtherKey) {
			t.Errorf("bit %d flipped: %v", bit, err)
		}
	}
	for n := range len(sealed) {
		if _, err := v.Open("context", sealed[:n]); !errors.Is(err, ErrAltered) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := v.Open("context", append(bytes.Clone(sealed), 0)); !errors.Is(err, ErrAltered) {
		t.Errorf("a byte longer: %v", err)
	}
	_, err := other.Open("context", sealed)
	if !errors.Is(err, ErrOtherKey) || !strings.Contains(err.Error(), v.KeyID().String()) || !strings.Contains(err.Error(), other.KeyID().String()) {
		t.Errorf("another key: %v", err)
	}
	renamed := append([]byte{1}, other.id[:]...) // it claims to be of the other key
	if _, err := other.Open("context", append(renamed, sealed[9:]...)); !errors.Is(err, ErrAltered) {
		t.Errorf("another key under a false name: %v", err)
	}
}

// All positions are hashed once, as one by one, however many cores do it, and a hash tells ids and keys apart.
func TestHashes(t *testing.T) {
	v, other := fresh(t), fresh(t)
	for _, n := range []int{0, 1, 4095, 4096, 4097, 20_000} {
		all := make([]ids.ID, n)
		for i := range all {
			all[i] = ids.ID{byte(i), byte(i >> 8), 7}
		}
		got := make([]Hash, n)
		var calls atomic.Int64
		v.Hashes(all, func(i int, h Hash) {
			got[i] = h
			calls.Add(1)
		})
		if calls.Load() != int64(n) {
			t.Errorf("%d ids: %d calls", n, calls.Load())
		}
		seen := map[Hash]bool{}
		for i, h := range got {
			if h != v.Hash(all[i]) || h == other.Hash(all[i]) || seen[h] {
				t.Fatalf("position %d of %d: %x", i, n, h)
			}
			seen[h] = true
		}
	}
}

// The key is in no text that a vault is printed as, and a vault that was closed does nothing more, least of all seal under a key
// of zeros.
func TestClose(t *testing.T) {
	v := fresh(t)
	streams, hashes := v.streams, v.hashes
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, v); text != "vault under key "+v.KeyID().String() {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	v.Close()
	v.Close()
	if !bytes.Equal(streams, make([]byte, KeySize)) || !bytes.Equal(hashes, make([]byte, KeySize)) {
		t.Error("keys are left in memory")
	}
	for name, use := range map[string]func(){
		"Seal":      func() { v.Seal("", nil) },
		"Open":      func() { _, _ = v.Open("", make([]byte, 100)) },
		"Hash":      func() { v.Hash(ids.ID{}) },
		"NewWriter": func() { _, _ = v.NewWriter(&bytes.Buffer{}, "") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s goes on after Close", name)
				}
			}()
			use()
		}()
	}
}
