package journal_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/journal"
)

// Whoever changes rows is found out, and the first row that is not what it was is named; or, where the rest is whole, the
// rows that are missing.
func TestChangedRows(t *testing.T) {
	path := create(t, 20)
	good := take(t, path)
	const swap = "UPDATE rows SET seq = 99 WHERE seq = 11; UPDATE rows SET seq = 11 WHERE seq = 12; UPDATE rows SET seq = 12 WHERE seq = 99"
	for statement, want := range map[string]string{
		"UPDATE rows SET record = CAST('x' || substr(record, 2) AS BLOB) WHERE seq = 17": "row 17 is not",
		"UPDATE rows SET record = CAST(record || 'x' AS BLOB) WHERE seq = 17":            "row 17 is not",
		"UPDATE rows SET record = x'' WHERE seq = 1":                                     "row 1 is not",
		"UPDATE rows SET record = zeroblob(length(record)) WHERE seq = 20":               "row 20 is not",
		"UPDATE rows SET hash = zeroblob(32) WHERE seq = 5":                              "row 5 is not",
		"UPDATE rows SET hash = x'' WHERE seq = 20":                                      "row 20 is not",
		"UPDATE rows SET hash = CAST(hash || x'00' AS BLOB) WHERE seq = 3":               "row 3 is not",
		"UPDATE rows SET hash = substr(hash, 1, 31) WHERE seq = 3":                       "row 3 is not",
		"UPDATE rows SET seq = 0 WHERE seq = 1":                                          "row 1 is not",
		"UPDATE rows SET seq = -9223372036854775808 WHERE seq = 1":                       "row 1 is not",
		"UPDATE rows SET seq = 21 WHERE seq = 20":                                        "row 20 is not",
		"DELETE FROM rows WHERE seq = 1":                                                 "row 1 is not",
		"DELETE FROM rows WHERE seq = 9":                                                 "row 9 is not",
		"DELETE FROM rows WHERE seq = 9; UPDATE rows SET seq = seq - 1 WHERE seq > 9":    "row 9 is not",
		"INSERT INTO rows SELECT 0, record, hash FROM rows WHERE seq = 1":                "row 1 is not",
		"INSERT INTO rows SELECT -7, x'00', hash FROM rows WHERE seq = 1":                "row 1 is not",
		"INSERT INTO rows SELECT 21, record, hash FROM rows WHERE seq = 20":              "row 21 is not",
		swap:                              "row 11 is not",
		"DELETE FROM rows WHERE seq = 20": "it has 19 rows, but 20 are known to have been written",
		"DELETE FROM rows WHERE seq > 10": "it has 10 rows, but 20 are known to have been written",
		"DELETE FROM rows":                "it has 0 rows, but 20 are known to have been written",
		"DROP TABLE rows":                 "no such table",
		"PRAGMA user_version = 2":         "it has format 2, this program reads 1",
	} {
		good.put(t, path)
		change(t, path, statement)
		for what, open := range openers {
			j, err := open(path, kind)
			if err == nil {
				must(t, j.Close())
			}
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %s: error is %v, want one of %q that names the file", statement, what, err, want)
			}
		}
	}
	good.put(t, path)
	change(t, path) // the changes above are what is refused
	must(t, open(t, path).Close())
}

// A row that is changed while the journal is open is not handed out.
func TestChangedWhileOpen(t *testing.T) {
	path := create(t, 5)
	j := open(t, path)
	change(t, path, "UPDATE rows SET record = x'00' WHERE seq = 4")
	rows := int64(0)
	err := j.Each(func(row int64, _ []byte) error {
		rows = row
		return nil
	})
	if !fault.IsKind(err, fault.Internal) || !strings.Contains(err.Error(), "row 4 is not what was written") || rows > 3 {
		t.Errorf("after row %d: error is %v", rows, err)
	}
	change(t, path, "DELETE FROM rows")
	if err := j.Each(func(int64, []byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "row 1 is missing") {
		t.Errorf("without rows: error is %v", err)
	}
}

// A head file that is missing, cut or another's is refused, and so is an older copy of the journal beside it; an owner may
// say, with an empty one, that nothing is known.
func TestHeadFile(t *testing.T) {
	path := create(t, 3)
	good := take(t, path)
	j := open(t, path)
	must(t, j.Append([]byte("fourth")))
	must(t, j.Close())
	newer := take(t, path)
	other := create(t, 4)
	j = open(t, other)
	must(t, j.Append([]byte("another")))
	must(t, j.Close())
	for what, c := range map[string]struct {
		files files
		want  string
	}{
		"missing":             {newer.with("-head", nil), "make an empty file in its place"},
		"cut":                 {newer.with("-head", newer["-head"][:10]), "-head is damaged"},
		"zeros":               {newer.with("-head", make([]byte, 8192)), "-head is damaged"},
		"older copy":          {newer.with("", good[""]), "it has 3 rows, but 4 are known to have been written"},
		"another, shorter":    {newer.with("-head", take(t, other)["-head"]), "it has 4 rows, but 5 are known to have been written"},
		"another's":           {take(t, other).with("-head", newer["-head"]), "its row 4 is not the one that is known"},
		"the journal is gone": {newer.with("", nil), "restore it"},
	} {
		for how, open := range openers {
			c.files.put(t, path)
			if j, err := open(path, kind); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: error is %v, want %q", what, how, err, c.want)
				_ = j.Close()
			}
		}
	}
	newer.with("-head", []byte{}).put(t, path)
	j = open(t, path)
	must(t, j.Append([]byte("fifth"))) // from here on it is known
	must(t, j.Close())
	take(t, path).with("", newer[""]).put(t, path)
	if _, err := journal.Open(path, kind); err == nil || !strings.Contains(err.Error(), "it has 4 rows, but 5 are known") {
		t.Errorf("an older copy: error is %v", err)
	}
}

