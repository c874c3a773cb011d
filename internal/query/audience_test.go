package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
)

// show writes an expression unambiguously.
func show(e *query.Expr) string {
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = show(a)
	}
	switch e.Op {
	case query.And:
		return "and(" + strings.Join(args, " ") + ")"
	case query.Or:
		return "or(" + strings.Join(args, " ") + ")"
	case query.Not:
		return "not(" + args[0] + ")"
	case query.Member:
		return e.Party + ":member"
	case query.Segment:
		return e.Party + ":" + e.Name
	}
	return fmt.Sprintf("%s:%s%q", e.Party, e.Name, e.Values)
}

// Guards the language: every form that an audience can have, and what it means.
func TestParseAudience(t *testing.T) {
	for text, want := range map[string]string{
		`a.member`:                         `a:member`,
		`a.member && b.vip`:                `and(a:member b:vip)`,
		`a.x||a.y`:                         `or(a:x a:y)`,
		`a.x && b.x || c.x`:                `or(and(a:x b:x) c:x)`,
		`a.x && (b.x || c.x)`:              `and(a:x or(b:x c:x))`,
		`!a.x`:                             `not(a:x)`,
		`!!a.x`:                            `a:x`,
		`!(a.x && b.x)`:                    `not(and(a:x b:x))`,
		`a.d == "v"`:                       `a:d["v"]`,
		`"v" == a.d`:                       `a:d["v"]`,
		`a.d == 'it "is"'`:                 `a:d["it \"is\""]`,
		`a.d == "say \"é\" \u00e9"`:        `a:d["say \"é\" é"]`,
		`a.d == r"\n"`:                     `a:d["\\n"]`,
		`a.d == ""`:                        `a:d[""]`,
		`a.d == "unknown"`:                 `a:d["unknown"]`,
		`a.d in ["v", "w"]`:                `a:d["v" "w"]`,
		`a.d in ["v"]`:                     `a:d["v"]`,
		`a.d != "v"`:                       `and(a:member not(a:d["v"]))`,
		`"v" != a.d`:                       `and(a:member not(a:d["v"]))`,
		`!(a.d in ["v", "w"])`:             `not(a:d["v" "w"])`,
		"a.member // customers\n\t&& b.x ": `and(a:member b:x)`,
		`a.for && a.package`:               `and(a:for a:package)`, // reserved by CEL, but not after a dot
	} {
		e, err := query.ParseAudience(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := show(e); got != want {
			t.Errorf("%s: parsed as %s, want %s", text, got, want)
		}
	}
}

// Guards the analyst's patience: what is not an audience is refused with the position, the offending part, and what to
// write instead. Nothing is guessed.
func TestAudienceMistakes(t *testing.T) {
	for text, want := range map[string]string{
		``:                               `audience is empty`,
		" \n\t":                          `audience is empty`,
		"a.d == \"\xff\"":                `not UTF-8`,
		`a.member &&`:                    `line 1 column 12: not CEL: mismatched input '<EOF>'`,
		`a.member & b.member`:            `line 1 column 10: not CEL: token recognition error at: '& '`,
		`a.member AND b.member`:          `line 1 column 10: not CEL: mismatched input 'AND'`,
		"a.member &&\n (b.vip":           `line 2 column 8: not CEL: missing ')'`,
		`a.d = "v"`:                      `line 1 column 5: not CEL`,
		`a.d == "v`:                      `line 1 column 8: not CEL`,
		`é.member`:                       `line 1 column 1: not CEL`,
		`in.member && b.member`:          `line 1 column 1: not CEL`,
		`for.member && b.member`:         `line 1 column 1: not CEL: reserved identifier: for`,
		`a`:                              `line 1 column 1: "a" alone is not a segment; write party.segment`,
		"a.member &&\n  (b || c.member)": `line 2 column 4: "b" alone is not a segment`,
		`a.b.c`:                          `line 1 column 4: expected party.segment or party.dimension`,
		`true`:                           `line 1 column 1: expected a segment or a comparison`,
		`"v"`:                            `line 1 column 1: expected a segment or a comparison`,
		`a{b: 1}`:                        `line 1 column 2: expected a segment or a comparison`,
		`[a.member]`:                     `line 1 column 1: expected a segment or a comparison`,
		`a.age > 5`:                      `line 1 column 7: operator > is not allowed in an audience; use &&, ||, !, ==, != and in`,
		`a.age >= b.age`:                 `operator >= is not allowed`,
		`a.age + 1`:                      `operator + is not allowed`,
		`-a.age`:                         `operator - is not allowed`,
		`a.x ? b.x : c.x`:                `line 1 column 5: operator ?: is not allowed`,
		`a.tags["x"]`:                    `line 1 column 7: operator [] is not allowed`,
		`has(a.member)`:                  `function has is not allowed`,
		`size(a.member)`:                 `function size is not allowed`,
		`a.member.size()`:                `function size is not allowed`,
		`a.tags.exists(t, t.x)`:          `function exists is not allowed`,
		`a.tags.all(t, t.x)`:             `function all is not allowed`,
		`a()`:                            `function a is not allowed`,
		`a.d == 5`:                       `line 1 column 8: a.d is compared with something that is not a string in quotes`,
		`5.5 == a.d`:                     `line 1 column 1: a.d is compared with something that is not a string`,
		`a.d == true`:                    `a.d is compared with something that is not a string`,
		`a.d == null`:                    `a.d is compared with something that is not a string`,
		`a.d == b"v"`:                    `a.d is compared with something that is not a string`,
		`a.d == b.d`:                     `line 1 column 9: a.d is compared with something that is not a string`,
		`a.d == v`:                       `a.d is compared with something that is not a string`,
		`a.d in ["v", 5]`:                `line 1 column 14: a.d is compared with something that is not a string`,
		`a.d in []`:                      `line 1 column 8: after in comes a list of values`,
		`a.d in "v"`:                     `line 1 column 8: after in comes a list of values`,
		`"v" in a.d`:                     `line 1 column 1: expected party.segment or party.dimension`,
		`!a.d == "v"`:                    `line 1 column 1: expected party.segment or party.dimension`,
		`d == "v"`:                       `line 1 column 1: expected party.segment or party.dimension`,
		`a.d == "v" == a.x`:              `expected party.segment or party.dimension`,
		"a.`x && a.y`":                   `line 1 column 3: not CEL`, // a name in quotes can't pass for an expression
		`a.?d == "v"`:                    `line 1 column 2: not CEL: unsupported syntax '.?'`,
	} {
		e, err := query.ParseAudience(text)
		if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: parsed as %v, error %v, want fault.Invalid with %q", text, e, err, want)
		}
	}
}

