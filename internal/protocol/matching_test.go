package protocol_test

import (
	"bytes"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// matching is one in which everybody has said what honest nodes say. Bodies are in the order of the agreement.
type matching struct {
	agreement *agreement.Agreement
	keys      map[string]*identity.Key
	request   *protocol.Matching
	session   [16]byte
	id        [32]byte

	announcements []*protocol.MatchAnnouncement
	lengths       []*protocol.MatchLength
	approvals     []*protocol.MatchApproval
	union         *protocol.MatchUnion
}

// newMatching is of three parties. Its sealing keys and nonces are the same each time, its identities are not.
func newMatching(t testing.TB) *matching {
	t.Helper()
	m := &matching{keys: map[string]*identity.Key{}, session: [16]byte{7}}
	key := func(name string) identity.PublicKey {
		k, err := identity.Generate()
		if err != nil {
			t.Fatal(err)
		}
		m.keys[name] = k
		return k.Public()
	}
	m.agreement = &agreement.Agreement{
		Collaboration: "loyalty",
		Coordinator:   agreement.Coordinator{Address: "c:1", Key: key(agreement.CoordinatorName)},
		Parties: []agreement.Party{
			{Name: "bank", Address: "b:1", Key: key("bank")},
			{Name: "shop", Address: "s:1", Key: key("shop")},
			{Name: "telco", Address: "t:1", Key: key("telco")},
		},
		Analysts: []agreement.Analyst{{Name: "marketing", Key: key("marketing")}},
		Layouts:  []string{agreement.LayoutHashed, agreement.LayoutMatched},
		Matching: agreement.Matching{Epsilon: 100_000, Delta: 1e-9},
	}
	m.request = protocol.NewMatching(m.agreement, "marketing", now)
	m.request.Nonce = [16]byte{1}
	for i, party := range m.agreement.Parties {
		sealing, err := seal.ParseKey(bytes.Repeat([]byte{byte(i)}, 32))
		if err != nil {
			t.Fatal(err)
		}
		m.announcements = append(m.announcements, &protocol.MatchAnnouncement{
			Request: [32]byte{2}, Session: m.session, Party: party.Name, Nonce: [32]byte{byte(i)}, Key: sealing.Public(),
			Holds: [][32]byte{{9}, {8}},
		})
	}
	m.id = [32]byte{3}
	for i, party := range m.agreement.Parties {
		m.lengths = append(m.lengths, &protocol.MatchLength{Matching: m.id, Party: party.Name, Length: int64(100 * (i + 1))})
		m.approvals = append(m.approvals, &protocol.MatchApproval{Matching: m.id, Party: party.Name, Spine: [32]byte{4}, Slots: 450})
	}
	m.union = &protocol.MatchUnion{Matching: m.id, Length: 450, Digest: [32]byte{5}}
	return m
}

// each returns bodies signed by the parties, one by each.
func each[B protocol.Body](m *matching, bodies []B) []*sottov1.Signed {
	var signed []*sottov1.Signed
	for i, body := range bodies {
		signed = append(signed, protocol.Sign(m.keys[m.agreement.Parties[i].Name], body))
	}
	return signed
}

func (m *matching) verifyAnnouncements(signed []*sottov1.Signed) ([32]byte, error) {
	all, id, err := protocol.VerifyAnnouncements(signed, m.agreement, [32]byte{2}, m.session)
	if err != nil && (all != nil || id != [32]byte{}) {
		panic("refused announcements are returned")
	}
	return id, err
}

// named fails the test unless err is a fault.Protocol that names who is to blame.
func named(t *testing.T, who, what string, err error) {
	t.Helper()
	refused(t, what, err)
	if err != nil && !regexp.MustCompile(`\b`+who+`\b`).MatchString(err.Error()) {
		t.Errorf("%s: error does not name %s: %v", what, who, err)
	}
}

// Guards who may have all customers matched, and so all budgets charged: a request is taken only as a pinned analyst signed it,
// every field of it, or the coordinator where a schedule is agreed; about this agreement alone, and at its time.
func TestVerifyMatching(t *testing.T) {
	m := newMatching(t)
	signed := protocol.Sign(m.keys["marketing"], m.request)
	back, err := protocol.VerifyMatching(signed, m.agreement, now)
	if err != nil || *back != *m.request {
		t.Fatalf("verified %+v, %v", back, err)
	}
	if fresh := protocol.NewMatching(m.agreement, "marketing", now); fresh.Nonce == protocol.NewMatching(m.agreement, "marketing", now).Nonce ||
		fresh.Collaboration != "loyalty" || fresh.Agreement != m.agreement.Hash() || fresh.By != "marketing" || fresh.Begun != now.Unix() {
		t.Errorf("a fresh request is %+v", fresh)
	}
	mutations(reflect.ValueOf(m.request).Elem(), "Matching", func(path string) {
		altered := &sottov1.Signed{Body: canon.Encode(m.request.Domain(), m.request), Signature: signed.GetSignature()}
		if back, err := protocol.VerifyMatching(altered, m.agreement, now); !fault.IsKind(err, fault.NotMember) || back != nil ||
			!strings.Contains(err.Error(), m.request.By) {
			t.Errorf("%s altered: %+v, error is %v, want fault.NotMember", path, back, err)
		}
	})
	for name, c := range map[string]struct {
		signer string // "marketing" if empty
		alter  func(r *protocol.Matching, a *agreement.Agreement)
		kind   fault.Kind // "" for what is taken
		want   string
	}{
		"by a stranger":             {"marketing", func(r *protocol.Matching, _ *agreement.Agreement) { r.By = "stranger" }, fault.NotMember, `"stranger" is not an analyst`},
		"by nobody":                 {"marketing", func(r *protocol.Matching, _ *agreement.Agreement) { r.By = "" }, fault.NotMember, `"" is not an analyst`},
		"by a party":                {"bank", func(r *protocol.Matching, _ *agreement.Agreement) { r.By = "bank" }, fault.NotMember, `"bank" is not an analyst`},
		"signed by a party":         {"bank", nil, fault.NotMember, "not signed by marketing"},
		"signed by the coordinator": {agreement.CoordinatorName, nil, fault.NotMember, "not signed by marketing"},
		"without a layout": {"", func(r *protocol.Matching, a *agreement.Agreement) {
			a.Matching = agreement.Matching{}
			r.Agreement = a.Hash()
		}, fault.Unsupported, "no matched layout"},
		"at another price":          {"", func(_ *protocol.Matching, a *agreement.Agreement) { a.Matching.Epsilon++ }, fault.Stale, "another agreement"},
		"other collaboration":       {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Collaboration += "x" }, fault.Stale, "another agreement"},
		"other agreement":           {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Agreement[0]++ }, fault.Stale, "another agreement"},
		"5 minutes ahead":           {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Begun += 300 }, "", ""},
		"more than that ahead":      {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Begun += 301 }, fault.Invalid, "in the future"},
		"at the end of time":        {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Begun = math.MaxInt64 }, fault.Invalid, "in the future"},
		"an hour ago":               {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Begun -= 3600 }, "", ""},
		"more than an hour ago":     {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Begun -= 3601 }, fault.Expired, "2026-03-01T10:59:59Z, more than 1h0m0s ago"},
		"at the beginning of time":  {"", func(r *protocol.Matching, _ *agreement.Agreement) { r.Begun = math.MinInt64 }, fault.Expired, "ago"},
		"coordinator, on schedule":  {agreement.CoordinatorName, scheduled(24 * time.Hour), "", ""},
		"coordinator, no schedule":  {agreement.CoordinatorName, scheduled(0), fault.NotMember, "no schedule"},
		"coordinator, less than no": {agreement.CoordinatorName, scheduled(-time.Hour), fault.NotMember, "no schedule"},
		"for the coordinator":       {"marketing", scheduled(time.Hour), fault.NotMember, "not signed by coordinator"},
		"coordinator without a key": {agreement.CoordinatorName, func(r *protocol.Matching, a *agreement.Agreement) {
			a.Coordinator.Key = identity.PublicKey{}
			scheduled(time.Hour)(r, a)
		}, fault.NotMember, "not signed by coordinator"},
		"analyst, on a schedule": {"", func(r *protocol.Matching, a *agreement.Agreement) {
			a.Matching.Every = time.Hour
			r.Agreement = a.Hash()
		}, "", ""},
	} {
		r, a := *m.request, *m.agreement
		if c.alter != nil {
			c.alter(&r, &a)
		}
		if c.signer == "" {
			c.signer = "marketing"
		}
		_, err := protocol.VerifyMatching(protocol.Sign(m.keys[c.signer], &r), &a, now)
		if c.kind == "" && err != nil || c.kind != "" && (!fault.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, c.kind, c.want)
		}
	}
	for name, body := range map[string][]byte{
		"nothing": nil, "cut": signed.GetBody()[1:], "trailing byte": append(bytes.Clone(signed.GetBody()), 0), "of 2 MiB": make([]byte, 2<<20),
		"another domain": canon.Encode("sotto/v1/other", m.request),
	} {
		_, err := protocol.VerifyMatching(&sottov1.Signed{Body: body, Signature: signed.GetSignature()}, m.agreement, now)
		if !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%s: error is %v, want fault.Invalid", name, err)
		}
	}
}

