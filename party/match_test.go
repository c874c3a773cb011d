package party

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/customers"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// request is one for a matching, as an analyst signs it.
func (w *world) request() *sottov1.MatchPrepareRequest {
	session := protocol.NewSession()
	return &sottov1.MatchPrepareRequest{
		Session: session[:], Matching: protocol.Sign(w.keys["ana"], protocol.NewMatching(w.agreement, "ana", w.now())),
	}
}

// Guards the secrets of a matching, which must not outlast it: in whatever way it ends, nothing can be done with it any more, what was
// reserved is given back, and the next one can begin.
func TestEndedMatchingIsErased(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	connection := new(byte)
	for name, end := range map[string]func(r *sottov1.MatchPrepareRequest) error{
		"forgotten by the coordinator": func(r *sottov1.MatchPrepareRequest) error {
			_, err := w.Forget(t.Context(), &sottov1.ForgetRequest{Session: r.Session})
			return err
		},
		"closed": func(*sottov1.MatchPrepareRequest) error { w.Close(); return nil },
		"connection broken": func(*sottov1.MatchPrepareRequest) error {
			w.endWhere(func(c any) bool { return c == any(connection) }, fault.New(fault.Unavailable, "the connection broke"))
			return nil
		},
		"broken off by a wrong call": func(r *sottov1.MatchPrepareRequest) error {
			_, err := w.MatchApprove(t.Context(), &sottov1.MatchApproveRequest{Session: r.Session})
			if !fault.IsKind(err, fault.Protocol) {
				t.Errorf("approving before there is a spine: %v", err)
			}
			return nil
		},
	} {
		r := w.request()
		if _, err := w.MatchPrepare(context.WithValue(t.Context(), connectionKey{}, connection), r); err != nil {
			t.Fatal(name, err)
		}
		run := w.Node.matching.Run
		w.must(end(r))
		err := run.Send(protocol.ListID{Pass: protocol.PassTokens, Owner: 1}, nil)
		if err == nil || !strings.Contains(err.Error(), "has ended") {
			t.Errorf("%s: a list can still be asked for: %v", name, err)
		}
		if w.Node.matching != nil {
			t.Errorf("%s: the matching is still under way", name)
		}
		for _, u := range w.state.Ledger.Usage(w.limits("agency"), nil, w.now()) {
			if u.Reserved != 0 || u.Spent != 0 {
				t.Errorf("%s: %v is reserved, %v spent", name, u.Reserved, u.Spent)
			}
		}
	}
}

// Guards the coordinator that asks again because an answer got lost: it gets the same bytes. Another request of the same session, or
// another session while one is under way, is refused, and does no harm to that.
func TestMatchPrepareAgain(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	r := w.request()
	first, err := w.MatchPrepare(t.Context(), r)
	w.must(err)
	other := w.request()
	if _, err := w.MatchPrepare(t.Context(), other); !fault.IsKind(err, fault.Unavailable) {
		t.Errorf("another session: %v", err)
	}
	other.Session = r.Session
	if _, err := w.MatchPrepare(t.Context(), other); !fault.IsKind(err, fault.Protocol) {
		t.Errorf("another request: %v", err)
	}
	again, err := w.MatchPrepare(t.Context(), r)
	w.must(err)
	if !bytes.Equal(first.GetAnnouncement().GetBody(), again.GetAnnouncement().GetBody()) {
		t.Error("asked again, the party announces something else")
	}
}

// Guards those who are erased while a matching runs: they get no slot, also if they are no longer customers or are customers again when
// it is stored. All others keep theirs.
func TestWhoGetsASlot(t *testing.T) {
	people := []ids.ID{{5}, {3}, {1}, {4}, {2}}
	now := &customers.Snapshot{IDs: []ids.ID{{1}, {2}, {3}, {9}, {5}}}
	stay, slots := still(now, []ids.ID{{2}, {7}}, people, []uint32{50, 30, 10, 40, 20})
	if !slices.Equal(stay, []ids.ID{{5}, {3}, {1}}) || !slices.Equal(slots, []uint32{50, 30, 10}) {
		t.Errorf("left are %v with slots %v", stay, slots)
	}
}

// Guards the record of a matching: what would end it while it is being stored waits, and it is on record as stored, not as failed. What
// comes too late to store it changes nothing.
func TestEndedWhileStored(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	r := w.request()
	if _, err := w.MatchPrepare(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s := w.Node.matching
	storing, ended := make(chan struct{}), make(chan struct{})
	go s.ended.Do(func() { // as MatchKeep
		close(storing)
		time.Sleep(50 * time.Millisecond)
		if err := w.finishMatching(s, nil); err != nil {
			t.Error(err)
		}
	})
	<-storing
	go func() {
		defer close(ended)
		_, _ = w.Forget(t.Context(), &sottov1.ForgetRequest{Session: r.Session})
	}()
	<-ended
	if w.Node.matching != nil {
		t.Error("forgetting did not wait until the matching was stored")
	}
	for _, e := range w.entries() {
		if e.Action == audit.Match && e.Verdict == audit.Failed {
			t.Errorf("it is on record as failed: %s", e.Reason)
		}
	}
	if _, err := w.MatchKeep(t.Context(), &sottov1.MatchKeepRequest{Session: r.Session}); !fault.IsKind(err, fault.Unavailable) {
		t.Errorf("stored again: %v", err)
	}
}
