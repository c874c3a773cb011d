package query

import (
	"maps"
	"slices"
	"strings"

	"github.com/sotto-dev/sotto/internal/fault"
)

// Declared is what a party declares, by the names that an audience may use.
type Declared struct {
	Party      string
	Segments   []string            // besides member
	Dimensions map[string][]string // with their values, besides unknown
	Measures   []string
}

// CheckNames tells whether everything that e names of the declared party is declared. Leaves of other parties are not
// looked at.
func (e *Expr) CheckNames(declared Declared) error {
	var err error
	e.leaves(func(l *Expr) {
		if l.Party == declared.Party && err == nil {
			err = declared.check(l)
		}
	})
	return err
}

func (d Declared) check(l *Expr) error {
	values, dimension := d.Dimensions[l.Name]
	switch l.Op {
	case Segment:
		if slices.Contains(d.Segments, l.Name) {
			return nil
		}
		if dimension {
			return fault.New(fault.Invalid, "%s.%s is a dimension, not a segment", d.Party, l.Name).
				WithHint(`compare it with a value, such as ` + d.Party + "." + l.Name + ` == "` + append(slices.Clone(values), Unknown)[0] + `"`)
		}
		return fault.New(fault.Unknown, "%s has no segment %q", d.Party, l.Name).WithHint("it has " + list(append([]string{"member"}, d.Segments...)))
	case Has:
		if !slices.Contains(d.Measures, l.Name) {
			return fault.New(fault.Unknown, "%s has no measure %q", d.Party, l.Name).WithHint("it has " + list(d.Measures))
		}
	case In:
		if !dimension {
			return fault.New(fault.Unknown, "%s has no dimension %q", d.Party, l.Name).WithHint("it has " + list(slices.Sorted(maps.Keys(d.Dimensions))))
		}
		for _, v := range l.Values {
			if v != Unknown && !slices.Contains(values, v) {
				return fault.New(fault.Unknown, "%s.%s has no value %q", d.Party, l.Name, v).WithHint("it has " + list(append(slices.Clone(values), Unknown)))
			}
		}
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
