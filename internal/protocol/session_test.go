package protocol_test

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// session is one in which everybody has said what an honest key-holder says.
type session struct {
	agreement  *agreement.Agreement
	keys       map[string]*identity.Key
	plan       *query.Plan
	transcript [32]byte
	public     [32]byte

	handOvers []protocol.HandOver // in the plan's order
	parties   []string            // whose they are
	releases  []protocol.Release
	sealed    [][]byte
}

// newSession is about three parties. Its first chain is of two of them, with two lanes; the second of all three; the third of
// one alone; the fourth of two, with one lane. All have several results.
func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{keys: map[string]*identity.Key{}, public: sha256.Sum256([]byte("joint key"))}
	key := func(name string) identity.PublicKey {
		k, err := identity.Generate()
		if err != nil {
			t.Fatal(err)
		}
		s.keys[name] = k
		return k.Public()
	}
	s.agreement = &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: "c:1", Key: key(agreement.CoordinatorName)},
		Parties: []agreement.Party{
			{Name: "a", Address: "a:1", Key: key("a")}, {Name: "b", Address: "b:1", Key: key("b")}, {Name: "c", Address: "c:1", Key: key("c")},
		},
		Analysts: []agreement.Analyst{{Name: "marketing", Key: key("marketing")}},
		Purposes: []string{"planning"},
		Limits:   agreement.Limits{EpsilonPerQuery: 2_000_000, EpsilonTotal: 10_000_000, DeltaPerQuery: 1e-6, DeltaTotal: 1e-5},
		Noise:    agreement.NoiseEveryone,
		Layouts:  []string{agreement.LayoutHashed},
	}
	var err error
	if s.plan, err = query.NewPlan(s.question()); err != nil {
		t.Fatal(err)
	}
	s.transcript = s.plan.Transcript([16]byte{7})
	s.run()
	return s
}

func (s *session) question() *query.Query {
	q := &query.Query{
		Collaboration: "loyalty", Agreement: s.agreement.Hash(), Analyst: "marketing", Purpose: "planning", Measure: "count",
		Audience: "a.member && !c.x || a.y && b.member && c.x", Layout: "hashed", Precision: "low", Noise: "everyone", Mechanism: "laplace",
		MicroEpsilon: 1_000_000, Recipient: []byte("a key"), Nonce: [16]byte{1}, Expires: now.Add(time.Hour).Unix(),
		GroupBy: []query.Dimension{{Party: "a", Name: "tier", Values: []string{"gold"}}, {Party: "c", Name: "age", Values: []string{"young"}}},
	}
	for _, name := range []string{"a", "b", "c"} {
		q.Participants = append(q.Participants, query.Participant{Party: name, IdentityType: "email", CustomersUpTo: 1000})
	}
	return q
}

// run fills in what an honest session leaves behind.
func (s *session) run() {
	for c := range s.plan.Chains {
		chain := &s.plan.Chains[c]
		var passed [32]byte
		for hop, h := range chain.Hops {
			over := protocol.HandOver{Transcript: s.transcript, PublicKey: s.public, Party: h.Party, Chain: int64(c), Hop: int64(hop), In: passed}
			if hop == len(chain.Hops)-1 {
				for i := range chain.Ciphertexts {
					result := protocol.Result{C1: sha256.Sum256([]byte{byte(c), byte(i)})}
					for lane := range chain.Used(i) {
						result.C0 = append(result.C0, s.plan.Params.AppendScalar(nil, big.NewInt(int64(10*i+lane))))
					}
					over.Results = append(over.Results, result)
				}
			} else {
				passed = sha256.Sum256([]byte(fmt.Sprint(c, h.Party)))
				over.Out = passed
			}
			s.handOvers = append(s.handOvers, over)
			s.parties = append(s.parties, h.Party)
		}
	}
	for _, name := range s.plan.KeyHolders {
		sealed := []byte("sealed by " + name)
		s.sealed = append(s.sealed, sealed)
		release := protocol.Release{
			Transcript: s.transcript, KeyHolder: name, Commitments: sha256.Sum256([]byte("commitments")),
			HandOvers: protocol.HandOversHash(s.handOvers), Sealed: sha256.Sum256(sealed),
		}
		charge := s.plan.Charge(name)
		release.MicroEpsilon, release.AttoDelta, release.Cells = charge.MicroEpsilon, charge.AttoDelta, charge.Cells
		if name != query.Coordinator {
			release.LedgerRows, release.LedgerHash = 12, sha256.Sum256([]byte("ledger of "+name))
		}
		s.releases = append(s.releases, release)
	}
}

// first returns the index of a chain's first hand-over; of the chain after the last, how many there are.
func (s *session) first(chain int) (n int) {
	for _, c := range s.plan.Chains[:chain] {
		n += len(c.Hops)
	}
	return n
}

// signedHandOvers returns all hand-overs, each signed by the party whose hop it is.
func (s *session) signedHandOvers() []*sottov1.Signed {
	var out []*sottov1.Signed
	for i := range s.handOvers {
		out = append(out, protocol.Sign(s.keys[s.parties[i]], &s.handOvers[i]))
	}
	return out
}

// signedReleases returns all releases, each signed by the key-holder whose turn it is.
func (s *session) signedReleases() []*sottov1.SealedRelease {
	var out []*sottov1.SealedRelease
	for i, name := range s.plan.KeyHolders {
		out = append(out, &sottov1.SealedRelease{KeyHolder: name, Sealed: s.sealed[i], Release: protocol.Sign(s.keys[name], &s.releases[i])})
	}
	return out
}

func (s *session) verifyHandOvers(signed []*sottov1.Signed) error {
	_, err := protocol.VerifyHandOvers(signed, s.plan, s.agreement, s.transcript, s.public)
	return err
}

func (s *session) verifyReleases(sealed []*sottov1.SealedRelease) error {
	_, err := protocol.VerifyReleases(sealed, s.plan, s.agreement, s.transcript, s.handOvers)
	return err
}
