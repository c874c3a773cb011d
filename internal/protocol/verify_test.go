package protocol_test

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// refused fails the test unless err is a fault.Protocol.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !fault.IsKind(err, fault.Protocol) {
		t.Errorf("%s: error is %v, want fault.Protocol", what, err)
	}
}

// Guards the path of the encrypted blocks: a hand-over that is changed in any field is refused, both when somebody on the
// way changes it, and when the party itself signs something that does not fit the plan, the session or its neighbours.
// Only what the last hop says its results are (below) is its own word.
func TestEveryFieldOfHandOversIsVerified(t *testing.T) {
	s := newSession(t)
	if err := s.verifyHandOvers(s.signedHandOvers()); err != nil {
		t.Fatal(err)
	}
	for i := range s.handOvers {
		honest := s.signedHandOvers()
		mutations(reflect.ValueOf(&s.handOvers[i]).Elem(), s.handOvers[i].Party, func(path string) {
			altered := slices.Clone(honest)
			altered[i] = &sottov1.Signed{Body: canon.Encode(s.handOvers[i].Domain(), &s.handOvers[i]), Signature: honest[i].GetSignature()}
			refused(t, path+" altered", s.verifyHandOvers(altered))
			own := strings.Contains(path, ".C1[") || strings.Contains(path, ".C0[")
			if err := s.verifyHandOvers(s.signedHandOvers()); own && err != nil {
				t.Errorf("%s signed anew: %v", path, err)
			} else if !own {
				refused(t, path+" signed anew", err)
			}
		})
		mutations(reflect.ValueOf(&honest[i].Signature).Elem(), s.handOvers[i].Party+".Signature", func(path string) {
			refused(t, path, s.verifyHandOvers(honest))
		})
		for name, key := range s.keys {
			if name != s.handOvers[i].Party {
				altered := slices.Clone(honest)
				altered[i] = protocol.Sign(key, &s.handOvers[i])
				refused(t, "hop of "+s.handOvers[i].Party+" signed by "+name, s.verifyHandOvers(altered))
			}
		}
	}
	honest := s.signedHandOvers()
	for name, list := range map[string][]*sottov1.Signed{
		"none":          nil,
		"one missing":   honest[:2],
		"one too many":  append(slices.Clone(honest), honest[2]),
		"swapped":       {honest[1], honest[0], honest[2]},
		"one twice":     {honest[0], honest[0], honest[2]},
		"an empty one":  {honest[0], {}, honest[2]},
		"no message":    {honest[0], nil, honest[2]},
		"of 2 MiB":      {honest[0], honest[1], {Body: make([]byte, 2<<20), Signature: honest[2].GetSignature()}},
		"trailing byte": {honest[0], {Body: append(bytes.Clone(honest[1].GetBody()), 0), Signature: honest[1].GetSignature()}, honest[2]},
	} {
		refused(t, name, s.verifyHandOvers(list))
	}
	// The same ciphertext for two cells would let the difference of two noise draws be read.
	s.handOvers[2].Cells[1].C1 = s.handOvers[2].Cells[0].C1
	refused(t, "one result twice", s.verifyHandOvers(s.signedHandOvers()))
	s = newSession(t)
	for i := range s.handOvers { // a hop that has results too many, all well-formed
		s.handOvers[i].Cells = append(s.handOvers[i].Cells, protocol.Cell{C1: [32]byte{9}, C0: make([]byte, s.plan.Params.ScalarBytes())})
		refused(t, "results too many", s.verifyHandOvers(s.signedHandOvers()))
		s.handOvers[i].Cells = s.handOvers[i].Cells[:len(s.handOvers[i].Cells)-1]
	}
	s.handOvers[0].In[0]++ // checked alone too, as the next hop does
	_, err := protocol.VerifyHandOver(s.signedHandOvers()[0], s.plan, s.agreement, s.transcript, s.public, 0, 0)
	refused(t, "something came into the first hop", err)
	s = newSession(t)
	for _, bad := range [][]byte{nil, bytes.Repeat([]byte{0xff}, s.plan.Params.ScalarBytes())} {
		s.handOvers[2].Cells[1].C0 = bad
		refused(t, "c0 out of range", s.verifyHandOvers(s.signedHandOvers()))
	}
}

