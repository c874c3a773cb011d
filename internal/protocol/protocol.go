// Package protocol holds what key-holders say to each other in one session: the bodies that are signed, hashed and
// committed to, and the checks on them that do not depend on whose node it is. Client, coordinator and parties share it.
package protocol

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Body is something that is signed; Domain is the name under which, different for each type.
type Body interface{ Domain() string }

// Descriptor is what a party declares to analysts.
type Descriptor struct {
	Collaboration string
	Agreement     [32]byte
	Party         string
	IdentityType  string
	CustomersUpTo int64
	Snapshot      [16]byte // version of its customers: another one, another answer
	Segments      []string // besides member; sorted
	Dimensions    []query.Dimension
	Measures      []query.Amount
	Purposes      []string  // for which it answers questions; sorted
	Matchings     []Matched // in whose slots its customers are, newest first
}

// Commitment fixes a key share before anybody shows one (step 1).
type Commitment struct {
	Transcript [32]byte
	KeyHolder  string
	Hash       [32]byte // CommitmentHash
}

// KeyApproval says that a key-holder has checked all openings and added up this joint key (step 2).
type KeyApproval struct {
	Transcript  [32]byte
	KeyHolder   string
	Commitments [32]byte // CommitmentsHash
	PublicKey   [32]byte // PublicKeyHash
}

// HandOver is what a hop says about what came in and what went out (step 3).
type HandOver struct {
	Transcript [32]byte
	PublicKey  [32]byte
	Party      string
	Chain      int64
	Hop        int64
	In         [32]byte // StreamHash of the blocks received; zero at the first hop
	Out        [32]byte // StreamHash of the blocks sent; zero at the last hop
	Results    []Result // at the last hop, in the plan's order
}

// Result is a ciphertext at the end of a chain, as its last hop signs it: c1 goes to the key-holders, [c0]_0 of every lane
// that is in use to the analyst.
type Result struct {
	C1 [32]byte // SHA-256 of the encoding of c1
	C0 [][]byte // by lane: the constant coefficient of c0, as params.Set encodes scalars
}

// Release is what a key-holder says about its sealed scalars (step 4).
type Release struct {
	Transcript   [32]byte
	KeyHolder    string
	Commitments  [32]byte
	HandOvers    [32]byte // HandOversHash
	Sealed       [32]byte // SHA-256 of the sealed bytes
	MicroEpsilon int64    // what the release was charged at this key-holder, as dp.Loss has it; all 0 at the coordinator
	AttoDelta    int64
	Cells        int64
	LedgerRows   int64    // length of this key-holder's ledger, the release included; 0 at the coordinator
	LedgerHash   [32]byte // its head; zero at the coordinator
}

// Budget is what a party lets an analyst see of its budget, at a time.
type Budget struct {
	Collaboration string
	Party         string
	Analyst       string
	At            int64 // Unix seconds
	Price         Price // that Questions of the windows are counted for; zero for none
	Windows       []Window
}

// Price is what a question costs a person, as dp.Loss has it.
type Price struct {
	Mechanism                      string
	MicroEpsilon, AttoDelta, Cells int64
}

// Window is a limit of a party, with amounts in millionths of ε.
type Window struct {
	Organisation           string // "" for all analysts together
	Period                 string // "per day", "per month" or "in total"
	Shown                  bool   // else Limit, Spent and Reserved are 0
	Limit, Spent, Reserved int64
	Left                   int64
	Questions              int64 // how many more of the price that was asked about fit, −1 if none was
}

// The domains under which bodies are signed.
func (*Descriptor) Domain() string  { return "sotto/v1/descriptor" }
func (*Commitment) Domain() string  { return "sotto/v1/commitment" }
func (*KeyApproval) Domain() string { return "sotto/v1/key-approval" }
func (*HandOver) Domain() string    { return "sotto/v1/hand-over" }
func (*Release) Domain() string     { return "sotto/v1/release" }
func (*Budget) Domain() string      { return "sotto/v1/budget" }

// Sign returns body's canonical bytes with the signature of key.
func Sign(key *identity.Key, body Body) *sottov1.Signed {
	return &sottov1.Signed{Body: canon.Encode(body.Domain(), body), Signature: key.Sign(body.Domain(), body)}
}

// maxBody bounds a signed body: the largest is the last hop's hand-over, with 1000 results of some 100 bytes.
const maxBody = 1 << 20

