package party

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/internal/canon"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/audit"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// payloads are what somebody might write who hopes that a question's text is run, formatted, opened or shown as it is.
var payloads = []string{
	"'; DROP TABLE customers; --",
	"' OR '1'='1",
	"\" OR \"\"=\"",
	"x') UNION SELECT * FROM read_csv('/etc/passwd') --",
	"read_csv('/etc/passwd')",
	"COPY customers TO '/tmp/stolen'",
	"$(touch /tmp/stolen) `touch /tmp/stolen`",
	"../../../../etc/passwd",
	"/* */ -- #",
	"%s%s%s%n%x%!d(string=%v)",
	"{{.Key}} ${HOME} <script>alert(1)</script>",
	"|| true",
	"size(shop.region) > 0",
	"\\u0027 \\x27 \\'",
	"\x00",
	"shop\x00",
	"\x1b[2J\x1b]0;owned\a\r\n\t",
	"\u202egnp.exe\u2066\ufeff\u200b",
	"\U0010ffff\u0301",
	strings.Repeat("A", 100_000),
	strings.Repeat("'", 100_000),
	strings.Repeat("(", 100_000),
}

// texts calls f with every text of a value and what it is called; f may change it.
func texts(v reflect.Value, name string, f func(name string, text reflect.Value)) {
	switch v.Kind() {
	case reflect.String:
		f(name, v)
	case reflect.Struct:
		for i := range v.NumField() {
			texts(v.Field(i), name+"."+v.Type().Field(i).Name, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(v.Index(i), fmt.Sprintf("%s[%d]", name, i), f)
		}
	}
}

// detailed is a question that uses every field.
func (w *world) detailed() *query.Query {
	q := w.question("planning")
	q.Measure, q.Audience = query.Sum, `bank.member && shop.region == "north" && shop.gold`
	q.Amount = query.Amount{Party: "shop", Name: "spend", Step: 1, Low: 0, High: 100}
	q.GroupBy = []query.Dimension{{Party: "shop", Name: "region", Values: []string{"north", "south"}}}
	return q
}

// Whatever an analyst signs into a question's texts, the node refuses it in clear words, and its log has the refusal as harmless
// text. No question has anything to do with SQL: the source is gone here, and a question without such texts is still admitted.
func TestInjectedQuestions(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	w.must(os.Remove(filepath.Join(w.folder, "customers.csv")))
	if _, err := w.prepare(w.detailed(), w.keys["ana"]); err != nil {
		t.Fatalf("the question as it should be is refused: %v", err)
	}
	tried := map[string]bool{}
	var fields []string
	texts(reflect.ValueOf(w.detailed()).Elem(), "question", func(name string, _ reflect.Value) { fields = append(fields, name) })
	for _, field := range fields {
		for _, payload := range payloads {
			q := w.detailed()
			texts(reflect.ValueOf(q).Elem(), "question", func(name string, text reflect.Value) {
				if name == field {
					tried[name] = true
					text.SetString(payload)
				}
			})
			w.checkRefused(field, payload, q)
			// The same where it may look like the end of what it should be.
			q = w.detailed()
			texts(reflect.ValueOf(q).Elem(), "question", func(name string, text reflect.Value) {
				if name == field {
					text.SetString(text.String() + payload)
				}
			})
			if cel := field == "question.Audience" && payload == "/* */ -- #"; !cel {
				w.checkRefused(field, "as it should be, and then "+payload, q)
			}
		}
	}
	want := strings.Fields("Collaboration Analyst Purpose Measure Amount.Party Amount.Name Amount.Unit Audience Participants[1].Party " +
		"Participants[1].IdentityType GroupBy[0].Party GroupBy[0].Name GroupBy[0].Values[1] Layout Precision Noise Mechanism")
	for _, field := range want {
		if !tried["question."+field] {
			t.Errorf("%s was not tried", field)
		}
	}
	for _, payload := range payloads { // within the strings of an audience, and as names there
		for _, audience := range []string{
			`bank.member && shop.region == ` + fmt.Sprintf("%q", payload), `bank.member && shop.region in ["north", '` + payload + `']`,
			"bank.member && shop." + payload, payload + ".member && shop.member",
		} {
			q := w.detailed()
			q.Audience = audience
			w.checkRefused("audience", audience, q)
		}
	}
	w.checkHarmless()
	if n := w.Sessions(); n > 0 {
		t.Errorf("%d sessions are left", n)
	}
	if entries, err := os.ReadDir("/tmp"); err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "stolen" }) {
		t.Error("somebody's SQL or shell was run")
	}
	if _, err := audit.Verify(filepath.Join(w.folder, "state", "audit.db")); err != nil {
		t.Error(err)
	}
}

func (w *world) checkRefused(field, payload string, q *query.Query) {
	w.Helper()
	before := w.state.Audit.Head().Rows
	_, err := w.prepare(q, w.keys["ana"])
	what := fmt.Sprintf("%s %.60q", field, payload)
	refusal := fault.From(err)
	switch {
	case err == nil:
		w.Errorf("%s: admitted", what)
		return
	case refusal.Kind == fault.Internal || refusal.Kind == fault.Unavailable || refusal.Message == "":
		w.Errorf("%s: %v", what, err)
	case !utf8.ValidString(err.Error()) || len(err.Error()) > 2048: // which goes into a line of the log
		w.Errorf("%s: an error of %d bytes", what, len(err.Error()))
	}
	if n := w.state.Audit.Head().Rows; n != before+1 {
		w.Errorf("%s: %d entries", what, n-before)
	}
}

