package journal_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sotto-dev/sotto/internal/journal"
)

// Many at a time append: no row is lost, none is there twice, what one appended at once stays together, and each finds its
// rows in the order of its calls. Those who read meanwhile, here or beside it, see a whole journal and disturb nobody.
func TestConcurrent(t *testing.T) {
	const workers, calls = 16, 20
	path := create(t, 0)
	j := open(t, path)
	var writers, watchers sync.WaitGroup
	for worker := range workers {
		writers.Go(func() {
			for n := range calls {
				must(t, j.Append(fmt.Appendf(nil, "%d %d a", worker, n), fmt.Appendf(nil, "%d %d b", worker, n)))
			}
		})
	}
	done, stop := context.WithCancel(t.Context())
	watchers.Go(func() {
		for done.Err() == nil {
			before := j.Head().Rows
			if rows := len(contents(t, j)); int64(rows) < before || rows%2 != 0 {
				t.Errorf("%d rows are seen after %d", rows, before)
			}
		}
	})
	watchers.Go(func() {
		for done.Err() == nil {
			before := j.Head().Rows
			reader, err := journal.OpenReadOnly(path, kind)
			if err != nil {
				t.Errorf("read beside the writer: %v", err)
				return
			}
			if rows := int64(len(contents(t, reader))); rows < before || rows != reader.Head().Rows {
				t.Errorf("%d rows are read after %d", rows, before)
			}
			must(t, reader.Close())
		}
	})
	writers.Wait()
	stop()
	watchers.Wait()
	records := contents(t, j)
	if len(records) != 2*workers*calls {
		t.Fatalf("%d rows, want %d", len(records), 2*workers*calls)
	}
	var next [workers]int
	for i := 0; i < len(records); i += 2 {
		var worker, n int
		_, err := fmt.Sscanf(records[i], "%d %d a", &worker, &n)
		must(t, err)
		if n != next[worker] || records[i+1] != strings.Replace(records[i], "a", "b", 1) {
			t.Errorf("rows %d and %d are %q and %q, want call %d of worker %d", i+1, i+2, records[i], records[i+1], next[worker], worker)
		}
		next[worker]++
	}
}
