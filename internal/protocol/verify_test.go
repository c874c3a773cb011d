package protocol_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"regexp"
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

// ownWord matches the numbers of a result, which nobody but the last hop can tell.
var ownWord = regexp.MustCompile(`\.Results\[\d+\](\.C1\[\d+\]|\.C0\[\d+\]\[\d+\])$`)

// Guards the path of the encrypted blocks: a hand-over that is changed in any field is refused, both when somebody on the
// way changes it, and when the party itself signs something that does not fit the plan, the session or its neighbours.
// Only the numbers of its results are the last hop's own word, not how many there are. It takes a session of several chains:
// of three parties, of two with two groups at each, and of one party alone.
func TestEveryFieldOfHandOversIsVerified(t *testing.T) {
	s := newSession(t)
	if err := s.verifyHandOvers(s.signedHandOvers()); err != nil {
		t.Fatal(err)
	}
	lengths, lanes := map[int]bool{}, 0
	for i := range s.plan.Chains {
		lengths[len(s.plan.Chains[i].Hops)] = true
		lanes = max(lanes, s.plan.Chains[i].Lanes)
	}
	if !lengths[1] || !lengths[2] || !lengths[3] || lanes != 2 {
		t.Fatalf("the session has chains of lengths %v and up to %d lanes", lengths, lanes)
	}
	for i := range s.handOvers {
		honest := s.signedHandOvers()
		mutations(reflect.ValueOf(&s.handOvers[i]).Elem(), s.handOvers[i].Party, func(path string) {
			altered := slices.Clone(honest)
			altered[i] = &sottov1.Signed{Body: canon.Encode(s.handOvers[i].Domain(), &s.handOvers[i]), Signature: honest[i].GetSignature()}
			refused(t, path+" altered", s.verifyHandOvers(altered))
			own := ownWord.MatchString(path)
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
			if name != s.parties[i] {
				altered := slices.Clone(honest)
				altered[i] = protocol.Sign(key, &s.handOvers[i])
				refused(t, "hop of "+s.handOvers[i].Party+" signed by "+name, s.verifyHandOvers(altered))
			}
		}
	}
	honest := s.signedHandOvers()
	last := len(honest) - 1
	with := func(i int, signed *sottov1.Signed) []*sottov1.Signed {
		list := slices.Clone(honest)
		list[i] = signed
		return list
	}
	swapped := slices.Clone(honest)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for name, list := range map[string][]*sottov1.Signed{
		"none":             nil,
		"first missing":    honest[1:],
		"last missing":     honest[:last],
		"one too many":     append(slices.Clone(honest), honest[last]),
		"swapped":          swapped,
		"one twice":        with(1, honest[0]),
		"of another chain": with(0, honest[s.first(1)]),
		"chains swapped":   slices.Concat(honest[s.first(1):s.first(2)], honest[:s.first(1)], honest[s.first(2):]),
		"an empty one":     with(1, &sottov1.Signed{}),
		"no message":       with(1, nil),
		"of 2 MiB":         with(last, &sottov1.Signed{Body: make([]byte, 2<<20), Signature: honest[last].GetSignature()}),
		"trailing byte":    with(1, &sottov1.Signed{Body: append(bytes.Clone(honest[1].GetBody()), 0), Signature: honest[1].GetSignature()}),
	} {
		refused(t, name, s.verifyHandOvers(list))
	}
}

// Guards the results of all chains: each has as many as the plan says, of as many lanes, each in range; and no ciphertext is
// there twice, in one chain or in two, which would let the difference of two noise draws be read.
func TestResultsOfHandOvers(t *testing.T) {
	s := newSession(t)
	end := func(chain int) int { return s.first(chain+1) - 1 }
	for name, alter := range map[string]func(){
		"twice in one chain": func() {
			for c := range s.plan.Chains {
				if r := s.handOvers[end(c)].Results; len(r) > 1 {
					r[1].C1 = r[0].C1
				}
			}
		},
		"in two chains":   func() { s.handOvers[end(1)].Results[0].C1 = s.handOvers[end(0)].Results[0].C1 },
		"no c0":           func() { s.handOvers[end(0)].Results[0].C0 = nil },
		"empty c0":        func() { s.handOvers[end(0)].Results[0].C0[0] = nil },
		"c0 too large":    func() { s.handOvers[end(0)].Results[0].C0[0] = bytes.Repeat([]byte{0xff}, s.plan.Params.ScalarBytes()) },
		"c0 too long":     func() { s.handOvers[end(1)].Results[0].C0[0] = make([]byte, s.plan.Params.ScalarBytes()+1) },
		"a lane less":     func() { r := &s.handOvers[end(0)].Results[0]; r.C0 = r.C0[1:] },
		"a lane more":     func() { r := &s.handOvers[end(0)].Results[0]; r.C0 = append(r.C0, r.C0[0]) },
		"none of a chain": func() { s.handOvers[end(1)].Results = nil },
	} {
		s = newSession(t)
		alter()
		refused(t, name, s.verifyHandOvers(s.signedHandOvers()))
	}
	s = newSession(t)
	for i := range s.handOvers { // a hop that has a result too many, well-formed
		h := &s.handOvers[i]
		more := protocol.Result{C1: [32]byte{9}}
		for range s.plan.Chains[h.Chain].Lanes {
			more.C0 = append(more.C0, make([]byte, s.plan.Params.ScalarBytes()))
		}
		h.Results = append(h.Results, more)
		refused(t, "results too many", s.verifyHandOvers(s.signedHandOvers()))
		h.Results = h.Results[:len(h.Results)-1]
	}
	s.handOvers[0].In[0]++ // checked alone too, as the next hop does
	_, err := protocol.VerifyHandOver(s.signedHandOvers()[0], s.plan, s.agreement, s.transcript, s.public, 0, 0)
	refused(t, "something came into the first hop", err)
}

// Guards what the analyst opens: a release that is changed in any field, in its envelope or its sealed bytes is refused,
// whether on the way or by its key-holder; only what it says of its ledger is its own word. What it charged is the question's
// price. Nothing of another session passes, and no two key-holders may have seen different commitments.
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
			own := strings.Contains(path, ".Ledger")
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
	for what, charge := range map[string]func(r *protocol.Release){
		"nothing":          func(r *protocol.Release) { r.MicroEpsilon, r.Cells = 0, 0 },
		"half":             func(r *protocol.Release) { r.MicroEpsilon /= 2 },
		"fewer numbers":    func(r *protocol.Release) { r.Cells-- },
		"less than 0":      func(r *protocol.Release) { r.MicroEpsilon = -r.MicroEpsilon },
		"a delta":          func(r *protocol.Release) { r.AttoDelta++ },
		"twice":            func(r *protocol.Release) { r.MicroEpsilon, r.Cells = 2*r.MicroEpsilon, 2*r.Cells },
		"an expensive one": func(r *protocol.Release) { r.MicroEpsilon = math.MaxInt64 },
	} {
		s := newSession(t)
		charge(&s.releases[1])
		refused(t, "b charged "+what, s.verifyReleases(s.signedReleases()))
	}
	for what, charge := range map[string]func(r *protocol.Release){
		"the price": func(r *protocol.Release) { r.MicroEpsilon = s.plan.Charge("a").MicroEpsilon },
		"a delta":   func(r *protocol.Release) { r.AttoDelta = 1 },
		"numbers":   func(r *protocol.Release) { r.Cells = 1 },
	} {
		s := newSession(t)
		charge(&s.releases[len(s.releases)-1])
		refused(t, "the coordinator charged "+what, s.verifyReleases(s.signedReleases()))
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
	other.handOvers, other.parties, other.releases, other.sealed = nil, nil, nil, nil
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
