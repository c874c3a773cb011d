package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"github.com/sotto-dev/sotto/party/audit"
)

var (
	//go:embed page.html.tmpl
	pageText string
	//go:embed page.css
	style string
)

// page is escaped by where a text stands. audit.Printable takes out what can't be seen, such as marks that reverse the
// direction of writing.
var page = template.Must(template.New("page").Funcs(template.FuncMap{"text": audit.Printable, "add": func(a, b int) int { return a + b }}).Parse(pageText))

// contentPolicy lets a browser use this very style sheet and nothing else (W3C, Content Security Policy Level 3).
func contentPolicy() string {
	hash := sha256.Sum256([]byte(style))
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(hash[:]))
}

// HTML writes the document as one page that needs nothing else: no script, no picture, no font. It is well-formed XML too.
func (d *Document) HTML(w io.Writer) error {
	var out bytes.Buffer // all or nothing
	err := page.Execute(&out, struct {
		*Document
		ContentPolicy string
		Style         template.CSS
	}{d, contentPolicy(), template.CSS(style)})
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}
