package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
)

type partyCheckCommand struct {
	Agreement string `required:"" env:"SOTTO_AGREEMENT" placeholder:"FILE" help:"Agreement file."`
	Config    string `required:"" env:"SOTTO_CONFIG" placeholder:"FILE" help:"What this company declares about its customers."`
	Strict    bool   `help:"Warnings are failures too."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

func (k *partyCheckCommand) Help() string {
	return `Reads the source once, on this machine alone, and shows what the node would make of it: rows and ids, what does not normalise, what is
shared by several people, what every segment, dimension and purpose comes to, and which values are not declared. It ends with 0 if the
node can be run, 1 if not; with --strict also if there is a warning.

What customers have told a running node is not part of it: sotto party status shows who may take part there.`
}

func (k *partyCheckCommand) Run(ctx context.Context, c console) error {
	a, err := agreement.Load(k.Agreement)
	if err != nil {
		return err
	}
	declared, err := config.Load(k.Config)
	if err != nil {
		return err
	}
	profile, err := customers.Check(ctx, declared, customers.Options{Agreement: a, Now: time.Now()})
	if err != nil {
		return err
	}
	for _, purpose := range declared.PurposeNames() {
		if !a.HasPurpose(purpose) {
			profile.Problems = append(profile.Problems, fmt.Sprintf("purpose %q is not one of the agreement, which has: %s", purpose, strings.Join(a.Purposes, ", ")))
		}
	}
	warnings := warningsOf(declared, profile)
	if k.JSON {
		err = printJSON(c.out, struct {
			*customers.Profile
			Warnings []string `json:"warnings"`
		}{profile, warnings})
	} else {
		err = printProfile(c.out, profile, warnings)
	}
	switch {
	case err != nil:
		return err
	case len(profile.Problems) > 0:
		return fault.New(fault.Invalid, "%s: %s", k.Config, plural(int64(len(profile.Problems)), "problem"))
	case k.Strict && len(warnings) > 0:
		return fault.New(fault.Invalid, "%s: %s", k.Config, plural(int64(len(warnings)), "warning"))
	}
	return nil
}

// share returns how many of a hundred.
func share(part, of int64) string {
	switch {
	case of == 0 || part == 0:
		return "0 %"
	case 1000*part < of:
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.3g %%", 100*float64(part)/float64(of))
}

// warningsOf returns what an owner should look at.
func warningsOf(p *config.Party, found *customers.Profile) []string {
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	used := found.Rows - found.Expired
	for _, i := range found.Identities {
		if i.Malformed > 0 {
			warn("%s: %s of the values that are not empty do not normalise as %s", i.Column, share(i.Malformed, i.Malformed+i.Usable), i.Type)
		}
		if i.Shared > 0 {
			warn("%s: %s of the ids are shared by several people, one by %d; at_most: 1 leaves these people out", i.Column, share(int64(i.Shared), int64(i.Distinct)), i.Most)
		}
	}
	if 20*found.Nobody > used {
		warn("%s of the rows have no id", share(found.Nobody, used))
	}
	if found.Expired > 0 {
		warn("%s of the rows are too old to be used", share(found.Expired, found.Rows))
	}
	if 10*int64(found.Customers) < p.CustomersUpTo {
		warn("customers_up_to is more than ten times the number of customers: a closer bound makes answers more exact")
	}
	for _, d := range found.Dimensions {
		if len(d.Undeclared) > 0 {
			warn("%s: values that are not declared are unknown, such as %q", d.Name, d.Undeclared[0].Value)
		}
		if len(d.Empty) > 0 {
			warn("%s: no customer has the declared value %q", d.Name, d.Empty[0])
		}
	}
	for _, s := range found.Segments {
		if s.Customers == 0 {
			warn("%s: nobody is in it", s.Name)
		}
	}
	for _, u := range found.Purposes {
		if u.May == 0 {
			warn("%s: nobody may take part", u.Name)
		}
	}
	return warnings
}

func printProfile(w io.Writer, p *customers.Profile, warnings []string) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := func(n int64) string { return humanize.Comma(n) }
	all := int64(p.Customers)
	fmt.Fprintf(out, "rows\t%s\t%s of nobody, %s of customers seen before, %s too old\n", count(p.Rows), count(p.Nobody), count(p.Duplicates), count(p.Expired))
	fmt.Fprintf(out, "customers\t%s\t%s left out\n", count(all), count(int64(p.LeftOut)))
	for _, i := range p.Identities {
		fmt.Fprintf(out, "id %s\t%s\t%s: %s empty, %s malformed, %s normalise; shared by several people: %s, by %d at most\n",
			i.Column, count(int64(i.Distinct)), i.Type, count(i.Empty), count(i.Malformed),
			share(i.Usable, i.Usable+i.Malformed), count(int64(i.Shared)), i.Most)
	}
	for _, s := range p.Segments {
		fmt.Fprintf(out, "segment %s\t%s\t%s\n", s.Name, count(int64(s.Customers)), share(int64(s.Customers), all))
	}
	for _, d := range p.Dimensions {
		fmt.Fprintf(out, "dimension %s\t\t%s unknown%s\n", d.Name, share(int64(d.Unknown), all), undeclared(d))
	}
	for _, m := range p.Measures {
		fmt.Fprintf(out, "measure %s\t\t%s without an amount, %s at a bound of the clip\n", m.Name, share(int64(m.Missing), all), share(int64(m.AtBound), all))
	}
	for _, u := range p.Purposes {
		fmt.Fprintf(out, "purpose %s\t%s\t%s may take part; %s without consent, %s not yet, %s expired\n", u.Name, count(int64(u.May)),
			share(int64(u.May), all), count(int64(u.Without)), count(int64(u.Later)), count(int64(u.Over)))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, warning := range warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	for _, problem := range p.Problems {
		fmt.Fprintf(w, "problem: %s\n", problem)
	}
	return nil
}

func undeclared(d customers.DimensionProfile) string {
	var values []string
	for _, v := range d.Undeclared {
		values = append(values, fmt.Sprintf("%q in %s", v.Value, plural(v.Rows, "row")))
	}
	if values == nil {
		return ""
	}
	return "; not declared: " + strings.Join(values, ", ")
}
