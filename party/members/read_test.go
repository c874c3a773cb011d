package members

import (
	"bytes"
	"testing"
	"time"
)

// What stands in a file is read within its bounds, whatever it says of its length.
func FuzzReadView(f *testing.F) {
	var b bytes.Buffer
	must(f, writeView(&b, view(1, 1, 130, all)))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()-8])
	f.Add([]byte{0, 0, 4, 1})
	huge := b.Bytes()[:b.Len()-3*8]
	huge = append(bytes.Clone(huge[:len(huge)-8]), 0x20, 0, 0, 0, 0, 0, 0, 0) // 2⁶¹ words, which are 2⁶⁴ bytes: none
	f.Add(huge)
	f.Fuzz(func(t *testing.T, content []byte) {
		r := bytes.NewReader(content)
		head, err := readViewHead(r)
		if err != nil {
			return
		}
		_, _ = takes(r, head, []int64{0, 64, 129, 1 << 40})
	})
}

// The same of snapshots.
func FuzzReadTags(f *testing.F) {
	var b bytes.Buffer
	must(f, writeSnapshotHead(&b, snapshotHead{at(1), 2}))
	f.Add(append(b.Bytes(), make([]byte, 16)...))
	f.Add(b.Bytes())
	f.Add(bytes.Repeat([]byte{0xff}, 30))
	f.Fuzz(func(t *testing.T, content []byte) {
		read := int64(0)
		err := readTags(bytes.NewReader(content), func(head snapshotHead, first int64, tags []byte) error {
			if first != read || len(tags) == 0 {
				t.Errorf("a block of %d bytes at %d after %d", len(tags), first, read)
			}
			read += int64(len(tags) / len(tag{}))
			return nil
		})
		if read*8 > int64(len(content)) || err == nil && int64(len(content)) < 16+8*read {
			t.Errorf("%d tags of %d bytes: %v", read, len(content), err)
		}
	})
}

func BenchmarkKeepSnapshot(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	all := customers(0, 10_000_000)
	b.SetBytes(8 * int64(len(all)))
	n := 0
	for b.Loop() {
		n++
		must(b, s.KeepSnapshot(version(n), all, at(1)))
		b.StopTimer()
		_, err := s.Purge(time.Time{}, nil, false)
		must(b, err)
		b.StartTimer()
	}
}

func BenchmarkViews(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	must(b, s.KeepSnapshot(version(1), customers(0, 10_000_000), at(1)))
	for n := range 10 {
		must(b, s.KeepView(view(n, 1, 10_000_000, all)))
	}
	for b.Loop() {
		if got := numbers(b, s, customer(9_999_999)); len(got) != 10 {
			b.Fatal(got)
		}
	}
}

func BenchmarkForget(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	all := customers(0, 10_000_000)
	must(b, s.KeepSnapshot(version(1), all, at(1)))
	n := 0
	for b.Loop() {
		n++
		must(b, s.Forget(all[n:n+1]))
	}
}

func BenchmarkKeepViewAgain(b *testing.B) {
	s := opened(b, b.TempDir(), fresh(b))
	must(b, s.KeepSnapshot(version(1), customers(0, 1_000_000), at(1)))
	v := view(1, 1, 1_000_000, all)
	for b.Loop() {
		must(b, s.KeepView(v))
	}
}