// Guards everybody who parses an analyst's text: however it is nested or wrong, it costs little, and the error is short
// enough to be sent and shown.
func TestHostileAudiences(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"too long", strings.Repeat("a.x && ", 600) + "a.x", "4203 bytes, at most 4096"},
		{"parentheses", strings.Repeat("(", 2000) + "a.x" + strings.Repeat(")", 2000), "nested too deeply"},
		{"lists", strings.Repeat("[", 4000), "nested too deeply"},
		{"maps", strings.Repeat("{a:", 1300), "nested too deeply"},
		{"calls", strings.Repeat("a(", 2000), "nested too deeply"},
		{"selections", "a" + strings.Repeat(".a", 2000), "nested too deeply"},
		{"comparisons", strings.Repeat("a.x==", 800) + "'v'", "nested too deeply"},
		{"negations", strings.Repeat("!(", 1000) + "a.x" + strings.Repeat(")", 1000), "nested too deeply"},
		{"questions", strings.Repeat("a?", 2000), "line 1 column "},
		{"words", strings.Repeat("a b ", 1000), "line 1 column 3"},
		{"signs", strings.Repeat("& ", 2000), "line 1 column 1"},
		{"bad strings", strings.Repeat("'\\z'", 1000), "line 1 column 1"},
		{"a long word", "'" + strings.Repeat("x", 4000), "line 1 column 1"},
		{"lines", strings.Repeat("\n", 4000) + "&", "line 4001 column 1"},
	} {
		_, err := query.ParseAudience(c.text)
		kind := fault.Invalid
		if c.name == "too long" {
			kind = fault.Size
		}
		if !fault.IsKind(err, kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %.300v, want %s with %q", c.name, err, kind, c.want)
		} else if len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d bytes", c.name, len(err.Error()))
		}
	}
	// What is long but flat is fine.
	for _, text := range []string{
		strings.Repeat("a.x&&", 800) + "a.x", strings.Repeat("a.x||", 800) + "a.x", strings.Repeat("!", 4000) + "a.x",
		"a.d in [" + strings.Repeat("'x',", 1000) + "]",
	} {
		if _, err := query.ParseAudience(text); err != nil {
			t.Errorf("%.20s…: %v", text, err)
		}
	}
}

