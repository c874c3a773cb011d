package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/fault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

var now = time.Unix(1_700_000_000, 0)

// question is the n-th, as it was submitted.
func question(n int) store.Query {
	q := store.Query{Analyst: "marketing", Signed: &sottov1.Signed{Body: []byte(fmt.Sprint("question ", n)), Signature: make([]byte, 64)}}
	copy(q.ID[:], fmt.Sprintf("question %8d with a hash of 32 bytes", n))
	return q
}

func answer(n int) *sottov1.ResultResponse {
	return &sottov1.ResultResponse{Session: []byte(fmt.Sprint("session ", n)), Releases: []*sottov1.SealedRelease{{KeyHolder: "a", Sealed: bytes.Repeat([]byte{byte(n)}, 5000)}}}
}

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, s *store.Store, q store.Query) {
	t.Helper()
	if added, err := s.Add(t.Context(), q, now); err != nil || !added {
		t.Fatalf("added: %v, %v", added, err)
	}
}

// stands fails the test unless the question is in the store with that result or failure.
func stands(t *testing.T, s *store.Store, q store.Query, result *sottov1.ResultResponse, failure *sottov1.Failure) {
	t.Helper()
	got, err := s.Get(t.Context(), q.ID)
	must(t, err)
	if got.ID != q.ID || got.Analyst != q.Analyst || !proto.Equal(got.Signed, q.Signed) {
		t.Errorf("the question came back as %+v", got)
	}
	if !proto.Equal(got.Result, result) || (got.Result == nil) != (result == nil) || !proto.Equal(got.Failure, failure) || (got.Failure == nil) != (failure == nil) {
		t.Errorf("%s: result %v, failure %v, want %v, %v", q.Signed.GetBody(), got.Result, got.Failure, result, failure)
	}
	stage := map[bool]sottov1.Stage{true: sottov1.Stage_STAGE_DONE, false: sottov1.Stage_STAGE_QUEUED}[result != nil]
	if failure != nil {
		stage = sottov1.Stage_STAGE_FAILED
	}
	if p := got.Progress(); p.GetStage() != stage || !proto.Equal(p.GetFailure(), failure) {
		t.Errorf("%s: progress is %v, want stage %v", q.Signed.GetBody(), p, stage)
	}
}

// An analyst who comes back finds the answer, or why there is none: both survive a restart, and the first word stands. What
// was under way when the coordinator stopped has failed, in words that say so.
func TestQuestionsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	done, failed, running := question(1), question(2), question(3)
	for _, q := range []store.Query{done, failed, running} {
		add(t, s, q)
		stands(t, s, q, nil, nil)
	}
	why := &sottov1.Failure{Kind: string(fault.Budget), Party: "a", Message: "nothing left", Hint: "ask for less"}
	must(t, s.Done(done.ID, answer(1)))
	must(t, s.Fail(failed.ID, why))
	// What has ended ends in no other way.
	must(t, s.Done(done.ID, answer(9)))
	must(t, s.Fail(done.ID, why))
	must(t, s.Done(failed.ID, answer(9)))
	for range 2 {
		stands(t, s, done, answer(1), nil)
		stands(t, s, failed, nil, why)
		must(t, s.Close())
		s = open(t, path)
	}
	restarted := &sottov1.Failure{Kind: string(fault.Unavailable), Party: "coordinator", Message: "the coordinator was restarted", Hint: "ask again"}
	stands(t, s, running, nil, restarted)
	must(t, s.Done(running.ID, answer(9))) // a late end of what was lost
	stands(t, s, running, nil, restarted)
}

// A question is stored once, whoever sends it again, however many at a time; one that was never asked is not found.
func TestAddedOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	var added atomic.Int32
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			first, err := s.Add(context.Background(), question(1), now)
			if err != nil {
				t.Error(err)
			}
			if first {
				added.Add(1)
			}
		})
	}
	wait.Wait()
	if added.Load() != 1 {
		t.Errorf("added %d times", added.Load())
	}
	must(t, s.Done(question(1).ID, answer(1)))
	if again, err := s.Add(t.Context(), question(1), now); again || err != nil {
		t.Errorf("asked again: added %v, %v", again, err)
	}
	stands(t, s, question(1), answer(1), nil)
	if _, err := s.Get(t.Context(), question(2).ID); !fault.IsKind(err, fault.NotFound) || !strings.Contains(err.Error(), "7175657374696f6e") {
		t.Errorf("error is %v, want fault.NotFound with the identifier", err)
	}
	must(t, s.Done(question(2).ID, answer(2)))
	if _, err := s.Get(t.Context(), question(2).ID); !fault.IsKind(err, fault.NotFound) {
		t.Errorf("the end of what was never asked was stored: %v", err)
	}
	must(t, s.Close())
	if _, err := s.Add(t.Context(), question(3), now); err == nil {
		t.Error("added to a closed store")
	}
	if _, err := s.Get(t.Context(), question(1).ID); err == nil || fault.IsKind(err, fault.NotFound) {
		t.Errorf("a closed store says %v", err)
	}
}