// Guards what the analyst opens: a release that is changed in any field, in its envelope or its sealed bytes is refused,
// whether on the way or by its key-holder; only what it says that it charged is its own word. Nothing of another session
// passes, and no two key-holders may have seen different commitments.
func TestEveryFieldOfReleasesIsVerified(t *testing.T) {
	s := newSession(t)
	if err := s.verifyReleases(s.signedReleases()); err != nil {
		t.Fatal(err)
	}
	for i, name := range s.plan.KeyHolders {
		honest := s.signedReleases()
		mutations(reflect.ValueOf(&s.releases[i]).Elem(), name, func(path string) {
			altered := s.signedReleases()
			altered[i].Release.Signature = honest[i].GetRelease().GetSignature()
			refused(t, path+" altered", s.verifyReleases(altered))
			own := strings.HasSuffix(path, ".MicroEpsilon") || strings.HasSuffix(path, ".Delta")
			if err := s.verifyReleases(s.signedReleases()); own && err != nil {
				t.Errorf("%s signed anew: %v", path, err)
			} else if !own {
				refused(t, path+" signed anew", err)
			}
		})
		for what, alter := range map[string]func(r *sottov1.SealedRelease){
			"name":             func(r *sottov1.SealedRelease) { r.KeyHolder += "x" },
			"sealed bytes":     func(r *sottov1.SealedRelease) { r.Sealed = append([]byte("x"), r.GetSealed()...) },
			"no sealed bytes":  func(r *sottov1.SealedRelease) { r.Sealed = nil },
			"another's sealed": func(r *sottov1.SealedRelease) { r.Sealed = honest[(i+1)%len(honest)].GetSealed() },
			"another's":        func(r *sottov1.SealedRelease) { r.Release = honest[(i+1)%len(honest)].GetRelease() },
			"unsigned":         func(r *sottov1.SealedRelease) { r.Release.Signature = nil },
			"nothing":          func(r *sottov1.SealedRelease) { r.Reset() },
		} {
			altered := s.signedReleases()
			alter(altered[i])
			refused(t, name+": "+what, s.verifyReleases(altered))
		}
	}
	honest := s.signedReleases()
	refused(t, "one missing", s.verifyReleases(honest[1:]))
	refused(t, "one too many", s.verifyReleases(append(slices.Clone(honest), honest[0])))
	refused(t, "one not there", s.verifyReleases(append(slices.Clone(honest[1:]), nil)))
	slices.Reverse(honest)
	refused(t, "in another order", s.verifyReleases(honest))

	// A release of another session of the same question, signed by everybody.
	other := newSession(t)
	other.keys, other.agreement = s.keys, s.agreement
	other.transcript = s.plan.Transcript([16]byte{8})
	other.handOvers, other.releases, other.sealed = nil, nil, nil
	other.run()
	refused(t, "another session", s.verifyReleases(other.signedReleases()))
}

// near has the fields of a Commitment, under another domain.
type near struct {
	Transcript [32]byte
	KeyHolder  string
	Hash       [32]byte
}

func (*near) Domain() string { return "sotto/v1/near" }

// Guards signatures against being taken for others: a body passes under its own domain only, as it was signed, with the
// key of the one who is asked for; and nobody's key is not a key.
func TestVerify(t *testing.T) {
	s := newSession(t)
	key := s.keys["a"]
	c := protocol.Commitment{Transcript: s.transcript, KeyHolder: "a", Hash: [32]byte{1}}
	signed := protocol.Sign(key, &c)
	var back protocol.Commitment
	if err := protocol.Verify(signed, key.Public(), "a", &back); err != nil || back != c {
		t.Fatalf("verified %+v, %v", back, err)
	}
	refused(t, "another domain", protocol.Verify(signed, key.Public(), "a", &near{}))
	refused(t, "another body", protocol.Verify(signed, key.Public(), "a", &protocol.KeyApproval{}))
	refused(t, "another key", protocol.Verify(signed, s.keys["b"].Public(), "b", &back))
	// The encoding of one domain under the signature of another.
	same := near(c)
	moved := &sottov1.Signed{Body: canon.Encode(same.Domain(), &same), Signature: signed.GetSignature()}
	refused(t, "signature of another domain", protocol.Verify(moved, key.Public(), "a", &near{}))

	// A forgery under the zero key, which is what a lookup returns for a name that is not in the agreement: Ed25519
	// accepts one for about every fourth message.
	signature := make([]byte, identity.SignatureSize)
	signature[0] = 1 // R is the neutral element, S is 0
	for n := uint64(0); ; n++ {
		binary.BigEndian.PutUint64(c.Hash[:], n)
		if identity.Verify(identity.PublicKey{}, c.Domain(), &c, signature) == nil {
			break
		}
		if n > 1000 {
			t.Fatal("no forgery found: the test shows nothing")
		}
	}
	forged := &sottov1.Signed{Body: canon.Encode(c.Domain(), &c), Signature: signature}
	refused(t, "nobody's key", protocol.Verify(forged, identity.PublicKey{}, "stranger", &back))
}
