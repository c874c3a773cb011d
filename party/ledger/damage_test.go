package ledger_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/party/ledger"
)

// long is whether the long variants of the tests are wanted.
var long = os.Getenv("SOTTO_LONG") != ""

const page = 4096

// state is all that can be read from a ledger.
type state struct {
	head  ledger.Head
	usage [6]ledger.Usage
	bytes [120]string
}

func stateOf(t *testing.T, l *ledger.Ledger) (s state) {
	t.Helper()
	s.head = l.Head()
	copy(s.usage[:], l.Usage(windows, nil, begun))
	for n := range s.bytes {
		sealed, err := l.Released(t.Context(), charge(n, 1).Session)
		must(t, err)
		s.bytes[n] = string(sealed)
	}
	return s
}

// A damaged file is refused, or the damage is where nothing is kept and everything reads as it was: bits are flipped in every
// part of a ledger, its write-ahead log and its head file included. There is no third way.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	path, _ := filled(t, 120)
	tries, random := 80, rand.New(rand.NewPCG(1, 2))
	if long {
		tries = 8000
	}
	l := open(t, path)
	want := stateOf(t, l)
	must(t, l.Close())
	closed := take(t, path)

	// Half of the history in the file, half in the log of a process that was killed.
	crashed, _ := filled(t, 60)
	l = open(t, crashed)
	for n := 60; n < 120; n++ {
		c := charge(n, 1000)
		must(t, l.Reserve(t.Context(), c, wide))
		if n%3 == 1 {
			must(t, l.Lapse(c.Session))
		} else {
			must(t, release(l, c))
		}
	}
	wantCrashed := stateOf(t, l)
	killed := take(t, crashed)

	place := filepath.Join(t.TempDir(), "ledger.db")
	for _, c := range []struct {
		name   string
		files  files
		suffix string
		want   state
		least  float64 // share that must be refused; less would mean that the test does not reach what is kept
	}{
		{"file", closed, "", want, 0.6},
		{"file beside a log", killed, "", wantCrashed, 0.4}, // pages that are in the log are not read
		{"log", killed, "-wal", wantCrashed, 0.9},           // all of it is in SQLite's sums, and what comes after a wrong one is lost
		{"head", closed, "-head", want, 0},                  // its other place says enough
	} {
		l, err := c.files.try(t, place)
		must(t, err)
		if stateOf(t, l) != c.want {
			t.Fatalf("%s: undamaged it is not as it was", c.name)
		}
		must(t, l.Close())
		refused := 0
		for range tries {
			bit := random.IntN(8 * len(c.files[c.suffix]))
			l, err := c.files.with(c.suffix, flipped(c.files[c.suffix], bit)).try(t, place)
			if err != nil {
				refused++
				if !strings.Contains(err.Error(), place) {
					t.Errorf("%s: error %v does not name the file", c.name, err)
				}
				continue
			}
			if got := stateOf(t, l); got != c.want {
				t.Errorf("%s: with bit %d of byte %d flipped it opens with %d rows instead of %d", c.name, bit%8, bit/8, got.head.Rows, c.want.head.Rows)
			}
			must(t, l.Close())
		}
		t.Logf("%s: %d of %d refused", c.name, refused, tries)
		if float64(refused) < c.least*float64(tries) {
			t.Errorf("%s: %d of %d were refused", c.name, refused, tries)
		}
	}
}

// Each value that a row or a release consists of is watched over, wherever the file has it.
func TestFlippedValues(t *testing.T) {
	path, _ := filled(t, 9)
	l := open(t, path)
	want := stateOf(t, l)
	must(t, l.Close())
	good := take(t, path)
	c := charge(3, 1000)
	for name, value := range map[string][]byte{
		"session": c.Session[:], "question": c.Query[:], "analyst": []byte("marketing"), "organisation": []byte("agency"), "purpose": []byte("planning"),
		"measure": []byte("count"), "mechanism": []byte("laplace"), "reserved": []byte("reserved"), "released": []byte("released"), "lapsed": []byte("lapsed"),
		"ε": {0x03, 0xe8}, "stored bytes": stored(c)[500:516], "table": []byte("micro_epsilon"),
	} {
		found := 0
		for at := bytes.Index(good[""], value); at >= 0; {
			found++
			l, err := good.with("", flipped(good[""], 8*at+2)).try(t, path)
			if err == nil {
				if stateOf(t, l) != want {
					t.Errorf("%s at %d: not noticed", name, at)
				}
				must(t, l.Close())
			}
			next := bytes.Index(good[""][at+1:], value)
			if next < 0 {
				break
			}
			at += 1 + next
			if !long && found == 5 {
				break
			}
		}
		if found == 0 {
			t.Errorf("%s is not in the file", name)
		}
	}
}

