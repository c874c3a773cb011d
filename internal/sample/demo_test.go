package sample_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sotto-dev/sotto/internal/sample"
)

var invent = sync.OnceValue(func() *sample.World { return sample.Demo("test") })

// demoWorld returns the demo of the seed "test", and its files as written for this test.
func demoWorld(t *testing.T) (*sample.World, []sample.Company) {
	t.Helper()
	written, err := invent().Write(filepath.Join(t.TempDir(), "new", "folder"))
	if err != nil {
		t.Fatal(err)
	}
	return invent(), written
}

// partyConfig is the shape of a party's configuration.
type partyConfig struct {
	Name          string
	Source        struct{ CSV string }
	Identity      struct{ Column, Type string }
	CustomersUpTo int `yaml:"customers_up_to"`
	Segments      map[string]string
	Dimensions    map[string]struct {
		SQL    string
		Values []string
	}
	Purposes map[string]struct{ Consent, Basis string }
}

func parseConfig(t *testing.T, text string) partyConfig {
	t.Helper()
	var c partyConfig
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}

// Guards that the demo is the same everywhere and for ever: README and tests quote its counts.
func TestDemoIsFixed(t *testing.T) {
	_, written := demoWorld(t)
	want := map[string]struct {
		rows, bytes int
		sha256      string
	}{
		"bank":    {20511, 2011350, "6e8ee7ad3e64c6c8a255fd3a8e8dbc07beb0080cbed5b6e4f8f5ec0d281ed4e8"},
		"grocer":  {15356, 1567577, "305e5f8dcad8eba0562804f76521da9451454f130ff8118c8483eff6d97bc21e"},
		"airline": {8187, 855241, "e72438c4db5cee4cbd3597c8411f978dda947582e4884e29a68d384d00c45cd6"},
	}
	if len(written) != len(want) {
		t.Fatalf("%d companies, want %d", len(written), len(want))
	}
	for _, c := range written {
		raw := readRaw(t, c.File)
		sum := sha256.Sum256(raw)
		if got := hex.EncodeToString(sum[:]); got != want[c.Name].sha256 {
			t.Errorf("%s: SHA-256 is %s, want %s", c.Name, got, want[c.Name].sha256)
		}
		if _, rows := readFile(t, c.File, c.Name == "grocer"); len(rows) != want[c.Name].rows || len(raw) != want[c.Name].bytes {
			t.Errorf("%s: %d rows, %d bytes, want %d, %d",
				c.Name, len(rows), len(raw), want[c.Name].rows, want[c.Name].bytes)
		}
	}
}

// Guards the SQL of the configurations, of which the other tests only know what it means: testdata holds the
// configurations for which a load with DuckDB gave every customer the truth's segments and values.
func TestConfigsAreFixed(t *testing.T) {
	_, written := demoWorld(t)
	for _, c := range written {
		if want := readRaw(t, filepath.Join("testdata", c.Name+".yaml")); c.ConfigYAML != string(want) {
			t.Errorf("%s: configuration is\n%s\nwant\n%s", c.Name, c.ConfigYAML, want)
		}
	}
}

// Guards that a second world of one seed is the same, that another seed makes other people, and that its companies are
// as large as ever.
func TestSeed(t *testing.T) {
	_, first := demoWorld(t)
	same, err := sample.Demo("test").Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	other := sample.Demo("other")
	others, err := other.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		a, b, c := readRaw(t, first[i].File), readRaw(t, same[i].File), readRaw(t, others[i].File)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: two files of one seed differ", first[i].Name)
		}
		if bytes.Equal(a, c) {
			t.Errorf("%s: files of two seeds are equal", first[i].Name)
		}
	}
	checkOverlaps(t, other)
}

