package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/party/config"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// refusing is a collaboration in which many things are not allowed.
func refusing(t *testing.T, unknown ...string) *cluster {
	return start(t, setup{
		parties: 3, analysts: 2, total: 12, seed: 140, unknown: unknown,
		purposes: map[string][]string{"bank": {"planning", "measurement"}},
		limits:   map[string]config.Limits{"cinema": {EpsilonPerQuery: micro(5), PeriodLimits: config.PeriodLimits{EpsilonTotal: micro(6)}}},
	})
}

// refusals are questions that are not answered, with the kind of error, at whose node it is made, and a part of the hint on
// what would be.
var refusals = []struct {
	client.Question
	kind, party, hint string
}{
	{client.Question{}, "invalid", "", ""},
	{client.Question{Count: "bank.member", Total: []string{"bank.member"}}, "invalid", "", ""},
	{client.Question{Count: "bank.member && cinema.member", Where: "bank.gold"}, "invalid", "", ""},
	{client.Question{Count: "bank.member &&"}, "invalid", "", "party.segment"},
	{client.Question{Count: "bank.band && cinema.member"}, "invalid", "", `bank.band == "under 40"`},
	{client.Question{Count: "!bank.member && !cinema.member"}, "invalid", "", "&& bank.member"},
	{client.Question{Count: "bank.member && (cinema.member || !cinema.member)"}, "invalid", "", "leave it out"},
	{client.Question{Count: "bank.member && cinema.member", By: []string{"florist.band"}}, "invalid", "", "&& florist.member"},
	{client.Question{Sum: "florist.spend", Where: "bank.member && cinema.member"}, "invalid", "", "&& florist.member"},
	{client.Question{Count: "bank.member && cinema.member", Epsilon: -1}, "invalid", "", ""},
	{client.Question{Count: "bank.member && cinema.member", Mechanism: "gaussian"}, "invalid", "", ""},
	{client.Question{Count: "bank.member && cinema.member", Precision: "exact"}, "invalid", "", ""},
	{client.Question{Count: "baker.member && cinema.member"}, "unknown_name", "", "catalog"},
	{client.Question{Count: "bank.silver && cinema.member"}, "unknown_name", "", "member, gold"},
	{client.Question{Count: `bank.band == "old" && cinema.member`}, "unknown_name", "", "under 40, 40 and over, unknown"},
	{client.Question{Count: `bank.age == "old" && cinema.member`}, "unknown_name", "", "band, region"},
	{client.Question{Count: "bank.member && cinema.member", By: []string{"bank.age"}}, "unknown_name", "", "catalog"},
	{client.Question{Mean: "bank.age", Where: "bank.member && cinema.member"}, "unknown_name", "", "catalog"},
	{client.Question{Count: "bank.member"}, "unsupported", "", "&& other.member"},
	{client.Question{Total: []string{"bank.member", "cinema.member"}, By: []string{"bank.band"}}, "unsupported", "", "once for each group"},
	{client.Question{Count: "bank.member && cinema.member", Layout: "matched"}, "unsupported", "", ""},
	{client.Question{Count: "bank.member && (" + strings.Repeat("cinema.member || ", 300) + "cinema.member)"}, "size", "", ""},
	{client.Question{Count: "bank.member && cinema.member", By: []string{"bank.band", "bank.region", "cinema.band", "cinema.region"}}, "size", "", ""},
	{client.Question{Count: "bank.member && cinema.member", Purpose: "profiling"}, "purpose", "", "marketing, measurement, planning"},
	{client.Question{Count: "florist.member && cinema.member", Purpose: strings.Repeat("p", 201)}, "purpose", "", "marketing"},
	{client.Question{Count: "bank.member && cinema.member", Purpose: "marketing"}, "purpose", "", "it answers for: measurement, planning"},
	{client.Question{Count: "bank.member && cinema.member", Epsilon: 13}, "limit", "", "epsilon 12 or less"},
	{client.Question{Count: "bank.member && cinema.member", Epsilon: 4, Mechanism: "gaussian", Delta: 1e-5}, "limit", "", "delta 9.9e-07 or less"},
	{client.Question{Count: "bank.member && cinema.member", Epsilon: 5.5}, "limit", "cinema", "epsilon 5 or less"},
	{client.Question{Total: []string{"bank.member", "cinema.member"}, Epsilon: 3}, "budget", "cinema", "epsilon 2 or less"},
}

