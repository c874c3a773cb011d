package lab_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
)

// The real customer sets, which are not part of the repository: tests that need them are skipped without.
const realData = "../../../../shared/data"

// truth is a truth file: what is true of a customer set, counted in the clear.
type truth struct {
	Overlap  map[string]float64 `json:"overlap"` // by "company & company"
	ByGroup  []crossTab         `json:"by_group"`
	Filtered []crossTab         `json:"filtered"`
	// The overlap of bikes and gear if e-mail addresses are compared byte for byte.
	ExactBytes float64 `json:"trap_exact_byte_match bikes & gear"`
}

type crossTab struct {
	Question  string             `json:"question"`
	Companies []string           `json:"companies"`
	GroupBy   []string           `json:"group_by"` // "company.column"
	Total     float64            `json:"total"`
	Cells     map[string]float64 `json:"cells"` // by "value | value", those with nobody left out
}

func readTruth(t *testing.T, set string) truth {
	content, err := os.ReadFile(filepath.Join(realData, set, "truth.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the real customer sets are not here")
	}
	var all truth
	if err == nil {
		err = json.Unmarshal(content, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// question is a question of a lab file with the truth about it.
type question struct {
	lab.Question
	file    *lab.File
	parties []string
	terms   []term             // that the answer is the sum of
	truth   map[string]float64 // by "value | value", by "" if there is one number
}

// realQuestions returns the questions of examples/lab/SET.yaml: they are those of the set's truth file and of bySQL, all
// of them and no others, known by their names.
func realQuestions(t *testing.T, set string) []*question {
	known := readTruth(t, set)
	file := example(t, set)
	truths := map[string]*question{}
	for companies, people := range known.Overlap {
		truths[companies] = overlap(strings.Split(companies, " & "), nil, map[string]float64{"": people})
	}
	for _, tab := range slices.Concat(known.ByGroup, known.Filtered) {
		name := tab.Question
		if name == "" {
			name = strings.Join(tab.Companies, " & ") + " by " + strings.Join(tab.GroupBy, ", ")
		}
		sum := 0.
		for _, people := range tab.Cells {
			sum += people
		}
		if sum != tab.Total {
			t.Fatalf("%s: the true cells add up to %v, not to the true total of %v", name, sum, tab.Total)
		}
		truths[name] = overlap(tab.Companies, tab.GroupBy, tab.Cells)
	}
	db := tables(t, file)
	for name, a := range bySQL[set] {
		one := &question{terms: a.terms, truth: truthBySQL(t, db, a.sql)}
		for _, term := range a.terms {
			for _, party := range term.names() {
				if !slices.Contains(one.parties, party) {
					one.parties = append(one.parties, party)
				}
			}
		}
		truths[name] = one
	}
	var questions []*question
	for _, q := range file.Questions {
		one, ok := truths[q.Name]
		if !ok {
			t.Fatalf("%s.yaml: nothing is known about question %q", set, q.Name)
		}
		delete(truths, q.Name)
		one.Question, one.file = q, file
		questions = append(questions, one)
	}
	for name := range truths {
		t.Errorf("%s.yaml does not ask: %s", set, name)
	}
	return questions
}

// overlap is a question about the people whom parties share, by some of their dimensions.
func overlap(parties, by []string, truth map[string]float64) *question {
	split := map[string]bool{}
	for _, dimension := range by {
		party, _, _ := strings.Cut(dimension, ".")
		split[party] = true
	}
	return &question{parties: parties, terms: []term{{1, strings.Join(parties, " "), float64(len(split)), ""}}, truth: truth}
}

func find(t *testing.T, questions []*question, name string) *question {
	i := slices.IndexFunc(questions, func(q *question) bool { return q.Name == name })
	if i < 0 {
		t.Fatalf("there is no question %q", name)
	}
	return questions[i]
}

// group returns the name that the truth file has for a cell.
func (q *question) group(c client.Cell) string {
	if len(q.Frequency) > 0 {
		return c.Group["parties"]
	}
	values := make([]string, len(q.By))
	for i, dimension := range q.By {
		values[i] = c.Group[dimension]
	}
	return strings.Join(values, " | ")
}

// example loads one of the lab files that this repository shows to its users.
func example(t *testing.T, name string) *lab.File {
	file, err := lab.Load("../../../examples/lab/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// The example files must be good ones, also where the customers that they point to are not at hand: their epsilon is
// within the limits that they set, and all their questions and their matching together within the total.
func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("../../../examples/lab/*.yaml")
	if err != nil || len(paths) < 3 {
		t.Fatalf("found the examples %v, error %v", paths, err)
	}
	for _, path := range paths {
		file := example(t, strings.TrimSuffix(filepath.Base(path), ".yaml"))
		total := 0.
		if file.Matched() {
			total += matchingPrice(file)
		}
		for _, q := range file.Questions {
			if q.Epsilon > file.Agreement.EpsilonPerQuery.Float() {
				t.Errorf("%s, %q: epsilon %v is above the file's own limit", path, q.Name, q.Epsilon)
			}
			total += q.Epsilon
		}
		if total > file.Agreement.EpsilonTotal.Float() {
			t.Errorf("%s: its questions cost %v together, more than its own total", path, total)
		}
	}
}