func readRaw(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Guards the sizes and overlaps that Demo's documentation gives.
func TestOverlaps(t *testing.T) { checkOverlaps(t, invent()) }

func checkOverlaps(t *testing.T, world *sample.World) {
	t.Helper()
	for together, want := range map[string]int{
		"": 30900, "bank": 20108, "grocer": 15049, "airline": 8017,
		"bank grocer": 7235, "bank airline": 4208, "grocer airline": 3193, "bank grocer airline": 2362,
	} {
		got := world.Count(func(p sample.Person) bool {
			for _, party := range strings.Fields(together) {
				if !p.Member(party) {
					return false
				}
			}
			return true
		})
		if got != want {
			t.Errorf("%q: %d people, want %d", together, got, want)
		}
	}
}

// Guards that the configurations are in the documented shape, fit their files, and use names that the product takes.
func TestConfigsFitTheFiles(t *testing.T) {
	_, written := demoWorld(t)
	bench, err := sample.Bench(t.TempDir(), 100)
	if err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	for _, company := range slices.Concat(written, bench) {
		c := parseConfig(t, company.ConfigYAML)
		if stored := readRaw(t, company.ConfigFile); string(stored) != company.ConfigYAML {
			t.Errorf("%s: the stored configuration differs", company.Name)
		}
		if c.Name != company.Name || c.Identity.Type != "email" ||
			filepath.Join(filepath.Dir(company.ConfigFile), c.Source.CSV) != company.File {
			t.Errorf("%s: name, type or source is wrong in\n%s", company.Name, company.ConfigYAML)
		}
		header, rows := readFile(t, company.File, company.Name == "grocer")
		id := slices.Index(header, c.Identity.Column)
		if id < 0 {
			t.Fatalf("%s: no column %q", company.Name, c.Identity.Column)
		}
		ids := make(map[string]bool)
		for _, row := range rows {
			ids[normal(row[id])] = true
		}
		if len(ids) > c.CustomersUpTo {
			t.Errorf("%s: %d customers, declared are %d", company.Name, len(ids), c.CustomersUpTo)
		}
		if c.Purposes[sample.Planning].Consent != "true" {
			t.Errorf("%s: purposes are %v", company.Name, c.Purposes)
		}
		for name := range c.Segments {
			if !allowed.MatchString(name) || name == "member" {
				t.Errorf("%s: segment %q", company.Name, name)
			}
		}
		for name, d := range c.Dimensions {
			if !allowed.MatchString(name) || len(d.Values) < 2 || slices.Contains(d.Values, "unknown") {
				t.Errorf("%s: dimension %q with values %q", company.Name, name, d.Values)
			}
		}
		if rule, known := partyRules[company.Name]; known {
			if len(rule.segments) != len(c.Segments) || len(rule.dimensions) != len(c.Dimensions) {
				t.Errorf("%s: the recount knows other segments or dimensions than the configuration", company.Name)
			}
		}
	}
}

// Guards what makes the tables of the demo worth showing: every declared cell of the grouped questions is there, zero
// or not, the well-off fly in front, and something falls into "unknown".
func TestQuestions(t *testing.T) {
	q := invent().Questions()
	if n := len(q[0].Truth); n != 7 {
		t.Errorf("%s: %d cells, want 6 age bands and unknown", q[0].Name, n)
	}
	if n := q[1].Truth[""]; len(q[1].Truth) != 1 || n < 200 {
		t.Errorf("%s: truth %v, want one count of 200 or more", q[1].Name, q[1].Truth)
	}
	tab := q[2].Truth
	if len(tab) != 16 {
		t.Errorf("%s: %d cells, want 4 by 4", q[2].Name, len(tab))
	}
	if tab["gold | business"] < 2*tab["silver | business"] || tab["basic | economy"] < 2*tab["gold | economy"] {
		t.Errorf("%s: tier and cabin hardly go together: %v", q[2].Name, tab)
	}
	for _, question := range []sample.Question{q[0], q[2]} {
		sum, vague := 0, 0
		for key, n := range question.Truth {
			sum += n
			if strings.Contains(key, "unknown") {
				vague += n
			}
		}
		if want := map[string]int{q[0].Name: 7235, q[2].Name: 4208}[question.Name]; sum != want || vague == 0 {
			t.Errorf("%s: the cells hold %d people, want %d; unknown: %d", question.Name, sum, want, vague)
		}
	}
}

// Guards that a folder which cannot be written is an error that says what was tried.
func TestWriteIntoAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := invent().Write(file); err == nil || !strings.Contains(err.Error(), "sample customers of bank") {
		t.Errorf("error is %v", err)
	}
}
