package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
)

type vectors struct {
	About  string `json:"about"`
	Key    string `json:"key"`
	KeyID  string `json:"key_id"`
	Hashes []struct {
		ID   string `json:"id"`
		Hash string `json:"hash"`
	} `json:"hashes"`
	Records []struct {
		Context   string `json:"context"`
		Plaintext string `json:"plaintext"`
		Sealed    string `json:"sealed"`
	} `json:"records"`
	Streams []struct {
		Context string `json:"context"`
		Salt    string `json:"salt"`
		Length  int    `json:"length"`
		SHA256  string `json:"sha256"`
		Sealed  string `json:"sealed"` // of short ones
	} `json:"streams"`
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	must(t, err)
	return b
}

// pattern is a plaintext of n bytes.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// What was sealed by one release must be opened by the next, and by other programs: the vectors were computed by one. Every
// withdrawal would be forgotten by a hash that changes.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	var all vectors
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&all))
	v, err := FromText(all.Key)
	must(t, err)
	if v.KeyID().String() != all.KeyID {
		t.Errorf("key id is %s, want %s", v.KeyID(), all.KeyID)
	}
	for _, c := range all.Hashes {
		if got := v.Hash(ids.ID(decoded(t, c.ID))); hex.EncodeToString(got[:]) != c.Hash {
			t.Errorf("hash of %s is %x, want %s", c.ID, got, c.Hash)
		}
	}
	for _, c := range all.Records {
		got, err := v.Open(c.Context, decoded(t, c.Sealed))
		if err != nil || string(got) != c.Plaintext {
			t.Errorf("record %q: %q, %v", c.Context, got, err)
		}
	}
	for _, c := range all.Streams {
		sealed := sealStream(t, v, c.Context, decoded(t, c.Salt), pattern(c.Length))
		if sum := sha256.Sum256(sealed); hex.EncodeToString(sum[:]) != c.SHA256 || c.Sealed != "" && hex.EncodeToString(sealed) != c.Sealed {
			t.Errorf("stream %q is %x with hash %x, want %s", c.Context, sealed[:min(100, len(sealed))], sum, c.SHA256)
		}
		got, err := openStream(v, c.Context, sealed)
		if err != nil || !bytes.Equal(got, pattern(c.Length)) {
			t.Errorf("stream %q: %d bytes, %v", c.Context, len(got), err)
		}
	}
}
