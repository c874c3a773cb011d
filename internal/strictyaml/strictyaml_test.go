package strictyaml

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type city struct {
	Name   string            `yaml:"name"`
	People int64             `yaml:"people"`
	Mayor  *mayor            `yaml:"mayor"`
	Quarts map[string]mayor  `yaml:"quarters"`
	Codes  []string          `yaml:"codes"`
	Rules  map[string]string `yaml:"rules"`
	base   `yaml:",inline"`
}

type mayor struct {
	Since int `yaml:"since"`
}

type base struct {
	River string `yaml:"river"`
}

// A good file arrives whole: nothing dropped, nothing invented.
func TestDecode(t *testing.T) {
	var c city
	err := Decode("city.yaml", strings.NewReader("# a comment\nname: Oslo\npeople: 700000\nmayor: {since: 2015}\ncodes: [no, 0150]\nriver: Akerselva\n"), &c)
	if err != nil {
		t.Fatal(err)
	}
	// Text that looks like a boolean or a number stays the text that was written.
	if c.Name != "Oslo" || c.People != 700000 || c.Mayor.Since != 2015 || c.River != "Akerselva" || strings.Join(c.Codes, "|") != "no|0150" {
		t.Fatalf("decoded %+v", c)
	}
}

// Every way to write a wrong file is an error that names the file, the line where there is one, and the rule.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "f.yaml: is empty",
		"# only a comment\n":                    "f.yaml: is empty",
		"name: a\nnmae: b\n":                    `f.yaml:2: unknown key "nmae", did you mean "name"?`,
		"name: a\ncountry: b\n":                 `f.yaml:2: unknown key "country", known here: name, people, mayor, quarters, codes, rules, river`,
		"mayor:\n  sinse: 3\n":                  `f.yaml:2: unknown key "sinse", did you mean "since"?`,
		"quarters:\n  north:\n    zip: 3\n":     `f.yaml:3: unknown key "zip", known here: since`,
		"name: a\n\nname: b\n":                  `f.yaml:3: mapping key "name" already defined at line 1`,
		"rules: {a: x,\n a: y}\n":               `f.yaml:2: mapping key "a" already defined at line 1`,
		"people: many\n":                        "f.yaml:1: cannot unmarshal !!str `many` into int64",
		"name: a\nrivr: b\nmayor: {since: x}":   "f.yaml:2: unknown key \"rivr\", did you mean \"river\"?\nf.yaml:3: cannot unmarshal !!str `x` into int",
		"name: a\n---\nname: b\n":               "f.yaml:2: a second YAML document, where one is expected",
		"name: a\n---\nname: [\n":               "f.yaml:",
		"name: [\n":                             "f.yaml:",
		"name: \"a\n":                           "f.yaml:",
		"codes:\n- a\n-\n":                      "f.yaml:3: an empty item in a list",
		"codes: [a, ~]\n":                       "f.yaml:1: an empty item in a list",
		"codes:\n":                              "f.yaml:1: key \"codes\" has no value",
		"- a\n- b\n":                            "f.yaml:1: cannot unmarshal !!seq into strictyaml.city",
		"just words":                            "f.yaml:1: cannot unmarshal !!str",
		"\x00":                                  "f.yaml: control characters are not allowed",
		"name: " + strings.Repeat("a", MaxSize): "f.yaml: larger than 1048576 bytes",
	} {
		err := Decode("f.yaml", strings.NewReader(text), new(city))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q: error is %v, want %q", text, err, want)
		}
	}
}

// A file that expands to far more than it holds must not take the node down.
func TestAliasBomb(t *testing.T) {
	text := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		above, here := string(rune('a'+i)), string(rune('b'+i))
		text += here + ": &" + here + " [" + strings.TrimSuffix(strings.Repeat("*"+above+",", 10), ",") + "]\n"
	}
	if err := Decode("bomb.yaml", strings.NewReader(text), &map[string]any{}); err == nil {
		t.Fatal("accepted 10^13 values")
	}
}

// Load names the path that it could not read.
func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.yaml")
	if err := Load(path, new(city)); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("error is %v, want one that names %s", err, path)
	}
	if err := os.WriteFile(path, []byte("name: Oslo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c city
	if err := Load(path, &c); err != nil || c.Name != "Oslo" {
		t.Fatalf("loaded %+v, error %v", c, err)
	}
	if err := Load(filepath.Dir(path), &c); err == nil {
		t.Fatal("loaded a folder")
	}
}

// Whatever bytes a file has, reading it returns.
func FuzzDecode(f *testing.F) {
	f.Add("name: a\nmayor: {since: 1}\nquarters: {x: {since: 2}}\n")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		if err := Decode("f", strings.NewReader(text), new(city)); err != nil && !strings.Contains(err.Error(), "f") {
			t.Fatalf("error %v does not name the file", err)
		}
	})
}
