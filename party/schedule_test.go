package party

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sotto-dev/sotto/party/audit"
)

// A declared schedule loads the customers anew, and goes on after a load that fails; with a retention they are loaded at least
// daily, and what is kept too long is destroyed at the start and daily.
func TestSchedule(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		wait time.Duration // until the first refresh by schedule
	}{
		"hourly":    {strings.Replace(shopYAML, "customers.csv}", "customers.csv, refresh: 1h}", 1), time.Hour},
		"retention": {shopYAML + "retention: {since: bought, keep_for: 36 months}\n", 24 * time.Hour},
		"both":      {strings.Replace(shopYAML, "customers.csv}", "customers.csv, refresh: 72h}", 1) + "retention: {since: bought, keep_for: 36 months}\n", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.yaml, shopCSV)
			kept := func() int {
				names, err := filepath.Glob(filepath.Join(w.folder, "state", "members", "snapshot-*"))
				w.must(err)
				return len(names)
			}
			w.write("customers.csv", shopCSV+"h,gold,north,1,yes,2026-01-01,2026-02-01\n")
			_, err := w.Refresh(t.Context(), "owner")
			w.must(err)
			w.write("customers.csv", shopCSV)
			_, err = w.Refresh(t.Context(), "owner")
			w.must(err)
			if kept() != 2 {
				t.Fatalf("%d snapshots are stored, want 2", kept())
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					w.keep(ctx)
				}()
				step := func(d time.Duration) {
					w.wait(d)
					time.Sleep(d)
					synctest.Wait()
				}
				synctest.Wait()
				if kept() != 1 {
					t.Errorf("after the start %d snapshots are stored, want the one in use", kept())
				}
				w.write("customers.csv", shopCSV+"g,gold,north,1,yes,2026-01-01,2026-02-01\n")
				step(c.wait - time.Second)
				if got := w.taking("planning"); got != "abcdef" {
					t.Errorf("before the time %s may take part", got)
				}
				step(2 * time.Second)
				if got := w.taking("planning"); got != "abcdefg" {
					t.Errorf("after the first refresh %s may take part", got)
				}
				w.write("customers.csv", "nothing of use")
				step(c.wait)
				if got := w.taking("planning"); got != "abcdefg" {
					t.Errorf("after a refresh that failed %s may take part", got)
				}
				w.write("customers.csv", shopCSV)
				step(c.wait)
				if got := w.taking("planning"); got != "abcdef" {
					t.Errorf("after the third refresh %s may take part", got)
				}
				stop()
				<-done
			})
			failed := 0
			for _, e := range w.entries() {
				if e.Action == audit.Refresh && e.Verdict == audit.Failed && e.Actor == nodeActor {
					failed++
				}
			}
			if failed != 1 {
				t.Errorf("%d refreshes failed on record, want 1", failed)
			}
		})
	}
}