// TestRefusals guards what an analyst reads when a question is not answered: a kind to branch on, whose node refused it, and
// what would be accepted instead; it costs nothing. None of it depends on customers: it is word for word the same where
// parties have a thousand of them and where they have none.
func TestRefusals(t *testing.T) {
	read := func(c *cluster) []string {
		spent := client.Question{Total: []string{"bank.gold", "cinema.gold"}, Epsilon: 4}
		_, err := c.ask(spent)
		c.must(err)
		before := c.charges()
		var texts []string
		check := func(what string, err error, kind, party, hint string) {
			t.Helper()
			f := fault.From(err)
			if err == nil {
				t.Errorf("%s: not refused, must be %q", what, kind)
				return
			}
			if client.ErrorKind(err) != kind || f.Party != party || !strings.Contains(client.ErrorHint(err), hint) {
				t.Errorf("%s: %v, kind %q at %q, hint %q; must be %q at %q, hint %q", what, err, client.ErrorKind(err), f.Party, client.ErrorHint(err), kind, party, hint)
				return
			}
			texts = append(texts, fmt.Sprintf("%s: %s %s %s %s", what, f.Kind, f.Party, f.Message, f.Hint))
		}
		for _, refusal := range refusals {
			q := refusal.Question
			q.Epsilon = either(q.Epsilon, 1)
			_, err := c.ask(q)
			check(wording(q), err, refusal.kind, refusal.party, refusal.hint)
			_, err = c.analysts[1].Explain(context.Background(), plain(q), 0)
			if refusal.party == "" { // else it is the owner who refuses, once asked
				check("explain "+wording(q), err, refusal.kind, refusal.party, refusal.hint)
			}
		}
		ok := client.Question{Total: []string{"bank.member", "florist.member"}, Epsilon: 1}
		c.party("bank").clock.Store(int64(2 * time.Hour))
		_, err = c.ask(ok)
		c.party("bank").clock.Store(0)
		f := fault.From(err)
		f.Message, _, _ = strings.Cut(f.Message, " at ") // the time
		check("expired", f, "expired", "bank", "ask again")
		_, err = c.analysts[0].Find(strings.Repeat("0", 64))
		check("find", err, "not_found", "", "same identity")
		stranger, err := identity.Generate()
		c.must(err)
		_, err = client.New(c.agreement, stranger, "")
		f = fault.From(err)
		f.Message = strings.ReplaceAll(f.Message, stranger.Public().String(), "a key")
		check("a stranger", f, "not_a_member", "", "under analysts")
		c.party("florist").stop()
		_, err = c.ask(ok)
		f = fault.From(err)
		f.Message, _, _ = strings.Cut(f.Message, ": ") // and a port
		check("a party that is down", f, "unavailable", "florist", "again")
		c.party("florist").restart()
		if !maps.Equal(before, c.charges()) {
			t.Errorf("charges went from %v to %v", before, c.charges())
		}
		c.back()
		_, err = c.ask(ok)
		c.must(err) // that it is the reason given for which the others are refused
		return texts
	}
	some, none := read(refusing(t)), read(refusing(t, "bank", "cinema", "florist"))
	if !slices.Equal(some, none) {
		t.Errorf("refused with customers:\n%s\nwithout:\n%s", strings.Join(some, "\n"), strings.Join(none, "\n"))
	}
}

