// Package config is what a company writes about its customers: where they are, how they are identified, and which groups
// of them others may ask about. An entry of a lab file's parties and a party's own file have the same shape:
//
//	name: phoneco
//	source: {csv: phoneco.csv}                             # path relative to the file that says so
//	identity: {column: customer_id, type: opaque}          # or: email; or: phone, with country: DE
//	customers_up_to: 10000                                 # public upper bound, enforced when customers are loaded
//	segments:                                              # name: boolean SQL over one row of the source
//	  churned: "churn = 'Yes'"
//	dimensions:                                            # one value per customer; all others are "unknown"
//	  age_band: {sql: "age_band", values: ["under 65", "65+"]}
//	limits: {epsilon_per_query: 1, epsilon_total: 10}      # may be left out, in whole or part: the agreement's
//
// Names, dimension values and customers_up_to are published to the other members. Columns and SQL are not.
package config

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/strictyaml"
)

const (
	// Member is the segment of every customer. Each party has it without declaring it.
	Member = "member"
	// Unknown is the last value of every dimension, of customers without a value or with one that is not declared.
	Unknown = "unknown"

	// MaxSegments is the most segments that a party can declare.
	MaxSegments = 63
	// MaxValues is the most values that a dimension can declare.
	MaxValues = 999
	// MaxValueBytes is the most bytes that a dimension's value can have.
	MaxValueBytes = 200
	// MaxCustomersUpTo is the greatest bound on a party's customers.
	MaxCustomersUpTo = 1 << 31
)

// Party declares one party's customers.
type Party struct {
	Name          string               `yaml:"name"`
	Source        Source               `yaml:"source"`
	Identity      Identity             `yaml:"identity"`
	CustomersUpTo int64                `yaml:"customers_up_to"` // 1 to MaxCustomersUpTo
	Segments      map[string]string    `yaml:"segments"`        // name to boolean SQL expression
	Dimensions    map[string]Dimension `yaml:"dimensions"`      // by name
	Limits        Limits               `yaml:"limits"`
}

// Source says where the customers are.
type Source struct {
	CSV string `yaml:"csv"` // path of a CSV file in UTF-8 with a header line
}

// Identity says which column tells customers apart, and what it holds.
type Identity struct {
	Column  string   `yaml:"column"`
	Type    ids.Type `yaml:"type"`
	Country string   `yaml:"country"` // of phone numbers without a +prefix (ISO 3166 alpha-2), or ""
}

// Normalizer returns the rules for the ids of the column.
func (i Identity) Normalizer() ids.Normalizer {
	return ids.Normalizer{Type: i.Type, Country: i.Country}
}

// Dimension is a grouping of customers by one of a few public values.
type Dimension struct {
	SQL    string   `yaml:"sql"`    // expression whose text is compared with the values
	Values []string `yaml:"values"` // in the order in which they are published, without Unknown
}

// Limits are what the party is willing to spend where that is less than the agreement says. 0 stands for left out.
type Limits struct {
	EpsilonPerQuery agreement.MicroEpsilon `yaml:"epsilon_per_query"`
	EpsilonTotal    agreement.MicroEpsilon `yaml:"epsilon_total"`
}

// Within returns the limits that the party enforces: of each the stricter one of its own and of what was agreed.
func (l Limits) Within(agreed agreement.Limits) agreement.Limits {
	if l.EpsilonPerQuery > 0 {
		agreed.EpsilonPerQuery = min(agreed.EpsilonPerQuery, l.EpsilonPerQuery)
	}
	if l.EpsilonTotal > 0 {
		agreed.EpsilonTotal = min(agreed.EpsilonTotal, l.EpsilonTotal)
	}
	return agreed
}

// Load reads and checks the party in the YAML file at path. Errors are faults: NotFound if there is no file, otherwise
// Invalid, and begin with the path.
func Load(path string) (*Party, error) {
	var p Party
	if err := strictyaml.Load(path, &p); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no party file at %s", path)
	} else if err != nil {
		return nil, fault.New(fault.Invalid, "%s", err)
	}
	if err := p.Check(); err != nil {
		return nil, fault.New(fault.Invalid, "%s: %s", path, err)
	}
	p.ResolveFrom(filepath.Dir(path))
	return &p, nil
}

// ResolveFrom makes paths that are relative to folder, where the declaration was read, relative to the working directory.
func (p *Party) ResolveFrom(folder string) {
	if p.Source.CSV != "" && !filepath.IsAbs(p.Source.CSV) {
		p.Source.CSV = filepath.Join(folder, p.Source.CSV)
	}
}
