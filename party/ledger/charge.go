package ledger

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/sotto-dev/sotto/dp"
)

// Charge is what a session costs, and on whose account.
type Charge struct {
	Session      [16]byte // drawn by the coordinator; never seen before
	Query        [32]byte // hash of the signed question
	Analyst      string   // who asks; not empty
	Organisation string   // whose budget the analyst asks on; not empty
	Purpose      string
	Measure      string    // "count", "sum", …
	Loss         dp.Loss   // what the release costs a person, as exact integers
	Sensitivity  int64     // of the noise, at least 1; for the record
	Begun        time.Time // when it is reserved, from 1970 on, kept in whole seconds: decides in which windows it counts
}

// check reports what no charge can be. Its errors are defects of the caller.
func (c *Charge) check() error {
	texts := [...]struct{ name, text string }{
		{"analyst", c.Analyst}, {"organisation", c.Organisation}, {"purpose", c.Purpose}, {"measure", c.Measure},
	}
	for i, t := range texts {
		if !utf8.ValidString(t.text) {
			return fmt.Errorf("%s %q is not UTF-8", t.name, t.text)
		}
		if t.text == "" && i < 2 {
			return fmt.Errorf("there is no %s", t.name)
		}
	}
	if err := c.Loss.Check(); err != nil {
		return err
	}
	switch {
	case c.Sensitivity < 1:
		return fmt.Errorf("sensitivity %d must be at least 1", c.Sensitivity)
	case c.Begun.Unix() < 0 || c.Begun.Unix() > latest:
		return fmt.Errorf("the time %s must be between 1970 and 9999", c.Begun)
	}
	return nil
}

// latest is the last second of the year 9999, beyond which calendars are not written as usual.
const latest = 253402300799