// A file that is cut, empty or foreign is refused.
func TestTruncated(t *testing.T) {
	path, _ := filled(t, 60)
	good := take(t, path)
	refused := func(what string, suffix string, content []byte) {
		t.Helper()
		l, err := good.with(suffix, content).try(t, path)
		if err == nil {
			must(t, l.Close())
			t.Errorf("%s: opened", what)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v does not name the file", what, err)
		}
	}
	file := good[""]
	for length := page; length < len(file); length += page {
		refused("cut at a page", "", file[:length])
		refused("cut within a page", "", file[:length+1000])
	}
	refused("cut by a byte", "", file[:len(file)-1])
	refused("cut in its first page", "", file[:50])
	refused("empty", "", []byte{})
	refused("missing", "", nil)
	refused("text", "", []byte("name: phoneco\n"))
	refused("zeros", "", make([]byte, len(file)))

	refused("head missing", "-head", nil)
	refused("head cut", "-head", good["-head"][:10])
	refused("head foreign", "-head", []byte("name: phoneco\n"))
	refused("head zeros", "-head", make([]byte, 2*page))
	l, err := good.with("-head", []byte{}).try(t, path) // the owner says that nothing is known
	must(t, err)
	if l.Head().Rows != 120 {
		t.Errorf("%d rows, want 120", l.Head().Rows)
	}
	must(t, l.Reserve(t.Context(), charge(1000, 1), wide)) // from here on it is
	must(t, l.Close())
	take(t, path).with("", file).put(t, path)
	for _, open := range []func(string) (*ledger.Ledger, error){ledger.OpenReadOnly, ledger.Open} {
		if l, err := open(path); err == nil || !strings.Contains(err.Error(), "it has 120 rows, but 121 are known") {
			t.Errorf("an older copy: error is %v", err)
			_ = l.Close()
		}
	}
}

// A power cut while the head file is written leaves what it said before, which is still true.
func TestTornHead(t *testing.T) {
	path, _ := filled(t, 3)
	l := open(t, path)
	for n := range 4 {
		older, before := take(t, path), l.Head()
		must(t, l.Reserve(t.Context(), charge(100+n, 1), wide))
		newer := take(t, path)
		head := bytes.Clone(newer["-head"])
		for at := range head {
			if at >= len(older["-head"]) || head[at] != older["-head"][at] {
				head[at] ^= 0xff
			}
		}
		place := filepath.Join(t.TempDir(), "ledger.db")
		for what, f := range map[string]files{"newer": newer, "older": older} {
			torn, err := f.with("-head", head).try(t, place)
			if err != nil {
				t.Fatalf("row %d, %s: %v", n, what, err)
			}
			must(t, torn.Check(before))
			must(t, torn.Close())
		}
		f := older.with("-head", head)
		if _, err := f.with("-wal", f["-wal"][:max(0, len(f["-wal"])-page)]).try(t, place); err == nil && n > 0 {
			t.Errorf("row %d: a log that has lost more than that is opened", n)
		}
	}
}

// The write-ahead log may be cut by a crash where nothing was said to be durable. Cut further back it has lost rows that were,
// and is refused; so is a ledger without its log.
func TestTornLog(t *testing.T) {
	path := create(t)
	l := open(t, path)
	type moment struct {
		log  int // length
		head []byte
		ledger.Head
	}
	var moments []moment
	note := func() {
		f := take(t, path)
		moments = append(moments, moment{len(f["-wal"]), f["-head"], l.Head()})
	}
	note()
	sessions := 6
	if long {
		sessions = 40
	}
	for n := range sessions {
		c := charge(n, 1000)
		must(t, l.Reserve(t.Context(), c, wide))
		note()
		must(t, release(l, c))
		note()
	}
	killed := take(t, path)
	last := moments[len(moments)-1]
	log := killed["-wal"]
	place := filepath.Join(t.TempDir(), "ledger.db")
	const header, frame = 32, 24 + page
	for length := 0; length <= len(log); length++ {
		if at := (length - header) % frame; length > header && at != 0 && at != 1 && at != frame/2 && at != frame-1 {
			continue // at the ends of frames, about them, and within
		} else if length < header && length%11 != 0 {
			continue
		}
		// A crash: the head file says what was durable when the log was that long.
		var then moment
		for _, m := range moments {
			if m.log <= length {
				then = m
			}
		}
		if then.head == nil {
			then = moments[0]
		}
		cut := killed.with("-wal", log[:length])
		l, err := cut.with("-head", then.head).try(t, place)
		if err != nil {
			t.Errorf("crash at byte %d of the log: %v", length, err)
		} else {
			if err := l.Check(then.Head); err != nil {
				t.Errorf("crash at byte %d of the log: %v", length, err)
			}
			must(t, l.Close())
		}
		// A loss: the log once was longer.
		l, err = cut.try(t, place)
		if (err == nil) != (length >= last.log) {
			t.Errorf("log cut at byte %d of %d: error is %v", length, len(log), err)
		}
		if err == nil {
			must(t, l.Close())
		}
		if length >= last.log {
			break
		}
	}
	if _, err := killed.with("-wal", nil).try(t, place); err == nil || !strings.Contains(err.Error(), "are known to have been written") {
		t.Errorf("without the log: error is %v", err)
	}
}