// A power cut while the head file is written leaves what it said before, which is still true.
func TestTornHead(t *testing.T) {
	path := create(t, 3)
	j := open(t, path)
	place := filepath.Join(t.TempDir(), "audit.db")
	for n := range 4 {
		older := take(t, path)
		must(t, j.Append(record(3+n)))
		newer := take(t, path)
		head := bytes.Clone(newer["-head"])
		for at := range head {
			if at >= len(older["-head"]) || head[at] != older["-head"][at] {
				head[at] ^= 0xff
			}
		}
		for what, rows := range map[string]int64{"newer": 4, "older": 3} {
			map[string]files{"newer": newer, "older": older}[what].with("-head", head).put(t, place)
			torn, err := journal.Open(place, kind)
			if err != nil || torn.Head().Rows != rows+int64(n) {
				t.Fatalf("row %d, %s: %v", 4+n, what, err)
			}
			must(t, torn.Close())
		}
	}
}

// A damaged file is refused, or the damage is where nothing is kept and everything reads as it was: bits are flipped in every
// part of a journal, its write-ahead log and its head file included. There is no third way.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	tries, random := 60, rand.New(rand.NewPCG(1, 2))
	if long {
		tries = 6000
	}
	path := create(t, 120)
	j := open(t, path)
	want := contents(t, j)
	must(t, j.Close())
	closed := take(t, path)
	j = open(t, path) // half of the history in the file, half in the log of a process that was killed
	for n := range 120 {
		must(t, j.Append(record(120+n)))
	}
	wantCrashed := contents(t, j)
	killed := take(t, path)
	place := filepath.Join(t.TempDir(), "audit.db")
	for _, c := range []struct {
		name   string
		files  files
		suffix string
		want   []string
		least  float64 // share that must be refused; less would mean that the test does not reach what is kept
	}{
		{"file", closed, "", want, 0.4},
		{"log", killed, "-wal", wantCrashed, 0.9},
		{"head", closed, "-head", want, 0}, // its other place says enough
	} {
		refused := 0
		for range tries {
			bit := random.IntN(8 * len(c.files[c.suffix]))
			c.files.with(c.suffix, flipped(c.files[c.suffix], bit)).put(t, place)
			j, err := journal.Open(place, kind)
			if err != nil {
				refused++
				continue
			}
			if got := contents(t, j); !slices.Equal(got, c.want) {
				t.Errorf("%s: with bit %d of byte %d flipped it opens with %d rows instead of %d", c.name, bit%8, bit/8, len(got), len(c.want))
			}
			must(t, j.Close())
		}
		if t.Logf("%s: %d of %d refused", c.name, refused, tries); float64(refused) < c.least*float64(tries) {
			t.Errorf("%s: %d of %d were refused", c.name, refused, tries)
		}
	}
}

// A file that is cut anywhere is refused, and so is a write-ahead log that has lost rows which were said to be durable.
func TestTruncated(t *testing.T) {
	path := create(t, 60)
	j := open(t, path)
	must(t, j.Append([]byte("in the log")))
	before := take(t, path)["-wal"]
	must(t, j.Append([]byte("last in the log")))
	killed := take(t, path)
	must(t, j.Close())
	closed := take(t, path)
	place := filepath.Join(t.TempDir(), "audit.db")
	for length := 0; length < len(closed[""]); length += 1000 {
		closed.with("", closed[""][:length]).put(t, place)
		if j, err := journal.Open(place, kind); err == nil {
			t.Errorf("cut at byte %d of %d: opened", length, len(closed[""]))
			_ = j.Close()
		}
	}
	for length := 0; length < len(killed["-wal"]); length += 500 {
		killed.with("-wal", killed["-wal"][:length]).put(t, place)
		if j, err := journal.Open(place, kind); err == nil || !strings.Contains(err.Error(), "but 62 are known") {
			t.Errorf("log cut at byte %d of %d: error is %v", length, len(killed["-wal"]), err)
			_ = j.Close()
		}
	}
	if len(before) >= len(killed["-wal"]) || !bytes.HasPrefix(killed["-wal"], before) {
		t.Error("the log did not grow: the test shows little")
	}
}
