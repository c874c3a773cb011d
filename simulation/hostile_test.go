package simulation

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// TestDegenerateRecipients guards that an answer is never sealed to a key that everybody knows or nobody has (attack 5):
// coordinator and party each refuse it, though an analyst signed it.
func TestDegenerateRecipients(t *testing.T) {
	c := start(t, setup{seed: 80})
	q, key := c.question(c.everybody())
	good := key.Public()
	const x25519 = 32 // the last bytes are the X25519 part
	with := func(change func(b []byte) []byte) []byte { return change(slices.Clone(good)) }
	point := func(last ...byte) []byte {
		return with(func(b []byte) []byte {
			clear(b[len(b)-x25519:])
			copy(b[len(b)-x25519:], last)
			return b
		})
	}
	ctx := context.Background()
	analyst := c.dialCoordinator(c.keys["analyst_0"])
	for name, recipient := range map[string][]byte{
		"none":                      nil,
		"a byte short":              good[:len(good)-1],
		"a byte long":               append(slices.Clone(good), 0),
		"huge":                      make([]byte, 1<<16),
		"all zero":                  make([]byte, len(good)),
		"all ones":                  bytes.Repeat([]byte{0xff}, len(good)),
		"a coefficient not reduced": with(func(b []byte) []byte { b[0], b[1] = 0xff, b[1]|0x0f; return b }),
		"the point 0":               point(),
		"the point 1":               point(1),
		"a point of order 8":        point(0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00),
	} {
		bad := newNonce(q)
		bad.Recipient = recipient
		signed := protocol.Sign(c.keys["analyst_0"], bad)
		_, err := analyst.Submit(ctx, &sottov1.SubmitRequest{Query: signed})
		if !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s, at the coordinator: %v", name, err)
		}
		id := protocol.NewSession()
		_, err = c.party("bank").dial().Prepare(ctx, &sottov1.PrepareRequest{Session: id[:], Query: signed})
		if !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s, at a party: %v", name, err)
		}
	}
	k := c.conduct(q)
	c.must(k.prepare()) // the good one passes
	k.forget()
}

