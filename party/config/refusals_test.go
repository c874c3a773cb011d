package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
)

// change is one place of a file that makes a mistake of it, and what the error says of that.
type change struct{ old, new, want string }

// checkRefusals makes one change after the other to a good file: each must be refused by an error that names the file, the
// value and the rule.
func checkRefusals(t *testing.T, good string, changes []change) {
	t.Helper()
	if _, err := config.Load(write(t, good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if strings.Count(good, c.old) != 1 {
			t.Fatalf("the good file has %q %d times", c.old, strings.Count(good, c.old))
		}
		path := write(t, strings.Replace(good, c.old, c.new, 1))
		_, err := config.Load(path)
		if err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) || !fault.IsKind(err, fault.Invalid) {
			t.Errorf("%.60q instead of %q: error is %v, want %q", c.new, c.old, err, c.want)
		}
	}
}

// Whose data may be used for what is spelt out without a gap: no purpose, no consent rule, no period is ever assumed.
func TestPurposeRefusals(t *testing.T) {
	many := ""
	for i := range 51 {
		many += fmt.Sprintf("  p%d: {consent: \"true\"}\n", i)
	}
	const planning = `  planning: {consent: "true", basis: contract}` + "\n"
	const measuring = `  on measurement: {consent: opted_in, given: opted_in_at, valid_for: 24 months}` + "\n"
	const retention = `retention: {since: last_purchase, keep_for: 3 years}` + "\n"
	checkRefusals(t, whole, []change{
		{"purposes:\n" + planning + measuring, "", "0 purposes: must be 1 to 50 of the agreement's, each with a consent rule"},
		{"purposes:\n" + planning + measuring, "purposes: {}\n", "0 purposes: must be 1 to 50"},
		{"purposes:\n" + planning + measuring, "purposes: [planning]\n", ":13: cannot unmarshal"},
		{planning + measuring, many, "51 purposes: must be 1 to 50"},
		{"  planning:", "  \"\":", `purpose "": empty`},
		{"  planning:", `  "a\nb":`, `purpose "a\nb": must be printable text`},
		{"  planning:", `  "\u202egninnalp":`, "must be printable text"},
		{"  planning:", `  " planning":`, `purpose " planning": blanks around it`},
		{"  planning:", "  " + strings.Repeat("x", 201) + ":", "201 bytes, must be at most 200"},
		{"  planning:", "  on measurement:", "already defined"},
		{`consent: "true", `, "", `purpose "planning": consent: no SQL, must be an expression over the source's columns; consent: "true" is for data`},
		{`consent: "true", `, `consent: " ", `, `purpose "planning": consent: no SQL`},
		{`consent: "true", `, `consent: ~, `, `:14: key "consent" has no value`},
		{`{consent: "true", basis: contract}`, `"true"`, ":14: cannot unmarshal"},
		{"given: opted_in_at, ", "", `purpose "on measurement": valid_for 24 months: takes given, the date from which on it counts`},
		{"24 months", "24", `:15: period "24": must be a number of days, months or years, such as 24 months, and at most 100 years`},
		{"24 months", "~", `:15: key "valid_for" has no value`},
		{"valid_for", "valid_fro", `:15: unknown key "valid_fro", did you mean "valid_for"?`},
		{"given:", "date:", `:15: unknown key "date"`},
		{"basis: contract", `basis: "con\ttract"`, `purpose "planning": basis "con\ttract": must be printable text`},
		{"basis: contract", "basis: " + strings.Repeat("x", 501), "501 bytes, must be at most 500"},
		{"since: last_purchase, ", "", "retention: since: no SQL"},
		{", keep_for: 3 years", "", "retention: no keep_for, must be a period, such as 36 months"},
		{"keep_for: 3 years", "keep_for: ever", `:16: period "ever": must be a number`},
		{"keep_for: 3 years", "keep: 3 years", `:16: unknown key "keep"`},
		{retention, "retention: 3 years\n", ":16: cannot unmarshal"},
	})
}

// Where customers are is said once, and how often they are loaded within reason.
func TestSourceRefusals(t *testing.T) {
	const csv = "{csv: customers/phoneco.csv}"
	checkRefusals(t, whole, []change{
		{csv, `{csv: ""}`, "source: none, must be csv or parquet"},
		{csv, "{csv: a.csv, parquet: a.parquet}", "source: more than one of csv, parquet and postgres"},
		{csv, "{parquet: a, postgres: {connection: {env: E}, table: t}}", "source: more than one of"},
		{csv, "{postgres: {table: t}}", "source: postgres: connection: neither file nor env"},
		{csv, "{refresh: 24h}", "source: none"},
		{csv, "{csv: a.csv, refresh: 59s}", "source: refresh 59s: must be 1m0s to 8784h0m0s"},
		{csv, "{csv: a.csv, refresh: 8784h1s}", "source: refresh 8784h0m1s: must be"},
		{csv, "{csv: a.csv, refresh: -24h}", "source: refresh -24h0m0s: must be"},
		{csv, "{csv: a.csv, refresh: daily}", ":2: cannot unmarshal"},
		{csv, "{csv: a.csv, refresh: 24}", ":2: "},
		{csv, "{csv: a.csv, refresh: ~}", `:2: key "refresh" has no value`},
		{csv, "{csv: [a.csv, b.csv]}", ":2: cannot unmarshal"},
		{csv, "{xlsx: a}", `:2: unknown key "xlsx"`},
		{csv, "{postgres: {connection: {env: E}, tabel: t}}", `:2: unknown key "tabel", did you mean "table"?`},
	})
}

// Who may speak for customers, and what the public is told of the company.
func TestOwnerRefusals(t *testing.T) {
	many := ""
	for i := range 49 {
		many += fmt.Sprintf("  - {name: a%d, key: %q}\n", i, newKey())
	}
	checkRefusals(t, whole, []change{
		{"name: privacy_desk", "name: Privacy", `administrator "Privacy": name "Privacy": must be a lower-case letter`},
		{"name: privacy_desk, ", "", `administrator "": name "": must be`},
		{"name: privacy_desk", "name: owner", `administrator "owner": the name means somebody else in records`},
		{"name: privacy_desk", "name: desk", `administrator "desk": name and key must be those of nobody else`},
		{otherKey, deskKey, `administrator "desk": name and key must be those of nobody else`},
		{`, key: "` + deskKey + `"`, "", `administrator "privacy_desk": `},
		{deskKey, "ed25519:short", `public key "ed25519:short": must be "ed25519:" and 43 characters`},
		{deskKey, "ed25519:" + strings.Repeat("A", 43), "public key missing"},
		{"name: privacy_desk", "nam: privacy_desk", `:18: unknown key "nam", did you mean "name"?`},
		{"about:", many + "about:", "51 administrators: must be at most 50"},
		{"controller: \"Phone Co., 1 High St, London\"", `controller: "a\nb"`, `about: controller "a\nb": must be printable text`},
		{"contact: privacy@phoneco.example", "contact: " + strings.Repeat("x", 501), "501 bytes, must be at most 500"},
		{"dpo: Dr. Ö", `dpo: "\u200b"`, "about: dpo "},
		{"https://phoneco", "http://phoneco", `about: link "http://phoneco.example/privacy": must be an https address`},
		{"https://phoneco.example/privacy", "https:///privacy", "must be an https address"},
		{"https://phoneco.example/privacy", "javascript:alert(1)", "must be an https address"},
		{"dpo:", "officer:", `:20: unknown key "officer"`},
	})
}
