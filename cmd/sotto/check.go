package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

type partyCheckCommand struct {
	Agreement string `required:"" env:"SOTTO_AGREEMENT" placeholder:"FILE" help:"Agreement file."`
	Config    string `required:"" env:"SOTTO_CONFIG" placeholder:"FILE" help:"What this company declares about its customers."`
	State     string `env:"SOTTO_STATE" placeholder:"DIR" help:"The folder that the node was started with, to ask it, if it runs, who has no slot in its newest matching."`
	Identity  string `env:"SOTTO_IDENTITY" placeholder:"DIR" help:"With --state: the node's identity."`
	Strict    bool   `help:"Warnings are failures too."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

func (k *partyCheckCommand) Help() string {
	return `Reads the source once, on this machine alone, and shows what the node would make of it: rows and ids, what is malformed, what several
people share, what every segment, dimension and purpose comes to, and which values are not declared. These are exact numbers and values
of the source, for its owner's eyes only.

  sotto party check --agreement agreement.yaml --config party.yaml
  sotto party check --agreement agreement.yaml --config party.yaml --strict --json > check.json

A warning is for people to look at; a problem is why the node can't be run. The exit code is 1 if there is a problem, with --strict also
if there is a warning. What customers have told a running node is not part of it: sotto party status has who may take part there. Only
the node that runs, of --state and --identity, knows how many of the customers that it has loaded were added since its newest matching:
they contribute nothing in the matched layout before the next.`
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
	profile.Problems = append(problemsOf(a, declared), profile.Problems...)
	warnings := warningsOf(declared, profile)
	matched, err := k.matched(ctx)
	if err != nil {
		return err
	}
	if k.JSON {
		err = printJSON(c.out, newProfileView(declared, profile, matched, warnings))
	} else {
		err = printProfile(c.out, a, declared, profile, matched, warnings)
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

// matched returns what the running node has of its newest matching; nil if it has none, or none runs.
func (k *partyCheckCommand) matched(ctx context.Context) (matched *matchedView, err error) {
	if k.State == "" || k.Identity == "" {
		return nil, nil
	}
	node := ownerFlags{State: k.State, Identity: k.Identity}
	err = node.call(func(node sottov1.OwnerClient) error {
		s, err := node.Status(ctx, &sottov1.StatusRequest{})
		matched = matchedOf(s)
		return err
	})
	if fault.IsKind(err, fault.Unavailable) { // as before its very first start
		return nil, nil
	}
	return matched, err
}

// problemsOf returns why a node could not be run under the agreement with this declaration, whatever its customers are.
func problemsOf(a *agreement.Agreement, p *config.Party) []string {
	var problems []string
	for _, misfit := range p.Misfits(a) {
		problems = append(problems, misfit.Error()+" ("+misfit.Hint+")")
	}
	return problems
}

// share returns how many of a hundred. Few are never none, nor most all.
func share(part, of int64) string {
	switch {
	case of == 0 || part == 0:
		return "0 %"
	case part == of:
		return "100 %"
	case 1000*part < of:
		return "< 0.1 %"
	case 1000*(of-part) < of:
		return "> 99.9 %"
	}
	return fmt.Sprintf("%.3g %%", 100*float64(part)/float64(of))
}

// warningsOf returns what an owner should look at.
func warningsOf(p *config.Party, found *customers.Profile) []string {
	warnings := []string{}
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	used := found.Rows - found.Expired
	if found.Expired > 0 {
		warn("%s of the rows are older than the retention, or without a date, and not used", share(found.Expired, found.Rows))
	}
	if 20*found.Nobody > used {
		warn("%s of the rows have no id that can be used", share(found.Nobody, used))
	}
	for _, i := range found.Identities {
		if i.Malformed > 0 {
			warn("id %s: %s of the values can't be read as %s", i.Column, share(i.Malformed, i.Malformed+i.Usable), i.Type)
		}
		switch declared := identityOf(p, i.Column); {
		case i.Shared == 0:
		case declared.AtMost > 0:
			warn("id %s: %s of the ids belong to %s, one of them to %d; at_most: %d leaves out those of more than %[5]d",
				i.Column, share(int64(i.Shared), int64(i.Distinct)), bearers(p, declared), i.Most, declared.AtMost)
		case toldApart(p, declared) || i.Type == ids.Phone: // several rows of one customer are as usual as shared numbers are
			warn("id %s: %s of the ids belong to %s, one of them to %d; at_most: 1 would leave these out",
				i.Column, share(int64(i.Shared), int64(i.Distinct)), bearers(p, declared), i.Most)
		}
	}
	if 10*int64(found.Customers) < p.CustomersUpTo {
		warn("customers_up_to: %s is more than ten times the customers; a closer bound makes answers more exact", humanize.Comma(p.CustomersUpTo))
	}
	for _, s := range found.Segments {
		if s.Customers == 0 {
			warn("segment %s: nobody is in it", s.Name)
		}
	}
	for _, d := range found.Dimensions {
		if len(d.Undeclared) > 0 {
			warn("dimension %s: values that are not declared, such as %q, count as unknown", d.Name, d.Undeclared[0].Value)
		}
		for _, value := range d.Empty {
			warn("dimension %s: no customer has the declared value %q", d.Name, value)
		}
	}
	for _, u := range found.Purposes {
		if u.May == 0 {
			warn("purpose %s: nobody may take part", u.Name)
		}
	}
	return warnings
}

func identityOf(p *config.Party, column string) config.Identity {
	return p.Identity[slices.IndexFunc(p.Identity, func(i config.Identity) bool { return i.Column == column })]
}

// toldApart reports whether something tells people with the same id apart; if not, rows stand for people.
func toldApart(p *config.Party, i config.Identity) bool { return i.People != "" || len(p.Identity) > 1 }

func bearers(p *config.Party, i config.Identity) string {
	if toldApart(p, i) {
		return "several people"
	}
	return "several rows"
}

func printProfile(w io.Writer, a *agreement.Agreement, declared *config.Party, p *customers.Profile, matched *matchedView, warnings []string) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	all, width := int64(p.Customers), len(humanize.Comma(p.Rows))
	line := func(what, n string, notes ...string) {
		notes = slices.DeleteFunc(notes, func(note string) bool { return note == "" })
		text := strings.TrimRight(fmt.Sprintf("%*s\t%s", width, n, strings.Join(notes, ", ")), " \t")
		fmt.Fprintf(out, "%s\t%s\n", what, text)
	}
	fmt.Fprintf(w, "%s: %s\n", declared.Name, declared.Source)
	line("rows", humanize.Comma(p.Rows), some(p.Duplicates, "of a customer seen before"), some(p.Nobody, "without an id"), some(p.Expired, "too old"))
	line("customers", humanize.Comma(all), some(int64(p.LeftOut), "more left out, whose id too many people have"))
	for _, i := range p.Identities {
		line("id "+i.Column, humanize.Comma(int64(i.Distinct)), "of type "+string(i.Type), some(i.Empty, "empty"), some(i.Malformed, "malformed"),
			some(int64(i.Shared), "of "+bearers(declared, identityOf(declared, i.Column))))
	}
	for _, s := range p.Segments {
		line("segment "+s.Name, humanize.Comma(int64(s.Customers)), share(int64(s.Customers), all))
	}
	for _, d := range p.Dimensions {
		line("dimension "+d.Name, "", share(int64(d.Unknown), all)+" unknown", undeclared(d))
	}
	for _, m := range p.Measures {
		line("measure "+m.Name, "", share(int64(m.Missing), all)+" without an amount", share(int64(m.AtBound), all)+" at a bound of the clip")
	}
	for _, u := range p.Purposes {
		line("purpose "+u.Name, humanize.Comma(int64(u.May)), share(int64(u.May), all)+" may take part", some(int64(u.Without), "without consent"),
			some(int64(u.Later), "whose consent begins later"), some(int64(u.Over), "whose consent has expired"))
	}
	for _, purpose := range a.Purposes {
		if _, ok := declared.Purposes[purpose]; !ok {
			line("purpose "+purpose, "–", "not declared: questions for it are refused")
		}
	}
	if matched != nil {
		line("slots", humanize.Comma(matched.Slots), "in the matching of "+instant(matched.At), withoutSlot(matched.WithoutSlot))
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

func withoutSlot(customers int64) string {
	return plural(customers, "customer") + " of the running node without one"
}

// some returns a number of things, "" for none.
func some(n int64, what string) string {
	if n == 0 {
		return ""
	}
	return humanize.Comma(n) + " " + what
}

func undeclared(d customers.DimensionProfile) string {
	var values []string
	for _, v := range d.Undeclared {
		values = append(values, fmt.Sprintf("%q in %s", v.Value, plural(v.Rows, "row")))
	}
	if values == nil {
		return ""
	}
	return "not declared: " + strings.Join(values, ", ")
}

// profileView is a profile as --json prints it.
type profileView struct {
	Party string `json:"party"`
	*customers.Profile
	Matched  *matchedView `json:"matched,omitempty"` // as the running node has it
	Warnings []string     `json:"warnings"`
}

// newProfileView makes lists of all that scripts take for lists.
func newProfileView(declared *config.Party, p *customers.Profile, matched *matchedView, warnings []string) profileView {
	p.Identities, p.Segments, p.Dimensions = listed(p.Identities), listed(p.Segments), listed(p.Dimensions)
	p.Measures, p.Purposes, p.Problems = listed(p.Measures), listed(p.Purposes), listed(p.Problems)
	for i, d := range p.Dimensions {
		p.Dimensions[i].Undeclared, p.Dimensions[i].Empty = listed(d.Undeclared), listed(d.Empty)
	}
	return profileView{declared.Name, p, matched, warnings}
}

// listed returns a list that JSON has as a list, though it be empty.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