// TestHostileQuestions guards a party against an analyst, who signs whatever it likes (attack 5): encodings that are cut,
// lengthened, or altered anywhere, and questions that break a rule each. None is accepted, none is an internal error,
// none leaves anything behind.
func TestHostileQuestions(t *testing.T) {
	c := start(t, setup{parties: 3, seed: 81})
	original, _ := c.question(client.Question{Count: "bank.gold && cinema.member", By: []string{"bank.band"}})
	bank := c.party("bank").dial()
	prepare := func(signed *sottov1.Signed) error {
		id := protocol.NewSession()
		_, err := bank.Prepare(context.Background(), &sottov1.PrepareRequest{Session: id[:], Query: signed})
		if err == nil {
			_, forgotten := bank.Forget(context.Background(), &sottov1.ForgetRequest{Session: id[:]})
			c.must(forgotten)
		}
		return err
	}
	key := c.keys["analyst_0"]

	random := rand.New(rand.NewPCG(81, 0))
	encoded := original.Encode()
	rounds := 150
	if long {
		rounds = 5000
	}
	for range rounds {
		b := slices.Clone(encoded)
		switch random.IntN(4) {
		case 0:
			b = b[:random.IntN(len(b))]
		case 1:
			b = append(b, byte(random.Uint32()))
		case 2:
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		case 3: // a length, where one may be
			copy(b[random.IntN(len(b)-4):], []byte{0xff, 0xff, 0xff, 0xff})
		}
		// Its signature is over the original: what decodes at all is not what was signed.
		err := prepare(&sottov1.Signed{Body: b, Signature: protocol.Sign(key, original).Signature})
		if err == nil || fault.IsKind(err, fault.Internal) || fault.IsKind(err, fault.Unavailable) {
			t.Errorf("encoding %x: %v", b, err)
		}
		// What decodes, the analyst can sign too; it may even make sense.
		var q query.Query
		if canon.Decode(q.Domain(), b, &q) == nil {
			if err := prepare(protocol.Sign(key, &q)); fault.IsKind(err, fault.Internal) || fault.IsKind(err, fault.Unavailable) {
				t.Errorf("question %+v: %v", q, err)
			}
		}
	}

	sum := func(of string, change func(a *query.Amount)) func(q *query.Query) {
		return func(q *query.Query) {
			q.Measure, q.Amount = "sum", amountOf(of)
			change(&q.Amount)
		}
	}
	for name, change := range map[string]func(q *query.Query){
		"an unknown collaboration": func(q *query.Query) { q.Collaboration = "other" },
		"another agreement":        func(q *query.Query) { q.Agreement[0]++ },
		"expired":                  func(q *query.Query) { q.Expires = time.Now().Add(-time.Second).Unix() },
		"for ever":                 func(q *query.Query) { q.Expires = math.MaxInt64 },
		"before time":              func(q *query.Query) { q.Expires = math.MinInt64 },
		"an unknown measure":       func(q *query.Query) { q.Measure = "median" },
		"no measure":               func(q *query.Query) { q.Measure = "" },
		"a sum of nothing":         func(q *query.Query) { q.Measure = "sum" },
		"a count of something":     func(q *query.Query) { q.Amount = amountOf("bank.spend") },
		"an amount that is none":   sum("bank.spend", func(a *query.Amount) { a.Name = "loans" }),
		"an outsider's amount":     sum("florist.spend", func(*query.Amount) {}),
		"a step of 0":              sum("bank.spend", func(a *query.Amount) { a.Step = 0 }),
		"a step below 0":           sum("bank.spend", func(a *query.Amount) { a.Step = -1 }),
		"an infinite step":         sum("bank.spend", func(a *query.Amount) { a.Step = math.Inf(1) }),
		"another step":             sum("bank.spend", func(a *query.Amount) { a.Step = 2 }),
		"another unit":             sum("bank.spend", func(a *query.Amount) { a.Unit = "USD" }),
		"a unit that rings":        sum("bank.spend", func(a *query.Amount) { a.Unit = "\a" }),
		"a narrower clip":          sum("bank.spend", func(a *query.Amount) { a.High-- }),
		"a wider clip":             sum("bank.spend", func(a *query.Amount) { a.High++ }),
		"a clip without end":       sum("bank.spend", func(a *query.Amount) { a.Low, a.High = math.MinInt64, math.MaxInt64 }),
		"a clip inside out":        sum("bank.spend", func(a *query.Amount) { a.Low, a.High = a.High, a.Low }),
		"a total that is none":     func(q *query.Query) { q.Measure, q.GroupBy = "total", nil },
		"a total by groups":        func(q *query.Query) { q.Measure, q.Audience = "total", "[bank.gold, cinema.member]" },
		"a party's total twice":    func(q *query.Query) { q.Measure, q.Audience, q.GroupBy = "total", "[bank.gold, bank.member]", nil },
		"frequency of nobody": func(q *query.Query) {
			q.Measure, q.Audience, q.GroupBy = "frequency", "[!bank.gold, cinema.member]", nil
		},
		"frequency of two at once": func(q *query.Query) {
			q.Measure, q.Audience, q.GroupBy = "frequency", "[bank.gold && cinema.member]", nil
		},
		"another version":      func(q *query.Query) { q.Participants[0].Snapshot[15] ^= 1 },
		"no version":           func(q *query.Query) { q.Participants[0].Snapshot = [16]byte{} },
		"everybody who is not": func(q *query.Query) { q.Audience = "!bank.member || cinema.gold" },
		"too many conditions": func(q *query.Query) {
			var all []string
			for i := range 9 {
				all = append(all, fmt.Sprintf("(bank.band != \"%d\" || cinema.member)", i))
			}
			q.Audience = strings.Join(all, " && ")
		},
		"another noise":        func(q *query.Query) { q.Noise = "coordinator" },
		"no noise":             func(q *query.Query) { q.Noise = "" },
		"an unknown layout":    func(q *query.Query) { q.Layout = "matched" },
		"an unknown precision": func(q *query.Query) { q.Precision = "exact" },
		"an unknown mechanism": func(q *query.Query) { q.Mechanism = "none" },
		"epsilon 0":            func(q *query.Query) { q.MicroEpsilon = 0 },
		"epsilon below 0":      func(q *query.Query) { q.MicroEpsilon = -1 },
		"a huge epsilon":       func(q *query.Query) { q.MicroEpsilon = math.MaxInt64 },
		"delta with laplace":   func(q *query.Query) { q.AttoDelta = 1e11 },
		"a delta above 1":      func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", math.MaxInt64 },
		"a delta below 0":      func(q *query.Query) { q.Mechanism, q.AttoDelta = "gaussian", -1 },
		"no audience":          func(q *query.Query) { q.Audience = "" },
		"half an audience":     func(q *query.Query) { q.Audience = "bank.gold &&" },
		"a deep audience": func(q *query.Query) {
			q.Audience = strings.Repeat("(", 1000) + "bank.gold" + strings.Repeat(")", 1000) + " && cinema.member"
		},
		"one party":     func(q *query.Query) { q.Audience, q.Participants = "bank.gold", q.Participants[:1] },
		"nobody":        func(q *query.Query) { q.Participants = nil },
		"a party twice": func(q *query.Query) { q.Participants[1] = q.Participants[0] },
		"another order": func(q *query.Query) { slices.Reverse(q.Participants) },
		"a party more": func(q *query.Query) {
			q.Participants = append(q.Participants, query.Participant{Party: "florist", IdentityType: "opaque", CustomersUpTo: customersUpTo})
		},
		"an unknown party": func(q *query.Query) { q.Participants[1].Party = "grocer" },
		"not for bank": func(q *query.Query) {
			q.Participants[0].Party, q.GroupBy = "cinema", nil
			q.Participants[1].Party = "florist"
			q.Audience = "cinema.gold && florist.member"
		},
		"more customers":           func(q *query.Query) { q.Participants[0].CustomersUpTo++ },
		"fewer customers":          func(q *query.Query) { q.Participants[0].CustomersUpTo = 1 },
		"no customers":             func(q *query.Query) { q.Participants[1].CustomersUpTo = 0 },
		"customers beyond numbers": func(q *query.Query) { q.Participants[1].CustomersUpTo = math.MaxInt64 },
		"too many for a layout":    func(q *query.Query) { q.Participants[1].CustomersUpTo = math.MaxInt32 },
		"another type of identity": func(q *query.Query) {
			q.Participants[0].IdentityType, q.Participants[1].IdentityType = "email", "email"
		},
		"identities that differ":     func(q *query.Query) { q.Participants[1].IdentityType = "email" },
		"an unknown segment":         func(q *query.Query) { q.Audience = "bank.silver && cinema.member" },
		"a dimension as segment":     func(q *query.Query) { q.Audience = "bank.band && cinema.member" },
		"an unknown value":           func(q *query.Query) { q.Audience = `bank.band == "older" && cinema.member` },
		"an unknown dimension":       func(q *query.Query) { q.GroupBy[0].Name = "age" },
		"values left out":            func(q *query.Query) { q.GroupBy[0].Values = q.GroupBy[0].Values[:1] },
		"other values":               func(q *query.Query) { q.GroupBy[0].Values = []string{"a", "b"} },
		"a dimension twice":          func(q *query.Query) { q.GroupBy = append(q.GroupBy, q.GroupBy[0]) },
		"a dimension of an outsider": func(q *query.Query) { q.GroupBy[0].Party = "florist" },
		"no analyst":                 func(q *query.Query) { q.Analyst = "" },
		"the coordinator as analyst": func(q *query.Query) { q.Analyst = "coordinator" },
		"a thousand cells more":      func(q *query.Query) { q.GroupBy[0].Values = make([]string, 2000) },
	} {
		bad := newNonce(original)
		bad.Participants, bad.GroupBy = slices.Clone(original.Participants), slices.Clone(original.GroupBy)
		change(bad)
		err := prepare(protocol.Sign(key, bad))
		if err == nil || fault.IsKind(err, fault.Internal) || fault.IsKind(err, fault.Unavailable) || fault.IsKind(err, fault.Budget) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := c.party("bank").node.Sessions(); n != 0 {
		t.Errorf("bank has %d sessions", n)
	}
	for _, change := range []func(q *query.Query){func(*query.Query) {}, sum("bank.spend", func(*query.Amount) {})} {
		good := newNonce(original)
		change(good)
		k := c.conduct(good)
		c.must(k.prepare()) // the good ones pass
		k.forget()
	}
}
