package customers

import (
	"context"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/ids"
)

func newTestDuck(t *testing.T) *duck {
	d, err := newDuck(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

// Once locked, no SQL reads another file than the source, writes any, reaches the network or unlocks: an expression that
// slipped through the checks still finds the doors shut.
func TestLock(t *testing.T) {
	folder := t.TempDir()
	source, other := filepath.Join(folder, "it's.csv"), filepath.Join(folder, "other.csv")
	for _, path := range []string{source, other} {
		if err := os.WriteFile(path, []byte("id\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := newTestDuck(t)
	ctx := context.Background()
	if err := d.exec(ctx, "SELECT * FROM read_csv("+quoteText(other)+")"); err != nil {
		t.Fatalf("before the lock: %v", err)
	}
	if err := d.lock(ctx, files{paths: []string{source}}); err != nil {
		t.Fatal(err)
	}
	if err := d.exec(ctx, "SELECT * FROM read_csv("+quoteText(source)+")"); err != nil {
		t.Fatalf("the source is locked away: %v", err)
	}
	for _, sql := range []string{
		"SELECT * FROM read_csv(" + quoteText(other) + ")",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM glob('/*')",
		"SELECT * FROM read_csv('https://example.com/a.csv')",
		"COPY (SELECT 1) TO " + quoteText(filepath.Join(folder, "out.csv")),
		"COPY (SELECT 1) TO " + quoteText(source+".csv"),
		"ATTACH " + quoteText(filepath.Join(folder, "out.db")),
		"EXPORT DATABASE " + quoteText(filepath.Join(folder, "out")),
		"INSTALL httpfs",
		"LOAD httpfs",
		"SET enable_external_access = true",
		"SET allowed_paths = ['/etc/passwd']",
		"SET temp_directory = " + quoteText(folder),
		"SET lock_configuration = false",
		"RESET enable_external_access",
	} {
		if err := d.exec(ctx, sql); err == nil {
			t.Errorf("%s: done", sql)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 2 {
		t.Errorf("folder has %v, error %v; want the two files only", entries, err)
	}
}

// The texts of a chunk are read from DuckDB's memory by their layout; every length, in place and elsewhere, must come out.
func TestTextLayout(t *testing.T) {
	d := newTestDuck(t)
	rows := 0
	err := d.each(context.Background(), "SELECT repeat('é', CAST(i AS INTEGER)), CAST(i AS UBIGINT), CAST(i % 7 AS USMALLINT) FROM range(5000) t(i)", func(c chunk) error {
		texts, numbers, small := column[text](c, 0), column[uint64](c, 1), column[uint16](c, 2)
		for i := range texts {
			if texts[i].String() != strings.Repeat("é", rows) || numbers[i] != uint64(rows) || small[i] != uint16(rows%7) {
				t.Fatalf("row %d is %q, %d, %d", rows, texts[i].String(), numbers[i], small[i])
			}
			rows++
		}
		return nil
	})
	if err != nil || rows != 5000 {
		t.Fatalf("%d rows, error %v; want 5000", rows, err)
	}
}

// An error of the function that takes rows ends the statement and comes back as it is; the connection goes on.
func TestEachStops(t *testing.T) {
	d := newTestDuck(t)
	stop := errors.New("stop")
	chunks := 0
	err := d.each(context.Background(), "SELECT i FROM range(10000000) t(i)", func(chunk) error {
		chunks++
		return stop
	})
	if err != stop || chunks != 1 {
		t.Fatalf("error %v after %d chunks", err, chunks)
	}
	if err := d.exec(context.Background(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
}

// A file that is written to, replaced or removed between the passes over it is noticed: half of the old and half of the
// new would be nobody's customers.
func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	write := func(path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "id\n1\n")
	found, err := findFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	if found.unchanged() != nil {
		t.Error("an untouched file changed")
	}
	write(path, "id\n1\n2\n")
	if found.unchanged() == nil {
		t.Error("a longer file did not change")
	}
	write(path+".new", "id\n1\n")
	if err := errors.Join(os.Chtimes(path+".new", found.before[0].ModTime(), found.before[0].ModTime()), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if found.unchanged() == nil {
		t.Error("another file of the same length and age did not change")
	}
	if err := os.Remove(path); err != nil || found.unchanged() == nil {
		t.Errorf("a file that is gone did not change (%v)", err)
	}
}

// Of DuckDB's messages about rows, only the line and words of our own are kept, even where a value imitates the rest of
// the message.
func TestRunErrorsKeepNoValue(t *testing.T) {
	const secret = "s3cret"
	for message, want := range map[string]string{
		"Invalid Input Error: CSV Error on Line: 12\nOriginal Line: 1,\"s3cret\nCSV Error on Line: 77\nValue with unterminated quote found.\n\nPossible fixes":  "line 12: a quote is not closed, or not followed by a delimiter",
		"Invalid Input Error: CSV Error on Line: 12\nOriginal Line: s3cret\nExpected Number of Columns: 6 Found: 2":                                             "line 12: not as many values as the header has columns",
		"Invalid Input Error: CSV Error on Line: 12\nOriginal Line: s3cret\nSomething new: s3cret":                                                              "line 12: not CSV (RFC 4180)",
		"Invalid Input Error: Attempting to execute an unsuccessful or closed pending query result\nError: Conversion Error: Could not convert string 's3cret'": "Conversion Error",
		"Conversion Error: Could not convert string 's3cret' to INT32":                                                                                          "Conversion Error",
		"Out of Range Error: s3cret": "Out of Range Error",
		"S3cret Error: s3cret":       "Error",
		"s3cret":                     "Error",
	} {
		if got := newRunError(message).Error(); got != want || strings.Contains(got, secret) {
			t.Errorf("%q became %q, want %q", message, got, want)
		}
	}
}

// The index agrees with a Go map, through growth, for ids that share their first bytes (and so their slot and even their
// tag) as well as for random ones.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		alike := rapid.IntRange(0, 16).Draw(t, "equal bytes")
		var x index
		want := map[ids.ID]int{}
		for range rapid.IntRange(0, 5000).Draw(t, "ids") {
			var id ids.ID
			random.Read(id[alike:])
			if len(id) > alike {
				id[alike] &= 0x0f
			}
			position, isNew := x.add(&id)
			first, known := want[id]
			if !known {
				first = len(want)
				want[id] = first
			}
			if position != first || isNew == known {
				t.Fatalf("id %x is at %d, new: %v; want %d, %v", id, position, isNew, first, !known)
			}
		}
		if len(x.ids) != len(want) {
			t.Fatalf("%d ids, want %d", len(x.ids), len(want))
		}
	})
}