// Guards agreements: a party is refused there if CEL reserves its name, so every such name must really be one that no
// audience can begin with, and these are all of them (the words of CEL's language definition).
func TestReservedPartyNames(t *testing.T) {
	reserved := strings.Fields(`as break const continue else false for function if import in let loop namespace null package
		return true var void while`)
	others := strings.Fields("a all and bool bytes default dyn exists has int list map matches member not or size string this type")
	for _, name := range slices.Concat(reserved, others) {
		_, err := query.ParseAudience(name + ".member")
		if (err != nil) != slices.Contains(reserved, name) {
			t.Errorf("party %q: error is %v", name, err)
		}
	}
}

// Never panics, whatever comes in, and what is accepted names some party. A plan exists or is refused, and what the plan asks
// of a party names this party alone. Written out, an audience is read back as the same one, unless CEL needed quotes for a name.
func FuzzParseAudience(f *testing.F) {
	for _, text := range []string{
		`a.member && b.vip || !(c.d in ["v", "w"]) && c.d != "x"`, `a ? b : c`, `has(a.b)`, `a.b[0]{c: 1}.?d`, "((((", "a.`b`", `.a.b == "\u00e9"`,
		"\x00", "a.b == 'x' // y\n", `a.x && !b.y || !(c.z || b.y && !a.w)`, `!(a.x || b.y) || c.z`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := query.ParseAudience(text)
		if err != nil {
			if !fault.IsKind(err, fault.Invalid) && !fault.IsKind(err, fault.Size) || len(err.Error()) > 10_000 {
				t.Fatalf("error is %v, want a short fault.Invalid or fault.Size", err)
			}
			return
		}
		if len(e.Parties()) == 0 {
			t.Fatalf("%q is about nobody", text)
		}
		if written := e.String(); len(written) <= query.MaxAudience && !strings.Contains(text, "`") {
			back, err := query.ParseAudience(written)
			if err != nil || back.String() != written {
				t.Fatalf("%q is written as %q, which is read as %v, %v", text, written, back, err)
			}
		}
		if len(e.Parties()) > query.MaxParties {
			return
		}
		plan, err := query.NewPlan(about(text, 1000))
		if err != nil {
			if k := fault.From(err).Kind; k != fault.Invalid && k != fault.Size && k != fault.Unsupported {
				t.Fatalf("%q: error is %v", text, err)
			}
			return
		}
		for _, c := range plan.Chains {
			for _, h := range c.Hops {
				if named := h.Where.Parties(); len(named) != 1 || named[0] != h.Party {
					t.Fatalf("%q: %s is asked for %s", text, h.Party, h.Where)
				}
			}
		}
	})
}