// Verify decodes a signed body and checks that the holder of key signed exactly these bytes. from names the signer in
// errors, which are faults of kind Protocol.
func Verify(signed *sottov1.Signed, key identity.PublicKey, from string, body Body) error {
	if len(signed.GetBody()) > maxBody {
		return fault.New(fault.Protocol, "%s from %s has %d bytes, at most %d", body.Domain(), from, len(signed.GetBody()), maxBody)
	}
	// The zero key, of somebody whom the agreement does not name, verifies what anybody signs.
	if err := key.Check(); err != nil {
		return fault.New(fault.Protocol, "%s from %s: no key of its owner is known", body.Domain(), from).Wrap(err)
	}
	// An encoding is the only one of its value, so the signature over the decoded value is over these very bytes.
	if err := canon.Decode(body.Domain(), signed.GetBody(), body); err != nil {
		return fault.New(fault.Protocol, "%s from %s", body.Domain(), from).Wrap(err)
	}
	if err := identity.Verify(key, body.Domain(), body, signed.GetSignature()); err != nil {
		return fault.New(fault.Protocol, "%s from %s is not signed by its key", body.Domain(), from).Wrap(err)
	}
	return nil
}

// CommitmentHash binds a key share to the transcript and its owner. The nonce hides the share until it is opened, and
// goes into the salt.
func CommitmentHash(transcript [32]byte, keyHolder string, share []byte, nonce [32]byte) [32]byte {
	return canon.Hash("sotto/v1/share", struct {
		Transcript [32]byte
		KeyHolder  string
		Share      []byte
		Nonce      [32]byte
	}{transcript, keyHolder, share, nonce})
}

// CommitmentsHash is over the bodies of all commitments in the plan's order.
func CommitmentsHash(commitments []Commitment) [32]byte {
	return canon.Hash("sotto/v1/commitments", struct{ All []Commitment }{commitments})
}

// HandOversHash is over all hand-overs of a session in the plan's order.
func HandOversHash(handOvers []HandOver) [32]byte {
	return canon.Hash("sotto/v1/hand-overs", struct{ All []HandOver }{handOvers})
}

// PublicKeyHash is over the joint key of a transcript.
func PublicKeyHash(transcript [32]byte, sum []byte) [32]byte {
	return canon.Hash("sotto/v1/public-key", struct {
		Transcript [32]byte
		Sum        []byte
	}{transcript, sum})
}

// Salt is what the slots of the session are derived from. It comes from every key-holder's nonce, so nobody knows it
// while anybody can still choose a snapshot.
func Salt(transcript [32]byte, nonces [][32]byte) [32]byte {
	all := make([]byte, 0, 32*len(nonces))
	for _, n := range nonces {
		all = append(all, n[:]...)
	}
	return canon.Hash("sotto/v1/salt", struct {
		Transcript [32]byte
		Nonces     []byte
	}{transcript, all})
}

// NewSession draws a session identifier.
func NewSession() [16]byte { return random16() }

// NewNonce draws a commitment's nonce.
func NewNonce() (nonce [32]byte) {
	rand.Read(nonce[:]) // never fails: the process stops if the system has no randomness
	return nonce
}

func random16() (b [16]byte) {
	rand.Read(b[:])
	return b
}

// ParseSession checks a session identifier off the wire.
func ParseSession(b []byte) ([16]byte, error) {
	if len(b) != 16 {
		return [16]byte{}, fault.New(fault.Protocol, "session identifier has %d bytes, must be 16", len(b))
	}
	return [16]byte(b), nil
}

// VerifyQuery checks an analyst's signature over a question against the key that the agreement pins, and the question
// against the agreement, at a time.
func VerifyQuery(signed *sottov1.Signed, a *agreement.Agreement, now time.Time) (*query.Query, error) {
	var claimed query.Query
	if err := canon.Decode(claimed.Domain(), signed.GetBody(), &claimed); err != nil {
		return nil, fault.New(fault.Invalid, "the question can't be read").Wrap(err)
	}
	analyst, ok := a.Analyst(claimed.Analyst)
	if !ok {
		return nil, fault.New(fault.NotMember, "%q is not an analyst of the agreement", claimed.Analyst)
	}
	var q query.Query
	if err := Verify(signed, analyst.Key, analyst.Name, &q); err != nil {
		return nil, fault.New(fault.NotMember, "the question is not signed by analyst %s", analyst.Name).Wrap(err)
	}
	return &q, q.Check(a, now)
}

// CheckPurpose tells whether the party answers questions for a purpose.
func (d *Descriptor) CheckPurpose(purpose string) error {
	if slices.Contains(d.Purposes, purpose) {
		return nil
	}
	return fault.New(fault.Purpose, "%s does not answer questions for the purpose %q", d.Party, purpose).
		WithHint("it answers for: " + strings.Join(d.Purposes, ", "))
}

// Declared returns what expressions may name of the party, besides member.
func (d *Descriptor) Declared() query.Declared {
	declared := query.Declared{Party: d.Party, Segments: d.Segments, Dimensions: map[string][]string{}}
	for _, dimension := range d.Dimensions {
		declared.Dimensions[dimension.Name] = dimension.Values
	}
	for _, m := range d.Measures {
		declared.Measures = append(declared.Measures, m.Name)
	}
	return declared
}
