package protocol_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Guards the question: it is taken only as a pinned analyst signed it, every field of it, and only if the agreement
// allows it.
func TestVerifyQuery(t *testing.T) {
	s := newSession(t)
	q := s.question()
	signed := protocol.Sign(s.keys["marketing"], q)
	back, err := protocol.VerifyQuery(signed, s.agreement, now)
	if err != nil || !reflect.DeepEqual(back, q) {
		t.Fatalf("verified %+v, %v", back, err)
	}
	mutations(reflect.ValueOf(q).Elem(), "Query", func(path string) {
		altered := &sottov1.Signed{Body: q.Encode(), Signature: signed.GetSignature()}
		if _, err := protocol.VerifyQuery(altered, s.agreement, now); !fault.IsKind(err, fault.NotMember) {
			t.Errorf("%s altered: error is %v, want fault.NotMember", path, err)
		}
	})
	for name, c := range map[string]struct {
		signed *sottov1.Signed
		kind   fault.Kind
		want   string
	}{
		"nothing":           {nil, fault.Invalid, "can't be read"},
		"another domain":    {&sottov1.Signed{Body: canon.Encode("sotto/v1/other", q), Signature: signed.GetSignature()}, fault.Invalid, "can't be read"},
		"cut":               {&sottov1.Signed{Body: signed.GetBody()[1:], Signature: signed.GetSignature()}, fault.Invalid, "can't be read"},
		"trailing byte":     {&sottov1.Signed{Body: append(bytes.Clone(signed.GetBody()), 0), Signature: signed.GetSignature()}, fault.Invalid, "can't be read"},
		"not signed":        {&sottov1.Signed{Body: signed.GetBody()}, fault.NotMember, "not signed by analyst marketing"},
		"signed by a party": {protocol.Sign(s.keys["a"], q), fault.NotMember, "not signed by analyst marketing"},
		"of 2 MiB":          {&sottov1.Signed{Body: make([]byte, 2<<20)}, fault.Invalid, "can't be read"},
	} {
		if _, err := protocol.VerifyQuery(c.signed, s.agreement, now); !fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, c.kind, c.want)
		}
	}
	for analyst, want := range map[string]string{"stranger": `"stranger" is not an analyst`, "a": `"a" is not an analyst`} {
		q.Analyst = analyst
		if _, err := protocol.VerifyQuery(protocol.Sign(s.keys["a"], q), s.agreement, now); !fault.IsKind(err, fault.NotMember) || !strings.Contains(err.Error(), want) {
			t.Errorf("analyst %s: error is %v, want fault.NotMember", analyst, err)
		}
	}
	q = s.question()
	q.Purpose = "profiling"
	if _, err := protocol.VerifyQuery(protocol.Sign(s.keys["marketing"], q), s.agreement, now); !fault.IsKind(err, fault.Purpose) {
		t.Errorf("for a purpose that was not agreed: error is %v", err)
	}
	q = s.question()
	q.Expires = now.Unix()
	if _, err := protocol.VerifyQuery(protocol.Sign(s.keys["marketing"], q), s.agreement, now); !fault.IsKind(err, fault.Expired) {
		t.Errorf("expired: error is %v", err)
	}
}

// A question in the matched layout goes to those who have agreed to a matching, and to nobody else.
func TestMatchedMustBeAgreed(t *testing.T) {
	s := newSession(t)
	q := s.question()
	q.Layout, q.Precision, q.Spine, q.Slots = agreement.LayoutMatched, "", [32]byte{1}, 5000
	_, err := protocol.VerifyQuery(protocol.Sign(s.keys["marketing"], q), s.agreement, now)
	if !fault.IsKind(err, fault.Unsupported) || !strings.Contains(err.Error(), `layout "matched" is not supported`) {
		t.Errorf("not agreed: error is %v, want fault.Unsupported", err)
	}
	s.agreement.Layouts = []string{agreement.LayoutHashed, agreement.LayoutMatched}
	s.agreement.Matching = agreement.Matching{Epsilon: 100_000, Delta: 1e-9}
	q.Agreement = s.agreement.Hash()
	if got, err := protocol.VerifyQuery(protocol.Sign(s.keys["marketing"], q), s.agreement, now); err != nil || got.Spine != q.Spine {
		t.Errorf("agreed: error is %v", err)
	}
}

// A session identifier off the wire has 16 bytes; those drawn here differ.
func TestSessionIdentifier(t *testing.T) {
	id := protocol.NewSession()
	if back, err := protocol.ParseSession(id[:]); err != nil || back != id {
		t.Errorf("parsed %x, %v", back, err)
	}
	for _, bad := range [][]byte{nil, id[:15], append(id[:], 0)} {
		_, err := protocol.ParseSession(bad)
		refused(t, "identifier", err)
	}
	nonce := protocol.NewNonce()
	if id == protocol.NewSession() || nonce == protocol.NewNonce() {
		t.Error("drawn twice")
	}
}
