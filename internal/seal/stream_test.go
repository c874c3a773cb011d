package seal_test

import (
	"bytes"
	"crypto/hpke"
	"fmt"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/seal"
)

// stream seals messages to k, one after the other.
func stream(t *testing.T, k *seal.Key, context string, messages ...string) (begin []byte, sealed [][]byte) {
	t.Helper()
	s, begin, err := seal.NewSender(k.Public(), []byte(context))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		c, err := s.Seal([]byte(m))
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, c)
	}
	return begin, sealed
}

func receiver(t *testing.T, k *seal.Key, begin []byte, context string) *seal.Receiver {
	t.Helper()
	r, err := k.NewReceiver(begin, []byte(context))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Guards the lists of a matching on their way: a stream opens as it was sealed, messages of any length, none too; every message
// is 16 bytes longer for it, and two streams of the same messages have nothing in common. What arrives of it is a beginning of
// it, for it may be cut at its end.
func TestStreamOpens(t *testing.T) {
	k := newKey(t)
	messages := []string{"", "one", "", string(make([]byte, 1<<17)), "one"}
	begin, sealed := stream(t, k, "context", messages...)
	if len(begin) != seal.Encapsulated {
		t.Errorf("it begins with %d bytes", len(begin))
	}
	r := receiver(t, k, begin, "context")
	for i, want := range messages {
		got, err := r.Open(sealed[i])
		if err != nil || string(got) != want {
			t.Fatalf("message %d: opened %d bytes, %v", i, len(got), err)
		}
		if len(sealed[i]) != len(want)+16 {
			t.Errorf("message of %d bytes is sealed in %d", len(want), len(sealed[i]))
		}
	}
	again, others := stream(t, k, "context", messages...)
	if bytes.Equal(begin, again) {
		t.Error("two streams begin alike")
	}
	seen := map[string]bool{}
	for _, c := range slices.Concat(sealed, others) {
		if seen[string(c)] {
			t.Error("two messages are sealed alike")
		}
		seen[string(c)] = true
	}
}

// Guards the order of a list: a message opens in its place only. One that is altered, cut, longer, repeated, left out or moved
// is an error, at the first of them, and nothing comes out; the right one opens still.
func TestStreamOpensInOrder(t *testing.T) {
	k := newKey(t)
	begin, sealed := stream(t, k, "context", "zero", "one", "two", "")
	_, other := stream(t, k, "context", "zero", "one", "two", "")
	for at := range sealed {
		refused := map[string][]byte{
			"nothing": nil, "a tag cut": sealed[at][1:], "cut": sealed[at][:len(sealed[at])-1], "longer": append(bytes.Clone(sealed[at]), 0),
			"of another stream": other[at],
		}
		for i := range sealed[at] {
			altered := bytes.Clone(sealed[at])
			altered[i] ^= 1
			refused[fmt.Sprintf("byte %d altered", i)] = altered
		}
		for i := range sealed {
			if i != at {
				refused[fmt.Sprintf("message %d", i)] = sealed[i]
			}
		}
		r := receiver(t, k, begin, "context")
		for _, c := range sealed[:at] {
			if _, err := r.Open(c); err != nil {
				t.Fatal(err)
			}
		}
		for what, c := range refused {
			if got, err := r.Open(c); err == nil || got != nil {
				t.Errorf("in the place of message %d, %s: opened %q", at, what, got)
			}
		}
		if _, err := r.Open(sealed[at]); err != nil {
			t.Errorf("message %d after others were refused: %v", at, err)
		}
		if got, err := r.Open(sealed[at]); err == nil {
			t.Errorf("message %d opened twice: %q", at, got)
		}
	}
}

// Guards the place of a stream: it opens with the key and in the context that it was sealed for, after its own beginning, and
// nowhere else. Where that only shows at the first message, an empty one is enough to tell.
func TestStreamOpensOnlyInItsPlace(t *testing.T) {
	k, other := newKey(t), newKey(t)
	begin, sealed := stream(t, k, "context", "")
	beginning, _ := stream(t, k, "context", "")
	opens := func(k *seal.Key, begin []byte, context string) bool {
		r, err := k.NewReceiver(begin, []byte(context))
		if err != nil {
			return false
		}
		_, err = r.Open(sealed[0])
		return err == nil
	}
	if !opens(k, begin, "context") {
		t.Fatal("the stream does not open")
	}
	for _, context := range []string{"", "contex", "contexT", "context\x00", "context context"} {
		if opens(k, begin, context) {
			t.Errorf("opened in context %q", context)
		}
	}
	if opens(other, begin, "context") {
		t.Error("opened with another key")
	}
	if opens(k, beginning, "context") {
		t.Error("opened after the beginning of another stream")
	}
	for i := range begin {
		altered := bytes.Clone(begin)
		altered[i] ^= 1
		if opens(k, altered, "context") {
			t.Errorf("opened with byte %d of its beginning altered", i)
		}
	}
	for what, begin := range map[string][]byte{
		"nothing": nil, "cut": begin[1:], "longer": append(bytes.Clone(begin), 0),
		"of small order": append(bytes.Clone(begin[:seal.Encapsulated-32]), make([]byte, 32)...),
	} {
		if _, err := k.NewReceiver(begin, []byte("context")); err == nil {
			t.Errorf("a stream that begins with what is %s", what)
		}
	}
}

// Guards against an answer that is taken for a list, or a list for an answer, under the same key: neither opens as the other,
// whatever the stream's context is.
func TestStreamsAreNoMessages(t *testing.T) {
	k := newKey(t)
	context := seal.Context{KeyHolder: "bank", Cells: 3}
	single, err := seal.To(k.Public(), context, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "sotto/v1/seal", "-stream"} {
		r := receiver(t, k, single[:seal.Encapsulated], name)
		if _, err := r.Open(single[seal.Encapsulated:]); err == nil {
			t.Errorf("a message opened as a stream in context %q", name)
		}
		begin, sealed := stream(t, k, name, "", "")
		for _, c := range sealed {
			if _, err := k.Open(context, slices.Concat(begin, c)); err == nil {
				t.Errorf("a stream in context %q opened as a message", name)
			}
		}
	}
}

// Guards wire compatibility, and what keeps streams apart: one is HPKE as package seal says, its info the stream's own name and
// the context, without associated data.
func TestStreamIsHPKE(t *testing.T) {
	k := newKey(t)
	begin, sealed := stream(t, k, "context", "zero", "one")
	secret, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	private, err := hpke.MLKEM768X25519().NewPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := hpke.NewRecipient(begin, private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("sotto/v1/seal-streamcontext"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"zero", "one"} {
		if got, err := r.Open(nil, sealed[i]); err != nil || string(got) != want {
			t.Errorf("message %d: opened %q, %v", i, got, err)
		}
	}
}

// Guards a list against being sealed to everybody: a stream to a degenerate key, or to none, does not begin.
func TestStreamsToDegenerateRecipients(t *testing.T) {
	good := newKey(t).Public()
	smallOrder, unreduced := bytes.Clone(good), bytes.Clone(good)
	clear(smallOrder[len(good)-32:])                        // X25519 point 0
	copy(unreduced, bytes.Repeat([]byte{0xff}, 96))         // ML-KEM coefficients ≥ 3329
	if _, _, err := seal.NewSender(good, nil); err != nil { // without a context too
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{
		"empty": nil, "short": good[1:], "long": append(bytes.Clone(good), 0), "small order": smallOrder, "unreduced": unreduced,
		"zero": make([]byte, len(good)),
	} {
		if s, begin, err := seal.NewSender(key, nil); err == nil || s != nil || begin != nil {
			t.Errorf("a stream to a key that is %s begins: %v", name, err)
		}
	}
}
