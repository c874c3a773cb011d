package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sotto-dev/sotto/internal/journal"
)

// Whatever is done in whatever order, also across restarts and crashes, a journal holds what a list would, and the same
// records in the same order lead to the same head.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		folder, err := os.MkdirTemp("", "journal")
		must(t, err)
		defer os.RemoveAll(folder)
		path := filepath.Join(folder, "audit.db")
		must(t, journal.Create(path, kind))
		j, err := journal.Open(path, kind)
		must(t, err)
		defer func() { _ = j.Close() }()
		var model []string
		crashes := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				group := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), -1, 3000), 0, 4).Draw(t, "records")
				must(t, j.Append(group...))
				for _, record := range group {
					model = append(model, string(record))
				}
			},
			"reopen": func(t *rapid.T) {
				head := j.Head()
				must(t, j.Close())
				j, err = journal.Open(path, kind)
				must(t, err)
				if j.Head() != head {
					t.Fatalf("reopened, the head is %v, was %v", j.Head(), head)
				}
			},
			"crash": func(t *rapid.T) { // the files as a process that is killed leaves them
				killed := take(t, path)
				must(t, j.Close())
				path = filepath.Join(folder, fmt.Sprint("crashed ", crashes))
				crashes++
				killed.put(t, path)
				j, err = journal.Open(path, kind)
				must(t, err)
			},
			"read beside": func(t *rapid.T) {
				reader, err := journal.OpenReadOnly(path, kind)
				must(t, err)
				if got := contents(t, reader); !slices.Equal(got, model) || reader.Head() != j.Head() {
					t.Fatalf("a reader finds %d records, want %d", len(got), len(model))
				}
				must(t, reader.Close())
			},
			"": func(t *rapid.T) {
				if got := contents(t, j); !slices.Equal(got, model) {
					t.Fatalf("%d records, want %d", len(got), len(model))
				}
				if j.Head().Rows != int64(len(model)) {
					t.Fatalf("the head is of %d rows, want %d", j.Head().Rows, len(model))
				}
			},
		})
		again := filepath.Join(folder, "again.db") // all at once, not bit by bit
		must(t, journal.Create(again, kind))
		other, err := journal.Open(again, kind)
		must(t, err)
		defer other.Close()
		var records [][]byte
		for _, record := range model {
			records = append(records, []byte(record))
		}
		if must(t, other.Append(records...)); other.Head() != j.Head() {
			t.Fatalf("the same records lead to %v and %v", other.Head(), j.Head())
		}
	})
}
