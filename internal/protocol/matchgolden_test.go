package protocol_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// golden are the bodies of a matching whose encodings are compared with vectors.
func golden() map[string]protocol.Body {
	id := [32]byte(bytes.Repeat([]byte{0x11}, 32))
	two := [32]byte(bytes.Repeat([]byte{0x22}, 32))
	return map[string]protocol.Body{
		"matching": &protocol.Matching{
			Collaboration: "loyalty", Agreement: id, By: "marketing", Nonce: [16]byte(bytes.Repeat([]byte{0x33}, 16)), Begun: 1_772_366_400,
		},
		"announcement": &protocol.MatchAnnouncement{
			Request: two, Session: [16]byte{7}, Party: "bank", Nonce: id, Key: []byte("a key"), Holds: [][32]byte{two, id},
		},
		"length":    &protocol.MatchLength{Matching: id, Party: "bank", Length: 1 << 26},
		"union":     &protocol.MatchUnion{Matching: id, Length: 258, Digest: two},
		"hand-over": &protocol.ListHandOver{Matching: id, List: protocol.ListID{Pass: 3, Owner: 2, Hop: 1}, From: "bank", Length: 258, Digest: two},
		"approval":  &protocol.MatchApproval{Matching: id, Party: "bank", Spine: two, Slots: 258},
	}
}

// Guards what all nodes must sign and hash alike. The vectors are SHA-256 of encodings that another implementation made from
// the written-down encoding (package canon): length-prefixed domain, then the fields.
func TestGoldenMatching(t *testing.T) {
	vectors := map[string]string{
		"matching":     "685a445b559dd5061faaeafefee21d6e9eeb336eafe34966b8c30b0825eb66e1",
		"announcement": "d1090648909bf9f6a6e70e4313d3e0253bf92954fd7425690e693f1541e535bb",
		"length":       "3bac888fe28732095ef5a7a15bdd8e90cef159312e3f04a43bb745b9e1b71bb0",
		"union":        "e70598dfa3e27ae92fc6010f6a104a5eb50cdbb8058421aa97db4ed2d53f968c",
		"hand-over":    "2a81f9210934e48f65b4911ebf45ae6d83401501e3cc48e6b360b8eeea891f8f",
		"approval":     "f24a56566d6c7e6ebb10b67d765e8c10ad6fe38e4b889c0660ac9e5e2f7814de",
		"id":           "2e003af90764e62cf578faf300ac1545f6dc8a86314398c24a2dd5c258c06d87",
	}
	check := func(name string, got [32]byte) {
		if hex := hex.EncodeToString(got[:]); hex != vectors[name] {
			t.Errorf("%s: %s, want %s", name, hex, vectors[name])
		}
	}
	domains := map[string]string{}
	for name, body := range golden() {
		signed := protocol.Sign(newMatching(t).keys["bank"], body).GetBody()
		check(name, protocol.MatchRequestHash(&sottov1.Signed{Body: signed}))
		if other, ok := domains[body.Domain()]; ok {
			t.Errorf("%s and %s have the domain %s", name, other, body.Domain())
		}
		domains[body.Domain()] = name
	}
	m := newMatching(t)
	id, err := m.verifyAnnouncements(each(m, m.announcements))
	if err != nil {
		t.Fatal(err)
	}
	check("id", id)
}

// Hostile bytes are no body of a matching, or the only encoding of one; and without a signature nobody takes them.
func FuzzMatching(f *testing.F) {
	m := newMatching(f)
	for _, body := range golden() {
		f.Add(canon.Encode(body.Domain(), body))
	}
	f.Add(canon.Encode(m.announcements[0].Domain(), m.announcements[0]))
	f.Add(canon.Encode(m.request.Domain(), m.request))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		for name, kind := range golden() {
			body := reflect.New(reflect.TypeOf(kind).Elem()).Interface().(protocol.Body)
			if canon.Decode(body.Domain(), encoded, body) == nil && !bytes.Equal(canon.Encode(body.Domain(), body), encoded) {
				t.Errorf("%s has a second encoding", name)
			}
		}
		signed := &sottov1.Signed{Body: encoded, Signature: make([]byte, identity.SignatureSize)}
		all := []*sottov1.Signed{signed, signed, signed}
		for name, verify := range map[string]func() error{
			"request":       func() error { _, err := protocol.VerifyMatching(signed, m.agreement, now); return err },
			"announcements": func() error { _, err := m.verifyAnnouncements(all); return err },
			"lengths":       func() error { _, err := protocol.VerifyLengths(all, m.agreement, m.id); return err },
			"union":         func() error { _, err := protocol.VerifyUnion(signed, m.agreement, m.id, []int64{1, 2, 3}); return err },
			"approvals":     func() error { _, err := protocol.VerifyApprovals(all, m.agreement, m.id); return err },
		} {
			if verify() == nil {
				t.Errorf("%s: taken without a signature", name)
			}
		}
	})
}
