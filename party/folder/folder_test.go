package folder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/party/vault"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, path string, v *vault.Vault) *Folder {
	t.Helper()
	f, err := Open(path, "things", v)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func write(content []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
}

var (
	one, other = vault.Hash{1}, vault.Hash{2}
	errBroken  = errors.New("the disk is broken")
)

// Whoever was once noted to be forgotten is, whatever fails on the way: by the next call, whomever that is for, and after the folder
// was opened again. Only then are the next noted; and once all is done, nothing is done again.
func TestForget(t *testing.T) {
	v, err := vault.New()
	must(t, err)
	path := t.TempDir()
	f := opened(t, path, v)
	var calls []string
	broken := true
	takeOut := func(gone []vault.Hash) error {
		calls = append(calls, fmt.Sprint(slices.Contains(gone, one), slices.Contains(gone, other), len(gone)))
		if broken {
			return errBroken
		}
		return nil
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(calls, want) {
			t.Errorf("taken out: %v, want %v", calls, want)
		}
		calls = nil
	}
	must(t, f.Forget(nil, takeOut))
	expect()
	for range 2 { // the other is not noted over the one
		if err := f.Forget([]vault.Hash{one}, takeOut); !errors.Is(err, errBroken) {
			t.Errorf("broken: %v", err)
		}
		expect("true false 1")
		if err := f.Forget([]vault.Hash{other}, takeOut); !errors.Is(err, errBroken) {
			t.Errorf("still broken: %v", err)
		}
		expect("true false 1")
	}
	must(t, f.Close())
	f = opened(t, path, v)
	if err := f.Forget(nil, takeOut); !errors.Is(err, errBroken) {
		t.Errorf("opened again: %v", err)
	}
	expect("true false 1")
	broken = false
	must(t, f.Forget([]vault.Hash{other, one}, takeOut))
	expect("true false 1", "true true 2")
	must(t, f.Forget(nil, takeOut))
	expect()
	if left, err := os.ReadDir(path); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A note that can't be read stops everything: it says who must not be in the files.
func TestForgetReadsItsNote(t *testing.T) {
	v, err := vault.New()
	must(t, err)
	f := opened(t, t.TempDir(), v)
	for name, spoil := range map[string]func() error{
		"altered": func() error { return os.WriteFile(f.Path(noteName), []byte("sotto"), 0o600) },
		"cut":     func() error { return f.Write(noteName, write(make([]byte, 31))) },
	} {
		must(t, spoil())
		if err := f.Forget(nil, func([]vault.Hash) error { return nil }); err == nil {
			t.Errorf("%s: forgotten", name)
		}
		must(t, f.Remove(noteName))
	}
}

// A file is of its folder's kind and of its name; drafts go, and what is not ours is left alone.
func TestFiles(t *testing.T) {
	v, err := vault.New()
	must(t, err)
	path := t.TempDir()
	must(t, os.WriteFile(filepath.Join(path, ".draft-7"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(path, "thing-01020"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(path, "thing-xy"), nil, 0o600))
	f := opened(t, path, v)
	content := bytes.Repeat([]byte("what is in it "), 10_000)
	must(t, f.Write("thing-0a0b", write(content)))
	must(t, f.Write("thing-0102", write(content)))
	if found, err := f.Named("thing-", 2); err != nil || len(found) != 2 || !bytes.Equal(found[0], []byte{1, 2}) || !bytes.Equal(found[1], []byte{10, 11}) {
		t.Errorf("named %x, %v", found, err)
	}
	if has, err := f.Has(".draft-7"); err != nil || has {
		t.Errorf("the draft is there: %v", err)
	}
	var got []byte
	must(t, f.Read("thing-0102", func(r io.Reader) (err error) {
		got, err = io.ReadAll(r)
		return err
	}))
	if !bytes.Equal(got, content) {
		t.Error("read something else")
	}
	must(t, os.Truncate(f.Path("thing-0102"), 100_000))
	begin := func(r io.Reader) error {
		if err := ReadFull(r, got[:100]); err != nil {
			return err
		}
		return ErrEnough
	}
	if err := f.Read("thing-0102", begin); err != nil || !bytes.Equal(got[:100], content[:100]) {
		t.Errorf("its beginning: %v", err)
	}
	if err := f.Read("thing-0102", func(io.Reader) error { return nil }); !errors.Is(err, vault.ErrAltered) {
		t.Errorf("what is cut: %v", err)
	}
	must(t, os.Rename(f.Path("thing-0a0b"), f.Path("thing-0c0d")))
	if err := f.Read("thing-0c0d", begin); !errors.Is(err, vault.ErrAltered) {
		t.Errorf("under another name: %v", err)
	}
	must(t, os.Rename(f.Path("thing-0c0d"), f.Path("thing-0a0b")))
	if _, err := Open(path, "things", v); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("twice: %v", err)
	}
	must(t, f.Close())
	foreign, err := Open(path, "other things", v)
	must(t, err)
	if err := foreign.Read("thing-0a0b", begin); !errors.Is(err, vault.ErrAltered) {
		t.Errorf("as of another kind: %v", err)
	}
	must(t, foreign.Remove())
	must(t, foreign.Remove("thing-0a0b", "thing-0102", "never there"))
	if has, err := foreign.Has("thing-0a0b"); err != nil || has {
		t.Errorf("removed: %v", err)
	}
	must(t, foreign.Close())
	if _, err := Open(filepath.Join(path, "none"), "things", v); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// A head is read as it was written, and none that is longer than any is.
func TestHead(t *testing.T) {
	type head struct{ Name string }
	out, err := AppendHead([]byte{7}, "test", head{"it"})
	must(t, err)
	var got head
	if err := ReadHead(bytes.NewReader(out[1:]), "test", &got); err != nil || got.Name != "it" {
		t.Errorf("%+v, %v", got, err)
	}
	for name, content := range map[string][]byte{
		"nothing": nil, "cut": out[1 : len(out)-1], "long": {0, 0, 0x10, 1}, "empty": {0, 0, 0, 0},
	} {
		if err := ReadHead(bytes.NewReader(content), "test", &got); err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ReadHead(bytes.NewReader([]byte{0, 0, 0x10, 1}), "test", &got); err == nil || !strings.Contains(err.Error(), "at most 4096") {
		t.Errorf("too long: %v", err)
	}
	if err := ReadHead(bytes.NewReader(out[1:]), "another", &got); err == nil {
		t.Error("of another domain")
	}
	if _, err := AppendHead(nil, "test", head{strings.Repeat("x", MaxHead)}); err == nil {
		t.Error("a head that can't be read was written")
	}
}
