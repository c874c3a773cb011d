package party

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/subjects"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Each of these has values that nobody else has, so that they are noticed where they do not belong.
const accessYAML = `name: shop
source: {csv: customers.csv}
identity: [{column: mail, type: email}, {column: phone, type: phone, country: DE}]
customers_up_to: 1000
segments: {likes_tea: "likes = 'tea'", likes_rum: "likes = 'rum'", likes_kvass: "likes = 'kvass'"}
dimensions: {town: {sql: town, values: [ulm, bonn, kiel]}}
measures: {spend: {sql: spend, clip: [0, 5000], step: 0.5, unit: EUR}}
retention: {since: bought, keep_for: 36 months}
purposes:
  planning: {consent: "true", basis: contract}
  ads: {consent: "ads = 'yes'", given: since, valid_for: 12 months}
`

const accessCSV = `mail,phone,likes,town,spend,ads,since,bought
anna@x.de,030 1000001,tea,ulm,1234.5,yes,2026-01-01,2026-01-10
bert@x.de,030 1000002,rum,bonn,2345.5,no,2026-01-01,2026-01-11
cleo@x.de,030 1000002,kvass,kiel,3456.5,yes,2024-01-01,2026-01-12
dora@x.de,030 1000004,,,,yes,2027-01-01,2023-03-10
`

// valuesOf are what only one person has.
var valuesOf = map[string][]string{
	"anna@x.de": {"tea", "ulm", "1234"}, "bert@x.de": {"rum", "bonn", "2345"}, "cleo@x.de": {"kvass", "kiel", "3456"},
}

func (w *world) access(owner sottov1.OwnerClient, id string) *sottov1.AccessResponse {
	w.Helper()
	r, err := owner.Access(w.Context(), &sottov1.AccessRequest{Id: id})
	w.must(err)
	return r
}

// Who asks is told what the node holds on them, in their own words and numbers, and nothing of anybody else.
func TestAccess(t *testing.T) {
	w := newWorld(t, accessYAML, accessCSV)
	w.serve()
	owner := w.owner("privacy_desk")
	w.hear(subjects.Withdraw, "ads", "anna@x.de")
	w.hear(subjects.Withdraw, "research", "anna@x.de") // for which the shop answers nothing
	day := func(text string) int64 {
		at, err := time.Parse(time.DateOnly, text)
		w.must(err)
		return at.Unix()
	}
	now := w.clock.Load()
	planning := &sottov1.ConsentOf{Purpose: "planning", TakesPart: true}
	anna := &sottov1.AccessResponse{
		Customer: true, Segments: []string{"likes_tea"}, Dimensions: map[string]string{"town": "ulm"},
		Amounts: []*sottov1.AmountOf{{Measure: "spend", Known: true, Amount: 1234.5, Unit: "EUR"}}, KeepUntil: day("2029-01-10"),
		Consents: []*sottov1.ConsentOf{
			{Purpose: "ads", Why: "withdrawn", From: day("2026-01-01"), Until: day("2027-01-01"), Withdrawn: now},
			planning,
			{Purpose: "research", Why: "withdrawn", Withdrawn: now},
		},
	}
	for id, want := range map[string]*sottov1.AccessResponse{
		" Anna@X.de": anna, "+49 (30) 100-0001": anna,
		"bert@x.de": {
			Customer: true, Segments: []string{"likes_rum"}, Dimensions: map[string]string{"town": "bonn"},
			Amounts: []*sottov1.AmountOf{{Measure: "spend", Known: true, Amount: 2345.5, Unit: "EUR"}}, KeepUntil: day("2029-01-11"),
			Consents: []*sottov1.ConsentOf{{Purpose: "ads", Why: "no consent", From: day("2026-01-01"), Until: day("2027-01-01")}, planning},
		},
		"cleo@x.de": {
			Customer: true, Segments: []string{"likes_kvass"}, Dimensions: map[string]string{"town": "kiel"},
			Amounts: []*sottov1.AmountOf{{Measure: "spend", Known: true, Amount: 3456.5, Unit: "EUR"}}, KeepUntil: day("2029-01-12"),
			Consents: []*sottov1.ConsentOf{
				{Purpose: "ads", Why: "consent has expired", From: day("2024-01-01"), Until: day("2025-01-01")}, planning,
			},
		},
		"dora@x.de": {
			Customer: true, Dimensions: map[string]string{"town": "unknown"},
			Amounts: []*sottov1.AmountOf{{Measure: "spend", Unit: "EUR"}}, KeepUntil: day("2026-03-10"),
			Consents: []*sottov1.ConsentOf{
				{Purpose: "ads", Why: "consent begins later", From: day("2027-01-01"), Until: day("2028-01-01")}, planning,
			},
		},
		"nobody@x.de": {},
	} {
		got := w.access(owner, id)
		if !proto.Equal(got, want) {
			t.Errorf("%s is told %v, want %v", id, got, want)
		}
		w.checkNobodyElse(id, got)
	}
	w.clock.Store(day("2026-03-10"))
	for _, c := range w.access(owner, "dora@x.de").GetConsents() {
		if c.GetTakesPart() || c.GetWhy() != "the data is too old" {
			t.Errorf("when the data is too old, dora is told %v", c)
		}
	}
	for id, what := range map[string]string{"0301000002": "of two people", "no id": "that makes no sense", "": "that is empty"} {
		if r, err := owner.Access(t.Context(), &sottov1.AccessRequest{Id: id}); !fault.IsKind(err, fault.Invalid) {
			t.Errorf("an id %s: %v, error %v", what, r, err)
		}
	}
}

