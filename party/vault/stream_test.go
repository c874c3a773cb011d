package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func sealStream(t testing.TB, v *Vault, context string, salt, plaintext []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := v.newWriter(&out, context, salt)
	must(t, err)
	_, err = w.Write(plaintext)
	must(t, err)
	must(t, w.Close())
	return out.Bytes()
}

func openStream(v *Vault, context string, sealed []byte) ([]byte, error) {
	r, err := v.NewReader(bytes.NewReader(sealed), context)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// A stream comes back whole, however it is cut into writes and reads, at all lengths around the borders of chunks.
func TestStream(t *testing.T) {
	v := fresh(t)
	rapid.Check(t, func(t *rapid.T) {
		near := rapid.IntRange(0, 3).Draw(t, "chunks") * chunkSize
		plaintext := pattern(max(0, near+rapid.IntRange(-2, 2).Draw(t, "more")))
		var out bytes.Buffer
		w, err := v.NewWriter(&out, "context")
		if err != nil {
			t.Fatal(err)
		}
		for rest := plaintext; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 100_000).Draw(t, "write"))
			if got, err := w.Write(rest[:n]); got != n || err != nil {
				t.Fatalf("wrote %d of %d: %v", got, n, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte{1}); err == nil || w.Close() == nil {
			t.Error("goes on after its end")
		}
		chunks := max(1, (len(plaintext)+chunkSize-1)/chunkSize)
		if want := headerSize + len(plaintext) + chunks*tagSize; out.Len() != want {
			t.Errorf("%d bytes, want %d", out.Len(), want)
		}
		var from io.Reader = bytes.NewReader(out.Bytes())
		if rapid.Bool().Draw(t, "halves") {
			from = iotest.HalfReader(from)
		}
		r, err := v.NewReader(from, "context")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d of %d bytes came back, %v", len(got), len(plaintext), err)
		}
	})
}

// Whatever somebody without the key does to a stream is noticed, and nothing that is not of that stream comes out of it.
func TestStreamTampering(t *testing.T) {
	v := fresh(t)
	plaintext := pattern(3*chunkSize + 10)
	salt, salt2 := pattern(saltSize), slices.Repeat([]byte{9}, saltSize)
	sealed := sealStream(t, v, "context", salt, plaintext)
	second := sealStream(t, v, "context", salt2, pattern(3*chunkSize+10))

	const size = chunkSize + tagSize
	chunk := func(of []byte, i int) []byte { return of[headerSize+i*size : min(len(of), headerSize+(i+1)*size)] }
	join := func(parts ...[]byte) []byte { return slices.Concat(append([][]byte{sealed[:headerSize]}, parts...)...) }
	c := [][]byte{chunk(sealed, 0), chunk(sealed, 1), chunk(sealed, 2), chunk(sealed, 3)}
	if !bytes.Equal(join(c...), sealed) || len(c[3]) != 10+tagSize {
		t.Fatal("not how a stream is laid out")
	}
	cases := map[string][]byte{
		"empty":                 {},
		"chunks swapped":        join(c[1], c[0], c[2], c[3]),
		"chunk doubled":         join(c[0], c[0], c[1], c[2], c[3]),
		"chunk left out":        join(c[0], c[2], c[3]),
		"last left out":         join(c[0], c[1], c[2]),
		"last doubled":          join(c[0], c[1], c[2], c[3], c[3]),
		"last only":             join(c[3]),
		"another's chunk":       join(c[0], chunk(second, 1), c[2], c[3]),
		"another's last":        join(c[0], c[1], c[2], chunk(second, 3)),
		"another's header":      slices.Concat(second[:headerSize], sealed[headerSize:]),
		"a byte more":           append(bytes.Clone(sealed), 0),
		"chunk of zeros more":   append(bytes.Clone(sealed), make([]byte, size)...),
		"an empty chunk more":   append(bytes.Clone(sealed), make([]byte, tagSize)...),
		"the whole twice":       append(bytes.Clone(sealed), sealed...),
		"without its magic":     sealed[len(streamMagic):],
		"chunk without its tag": join(c[0][:chunkSize], c[1], c[2], c[3]),
	}
	for _, n := range []int{1, headerSize - 1, headerSize, headerSize + 1, headerSize + size - 1, headerSize + size, headerSize + size + 1, headerSize + 3*size, len(sealed) - 1} {
		cases[fmt.Sprintf("cut to %d bytes", n)] = sealed[:n]
	}
	for name, content := range cases {
		got, err := openStream(v, "context", content)
		if !errors.Is(err, ErrAltered) && !errors.Is(err, ErrOtherKey) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.HasPrefix(plaintext, got) {
			t.Errorf("%s: %d bytes that were not sealed there", name, len(got))
		}
	}
	if _, err := openStream(v, "another context", sealed); !errors.Is(err, ErrAltered) {
		t.Errorf("another context: %v", err)
	}
	if _, err := openStream(fresh(t), "context", sealed); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
}

