package party

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/subjects"
)

// Where the disk fails after an erasure was recorded, whoever asked is told that it failed; yet the person is in no question from
// then on, and what is stored of them goes with the next refresh or start, though they ask under another id than the one it is
// stored by, and others' requests come between.
func TestErasureFails(t *testing.T) {
	for what, next := range map[string]func(w *world){
		"refresh": func(w *world) {
			_, err := w.Refresh(t.Context(), "owner")
			w.must(err)
		},
		"restart": func(w *world) {
			w.end()
			w.begin()
		},
	} {
		w := newWorld(t, accessYAML, accessCSV)
		w.asked("planning")
		broken := filepath.Join(state.Members(w.state.Folder), "forget") // a folder where a file should be
		w.must(os.Mkdir(broken, 0o700))
		if _, err := w.Hear("owner", subjects.Erase, "", "", []string{"030 1000001"}, w.now()); err == nil {
			t.Fatal("no error")
		}
		if got := w.taking("planning"); got != "bert@x.decleo@x.dedora@x.de" {
			t.Errorf("%s may take part", got)
		}
		w.must(os.Remove(broken))
		w.hear(subjects.Withdraw, "ads", "bert@x.de")
		rows := w.state.Audit.Head().Rows
		next(w)
		w.checkErased("anna@x.de", "030 1000001")
		if !w.recorded(rows, audit.Complete) {
			t.Errorf("%s: it is not on record", what)
		}
		rows = w.state.Audit.Head().Rows
		w.end()
		w.begin()
		if w.recorded(rows, audit.Complete) {
			t.Errorf("%s: it is done once more", what)
		}
	}
}

// A question whose view can't be kept is not answered, and is on record as one that failed.
func TestViewIsNotKept(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	all, err := filepath.Glob(filepath.Join(state.Members(w.state.Folder), "snapshot-*"))
	w.must(err)
	for _, path := range all {
		w.must(os.Remove(path))
	}
	if _, err := w.prepare(w.question("planning"), w.keys["ana"]); !fault.IsKind(err, fault.Internal) {
		t.Errorf("error is %v", err)
	}
	entries := w.entries()
	if last := entries[len(entries)-1]; last.Action != audit.Question || last.Verdict != audit.Failed || last.Actor != "ana" {
		t.Errorf("recorded %+v", last)
	}
	if n := w.Sessions(); n > 0 {
		t.Errorf("%d sessions are left", n)
	}
	_, err = w.Refresh(t.Context(), "owner") // which keeps them again
	w.must(err)
	w.asked("planning")
}

// A question that is being prepared over customers of before finds them stored, whoever has the node purge meanwhile.
func TestPurgeWhilePreparing(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	w.end()
	purged := make(chan error, 1)
	meanwhile := sync.OnceFunc(func() {
		w.hear(subjects.Erase, "", "a") // the customers are others now, and no view refers to those of before
		go func() {
			_, err := w.Purge("owner", false)
			purged <- err
		}()
		select {
		case err := <-purged: // it should wait, and does so until this question is over
			purged <- err
		case <-time.After(50 * time.Millisecond):
		}
	})
	w.trace = func(point string) {
		if point == "prepare: checked" {
			meanwhile()
		}
	}
	w.begin()
	w.asked("planning")
	w.must(<-purged)
}