// scheduled makes it a request of the coordinator, under an agreement with that schedule.
func scheduled(every time.Duration) func(*protocol.Matching, *agreement.Agreement) {
	return func(r *protocol.Matching, a *agreement.Agreement) {
		a.Matching.Every = every
		r.By, r.Agreement = agreement.CoordinatorName, a.Hash()
	}
}

// Guards what parties say to each other: announcements, lengths and approvals are there once for each party, in order, as it
// signed them, of this matching; and who is not so is named. Only what is a party's own word may be another, if it signs it.
func TestEveryFieldOfMatchingIsVerified(t *testing.T) {
	m := newMatching(t)
	bodies := func(n int, at func(i int) protocol.Body) (all []protocol.Body) {
		for i := range n {
			all = append(all, at(i))
		}
		return all
	}
	for name, c := range map[string]struct {
		bodies []protocol.Body
		verify func([]*sottov1.Signed) error
		own    *regexp.Regexp
	}{
		"announcement": {bodies(3, func(i int) protocol.Body { return m.announcements[i] }), func(signed []*sottov1.Signed) error {
			_, err := m.verifyAnnouncements(signed)
			return err
		}, regexp.MustCompile(`\.Nonce|\.Holds`)},
		"length": {bodies(3, func(i int) protocol.Body { return m.lengths[i] }), func(signed []*sottov1.Signed) error {
			lengths, err := protocol.VerifyLengths(signed, m.agreement, m.id)
			if err != nil && lengths != nil {
				t.Error("refused lengths are returned")
			}
			return err
		}, regexp.MustCompile(`\.Length`)},
		"approval": {bodies(3, func(i int) protocol.Body { return m.approvals[i] }), func(signed []*sottov1.Signed) error {
			approval, err := protocol.VerifyApprovals(signed, m.agreement, m.id)
			if err == nil && *approval != *m.approvals[0] || err != nil && approval != nil {
				t.Errorf("approved is %+v, %v", approval, err)
			}
			return err
		}, regexp.MustCompile(`^$`)},
	} {
		honest := each(m, c.bodies)
		if err := c.verify(honest); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, party := range m.agreement.Parties {
			with := func(signed *sottov1.Signed) []*sottov1.Signed {
				list := slices.Clone(honest)
				list[i] = signed
				return list
			}
			v := reflect.ValueOf(c.bodies[i]).Elem()
			for f := range v.NumField() {
				field := v.Type().Field(f).Name
				if field == "Key" { // TestSealingKeys: every byte of it would take long here
					continue
				}
				mutations(v.Field(f), party.Name+"'s "+name+"."+field, func(path string) {
					body := canon.Encode(c.bodies[i].Domain(), c.bodies[i])
					named(t, party.Name, path+" altered", c.verify(with(&sottov1.Signed{Body: body, Signature: honest[i].GetSignature()})))
					err := c.verify(with(protocol.Sign(m.keys[party.Name], c.bodies[i])))
					if own := c.own.MatchString(path); own && err != nil {
						t.Errorf("%s signed anew: %v", path, err)
					} else if !own {
						named(t, party.Name, path+" signed anew", err)
					}
				})
			}
			for signer, key := range m.keys {
				if signer != party.Name {
					named(t, party.Name, name+" of "+party.Name+" signed by "+signer, c.verify(with(protocol.Sign(key, c.bodies[i]))))
				}
			}
			next := honest[(i+1)%len(honest)]
			for what, signed := range map[string]*sottov1.Signed{
				"nothing": nil, "an empty one": {}, "another's": next, "unsigned": {Body: honest[i].GetBody()},
				"another's signature": {Body: honest[i].GetBody(), Signature: next.GetSignature()},
				"a trailing byte":     {Body: append(bytes.Clone(honest[i].GetBody()), 0), Signature: honest[i].GetSignature()},
				"2 MiB":               {Body: make([]byte, 2<<20), Signature: honest[i].GetSignature()},
				"another body":        protocol.Sign(m.keys[party.Name], m.union),
			} {
				named(t, party.Name, name+": "+what, c.verify(with(signed)))
			}
		}
		swapped := slices.Clone(honest)
		swapped[1], swapped[2] = swapped[2], swapped[1]
		for what, list := range map[string][]*sottov1.Signed{
			"none": nil, "first missing": honest[1:], "last missing": honest[:2], "one too many": append(slices.Clone(honest), honest[2]),
			"one twice": {honest[0], honest[0], honest[2]}, "swapped": swapped, "of nobody": make([]*sottov1.Signed, 3),
		} {
			refused(t, name+", "+what, c.verify(list))
		}
	}
}
