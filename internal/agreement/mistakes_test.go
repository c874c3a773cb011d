package agreement_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

// Each mistake in an agreement is refused with the place, the value and the rule; nothing is corrected silently.
func TestMistakes(t *testing.T) {
	many := func(n int) string {
		var lines strings.Builder
		for i := range n {
			fmt.Fprintf(&lines, "  - {name: p%d, address: \"p:1\", key: %q}\n", i, key(byte(10+i)))
		}
		return lines.String()
	}
	purposes := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint("p", i)
		}
		return strings.Join(all, ", ")
	}
	if _, err := agreement.Parse([]byte(strings.Replace(golden, "planning", purposes(48)+", "+strings.Repeat("é", 100), 1))); err != nil {
		t.Errorf("50 purposes: %v", err)
	}
	parties := golden[strings.Index(golden, "  - {name: shop"):strings.Index(golden, "analysts")]
	if _, err := agreement.Parse([]byte(strings.Replace(golden, parties, many(16), 1))); err != nil {
		t.Errorf("16 parties: %v", err)
	}
	for name, c := range map[string]struct{ old, new, says string }{
		"not YAML":                {golden, "a: [", "agreement"},
		"empty":                   {golden, "", "empty"},
		"two documents":           {golden, golden + "---\n" + golden, "document"},
		"unknown key":             {"limits", "limit", `agreement:10: unknown key "limit", did you mean "limits"`},
		"unknown inner key":       {"name: bank", "nom: bank", "nom"},
		"key twice":               {"limits", "collaboration: x\nlimits", "collaboration"},
		"collaboration name":      {"loyalty", "Loyalty", `"Loyalty"`},
		"one party":               {parties, many(1), "1 of them, must be 2 to 16"},
		"seventeen parties":       {parties, many(17), "17 of them"},
		"party is coordinator":    {"name: bank", "name: coordinator", "the name is that of coordinator"},
		"analyst is coordinator":  {"marketing", "coordinator", "the name is that of coordinator"},
		"party name":              {"name: bank", "name: 'the bank'", `"the bank"`},
		"analyst name":            {"marketing", "Marketing", `"Marketing"`},
		"no name":                 {"name: bank, ", "", `name ""`},
		"name twice":              {"name: bank", "name: shop", `names must differ`},
		"analyst named as party":  {"marketing", "bank", `names must differ`},
		"key twice among all":     {key(5).String(), key(3).String(), `keys must differ`},
		"key of the coordinator":  {key(4).String(), key(2).String(), `is that of coordinator`},
		"no key":                  {fmt.Sprintf(", key: %q}\nanalysts", key(3)), "}\nanalysts", "public key missing"},
		"null key":                {fmt.Sprintf("%q", key(5)), "null", "has no value"},
		"malformed key":           {key(3).String(), "ed25519:abc", `"ed25519:abc"`},
		"weak key":                {key(3).String(), identity.PublicKey{1}.String(), `small order`},
		"no coordinator address":  {`address: "coordinator.example:7400", `, "", `address ""`},
		"address without port":    {"bank.example:7401", "bank.example", `must be host:port`},
		"address without host":    {"bank.example:7401", ":7401", `host must be`},
		"address with scheme":     {"bank.example:7401", "https://bank.example:7401", `must be host:port`},
		"address of a socket":     {"bank.example:7401", "unix///x:7401", `host must be`},
		"address with blanks":     {"bank.example:7401", "bank example:7401", `host must be`},
		"port 0":                  {"bank.example:7401", "bank.example:0", `the port must be`},
		"port 65536":              {"bank.example:7401", "bank.example:65536", `the port must be`},
		"port by name":            {"bank.example:7401", "bank.example:https", `the port must be`},
		"port with sign":          {"bank.example:7401", "bank.example:+80", `the port must be`},
		"epsilon 0":               {"epsilon_per_query: 1", "epsilon_per_query: 0", `must be above 0`},
		"epsilon missing":         {"epsilon_per_query: 1, ", "", `epsilon_per_query 0: must be above 0`},
		"epsilon null":            {"epsilon_per_query: 1", "epsilon_per_query: ", `has no value`},
		"epsilon negative":        {"epsilon_per_query: 1", "epsilon_per_query: -1", `agreement:10: epsilon -1: must be above 0`},
		"epsilon NaN":             {"epsilon_per_query: 1", "epsilon_per_query: .nan", `epsilon NaN`},
		"epsilon infinite":        {"epsilon_total: 10.5", "epsilon_total: .inf", `epsilon +Inf`},
		"epsilon too fine":        {"epsilon_total: 10.5", "epsilon_total: 10.0000005", `multiple of 0.000001`},
		"epsilon a word":          {"epsilon_total: 10.5", "epsilon_total: lots", "agreement:10: cannot unmarshal !!str `lots`"},
		"epsilon above 20":        {"epsilon_per_query: 1, epsilon_total: 10.5", "epsilon_per_query: 20.5, epsilon_total: 30", `epsilon_per_query 20.5: must be above 0 and at most 20`},
		"total below one query":   {"epsilon_total: 10.5", "epsilon_total: 0.5", `epsilon_total 0.5: must be at least`},
		"delta 0":                 {"10.5", "10.5, delta_per_query: 0", `delta_per_query 0`},
		"delta 1":                 {"10.5", "10.5, delta_per_query: 1", `delta_per_query 1`},
		"delta NaN":               {"10.5", "10.5, delta_per_query: .nan", `delta_per_query NaN`},
		"total delta 0":           {"10.5", "10.5, delta_total: 0", `delta_total 0: must be at least delta_per_query, 1e-06, and below 1`},
		"total delta below one":   {"10.5", "10.5, delta_per_query: 1e-5, delta_total: 9e-6", `delta_total 9e-06: must be at least delta_per_query, 1e-05`},
		"total delta 1":           {"10.5", "10.5, delta_total: 1", `delta_total 1: must be`},
		"total delta NaN":         {"10.5", "10.5, delta_total: .nan", `delta_total NaN: must be`},
		"total delta below 0":     {"10.5", "10.5, delta_total: -1", `delta_total -1: must be`},
		"organisation":            {"{name: marketing,", "{name: marketing, organisation: The Agency,", `analyst 1 ("marketing"): organisation: name "The Agency"`},
		"organisation empty":      {"{name: marketing,", "{name: marketing, organisation: ,", `has no value`},
		"noise of nobody":         {"limits", "noise: nobody\nlimits", `noise "nobody": must be everyone or coordinator`},
		"noise empty":             {"limits", "noise: ''\nlimits", `noise "": must be`},
		"no purposes":             {"purposes: [planning, measuring success]\n", "", `purposes: 0 of them, must be 1 to 50`},
		"empty purposes":          {"[planning, measuring success]", "[]", `purposes: 0 of them`},
		"null purposes":           {"[planning, measuring success]", "", `key "purposes" has no value`},
		"51 purposes":             {"planning", purposes(50), `purposes: 51 of them, must be 1 to 50`},
		"purposes a word":         {"[planning, measuring success]", "planning", "agreement:9: cannot unmarshal !!str"},
		"purpose empty":           {"planning", "''", `purpose "": must be a text`},
		"purpose of blanks":       {"planning", "' '", `purpose " ": must be a text without blanks around it`},
		"purpose with blanks":     {"planning", "'planning '", `purpose "planning ": must be a text without blanks around it`},
		"purpose of two lines":    {"planning", `"plan\nning"`, `purpose "plan\nning": must be printable text`},
		"purpose invisible":       {"planning", `"plan\u200bning"`, `must be printable text`},
		"purpose too long":        {"planning", strings.Repeat("é", 101), `202 bytes, must be at most 200`},
		"purpose twice":           {"planning", "measuring success", `purpose "measuring success": named twice`},
		"no identifiers":          {"limits", "identifiers: []\nlimits", `identifiers: none, must be at least one, or left out`},
		"identifiers a word":      {"limits", "identifiers: email\nlimits", "agreement:10: cannot unmarshal !!str"},
		"identifier unknown":      {"limits", "identifiers: [{type: passport}]\nlimits", `identifier 1 ("passport"): identity type "passport" is not one of`},
		"identifier of no type":   {"limits", "identifiers: [{type: email}, {}]\nlimits", `identifier 2 (""): identity type "" is not one of`},
		"identifier twice":        {"limits", "identifiers: [{type: email}, {type: phone}, {type: email}]\nlimits", `identifier 3 ("email"): a type named twice`},
		"identifier's key":        {"limits", "identifiers: [{type: phone, country: DE}]\nlimits", `agreement:10: unknown key "country"`},
		"ignored in phones":       {"limits", "identifiers: [{type: phone, ignore: {gmail.com: [dots]}}]\nlimits", `identifier 1 ("phone"): rules for domains are for ids of type "email"`},
		"ignored nowhere":         {"limits", "identifiers: [{type: email, ignore: {}}]\nlimits", `agreement:10: ignore: no domain, must be at least one, or left out`},
		"ignored nothing":         {"limits", "identifiers: [{type: email, ignore: {gmail.com: []}}]\nlimits", `identifier 1 ("email"): ignore: domain "gmail.com": nothing to ignore`},
		"ignored unknown":         {"limits", "identifiers: [{type: email, ignore: {gmail.com: [case]}}]\nlimits", `agreement:10: ignore "case" at "gmail.com": must be dots or tags`},
		"ignored twice":           {"limits", "identifiers: [{type: email, ignore: {gmail.com: [dots, dots]}}]\nlimits", `agreement:10: ignore dots at "gmail.com": named twice`},
		"domain in capitals":      {"limits", "identifiers: [{type: email, ignore: {Gmail.com: [dots]}}]\nlimits", `domain "Gmail.com": must be written as in a normalised address, "gmail.com"`},
		"domain twice":            {"limits", "identifiers: [{type: email, ignore: {gmail.com: [dots], gmail.com: [tags]}}]\nlimits", `mapping key "gmail.com" already defined`},
		"layout unknown":          {"limits", "layouts: [sorted]\nlimits", `layout "sorted": must be hashed or matched`},
		"matched twice":           {"limits", "layouts: [matched, hashed, matched]\nlimits", `layout "matched": named twice`},
		"no matching":             {"limits", "layouts: [hashed, matched]\nlimits", `layout matched: matching must say what a matching may cost, such as {epsilon: 0.1, delta: 1e-9}`},
		"empty matching":          {"limits", "layouts: [matched]\nmatching: {}\nlimits", `layout matched: matching must say`},
		"null matching":           {"limits", "layouts: [matched]\nmatching:\nlimits", `key "matching" has no value`},
		"matching, not matched":   {"limits", "matching: {epsilon: 0.1, delta: 1e-9}\nlimits", `matching: epsilon and delta are for the layout matched, which layouts does not name`},
		"matching's key":          {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, rounds: 2}\nlimits", `agreement:11: unknown key "rounds"`},
		"matching's epsilon":      {"limits", "layouts: [matched]\nmatching: {delta: 1e-9}\nlimits", `matching: epsilon 0: must be above 0 and at most 1`},
		"matching's epsilon 0":    {"limits", "layouts: [matched]\nmatching: {epsilon: 0, delta: 1e-9}\nlimits", `agreement:11: epsilon 0: must be above 0`},
		"matching's epsilon > 1":  {"limits", "layouts: [matched]\nmatching: {epsilon: 1.000001, delta: 1e-9}\nlimits", `matching: epsilon 1.000001: must be above 0 and at most 1`},
		"matching's delta":        {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1}\nlimits", `matching: delta 0: must be above 0 and at most 1e-06`},
		"matching's delta < 0":    {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: -1e-9}\nlimits", `matching: delta -1e-09: must be above 0`},
		"matching's delta large":  {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1.1e-6}\nlimits", `matching: delta 1.1e-06: must be above 0 and at most 1e-06`},
		"matching's delta NaN":    {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: .nan}\nlimits", `matching: delta NaN: must be`},
		"matching's schedule 0":   {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, every: 0s}\nlimits", `matching: every 0s: must be 1h0m0s to 87600h0m0s, or left out`},
		"matching's bare 0":       {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, every: 0}\nlimits", "agreement:11: cannot unmarshal !!int `0` into time.Duration"},
		"matching's null":         {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, every: }\nlimits", `key "every" has no value`},
		"matching's schedule < 0": {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, every: -720h}\nlimits", `matching: every -720h0m0s: must be`},
		"matching too often":      {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, every: 59m}\nlimits", `matching: every 59m0s: must be`},
		"matching too rarely":     {"limits", "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9, every: 87601h}\nlimits", `matching: every 87601h0m0s: must be`},
		"schedule, not matched":   {"limits", "matching: {every: 720h}\nlimits", `which layouts does not name`},
		"schedule without cost":   {"limits", "layouts: [matched]\nmatching: {every: 720h}\nlimits", `matching: epsilon 0: must be above 0`},
		"matching of 9":           {parties, many(9) + "layouts: [matched]\nmatching: {epsilon: 0.1, delta: 1e-9}\n", `matching: cover: number of parties is 9, must be 2 to 8`},
		"too many dummies":        {"limits", "layouts: [matched]\nmatching: {epsilon: 0.000001, delta: 1e-9}\nlimits", `dummies a pool, must be at most`},
		"matching above total":    {golden[strings.Index(golden, "limits"):], "limits: {epsilon_per_query: 1, epsilon_total: 1.5}\nlayouts: [matched]\nmatching: {epsilon: 0.75001, delta: 1e-9}", `matching: epsilon 0.75001 is 1.50002 for a customer of all 2 parties: must be at most epsilon_total, 1.5`},
		"matching above delta":    {"10.5}", "10.5, delta_per_query: 1e-8, delta_total: 1e-6}\nlayouts: [matched]\nmatching: {epsilon: 0.1, delta: 6e-7}", `matching: delta 6e-07 is 1.2e-06 for a customer of all 2 parties: must be at most delta_total, 1e-06`},
		"layout twice":            {"limits", "layouts: [hashed, hashed]\nlimits", `named twice`},
		"no layout":               {"limits", "layouts: []\nlimits", `layouts: none`},
	} {
		text := strings.Replace(golden, c.old, c.new, 1)
		if text == golden {
			t.Fatalf("%s: the test changes nothing", name)
		}
		if _, err := agreement.Parse([]byte(text)); !fault.IsKind(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want fault.Invalid with %q", name, err, c.says)
		}
	}
	if _, err := agreement.Parse(make([]byte, 2<<20)); !fault.IsKind(err, fault.Invalid) || len(err.Error()) > 200 {
		t.Errorf("2 MiB: error is %v", err)
	}
}
