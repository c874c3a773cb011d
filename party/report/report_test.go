package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"flag"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
)

var update = flag.Bool("update", false, "write the golden files anew")

func recordOf(t *testing.T, s Sources) *Document {
	t.Helper()
	d, err := Record(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func policyOf(t *testing.T, s Sources) *Document {
	t.Helper()
	d, err := Policy(s.Agreement, s.Config, s.Now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rendered(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What officers are handed does not change by itself. go test ./party/report -update writes the files anew.
func TestGolden(t *testing.T) {
	for name, d := range map[string]*Document{"record": recordOf(t, busy()), "fresh": recordOf(t, fresh()), "policy": policyOf(t, busy())} {
		for ending, write := range map[string]func(io.Writer) error{".html": d.HTML, ".md": d.Markdown} {
			path, got := filepath.Join("testdata", name+ending), rendered(t, write)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("%s is not what is written now (%v); -update writes it", path, err)
			}
		}
	}
}

// texts are all texts of a document.
func texts(d *Document) (all []string) {
	add := func(cells ...cell) {
		for _, c := range cells {
			all = append(all, c.Text)
		}
	}
	all = append(all, d.Title, d.Subtitle)
	for _, s := range d.Sections {
		all = append(all, s.Title, s.Law)
		for _, b := range s.Blocks {
			add(b.Text...)
			add(b.List...)
			for _, f := range b.Facts {
				all = append(all, f.Name)
				add(f.Value)
			}
			if b.Chart != nil {
				all = append(all, b.Chart.Description)
			}
			if b.Table != nil {
				for _, row := range b.Table.Rows {
					add(row...)
				}
				if b.Table.Rows == nil {
					all = append(all, b.Table.Empty)
				} else {
					all = append(append(all, b.Table.Caption), b.Table.Columns...)
				}
			}
		}
	}
	return all
}

var escaped = regexp.MustCompile("\\\\([!-/:-@\\[-`{-~])")

// Both formats have all facts: who is handed one of them misses nothing.
func TestSameFacts(t *testing.T) {
	for _, d := range []*Document{recordOf(t, busy()), recordOf(t, fresh()), policyOf(t, busy())} {
		page := html.UnescapeString(rendered(t, d.HTML))
		markdown := escaped.ReplaceAllString(rendered(t, d.Markdown), "$1")
		for _, text := range texts(d) {
			if !strings.Contains(page, text) {
				t.Errorf("%q is not in the page", text)
			}
			if !strings.Contains(markdown, text) {
				t.Errorf("%q is not in the Markdown", text)
			}
		}
	}
}

// elements are what a page is made of.
var elements = strings.Fields("html head meta title style body header h1 bdi p nav ol li a main section h2 small dl div dt dd code strong " +
	"table caption thead tbody tr th td ul figure figcaption svg desc line text path")

// checkPage fails if a page is not well-formed, has an element or attribute that it has no use for, or refers to anything.
func checkPage(t *testing.T, page string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	identifiers, depth := map[string]bool{}, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch e := token.(type) {
		case xml.EndElement:
			depth--
		case xml.StartElement:
			depth++
			if !slices.Contains(elements, e.Name.Local) {
				t.Errorf("element %q", e.Name.Local)
			}
			for _, a := range e.Attr {
				switch name := a.Name.Local; {
				case name == "href" && !regexp.MustCompile(`^(#section-\d+$|https://|mailto:)`).MatchString(a.Value),
					strings.HasPrefix(name, "on"), name == "style", name == "src":
					t.Errorf("attribute %s=%q", name, a.Value)
				case name == "id" && identifiers[a.Value]:
					t.Errorf("id %q twice", a.Value)
				case name == "id":
					identifiers[a.Value] = true
				}
			}
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are open at the end", depth)
	}
	for _, match := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !identifiers[match[1]] {
			t.Errorf("nothing has the id %q", match[1])
		}
	}
	if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "url(") || strings.Contains(page, "@import") {
		t.Error("something in the page was not to be there")
	}
}

// The page asks for nothing else, and a browser is told to let it: the hash of its policy is that of its style sheet.
func TestPage(t *testing.T) {
	for _, d := range []*Document{recordOf(t, busy()), recordOf(t, fresh()), policyOf(t, busy())} {
		page := rendered(t, d.HTML)
		checkPage(t, page)
		_, rest, _ := strings.Cut(page, "<style>")
		sheet, _, _ := strings.Cut(rest, "</style>")
		hash := sha256.Sum256([]byte(sheet))
		policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)[1])
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'"
		if policy != want {
			t.Errorf("policy is %q, want %q", policy, want)
		}
	}
}

// A page that lacks what the law asks it to say is not written; the error says what that is.
func TestPolicyRefused(t *testing.T) {
	s := fresh()
	_, err := Policy(s.Agreement, s.Config, now)
	if !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), `who is responsible, whom customers can turn to and on what ground data is used for "planning"`) {
		t.Errorf("error is %v", err)
	}
}

// What the audit log can't be read for is an error, not a shorter record.
func TestBrokenRead(t *testing.T) {
	s, broken := busy(), errors.New("row 5 is no entry")
	s.Audit.Entries = func(func(audit.Entry) error) error { return broken }
	if _, err := Record(s); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}
