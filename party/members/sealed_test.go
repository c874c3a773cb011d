package members

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/vault"
)

// Files can't take each other's places, be changed, or be of another key; and neither ids nor hashes can be seen in them.
func TestFilesAreSealed(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	s := opened(t, folder, v)
	must(t, s.KeepSnapshot(version(1), customers(0, 100), at(1)))
	must(t, s.KeepSnapshot(version(2), customers(50, 150), at(1)))
	must(t, s.KeepView(view(1, 1, 100, all)))
	must(t, s.KeepView(view(2, 2, 100, func(i int) bool { return i > 50 })))
	entries, err := os.ReadDir(folder)
	must(t, err)
	files := map[string][]byte{}
	for _, entry := range entries {
		files[entry.Name()], err = os.ReadFile(filepath.Join(folder, entry.Name()))
		must(t, err)
	}
	id, hash := customer(60), v.Hash(customer(60))
	for name, content := range files {
		for what, secret := range map[string][]byte{"an id": id[:], "an id's beginning": id[:8], "a hash": hash[:8], "a hash's beginning": hash[:5], "a purpose": []byte("planning")} {
			if bytes.Contains(content, secret) {
				t.Errorf("%s is in %s", what, name)
			}
		}
	}
	refused := func(what string) {
		t.Helper()
		if _, err := s.Views(customer(60)); !errors.Is(err, vault.ErrAltered) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, content := range files {
		for other := range files {
			if other != name {
				must(t, os.WriteFile(s.files.Path(name), files[other], 0o600))
				refused(other + " as " + name)
			}
		}
		must(t, os.WriteFile(s.files.Path(name), content[:len(content)-1], 0o600))
		refused(name + " cut")
		for _, i := range []int{0, len(content) / 2, len(content) - 1} {
			changed := bytes.Clone(content)
			changed[i] ^= 4
			must(t, os.WriteFile(s.files.Path(name), changed, 0o600))
			refused(name + " changed")
		}
		must(t, os.WriteFile(s.files.Path(name), content, 0o600))
	}
	if got := numbers(t, s, customer(60)); !slices.Equal(got, []int{1}) {
		t.Errorf("views %v", got)
	}
	must(t, s.Close())
	if _, err := opened(t, folder, fresh(t)).Views(customer(60)); !errors.Is(err, vault.ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
}

// What one release has written the next must read. The files were computed by another program.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	var vector struct {
		About, Key string
		Files      map[string]string
	}
	must(t, json.Unmarshal(text, &vector))
	v, err := vault.FromText(vector.Key)
	must(t, err)
	s := opened(t, t.TempDir(), v)
	for name, content := range vector.Files {
		sealed, err := hex.DecodeString(content)
		must(t, err)
		must(t, os.WriteFile(s.files.Path(name), sealed, 0o600))
	}
	for n, want := range map[byte]bool{1: true, 2: true, 3: false, 4: true, 5: false} {
		found, err := s.Views(ids.ID(bytes.Repeat([]byte{n}, 16)))
		if err != nil || (len(found) == 1) != want {
			t.Errorf("customer %d: %+v, %v", n, found, err)
		} else if want && (found[0].Purpose != "planning" || found[0].At.Unix() != 1_700_000_500) {
			t.Errorf("customer %d: %+v", n, found)
		}
	}
}