// checkNobodyElse looks for others' values in an answer, as text and as bytes.
func (w *world) checkNobodyElse(id string, r *sottov1.AccessResponse) {
	w.Helper()
	raw, err := proto.Marshal(r)
	w.must(err)
	shown, err := protojson.Marshal(r)
	w.must(err)
	for other, values := range valuesOf {
		if other == strings.ToLower(strings.TrimSpace(id)) || other == "anna@x.de" && strings.HasSuffix(id, "1") {
			continue
		}
		for _, value := range append(values, other) {
			if strings.Contains(string(raw), value) || strings.Contains(string(shown), value) {
				w.Errorf("%s is told of %s: %s", id, other, shown)
			}
		}
	}
}

// Who asks is told exactly of the questions that their data was among, and which of them were answered; after an erasure, of
// nothing but its date.
func TestAccessToQuestions(t *testing.T) {
	w := newWorld(t, accessYAML, accessCSV)
	_, stop := w.serve()
	owner := w.owner("shop")
	at := map[string]string{} // by question: its name
	ask := func(name, purpose string) audit.Entry {
		t.Helper()
		asked := w.asked(purpose)
		at[asked.Query] = name
		w.wait(time.Minute)
		return asked
	}
	check := func(what, id, want string) {
		t.Helper()
		var got []string
		for _, q := range w.access(owner, id).GetQuestions() {
			name := at[q.GetQuery()]
			if q.GetReleased() {
				name += "!"
			}
			got = append(got, name)
			if q.GetAnalyst() != "ana" || q.GetOrganisation() != "agency" || q.GetMeasure() != "count" || q.GetAudience() != "bank.member && shop.member" {
				t.Errorf("%s: %s is told of %v", what, id, q)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s is told of %q, want %q", what, id, got, want)
		}
	}
	ask("first", "planning")
	second := ask("second", "ads") // anna alone
	release := second
	release.Action, release.Verdict, release.At = audit.Release, audit.Done, time.Time{}
	w.must(w.state.Audit.Record(release))
	w.hear(subjects.Withdraw, "planning", "anna@x.de")
	ask("third", "planning")
	refused := w.question("planning")
	refused.MicroEpsilon = 1e9
	if _, err := w.prepare(refused, w.keys["ana"]); err == nil {
		t.Fatal("not refused")
	}
	w.hear(subjects.Restore, "planning", "anna@x.de")
	ask("fourth", "planning")
	w.write("customers.csv", strings.ReplaceAll(accessCSV, "bert@x.de,030 1000002,rum", "bert@x.de,030 1000002,tea"))
	_, err := w.Refresh(t.Context(), "owner")
	w.must(err)
	ask("fifth", "planning")
	ask("sixth", "planning")
	w.write("customers.csv", strings.ReplaceAll(accessCSV, "cleo@x.de", "carl@x.de"))
	_, err = w.Refresh(t.Context(), "owner")
	w.must(err)
	ask("seventh", "planning")
	check("in the end", "anna@x.de", "first second! fourth fifth sixth seventh")
	check("in the end", "0301000001", "first second! fourth fifth sixth seventh")
	check("in the end", "bert@x.de", "first third fourth fifth sixth seventh")
	check("no customer any more", "cleo@x.de", "first third fourth fifth sixth")
	check("a customer since", "carl@x.de", "seventh")
	check("nobody", "nobody@x.de", "")
	stop()
	w.end()
	w.begin()
	w.serve()
	owner = w.owner("shop")
	check("after a restart", "anna@x.de", "first second! fourth fifth sixth seventh")

	erased := w.clock.Load()
	w.hear(subjects.Erase, "", "anna@x.de", "cleo@x.de")
	w.wait(time.Hour)
	for _, when := range []string{"then", "after a refresh"} {
		for _, id := range []string{"anna@x.de", "cleo@x.de"} {
			if got, want := w.access(owner, id), (&sottov1.AccessResponse{Erased: erased}); !proto.Equal(got, want) {
				t.Errorf("%s %s is told %v, want %v", when, id, got, want)
			}
		}
		if got := w.access(owner, "0301000001"); !proto.Equal(got, &sottov1.AccessResponse{}) {
			t.Errorf("%s anna is told %v by another id", when, got)
		}
		check(when, "bert@x.de", "first third fourth fifth sixth seventh")
		_, err := w.Refresh(t.Context(), "owner")
		w.must(err)
	}
	w.checkErased("anna@x.de", "0301000001", "cleo@x.de")
}

// A customer is one person under all ids: who is known by an address is taken out by the phone number, too, and so is everybody
// whose number it is.
func TestSeveralIdentifiers(t *testing.T) {
	for _, c := range []struct {
		kind     subjects.Kind
		id, left string
		found    int
	}{
		{subjects.Withdraw, "030 1000001", "bert@x.de cleo@x.de dora@x.de", 1},
		{subjects.Erase, "+49301000001", "bert@x.de cleo@x.de dora@x.de", 1},
		{subjects.Withdraw, "0301000002", "anna@x.de dora@x.de", 2},
		{subjects.Erase, "0301000002", "anna@x.de dora@x.de", 2},
		{subjects.Withdraw, "bert@x.de", "anna@x.de cleo@x.de dora@x.de", 1},
		{subjects.Erase, "bert@x.de", "anna@x.de cleo@x.de dora@x.de", 1},
		{subjects.Erase, "+49301009999", "anna@x.de bert@x.de cleo@x.de dora@x.de", 0},
	} {
		t.Run(fmt.Sprintf("%s %s", c.kind, c.id), func(t *testing.T) {
			w := newWorld(t, accessYAML, accessCSV)
			w.asked("planning")
			if heard := w.hear(c.kind, "", c.id); heard.Recorded != 1 || heard.Customers != c.found {
				t.Errorf("heard %+v, want %d customers", heard, c.found)
			}
			check := func(when string) {
				t.Helper()
				if got, want := w.taking("planning"), strings.ReplaceAll(c.left, " ", ""); got != want {
					t.Errorf("%s %s may take part, want %s", when, got, want)
				}
			}
			check("then")
			_, err := w.Refresh(t.Context(), "owner")
			w.must(err)
			check("after a refresh")
			w.end()
			w.begin()
			check("after a restart")
			if c.kind == subjects.Erase {
				all := slices.DeleteFunc(strings.Fields("anna@x.de bert@x.de cleo@x.de dora@x.de"), func(id string) bool { return strings.Contains(c.left, id) })
				w.checkErased(append(all, c.id)...)
			}
			w.hear(subjects.Restore, "", c.id)
			_, err = w.Refresh(t.Context(), "owner")
			w.must(err)
			if got := w.taking("planning"); got != "anna@x.debert@x.decleo@x.dedora@x.de" {
				t.Errorf("when it is taken back, %s may take part", got)
			}
		})
	}
}

// Whom the source connects with somebody erased only later is gone from then on, also from what was stored before.
func TestErasedByAnIDThatComesLater(t *testing.T) {
	w := newWorld(t, accessYAML, strings.ReplaceAll(accessCSV, "anna@x.de,030 1000001", "anna@x.de,"))
	w.asked("planning")
	w.hear(subjects.Erase, "", "030 1000001")
	if got := w.taking("planning"); !strings.Contains(got, "anna@x.de") {
		t.Fatalf("%s may take part", got)
	}
	w.write("customers.csv", accessCSV)
	_, err := w.Refresh(t.Context(), "owner")
	w.must(err)
	w.checkErased("anna@x.de", "030 1000001")
}

// What was said under two ids holds until it is taken back under both.
func TestWithdrawnUnderTwoIDs(t *testing.T) {
	w := newWorld(t, accessYAML, accessCSV)
	w.hear(subjects.Withdraw, "", "anna@x.de", "030 1000001")
	for _, id := range []string{"", "anna@x.de"} {
		if id != "" {
			w.hear(subjects.Restore, "", id)
		}
		if got := w.taking("planning"); got != "bert@x.decleo@x.dedora@x.de" {
			t.Errorf("when it is taken back under %q, %s may take part", id, got)
		}
	}
	w.hear(subjects.Restore, "", "+49301000001")
	if got := w.taking("planning"); got != "anna@x.debert@x.decleo@x.dedora@x.de" {
		t.Errorf("in the end %s may take part", got)
	}
}
