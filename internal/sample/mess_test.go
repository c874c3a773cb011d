package sample_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// untidy is what may be the matter with an e-mail, and the largest share of rows that it may be the matter with.
var untidy = map[string]struct {
	share float64
	holds func(email string) bool
}{
	"blank before":      {0.1, func(email string) bool { return strings.HasPrefix(email, " ") && email != " " }},
	"blank after":       {0.2, func(email string) bool { return strings.HasSuffix(email, " ") && email != " " }},
	"tab":               {0.1, func(email string) bool { return strings.Contains(email, "\t") }},
	"no-break space":    {0.1, func(email string) bool { return strings.Contains(email, "\u00a0") }},
	"other case":        {0.3, func(email string) bool { return strings.ToLower(email) != email }},
	"all capitals":      {0.2, func(email string) bool { return normal(email) != "" && strings.ToUpper(email) == email }},
	"composed accent":   {0.05, func(email string) bool { return accented(email) && norm.NFC.IsNormalString(email) }},
	"decomposed accent": {0.02, func(email string) bool { return !norm.NFC.IsNormalString(email) }},
	"none":              {0.006, func(email string) bool { return normal(email) == "" }},
}

func accented(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) })
}

// Guards that the e-mails are as untidy as the documentation says, at every company: each kind of mess is there, and
// none takes over.
func TestMessInEmails(t *testing.T) {
	_, written := demoWorld(t)
	for _, c := range written {
		header, rows := readFile(t, c.File, c.Name == "grocer")
		id := slices.Index(header, partyRules[c.Name].id)
		for kind, u := range untidy {
			n := 0
			for _, row := range rows {
				if u.holds(row[id]) {
					n++
				}
			}
			if n == 0 || float64(n) > u.share*float64(len(rows)) {
				t.Errorf("%s: %s in %d of %d rows, want some, at most a share of %v", c.Name, kind, n, len(rows), u.share)
			}
		}
	}
}

// Guards that every company has customers twice: one to two in a hundred, some spelt differently, some with another
// value of a dimension later, and some in a segment only by the later row.
func TestMessInRows(t *testing.T) {
	_, written := demoWorld(t)
	for _, c := range written {
		header, rows := readFile(t, c.File, c.Name == "grocer")
		rule := partyRules[c.Name]
		id := slices.Index(header, rule.id)
		first := make(map[string][]string)
		repeated, respelt, moved, gained := 0, 0, 0, 0
		for _, row := range rows {
			person := normal(row[id])
			before, again := first[person]
			if person == "" || !again {
				first[person] = row
				continue
			}
			repeated++
			then := func(name string) string { return before[slices.Index(header, name)] }
			now := func(name string) string { return row[slices.Index(header, name)] }
			if before[id] != row[id] {
				respelt++
			}
			if value := rule.dimensions["region"]; value(then) != value(now) {
				moved++
			}
			if holds := rule.segments["consent"]; !holds(then) && holds(now) {
				gained++
			}
		}
		if share := float64(repeated) / float64(len(rows)); share < 0.01 || share > 0.02 {
			t.Errorf("%s: %d of %d rows are repeated, want one to two in a hundred", c.Name, repeated, len(rows))
		}
		if respelt == 0 || moved == 0 || gained == 0 || 2*moved > repeated {
			t.Errorf("%s: of %d repeated rows %d are spelt differently, %d have another region, %d consent only there",
				c.Name, repeated, respelt, moved, gained)
		}
	}
}

// Guards that fields have commas and quotes inside, that values are missing or undeclared, and that companies spell
// the e-mail of a customer whom they share differently.
func TestMessElsewhere(t *testing.T) {
	_, written := demoWorld(t)
	spelt := make(map[string]string)
	shared, commas, quotes := 0, 0, 0
	for _, c := range written {
		header, rows := readFile(t, c.File, c.Name == "grocer")
		rule, config := partyRules[c.Name], parseConfig(t, c.ConfigYAML)
		missing, undeclared := make(map[string]int), make(map[string]int)
		for _, row := range rows {
			fields := strings.Join(row, "\n")
			commas += strings.Count(fields, ",")
			quotes += strings.Count(fields, `"`)
			column := func(name string) string { return row[slices.Index(header, name)] }
			email := column(rule.id)
			if before, known := spelt[normal(email)]; known && before != email {
				shared++
			}
			spelt[normal(email)] = email
			for name, value := range rule.dimensions {
				if v := value(column); v == "" {
					missing[name]++
				} else if !slices.Contains(config.Dimensions[name].Values, v) {
					undeclared[name]++
				}
			}
		}
		for name := range rule.dimensions {
			// The basket is computed from the spend, so it is declared or missing.
			if missing[name] == 0 || undeclared[name] == 0 && name != "basket" || missing[name] > len(rows)/100 {
				t.Errorf("%s.%s: missing in %d, undeclared in %d of %d rows", c.Name, name, missing[name],
					undeclared[name], len(rows))
			}
		}
	}
	if commas < 1000 || quotes < 100 || shared < 1000 {
		t.Errorf("%d commas, %d quotes, %d times another spelling elsewhere; want 1000, 100, 1000", commas, quotes, shared)
	}
}