// A file that is not a whole store of this format is not taken for one, nor changed into one.
func TestOpenRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for n := range 30 {
		add(t, s, question(n))
		must(t, s.Done(question(n).ID, answer(n)))
	}
	must(t, s.Close())
	good, err := os.ReadFile(path)
	must(t, err)
	refuse := func(what string, content []byte, want string) {
		t.Helper()
		for _, old := range []string{path, path + "-wal", path + "-shm"} {
			_ = os.Remove(old)
		}
		must(t, os.WriteFile(path, content, 0o600))
		s, err := store.Open(path)
		if err == nil {
			must(t, s.Close())
		}
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", what, err, want)
		}
	}
	refuse("text", bytes.Repeat([]byte("not a database\n"), 100), "not a database")
	refuse("cut", good[:len(good)/2], "malformed")
	damaged := bytes.Clone(good)
	for at := 4096; at < len(damaged); at += 4096 {
		damaged[at] ^= 0x55
	}
	refuse("every page damaged", damaged, "damaged")

	must(t, os.WriteFile(path, good, 0o600))
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path))
	must(t, err)
	_, err = db.Exec("PRAGMA user_version = 3")
	must(t, err)
	must(t, db.Close())
	later, err := os.ReadFile(path)
	must(t, err)
	refuse("a later format", later, "it has format 3, this program reads 2")
	refuse("a later format, again", later, "it has format 3")

	if _, err := store.Open(t.TempDir()); err == nil {
		t.Error("a folder was opened as a store")
	}
	if _, err := store.Open(filepath.Join(t.TempDir(), "none", "store.db")); err == nil {
		t.Error("a store was made in a folder that is none")
	}
}

// Whatever the file is called, it is that very file that is made, and found again.
func TestAnyFileName(t *testing.T) {
	for _, name := range []string{"with space", "Jón 名前", "what?", "?mode=memory", "100%", "a%20b", "a#b", "a&b=c", "a+b;c", ":memory:", "file:x"} {
		t.Chdir(t.TempDir())
		s, err := store.Open(name)
		must(t, err)
		add(t, s, question(1))
		must(t, s.Done(question(1).ID, answer(1)))
		must(t, s.Close())
		s, err = store.Open(name)
		must(t, err)
		stands(t, s, question(1), answer(1), nil)
		must(t, s.Close())
		if entries, err := os.ReadDir("."); err != nil || len(entries) != 1 || entries[0].Name() != name {
			t.Errorf("%q: the folder has %v (%v)", name, entries, err)
		}
	}
}

// Guards what shows a party that its ledger is an older copy: of its releases the one with the longest ledger is kept,
// whatever order they come in, for each party by itself, over a restart.
func TestLastRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := store.Open(path)
	must(t, err)
	release := func(text string) *sottov1.Signed { return &sottov1.Signed{Body: []byte(text), Signature: []byte("s")} }
	check := func(party, want string) {
		t.Helper()
		got, err := s.LastRelease(t.Context(), party)
		must(t, err)
		if string(got.GetBody()) != want {
			t.Errorf("%s: %q, want %q", party, got.GetBody(), want)
		}
	}
	check("bank", "")
	must(t, s.Released("bank", 4, release("fourth")))
	must(t, s.Released("bank", 2, release("second")))
	must(t, s.Released("shop", 1, release("first")))
	check("bank", "fourth")
	must(t, s.Released("bank", 6, release("sixth")))
	must(t, s.Close())
	s, err = store.Open(path)
	must(t, err)
	check("bank", "sixth")
	check("shop", "first")
	check("gym", "")
	must(t, s.Close())
	if err := s.Released("bank", 8, release("eighth")); err == nil {
		t.Error("a closed store keeps releases")
	}
}