// No bit of a stream can be changed.
func TestStreamBits(t *testing.T) {
	v := fresh(t)
	sealed := sealStream(t, v, "context", pattern(saltSize), []byte("a few words"))
	for bit := range 8 * len(sealed) {
		if got, err := openStream(v, "context", flipped(sealed, bit)); !errors.Is(err, ErrAltered) && !errors.Is(err, ErrOtherKey) || len(got) > 0 {
			t.Errorf("bit %d flipped: %q, %v", bit, got, err)
		}
	}
	long := sealStream(t, v, "context", pattern(saltSize), pattern(2*chunkSize))
	rapid.Check(t, func(t *rapid.T) {
		bit := rapid.IntRange(0, 8*len(long)-1).Draw(t, "bit")
		if _, err := openStream(v, "context", flipped(long, bit)); err == nil {
			t.Errorf("bit %d flipped", bit)
		}
	})
}

// There is one encoding of a stream: one whose last chunk is empty is refused although it was sealed with the key.
func TestEmptyLastChunk(t *testing.T) {
	v := fresh(t)
	var out bytes.Buffer
	w, err := v.NewWriter(&out, "context")
	must(t, err)
	_, err = w.Write(pattern(chunkSize))
	must(t, err)
	w.flush(false)
	must(t, w.Close())
	if _, err := openStream(v, "context", out.Bytes()); !errors.Is(err, ErrAltered) {
		t.Errorf("opened: %v", err)
	}
}

// Errors of the disk are not taken for an end, on either way.
func TestStreamErrors(t *testing.T) {
	v := fresh(t)
	broken := errors.New("the disk is broken")
	sealed := sealStream(t, v, "context", pattern(saltSize), pattern(chunkSize+5))
	for n := range 5 {
		cut := n * len(sealed) / 5
		r, err := v.NewReader(io.MultiReader(bytes.NewReader(sealed[:cut]), iotest.ErrReader(broken)), "context")
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", cut, err)
		}
	}
	w, err := v.NewWriter(&limited{left: headerSize + 10}, "context")
	must(t, err)
	if _, err := w.Write(pattern(2 * chunkSize)); !errors.Is(err, io.ErrShortWrite) || !errors.Is(w.Close(), io.ErrShortWrite) {
		t.Errorf("a full disk: %v", err)
	}
}

type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// A reader takes any bytes, and nothing but what was sealed comes out of it.
func FuzzReader(f *testing.F) {
	v, err := newVault(pattern(KeySize))
	must(f, err)
	for _, n := range []int{0, 5, chunkSize, chunkSize + 1} {
		f.Add(sealStream(f, v, "context", pattern(saltSize), pattern(n)))
	}
	f.Add([]byte(streamMagic))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		got, err := openStream(v, "context", sealed)
		if !bytes.Equal(got, pattern(len(got))) {
			t.Errorf("%d bytes that nobody sealed", len(got))
		}
		if err == nil && !bytes.Equal(sealed, sealStream(t, v, "context", pattern(saltSize), got)) {
			t.Error("opened what nobody sealed")
		}
	})
}

// The same for records.
func FuzzOpen(f *testing.F) {
	v, err := newVault(pattern(KeySize))
	must(f, err)
	f.Add([]byte{1})
	f.Add(append([]byte{1}, append(v.id[:], make([]byte, 28)...)...))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if _, err := v.Open("context", sealed); err == nil {
			t.Error("opened what nobody sealed")
		}
	})
}
