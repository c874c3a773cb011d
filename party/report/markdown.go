package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/template"

	"github.com/sotto-dev/sotto/party/audit"
)

//go:embed page.md.tmpl
var markdownText string

var markdown = template.Must(template.New("markdown").Funcs(template.FuncMap{
	"text": escape, "target": target, "code": code, "add": func(a, b int) int { return a + b },
}).Parse(markdownText))

// Markdown writes the document as CommonMark with the tables of GitHub Flavored Markdown (both specifications, version 0.29).
func (d *Document) Markdown(w io.Writer) error {
	var out bytes.Buffer // all or nothing
	if err := markdown.Execute(&out, d); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// special are the characters that mean something inside a line: code, emphasis, links, HTML, entities, cells, formulas.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "|", `\|`, "~", `\~`, "#", `\#`,
	"&", `\&`, "$", `\$`,
	"://", `\://`, "www.", `www\.`, "WWW.", `WWW\.`, // no link that this package has not made
)

// opening is what means something only at the start of a line: lists, rules, underlines of headings.
var opening = regexp.MustCompile(`^([0-9]+)([.)])($| )|^()([-+=])`)

// escape returns what Markdown shows as the text, on one line.
func escape(text string) string {
	return opening.ReplaceAllString(special.Replace(strings.TrimLeft(audit.Printable(text), " ")), `${1}\${2}${5}${3}`)
}

// code returns a hash or a key, in which backticks have no place.
func code(text string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "/").Replace(audit.Printable(text)) + "`"
}

// target returns an address as it stands between < and >.
func target(address string) string {
	return strings.NewReplacer(`\`, "%5C", "<", "%3C", ">", "%3E", "|", "%7C", "`", "%60", " ", "%20").Replace(audit.Printable(address))
}
