package vault

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// words returns a writer of a text.
func words(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// content reads a file of a context.
func content(v *Vault, path, context string) (text string, err error) {
	err = v.ReadFile(path, context, func(r io.Reader) error {
		b, err := io.ReadAll(r)
		text = string(b)
		return err
	})
	return text, err
}

// A file is its owner's alone, comes back under its key and context, shows nothing of what is in it, and gives way to a new one.
func TestFile(t *testing.T) {
	v, path := fresh(t), filepath.Join(t.TempDir(), "notes")
	for _, text := range []string{"the first text", "the second text, which is longer"} {
		must(t, v.WriteFile(path, "notes", words(text)))
		if got, err := content(v, path, "notes"); err != nil || got != text {
			t.Errorf("%q, %v", got, err)
		}
		if raw, err := os.ReadFile(path); err != nil || bytes.Contains(raw, []byte("text")) {
			t.Errorf("the file shows what is in it (%v)", err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode(), err)
	}
	if _, err := content(v, path, "other"); !errors.Is(err, ErrAltered) {
		t.Errorf("another context: %v", err)
	}
	if _, err := content(fresh(t), path, "notes"); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	if _, err := content(v, path+"2", "notes"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// A file whose end is damaged is refused also if the reader did not want its end.
func TestReadFileToItsEnd(t *testing.T) {
	v, path := fresh(t), filepath.Join(t.TempDir(), "notes")
	must(t, v.WriteFile(path, "notes", func(w io.Writer) error {
		_, err := w.Write(pattern(3 * chunkSize))
		return err
	}))
	raw, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, flipped(raw, 8*len(raw)-1), 0o600))
	first := func(r io.Reader) error {
		_, err := io.ReadFull(r, make([]byte, 10))
		return err
	}
	if err := v.ReadFile(path, "notes", first); !errors.Is(err, ErrAltered) {
		t.Errorf("damaged at its end: %v", err)
	}
	mine := errors.New("mine")
	if err := v.ReadFile(path, "notes", func(io.Reader) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// What fails leaves what was there, and nothing else.
func TestWriteFileFails(t *testing.T) {
	folder := t.TempDir()
	v, path := fresh(t), filepath.Join(folder, "notes")
	must(t, v.WriteFile(path, "notes", words("old")))
	mine := errors.New("mine")
	err := v.WriteFile(path, "notes", func(w io.Writer) error { return errors.Join(words("new")(w), mine) })
	if !errors.Is(err, mine) {
		t.Errorf("error is %v", err)
	}
	if got, err := content(v, path, "notes"); err != nil || got != "old" {
		t.Errorf("%q, %v", got, err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
	if err := v.WriteFile(filepath.Join(folder, "none", "notes"), "notes", words("new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

const (
	// victimFolder names, in the environment, the folder in which this test binary is to replace a file.
	victimFolder = "SOTTO_TEST_VICTIM_FOLDER"
	// victimPoint says at which point it kills itself.
	victimPoint = "SOTTO_TEST_VICTIM_POINT"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(victimFolder); folder != "" {
		v, err := newVault(pattern(KeySize))
		if err != nil {
			os.Exit(1)
		}
		v.Trace(func(point string) {
			if point == os.Getenv(victimPoint) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // until it arrives
			}
		})
		_ = v.WriteFile(filepath.Join(folder, "notes"), "notes", words("new"))
		return
	}
	os.Exit(m.Run())
}

// A process that is killed while it replaces a file leaves the old one or the new one, and what else it leaves can be removed.
func TestWriteFileKilled(t *testing.T) {
	v, err := newVault(pattern(KeySize))
	must(t, err)
	for point, want := range map[string]string{
		"file: begun": "old", "file: written": "old", "file: synced": "old", "file: renamed": "new", "file: kept": "new",
	} {
		folder := filepath.Join(t.TempDir(), "[a*b?")
		must(t, os.Mkdir(folder, 0o700))
		path := filepath.Join(folder, "notes")
		must(t, v.WriteFile(path, "notes", words("old")))
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), victimFolder+"="+folder, victimPoint+"="+point)
		if err := command.Run(); err == nil {
			t.Errorf("%s: not killed", point)
		}
		if entries, _ := os.ReadDir(folder); (len(entries) == 2) != (want == "old") {
			t.Errorf("%s: left %v", point, entries)
		}
		must(t, RemoveLeftovers(folder))
		if got, err := content(v, path, "notes"); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", point, got, err, want)
		}
		if entries, _ := os.ReadDir(folder); len(entries) != 1 {
			t.Errorf("%s: left %v", point, entries)
		}
	}
}

// Files are removed where they are, and one that is gone is no error.
func TestRemoveFiles(t *testing.T) {
	v, folder := fresh(t), t.TempDir()
	path, other := filepath.Join(folder, "notes"), filepath.Join(folder, "other")
	must(t, v.WriteFile(path, "notes", words("text")))
	must(t, v.WriteFile(other, "other", words("text")))
	must(t, RemoveFiles(folder, path, path))
	if entries, _ := os.ReadDir(folder); len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("left %v", entries)
	}
}
