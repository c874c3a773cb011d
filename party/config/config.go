// Package config is what a company writes about its customers: where they are, how they are identified, which groups and
// amounts others may ask about, for what purposes and with whose consent, and what that may cost. An entry of a lab file's
// parties and a party's own file have the same shape:
//
//	name: phoneco
//	source: {csv: phoneco.csv}                             # or parquet; paths and patterns relative to the file that says so
//	identity: {column: customer_id, type: opaque}          # or: email; or: phone, with country: DE; or a list of them
//	customers_up_to: 10000                                 # public upper bound, enforced when customers are loaded
//	segments:                                              # name: boolean SQL over one row of the source
//	  churned: "churn = 'Yes'"
//	dimensions:                                            # one value per customer; all others are "unknown"
//	  age_band: {sql: "age_band", values: ["under 65", "65+"]}
//	measures:                                              # what the rows of one customer say adds up, then is clipped
//	  spend: {sql: "amount", clip: [0, 500], unit: EUR, step: 1} # unit and step may be left out
//	purposes:                                              # of the agreement; questions for others have no answer
//	  planning: {consent: "true", basis: contract}         # SQL: whose data may be used for it
//	  marketing: {consent: "opted_in", given: opted_in_at, valid_for: 24 months}
//	retention: {since: last_purchase, keep_for: 36 months} # older rows are not used; may be left out
//	limits:                                                # each may be left out
//	  epsilon_per_query: 1                                 # left out: the agreement's; never more than that
//	  epsilon_per_day: 3                                   # all analysts together; days and months are UTC's
//	  epsilon_per_month: 10
//	  epsilon_total: 50                                    # left out: the agreement's; never more than that
//	  per_organisation: {epsilon_per_day: 1, epsilon_per_month: 4, epsilon_total: 20} # each analyst's by itself
//	  organisations:                                       # others for some; what is left out is per_organisation's
//	    agency: {epsilon_total: 2}
//	  show: own                                            # what analysts see of the budget: own (default), all, none
//	administrators:                                        # who may send subject requests, beside the node's own key
//	  - {name: privacy_desk, key: "ed25519:…"}
//	about: {controller: "Phone Co., 1 High St, London", contact: privacy@phoneco.example, dpo: …, link: "https://…"}
//
// A source in PostgreSQL:
//
//	source:
//	  postgres: {connection: {file: pg.url}, table: crm.customers} # or {env: PG_URL}; or query: "SELECT …"; and timeout: 10m
//	  refresh: 24h                                         # with every source; left out: when told to
//
// Several ids per customer, where the agreement says which of them count, in what order:
//
//	identity:
//	  - {column: email, type: email}
//	  - {column: phone, type: phone, country: DE, at_most: 1} # a number that more people have is nobody's
//
// The step of a measure that says none is the greatest power of ten of which the farther bound of its clip is at least 500:
// 1 for 500, 0.001 for 1, 10 for 10000. Both bounds must be multiples of the step, at most 100 000 steps from 0.
//
// A limit must not be above one of a longer period, nor one of an organisation above that of all together, where both are
// in the file.
//
// Names, dimension values, customers_up_to, types of ids, purposes, and clip, unit and step of measures are published to the
// other members. Columns and SQL are not, nor limits, but for what budget they choose to show.
package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/sotto-dev/sotto/internal/fault"
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
	// MaxPurposes is the most purposes that a party can name.
	MaxPurposes = 50
	// MaxPurposeBytes is the most bytes that a purpose can have, here as in a question.
	MaxPurposeBytes = 200
	// MaxCustomersUpTo is the greatest bound on a party's customers.
	MaxCustomersUpTo = 1 << 31
)

// Party declares one party's customers.
type Party struct {
	Name          string               `yaml:"name"`
	Source        Source               `yaml:"source"`
	Identity      Identities           `yaml:"identity"`
	CustomersUpTo int64                `yaml:"customers_up_to"` // 1 to MaxCustomersUpTo
	Segments      map[string]string    `yaml:"segments"`        // name to boolean SQL expression
	Dimensions    map[string]Dimension `yaml:"dimensions"`      // by name
	Measures      map[string]Measure   `yaml:"measures"`        // by name
	Purposes      map[string]Purpose   `yaml:"purposes"`        // by name, as in the agreement
	Retention     Retention            `yaml:"retention"`

	Limits         Limits          `yaml:"limits"`
	Administrators []Administrator `yaml:"administrators"`
	About          About           `yaml:"about"`
}

// Dimension is a grouping of customers by one of a few public values.
type Dimension struct {
	SQL    string   `yaml:"sql"`    // expression whose text is compared with the values
	Values []string `yaml:"values"` // in the order in which they are published, without Unknown
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

// Encode returns the declaration as bytes that are the same wherever its file lies, to tell whether it is another one.
func (p *Party) Encode() ([]byte, error) {
	moved := *p
	moved.Source = p.Source.local()
	return json.Marshal(moved) // with its maps in order
}

// ResolveFrom makes paths that are relative to folder, where the declaration was read, relative to the working directory.
func (p *Party) ResolveFrom(folder string) {
	p.Source.resolveFrom(folder)
}
