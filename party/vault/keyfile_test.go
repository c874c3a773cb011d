package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
)

// A new key is its owner's alone, replaces none, is another one each time, and opens as itself.
func TestNewKeyFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "data.key")
	must(t, NewKeyFile(path))
	must(t, NewKeyFile(filepath.Join(folder, "other.key")))
	before, err := os.ReadFile(path)
	must(t, err)
	if err := NewKeyFile(path); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("over another: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key has changed: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("made %v", entries)
	}
	first, err := OpenKeyFile(path)
	must(t, err)
	again, err := FromText(string(before))
	must(t, err)
	other, err := OpenKeyFile(filepath.Join(folder, "other.key"))
	must(t, err)
	if first.KeyID() != again.KeyID() || first.KeyID() == other.KeyID() {
		t.Errorf("keys %s, %s, %s", first, again, other)
	}
	if got, err := again.Open("context", first.Seal("context", []byte("words"))); err != nil || string(got) != "words" {
		t.Errorf("%q, %v", got, err)
	}
	if err := NewKeyFile(filepath.Join(folder, "none", "data.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// A key that others could have read, or that is not a key, is refused in words that say the rule and nothing of the key.
func TestKeyRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.key")
	if _, err := OpenKeyFile(path); !fault.IsKind(err, fault.NotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := OpenKeyFile(filepath.Dir(path)); !fault.IsKind(err, fault.Invalid) {
		t.Errorf("a folder: %v", err)
	}
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xA5}, KeySize))
	for mode := range fs.FileMode(0o200) { // all that groups and others may do
		must(t, os.WriteFile(path, []byte(key), 0o600))
		must(t, os.Chmod(path, 0o600|mode))
		_, err := OpenKeyFile(path)
		if bad := mode&0o077 != 0; bad != fault.IsKind(err, fault.Invalid) || !bad && err != nil {
			t.Errorf("mode %04o: %v", 0o600|mode, err)
		}
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"", "is that of 0"},
		"short":            {key[:40], "is that of 30"},
		"long":             {base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xA5}, KeySize+1)), "is that of 33"},
		"no padding":       {strings.TrimRight(key, "="), "is not base64"},
		"other padding":    {key[:42] + "V=", "is not base64"}, // bits that no byte has
		"hex":              {strings.Repeat("a5", KeySize), "is that of 48"},
		"URLs' alphabet":   {strings.Repeat("_", 43) + "=", "is not base64"},
		"two lines":        {key[:20] + "\n" + key[20:], "is not base64"},
		"two keys":         {key + key, "is not base64"},
		"a book":           {strings.Repeat(key, 1000), "is longer"},
		"bytes, not text":  {strings.Repeat("\xa5", KeySize), "is not base64"},
		"blanks around it": {"\t " + key + " \r\n", ""},
	} {
		must(t, os.WriteFile(path, []byte(c.text), 0o600))
		must(t, os.Chmod(path, 0o600))
		_, fromFile := OpenKeyFile(path)
		_, fromText := FromText(c.text)
		for _, err := range []error{fromFile, fromText} {
			if c.says == "" {
				must(t, err)
				continue
			}
			if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), key[:6]) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
