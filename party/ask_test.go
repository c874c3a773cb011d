package party

import (
	"encoding/hex"
	"time"

	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/seal"
	"github.com/sotto-dev/sotto/party/audit"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// question is one that the node has nothing against, as its customers are now: how many of them bank has too.
func (w *world) question(purpose string) *query.Query {
	declared := w.descriptor(w.view())
	recipient, err := seal.NewKey()
	w.must(err)
	return &query.Query{
		Collaboration: w.agreement.Collaboration, Agreement: w.agreement.Hash(), Analyst: "ana", Purpose: purpose,
		Measure: query.Count, Audience: "bank.member && shop.member",
		Participants: []query.Participant{
			{Party: "bank", IdentityType: declared.IdentityType, CustomersUpTo: 1000},
			{Party: "shop", IdentityType: declared.IdentityType, CustomersUpTo: declared.CustomersUpTo, Snapshot: declared.Snapshot},
		},
		Layout: "hashed", Precision: "low", Noise: "everyone", Mechanism: "laplace", MicroEpsilon: 1000,
		Recipient: recipient.Public(), Nonce: protocol.NewSession(), Expires: w.clock.Load() + int64(time.Hour/time.Second),
	}
}

// prepare hands the node a question that an analyst has signed, as the coordinator does, and then gives the session up.
func (w *world) prepare(q *query.Query, signer *identity.Key) (session [16]byte, err error) {
	session = protocol.NewSession()
	if _, err := w.Prepare(w.Context(), &sottov1.PrepareRequest{Session: session[:], Query: protocol.Sign(signer, q)}); err != nil {
		return session, err
	}
	_, err = w.Forget(w.Context(), &sottov1.ForgetRequest{Session: session[:]})
	return session, err
}

// asked asks a question that the node must have nothing against, and returns what was recorded of it.
func (w *world) asked(purpose string) audit.Entry {
	w.Helper()
	session, err := w.prepare(w.question(purpose), w.keys["ana"])
	w.must(err)
	for _, e := range w.entries() {
		if e.Session == hex.EncodeToString(session[:]) && e.Action == audit.Question && e.Verdict == audit.Accepted {
			return e
		}
	}
	w.Fatal("the question was not recorded")
	return audit.Entry{}
}
