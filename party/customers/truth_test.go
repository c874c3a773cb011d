package customers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

// truth is what is known about a real customer set that is split into companies.
type truth struct {
	Columns  map[string]string `json:"id_columns"` // by company
	Distinct map[string]int    `json:"distinct_ids"`
	Overlap  map[string]int    `json:"overlap"` // by "a & b"
	Groups   []crossTab        `json:"by_group"`
	Filtered []crossTab        `json:"filtered"`
}

// crossTab is a count of the customers that some companies share, by group.
type crossTab struct {
	Companies []string          `json:"companies"`
	Where     map[string]string `json:"where"`    // "company.column": value
	GroupBy   []string          `json:"group_by"` // "company.column"
	Total     int               `json:"total"`
	Cells     map[string]int    `json:"cells"` // by "value" or "value | value"
}

// declare returns the company with all the segments and dimensions that the truth asks about.
func (x *truth) declare(folder, company string, identity ids.Type) *config.Party {
	p := &config.Party{
		Name: company, Source: config.Source{CSV: filepath.Join(folder, company+".csv")},
		Identity:      config.Identities{{Column: x.Columns[company], Type: identity}},
		Purposes:      anyone,
		CustomersUpTo: int64(x.Distinct[company]), Segments: map[string]string{}, Dimensions: map[string]config.Dimension{},
	}
	for _, tab := range slices.Concat(x.Groups, x.Filtered) {
		for i, name := range tab.GroupBy {
			if owner, dimension, _ := strings.Cut(name, "."); owner == company {
				d := p.Dimensions[dimension]
				d.SQL = dimension
				for cell := range tab.Cells {
					if value := strings.Split(cell, " | ")[i]; value != config.Unknown && !slices.Contains(d.Values, value) {
						d.Values = append(d.Values, value)
					}
				}
				slices.Sort(d.Values)
				p.Dimensions[dimension] = d
			}
		}
		for name, value := range tab.Where {
			if owner, segment, _ := strings.Cut(name, "."); owner == company {
				p.Segments[segmentOf(name, value)] = fmt.Sprintf("%s = '%s'", segment, value)
			}
		}
	}
	return p
}

// segmentOf returns the name of the segment of customers with a value.
func segmentOf(name, value string) string {
	_, column, _ := strings.Cut(name, ".")
	return "is_" + column + "_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, strings.ToLower(value))
}

// company is a loaded company with a way to find customers.
type company struct {
	party *config.Party
	*customers.Snapshot
	position map[ids.ID]int
}

// value returns the customer's value of a dimension.
func (c *company) value(id ids.ID, dimension string) string {
	d := slices.Index(c.DimensionNames, dimension)
	values := slices.Concat(c.party.Dimensions[dimension].Values, []string{config.Unknown})
	return values[c.Dimensions[d][c.position[id]]]
}

// shared returns the customers that all the companies have.
func shared(all map[string]*company, names []string) []ids.ID {
	return slices.DeleteFunc(slices.Clone(all[names[0]].IDs), func(id ids.ID) bool {
		return slices.ContainsFunc(names[1:], func(name string) bool {
			_, ok := all[name].position[id]
			return !ok
		})
	})
}

// The three real customer sets, with the mess that real files have (case, blanks, accents, repeated rows, empty ids),
// give the overlaps and cross-tabs that are known of them: exactly, since nothing here adds noise.
func TestRealCustomers(t *testing.T) {
	for set, identity := range map[string]ids.Type{"telco": ids.Opaque, "febrl": ids.Opaque, "adventureworks": ids.Email} {
		t.Run(set, func(t *testing.T) {
			folder := filepath.Join("..", "..", "..", "shared", "data", set)
			raw, err := os.ReadFile(filepath.Join(folder, "truth.json"))
			if err != nil {
				t.Skip("the real customer sets are not here")
			}
			var want truth
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			all := map[string]*company{}
			for name := range want.Columns {
				p := want.declare(folder, name, identity)
				s, err := customers.Load(context.Background(), p, plain)
				if err != nil {
					t.Fatal(err)
				}
				c := &company{party: p, Snapshot: s, position: map[ids.ID]int{}}
				for i, id := range s.IDs {
					c.position[id] = i
				}
				if len(s.IDs) != want.Distinct[name] || len(c.position) != len(s.IDs) {
					t.Errorf("%s: %d customers, %d different, want %d", name, len(s.IDs), len(c.position), want.Distinct[name])
				}
				all[name] = c
			}
			for names, count := range want.Overlap {
				if got := len(shared(all, strings.Split(names, " & "))); got != count {
					t.Errorf("%s share %d customers, want %d", names, got, count)
				}
			}
			for _, tab := range slices.Concat(want.Groups, want.Filtered) {
				checkTab(t, all, tab)
			}
		})
	}
}

func checkTab(t *testing.T, all map[string]*company, tab crossTab) {
	cells := map[string]int{}
	total := 0
customers:
	for _, id := range shared(all, tab.Companies) {
		for name, value := range tab.Where {
			owner, _, _ := strings.Cut(name, ".")
			c := all[owner]
			if c.Segments[c.position[id]]>>slices.Index(c.SegmentNames, segmentOf(name, value))&1 == 0 {
				continue customers
			}
		}
		var group []string
		for _, name := range tab.GroupBy {
			owner, dimension, _ := strings.Cut(name, ".")
			group = append(group, all[owner].value(id, dimension))
		}
		cells[strings.Join(group, " | ")]++
		total++
	}
	if total != tab.Total || !maps.Equal(cells, tab.Cells) {
		t.Errorf("%v where %v by %v: %d customers, cells %v; want %d, %v", tab.Companies, tab.Where, tab.GroupBy, total, cells, tab.Total, tab.Cells)
	}
}
