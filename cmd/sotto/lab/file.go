// Package lab runs a whole collaboration on one machine: real nodes on loopback, real protocol, from one file.
package lab

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/strictyaml"
	"github.com/sotto-dev/sotto/party/config"
)

// File is a lab file. Unknown keys are errors; paths in it are relative to it.
type File struct {
	Collaboration string         `yaml:"collaboration"`
	Agreement     Agreement      `yaml:"agreement"` // what each party holds questions to
	Noise         string         `yaml:"noise"`     // everyone (default) or coordinator
	Parties       []config.Party `yaml:"parties"`
	Questions     []Question     `yaml:"questions"`
	Defaults      `yaml:",inline"`
}

// Agreement is what a lab file says of the agreement.
type Agreement struct {
	Purposes        []string               `yaml:"purposes"`    // what questions may be for
	Identifiers     []agreement.Identifier `yaml:"identifiers"` // what customers are matched by; left out: what each party has
	EpsilonPerQuery agreement.MicroEpsilon `yaml:"epsilon_per_query"`
	EpsilonTotal    agreement.MicroEpsilon `yaml:"epsilon_total"`
	DeltaPerQuery   float64                `yaml:"delta_per_query"` // default DefaultDelta
	Matching        agreement.Matching     `yaml:"matching"`        // default DefaultMatching where questions are in the matched layout
}

// DefaultDelta is the limit on a question's δ in a lab whose file does not say. It is wider than a deployment's default, so that
// things can be tried out.
const DefaultDelta = 1e-4

// DefaultMatching is what a matching costs for a record in a lab whose file does not say.
var DefaultMatching = agreement.Matching{Epsilon: 100_000, Delta: 1e-9}

// Matched reports whether the customers of the lab are to be matched before its questions are asked: if its file names the matched
// layout, or what a matching costs. Questions that name no layout are then in the matched one.
func (f *File) Matched() bool {
	named := func(d Defaults) bool { return d.Layout == agreement.LayoutMatched }
	return f.Agreement.Matching != (agreement.Matching{}) || named(f.Defaults) ||
		slices.ContainsFunc(f.Questions, func(q Question) bool { return named(q.Defaults) })
}

// Defaults can stand at the top of the file for all questions, and at each question.
type Defaults struct {
	Layout    string  `yaml:"layout"`
	Precision string  `yaml:"precision"`
	Mechanism string  `yaml:"mechanism"`
	Delta     float64 `yaml:"delta"`
	Purpose   string  `yaml:"purpose"` // one of the agreement's; every question has one
}

// Question is one question of a lab file.
type Question struct {
	Name      string   `yaml:"name"`
	Count     string   `yaml:"count"`
	Sum       string   `yaml:"sum"`
	Mean      string   `yaml:"mean"`
	Where     string   `yaml:"where"`
	Total     []string `yaml:"total"`
	Frequency []string `yaml:"frequency"`
	By        []string `yaml:"by"`
	Epsilon   float64  `yaml:"epsilon"`
	Fresh     bool     `yaml:"fresh"`
	Defaults  `yaml:",inline"`
}

// Load reads and checks a lab file.
func Load(path string) (*File, error) {
	var f File
	if err := strictyaml.Load(path, &f); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no lab file at %s", path)
	} else if err != nil {
		return nil, fault.New(fault.Invalid, "%v", err)
	}
	if len(f.Questions) == 0 {
		return nil, fault.New(fault.Invalid, "%s: questions is empty, a lab file asks at least one", path)
	}
	names := map[string]bool{}
	for i := range f.Parties {
		p := &f.Parties[i]
		if err := p.Check(); err != nil {
			return nil, fault.New(fault.Invalid, "%s: %v", path, err)
		}
		if names[p.Name] {
			return nil, fault.New(fault.Invalid, "%s: there are two parties %q", path, p.Name)
		}
		names[p.Name] = true
		p.ResolveFrom(filepath.Dir(path))
	}
	return &f, nil
}

// Ask returns the question as the SDK takes it, with the file's defaults filled in.
func (f *File) Ask(q Question) client.Question {
	return client.Question{
		Count: q.Count, Sum: q.Sum, Mean: q.Mean, Where: q.Where, Total: q.Total, Frequency: q.Frequency,
		By: q.By, Epsilon: q.Epsilon, Fresh: q.Fresh,
		Mechanism: first(q.Mechanism, f.Mechanism), Delta: first(q.Delta, f.Delta),
		Layout: first(q.Layout, f.Layout), Precision: first(q.Precision, f.Precision), Purpose: first(q.Purpose, f.Purpose),
	}
}

func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}
