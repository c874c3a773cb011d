package seal_test

import (
	"bytes"
	"testing"

	"github.com/sotto-dev/sotto/internal/seal"
)

func newKey(t *testing.T) *seal.Key {
	t.Helper()
	k, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What is sealed opens with the right key in the right context, also after the key was stored, and nowhere else.
func TestSealOpensOnlyInItsPlace(t *testing.T) {
	k := newKey(t)
	context := seal.Context{Transcript: [32]byte{1}, KeyHolder: "bank", Cells: 3}
	sealed, err := seal.To(k.Public(), context, []byte("scalars"))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.ParseKey(stored)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(context, sealed); err != nil || string(got) != "scalars" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for name, other := range map[string]seal.Context{
		"transcript": {Transcript: [32]byte{2}, KeyHolder: "bank", Cells: 3},
		"key-holder": {Transcript: [32]byte{1}, KeyHolder: "shop", Cells: 3},
		"cells":      {Transcript: [32]byte{1}, KeyHolder: "bank", Cells: 4},
	} {
		if _, err := k.Open(other, sealed); err == nil {
			t.Errorf("opened under another %s", name)
		}
	}
	if _, err := newKey(t).Open(context, sealed); err == nil {
		t.Error("opened with another key")
	}
	for _, at := range []int{0, 1100, len(sealed) - 1} {
		altered := bytes.Clone(sealed)
		altered[at] ^= 1
		if _, err := k.Open(context, altered); err == nil {
			t.Errorf("opened with byte %d altered", at)
		}
	}
	if _, err := k.Open(context, sealed[:100]); err == nil {
		t.Error("opened a truncated message")
	}
}

// Attack 5: keys that would make everybody's answer readable, or that are no keys at all, are refused before anything
// is sealed to them.
func TestDegenerateRecipientKeys(t *testing.T) {
	good := newKey(t).Public()
	if err := seal.CheckRecipient(good); err != nil {
		t.Fatal(err)
	}
	smallOrder := bytes.Clone(good)
	clear(smallOrder[len(good)-32:]) // X25519 point 0
	unreduced := bytes.Clone(good)
	for i := range 96 {
		unreduced[i] = 0xff // ML-KEM coefficients ≥ 3329
	}
	for name, key := range map[string][]byte{
		"empty": nil, "short": good[1:], "long": append(bytes.Clone(good), 0), "small order": smallOrder, "unreduced": unreduced,
		"zero": make([]byte, len(good)),
	} {
		if seal.CheckRecipient(key) == nil {
			t.Errorf("accepted a key that is %s", name)
		}
	}
}
