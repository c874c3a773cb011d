package lab_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/dp"
)

const identified = `collaboration: shops
agreement:
  purposes: [planning]
  identifiers:
    - {type: email, ignore: {gmail.com: [dots, tags]}}
    - {type: phone}
    - {type: opaque}
  epsilon_per_query: 10
  epsilon_total: 20
purpose: planning
parties:
  - name: alpha
    source: {csv: alpha.csv}
    identity: [{column: mobile, type: phone, country: DE}, {column: mail, type: email}]
    customers_up_to: 1000
    purposes: {planning: {consent: "true"}}
  - name: beta
    source: {csv: beta.csv}
    identity: [{column: email, type: email}, {column: phone, type: phone}]
    customers_up_to: 1000
    purposes: {planning: {consent: "true"}}
  - name: gamma
    source: {csv: gamma.csv}
    identity: {column: card, type: opaque}
    customers_up_to: 1000
    purposes: {planning: {consent: "true"}}
questions:
  - {name: overlap, count: alpha.member && beta.member, epsilon: 10}
  - {name: strangers, count: alpha.member && gamma.member, epsilon: 10}
`

// People are matched by the agreed identifiers in the agreed order, whatever the parties' own: 200 by their address, of whom
// 100 spell it as their mail server does not mind; 100 by their number, as they have no address; and 100 not at all: each
// party knows them by another address, which counts before the number that both have.
func TestAgreedIdentifiers(t *testing.T) {
	file := identifiedFile(t)
	running := start(t, file)
	defer stop(t, running)
	q := file.Ask(file.Questions[0])
	answer, err := running.Ask(t.Context(), q, nil)
	checkCount(t, q, answer, err, 300)
	checkStrangers(t, running, file)
	catalog, err := running.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, p := range catalog.Parties {
		types[p.Name] = p.IdentityType
	}
	if types["alpha"] != "email,phone" || types["beta"] != "email,phone" || types["gamma"] != "opaque" {
		t.Errorf("parties identify customers by %v", types)
	}
}

// In the matched layout, the same 300 exactly, and each other customer of the two once; a third party, whose identifiers nobody
// else has, is matched beside them. Each of the answers is without noise, as TestRealDataMatched has it, and wrong if three are.
func TestMatchedIdentifiers(t *testing.T) {
	file := identifiedFile(t)
	file.Layout = "matched"
	allowAll(file)
	running := start(t, file)
	defer stop(t, running)
	if _, err := matched(t, file, running); err != nil {
		t.Fatal(err)
	}
	for audience, want := range map[string]int64{
		"alpha.member && beta.member": 300, "alpha.member && !beta.member": 100, "alpha.member || beta.member": 500,
	} {
		q := client.Question{Count: audience, Epsilon: dp.MaxEpsilon, Purpose: "planning", Layout: "matched", Fresh: true}
		var got []int64
		for range tries {
			answer, err := running.Ask(t.Context(), q, nil)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, answer.Cells[0].Released[0])
		}
		if !slices.Contains(got, want) {
			t.Errorf("%s: the answers are %v, the truth is %d", audience, got, want)
		}
	}
	checkStrangers(t, running, file)
}

// checkStrangers checks that customers who are known by other identifiers are not compared.
func checkStrangers(t *testing.T, running *lab.Lab, file *lab.File) {
	t.Helper()
	_, err := running.Ask(t.Context(), file.Ask(file.Questions[1]), nil)
	checkFailure(t, err, "unsupported", "alpha identifies customers by email or phone and gamma by opaque: they can't be compared")
}

func identifiedFile(t *testing.T) *lab.File {
	alpha, beta := "mail,mobile\n", "email,phone\n"
	for i := range 100 {
		number := fmt.Sprintf("030 123%05d", i)
		abroad := fmt.Sprintf("+49 30 123%05d", i+100)
		alpha += fmt.Sprintf("A%d@Example.com,%s\nB.b%d+shop@gmail.com,\n,030 123%05d\nc%d@example.com,030 123%05d\n", i, number, i, i+100, i, i+200)
		beta += fmt.Sprintf("a%d@example.com,\nbb%d@gmail.com,\n,%s\nother%d@example.com,+49 30 123%05d\n", i, i, abroad, i, i+200)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{"lab.yaml": identified, "alpha.csv": alpha, "beta.csv": beta, "gamma.csv": "card\n1\n2\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := lab.Load(filepath.Join(folder, "lab.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}