// either returns a value, or another one for the zero value.
func either[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// TestRefusedByStatus guards what crosses the wire when a party refuses a question that a coordinator, honest or not, hands
// on: a gRPC status whose code fits for clients that know nothing of Sotto, with the kind and the hint in its details; the
// same from a party with customers and from one without.
func TestRefusedByStatus(t *testing.T) {
	read := func(c *cluster) []string {
		original, _ := c.question(client.Question{Total: []string{"bank.member", "cinema.member"}, Epsilon: 4})
		k := c.conduct(original)
		c.must(k.prepare()) // epsilon 4 of cinema's 6 is reserved
		member, _ := c.agreement.Party("cinema")
		conn, err := grpc.NewClient("passthrough:///"+member.Address, rpc.ClientCredentials(c.keys[agreement.CoordinatorName].ClientTLS(member.Key)))
		c.must(err)
		defer conn.Close()
		var texts []string
		for _, refusal := range []struct {
			what   string
			change func(q *query.Query)
			code   codes.Code
			kind   fault.Kind
		}{
			{"budget", func(q *query.Query) { q.MicroEpsilon = 2_100_000 }, codes.ResourceExhausted, fault.Budget},
			{"limit", func(q *query.Query) { q.MicroEpsilon = 5_000_001 }, codes.OutOfRange, fault.Limit},
			{"segment", func(q *query.Query) { q.Audience = "[bank.member, cinema.silver]" }, codes.InvalidArgument, fault.Unknown},
			{"size", func(q *query.Query) { q.Audience = strings.Repeat(" ", 4097) }, codes.OutOfRange, fault.Size},
			{"purpose", func(q *query.Query) { q.Purpose = "profiling" }, codes.PermissionDenied, fault.Purpose},
			{"layout", func(q *query.Query) { q.Layout = "matched" }, codes.Unimplemented, fault.Unsupported},
			{"customers", func(q *query.Query) { q.Participants[1].CustomersUpTo++ }, codes.Aborted, fault.Stale},
			{"snapshot", func(q *query.Query) { q.Participants[1].Snapshot[0]++ }, codes.Aborted, fault.Stale},
			{"audience", func(q *query.Query) { q.Audience = "[bank.member, !cinema.member]" }, codes.InvalidArgument, fault.Invalid},
			{"expiry", func(q *query.Query) { q.Expires = 1_000_000_000 }, codes.FailedPrecondition, fault.Expired},
		} {
			q := newNonce(original)
			q.Participants = slices.Clone(q.Participants)
			refusal.change(q)
			id := protocol.NewSession()
			_, err := sottov1.NewPartyClient(conn).Prepare(context.Background(), &sottov1.PrepareRequest{Session: id[:], Query: protocol.Sign(c.keys["analyst_0"], q)})
			s, _ := status.FromError(err)
			var info *errdetails.ErrorInfo
			for _, detail := range s.Details() {
				info, _ = detail.(*errdetails.ErrorInfo)
			}
			if s.Code() != refusal.code || info.GetReason() != string(refusal.kind) || info.GetDomain() != "sotto" || s.Message() == "" {
				t.Errorf("%s: %v, details %v; must be %v, %q", refusal.what, s, info, refusal.code, refusal.kind)
			}
			texts = append(texts, fmt.Sprintf("%s: %s (%s)", refusal.what, s.Message(), info.GetMetadata()["hint"]))
		}
		k.forget()
		return texts
	}
	some, none := read(refusing(t)), read(refusing(t, "bank", "cinema", "florist"))
	if !slices.Equal(some, none) {
		t.Errorf("refused with customers:\n%s\nwithout:\n%s", strings.Join(some, "\n"), strings.Join(none, "\n"))
	}
}

// TestPurposes guards that a question is for an agreed purpose, and that a party takes part only in those for the purposes
// that it answers for, and says which, whatever the other parties allow, and though the coordinator is the one who asks.
func TestPurposes(t *testing.T) {
	c := start(t, setup{parties: 3, seed: 142, purposes: map[string][]string{"bank": {"planning", "measurement"}, "cinema": {"measurement"}}})
	for purpose, says := range map[string]string{
		"": "a question must say its purpose", "Measurement": `purpose "Measurement" is not one of the agreement`, "measurement ": `purpose "measurement " is not`,
		"marketing": `does not answer questions for the purpose "marketing"`, "planning": `does not answer questions for the purpose "planning"`, "measurement": "",
	} {
		for _, members := range [][]string{{"bank", "cinema"}, {"bank", "florist"}, {"cinema", "florist"}} {
			q := filled(client.Question{Total: []string{members[0] + ".member", members[1] + ".member"}})
			signed, _ := c.question(q)
			q.Purpose, signed.Purpose = purpose, purpose
			allows := func(name string) bool { return slices.Contains(c.answersFor(name), purpose) }
			_, err := ask(c.analysts[0], q)
			if slices.ContainsFunc(members, func(name string) bool { return !allows(name) }) {
				refused(t, err, fault.Purpose, says)
				if !strings.Contains(client.ErrorHint(err), "measurement") {
					t.Errorf("%v for the purpose %q: the hint is %q", members, purpose, client.ErrorHint(err))
				}
			} else if err != nil {
				t.Errorf("%v for the purpose %q: %v", members, purpose, err)
			}
			// A party does not rely on the analyst's program to have looked.
			for _, name := range members {
				id := protocol.NewSession()
				_, err := c.party(name).dial().Prepare(context.Background(), &sottov1.PrepareRequest{Session: id[:], Query: protocol.Sign(c.keys["analyst_0"], signed)})
				if !allows(name) {
					refused(t, err, fault.Purpose, says)
					continue
				}
				c.must(err)
				_, err = c.party(name).dial().Forget(context.Background(), &sottov1.ForgetRequest{Session: id[:]})
				c.must(err)
			}
		}
	}
	for _, e := range c.party("cinema").journal().released {
		if e.purpose != "measurement" {
			t.Errorf("cinema was charged for the purpose %q", e.purpose)
		}
	}
}
