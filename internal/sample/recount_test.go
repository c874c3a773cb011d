package sample_test

import (
	"encoding/csv"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"golang.org/x/text/unicode/norm"

	"github.com/sotto-dev/sotto/internal/sample"
)

// The files are read here by rules written a second time, from the product's, and questions are evaluated from their
// CEL text: nothing is shared with the code under test but the files.

// rules says what a party's configuration means, in Go instead of SQL.
type rules struct {
	id         string
	segments   map[string]func(column func(string) string) bool
	dimensions map[string]func(column func(string) string) string
}

func is(name, value string) func(func(string) string) bool {
	return func(column func(string) string) bool { return column(name) == value }
}

func lists(name, value string) func(func(string) string) bool {
	return func(column func(string) string) bool {
		return slices.Contains(strings.Split(column(name), ", "), value)
	}
}

func of(name string) func(func(string) string) string {
	return func(column func(string) string) string { return column(name) }
}

func basket(column func(string) string) string {
	spend, err := strconv.ParseFloat(column("Spend"), 64)
	switch {
	case err != nil:
		return ""
	case spend >= 3000:
		return "large"
	case spend >= 1200:
		return "medium"
	default:
		return "small"
	}
}

var partyRules = map[string]rules{
	"bank": {
		"email",
		map[string]func(func(string) string) bool{
			"gold":    is("tier", "gold"),
			"consent": is("consent", "yes"),
			"recent":  func(column func(string) string) bool { return column("opened") >= "2024-01-01" },
		},
		map[string]func(func(string) string) string{"age_band": of("age_band"), "region": of("region"), "tier": of("tier")},
	},
	"grocer": {
		"E-Mail",
		map[string]func(func(string) string) bool{
			"consent":    is("Consent", "Y"),
			"organic":    lists("Interests", "organic"),
			"big_basket": func(column func(string) string) bool { return basket(column) == "large" },
		},
		map[string]func(func(string) string) string{"age_band": of("Age"), "region": of("Home region"), "basket": basket},
	},
	"airline": {
		"contact",
		map[string]func(func(string) string) bool{
			"consent": is("newsletter", "true"),
			"frequent": func(column func(string) string) bool {
				return column("status") == "silver" || column("status") == "gold"
			},
			"beach": lists("interests", "beach"),
		},
		map[string]func(func(string) string) string{"status": of("status"), "cabin": of("cabin"), "region": of("region")},
	},
}

// facts is what a file says of a person: "member", "consents" and segments as bool, dimensions as string.
type facts map[string]any

func readFile(t *testing.T, path string, crlf bool) (header []string, rows [][]string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Contains(string(raw), "\r\n"); got != crlf {
		t.Fatalf("%s: lines end in CR LF is %v, want %v", path, got, crlf)
	}
	reader := csv.NewReader(strings.NewReader(string(raw)))
	all, err := reader.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all[0], all[1:]
}

func normal(email string) string { return strings.ToLower(strings.TrimSpace(norm.NFC.String(email))) }

// recount returns the facts that the files hold: per e-mail and party.
func recount(t *testing.T, written []sample.Company) map[string]map[string]facts {
	t.Helper()
	people := make(map[string]map[string]facts)
	for _, c := range written {
		header, rows := readFile(t, c.File, c.Name == "grocer")
		rule, declared := partyRules[c.Name], parseConfig(t, c.ConfigYAML).Dimensions
		for _, row := range rows {
			column := func(name string) string { return row[slices.Index(header, name)] }
			id := normal(column(rule.id))
			if id == "" {
				continue
			}
			if people[id] == nil {
				people[id] = make(map[string]facts)
			}
			f, again := people[id][c.Name]
			if !again {
				f = facts{"member": true, "consents": true}
				people[id][c.Name] = f
				for name, value := range rule.dimensions {
					f[name] = value(column)
					if !slices.Contains(declared[name].Values, value(column)) {
						f[name] = "unknown"
					}
				}
			}
			f["consents"] = f["consents"].(bool) && rule.segments["consent"](column)
			for name, holds := range rule.segments {
				before, _ := f[name].(bool)
				f[name] = before || holds(column)
			}
		}
	}
	return people
}

// absent is what a party knows of somebody who is no customer.
func absent(party string) facts {
	f := facts{"member": false, "consents": false}
	for name := range partyRules[party].segments {
		f[name] = false
	}
	for name := range partyRules[party].dimensions {
		f[name] = ""
	}
	return f
}

// Guards the truth of the questions: it equals a count over the written files, by the CEL text that the demo asks.
func TestTruthIsWhatTheFilesSay(t *testing.T) {
	world, written := demoWorld(t)
	people := recount(t, written)
	env, err := cel.NewEnv(
		cel.Variable("bank", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("grocer", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("airline", cel.MapType(cel.StringType, cel.DynType)),
	)
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]facts{"bank": absent("bank"), "grocer": absent("grocer"), "airline": absent("airline")}
	questions := world.Questions()
	if len(questions) != 4 {
		t.Fatalf("%d questions, want 4", len(questions))
	}
	for _, q := range questions {
		ast, issues := env.Compile(q.Count)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", q.Name, issues.Err())
		}
		program, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int)
		for _, at := range people {
			known := make(map[string]any)
			for party := range missing {
				known[party] = map[string]any(missing[party])
				if f, customer := at[party]; customer && (q.Purpose != sample.Marketing || f["consents"].(bool)) {
					known[party] = map[string]any(f)
				}
			}
			out, _, err := program.Eval(known)
			if err != nil {
				t.Fatal(err)
			}
			if out.Value() == true {
				cell := make([]string, len(q.By))
				for i, name := range q.By {
					party, dimension, _ := strings.Cut(name, ".")
					cell[i] = at[party][dimension].(string)
				}
				got[sample.Key(cell...)]++
			}
		}
		truth := maps.Clone(q.Truth)
		maps.DeleteFunc(truth, func(_ string, n int) bool { return n == 0 })
		if !maps.Equal(got, truth) {
			t.Errorf("%s: the files say %v, the truth is %v", q.Name, got, truth)
		}
	}
}

// Guards Person, from which tests and demos compute truths of their own: each of its answers about each of its people
// is what the files say, and the files hold nobody else.
func TestPeopleAreWhatTheFilesSay(t *testing.T) {
	world, written := demoWorld(t)
	people := recount(t, written)
	n, wrong := 0, 0
	world.Count(func(p sample.Person) bool {
		n++
		if people[p.Email] == nil {
			t.Errorf("person %d is in no file", n)
		}
		for party, rule := range partyRules {
			f, customer := people[p.Email][party]
			if !customer {
				f = absent(party)
			}
			same := p.Member(party) == f["member"] && p.Has(party, "member") == f["member"] && p.Consents(party) == f["consents"]
			for name := range rule.segments {
				same = same && p.Has(party, name) == f[name]
			}
			for name := range rule.dimensions {
				same = same && p.Value(party, name) == f[name]
			}
			if !same {
				wrong++
			}
		}
		return false
	})
	if n != len(people) || wrong > 0 {
		t.Errorf("%d people, %d in the files; %d times a file says something else", n, len(people), wrong)
	}
}
