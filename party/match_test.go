package party

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
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