// checkHarmless looks at what is on record of refused questions.
func (w *world) checkHarmless() {
	w.Helper()
	refused := 0
	for _, e := range w.entries() {
		if e.Action != audit.Question || e.Verdict != audit.Refused {
			continue
		}
		refused++
		line, err := json.Marshal(e)
		w.must(err)
		var again audit.Entry
		switch err := json.Unmarshal(line, &again); {
		case e.Reason == "":
			w.Errorf("recorded without a reason: %.300s", line)
		case strings.ContainsFunc(string(line), func(r rune) bool { return !unicode.IsPrint(r) }):
			w.Errorf("recorded with what does something to a terminal: %.300q", line)
		case len(line) > 40_000:
			w.Errorf("recorded with %d bytes: %.300s", len(line), line)
		case err != nil || again.Reason != e.Reason || again.Audience != e.Audience:
			w.Errorf("the record says something else when it is read: %.300s", line)
		}
	}
	if refused < 500 {
		w.Errorf("only %d refusals are on record", refused)
	}
}

// Texts that are no texts, bodies that are cut off, and bodies of another signer are refused before anything is made of them.
func TestMalformedQuestions(t *testing.T) {
	w := newWorld(t, shopYAML, shopCSV)
	good := w.detailed()
	if _, err := w.prepare(good, w.keys["stranger"]); !fault.IsKind(err, fault.NotMember) {
		t.Errorf("another signer: %v", err)
	}
	for _, invalid := range []string{"\xff", "shop\xc0\xaf", "\xed\xa0\x80"} {
		texts(reflect.ValueOf(good).Elem(), "question", func(name string, text reflect.Value) {
			was := text.String()
			text.SetString(was + invalid)
			defer text.SetString(was)
			if _, err := w.prepare(good, w.keys["ana"]); !fault.IsKind(err, fault.Invalid) {
				t.Errorf("%s is not UTF-8: %v", name, err)
			}
		})
	}
	body := canon.Encode(good.Domain(), good)
	for n := range len(body) {
		session := make([]byte, 16)
		signed := &sottov1.Signed{Body: body[:n], Signature: w.keys["ana"].Sign(good.Domain(), good)}
		if n%17 == 0 {
			if _, err := w.Prepare(t.Context(), &sottov1.PrepareRequest{Session: session, Query: signed}); !fault.IsKind(err, fault.Invalid) {
				t.Errorf("%d bytes of the body: %v", n, err)
			}
		}
	}
	for _, e := range w.entries() {
		if e.Action == audit.Question && (e.Verdict != audit.Refused || e.Actor != "coordinator" || e.Audience != "") {
			t.Errorf("recorded %+v, of a question that nobody signed", e)
		}
	}
}

// What the owner declares may have quotes and whatever else SQL or CEL make something of: it is counted as it is written.
func TestDeclaredQuotes(t *testing.T) {
	values := []string{"it's", `a"b`, "x'); DROP TABLE t;--", `back\slash`, "%s", "''", "{{.}}", "naïve 值", "$1", "/* */"}
	var listed, rows strings.Builder
	for i, value := range values {
		fmt.Fprintf(&listed, "%s%q", map[bool]string{true: ", "}[i > 0], value)
		for n := range i + 1 { // so many of each
			fmt.Fprintf(&rows, "%d-%d,\"%s\"\n", i, n, strings.ReplaceAll(value, `"`, `""`))
		}
	}
	w := newWorld(t, `name: shop
source: {csv: customers.csv}
identity: {column: id, type: opaque}
customers_up_to: 1000
segments: {quoted: "word = 'it''s' OR word = 'x''); DROP TABLE t;--'"}
dimensions: {word: {sql: word, values: [`+listed.String()+`]}}
purposes: {planning: {consent: "true"}}
`, "id,word\n"+rows.String()+"u,'); DROP TABLE customers;--\n")
	dimension := query.Dimension{Party: "shop", Name: "word", Values: values}
	count := func(hop query.Hop) map[int64]int {
		t.Helper()
		counts := map[int64]int{}
		v := w.view()
		taking, _ := v.purpose("planning")
		c := w.contribution(&query.Plan{Query: &query.Query{GroupBy: []query.Dimension{dimension}}}, &hop, v.snapshot, taking)
		for customer := range v.snapshot.IDs {
			if group := c.group(customer); group >= 0 {
				counts[int64(group)]++
			}
		}
		return counts
	}
	want := map[int64]int{int64(len(values)): 1} // somebody's is not declared
	for i := range values {
		want[int64(i)] = i + 1
	}
	everybody := &query.Expr{Op: query.Member, Party: "shop"}
	if got := count(query.Hop{Party: "shop", Where: everybody, GroupBy: []int{0}}); !maps.Equal(got, want) {
		t.Errorf("by word there are %v, want %v", got, want)
	}
	if got := count(query.Hop{Party: "shop", Where: &query.Expr{Op: query.Segment, Party: "shop", Name: "quoted"}}); got[0] != 1+3 {
		t.Errorf("in the segment are %v, want 4", got)
	}
	w.must(os.Remove(filepath.Join(w.folder, "customers.csv")))
	for i, value := range values {
		audience := fmt.Sprintf("bank.member && shop.word == %q", value)
		parsed, err := query.ParseAudience(audience)
		w.must(err)
		if got := count(query.Hop{Party: "shop", Where: parsed.Args[1]}); got[0] != i+1 {
			t.Errorf("%s: %v, want %d", audience, got, i+1)
		}
		q := w.question("planning")
		q.Audience, q.GroupBy = audience, []query.Dimension{dimension}
		if _, err := w.prepare(q, w.keys["ana"]); err != nil {
			t.Errorf("%s: %v", audience, err)
		}
	}
}
