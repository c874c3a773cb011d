package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

type subjectAccessCommand struct {
	ownerFlags
	ID       string `required:"" placeholder:"ID" help:"Id of the person, as they write it."`
	Type     string `placeholder:"TYPE" help:"What the id is: email, phone or opaque. Default: whichever of the node's it can be."`
	Received string `placeholder:"DATE" help:"When they asked: a day (2026-03-01, in UTC) or a time (2026-03-01T09:00:00Z). Default: now."`
	JSON     bool   `name:"json" help:"Print one JSON object."`
}

func (k *subjectAccessCommand) Help() string {
	return `Shows which segments and values a person has, what they take part in and why not, until when their data is used, and every question that
their data was part of: when, asked by whom, for which purpose. Nothing of anybody else is shown: an id that several customers have is
refused. That somebody was told is recorded, who it was about is not.

  sotto subject access --id jo@example.com --received 2026-03-01`
}

func (k *subjectAccessCommand) Run(ctx context.Context, c console) error {
	received, err := receivedAt(k.Received)
	if err != nil {
		return err
	}
	return k.call(func(node sottov1.OwnerClient) error {
		r, err := node.Access(ctx, &sottov1.AccessRequest{Id: k.ID, Type: k.Type, Received: received})
		if err != nil {
			return err
		}
		view := newAccessView(r)
		if k.JSON {
			return printJSON(c.out, view)
		}
		return view.print(c.out)
	})
}

// accessView is what a node holds on a person, as --json prints it.
type accessView struct {
	Customer   bool              `json:"customer"`
	Segments   []string          `json:"segments"`
	Dimensions map[string]string `json:"dimensions"`
	Amounts    []amountView      `json:"amounts"`
	Consents   []consentView     `json:"consents"`
	KeepUntil  time.Time         `json:"keep_until,omitzero"`
	Erased     time.Time         `json:"erased,omitzero"`
	Matched    []time.Time       `json:"matched"` // when the matchings were asked for in which the person has a slot
	Questions  []takenPartView   `json:"questions"`
}

type amountView struct {
	Measure string   `json:"measure"`
	Amount  *float64 `json:"amount"` // null if none is known
	Unit    string   `json:"unit,omitempty"`
}

type consentView struct {
	Purpose   string    `json:"purpose"`
	TakesPart bool      `json:"takes_part"`
	Why       string    `json:"why_not,omitempty"`
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Withdrawn time.Time `json:"withdrawn,omitzero"`
}

type takenPartView struct {
	At           time.Time `json:"at"`
	Query        string    `json:"query"`
	Analyst      string    `json:"analyst"`
	Organisation string    `json:"organisation"`
	Purpose      string    `json:"purpose"`
	Measure      string    `json:"measure"`
	Audience     string    `json:"audience"`
	Answered     bool      `json:"answered"`
}

// timeOf returns the time of Unix seconds, zero for 0.
func timeOf(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

func newAccessView(r *sottov1.AccessResponse) accessView {
	v := accessView{
		Customer: r.GetCustomer(), Segments: r.GetSegments(), Dimensions: r.GetDimensions(),
		KeepUntil: timeOf(r.GetKeepUntil()), Erased: timeOf(r.GetErased()),
	}
	for _, a := range r.GetAmounts() {
		amount := amountView{Measure: a.GetMeasure(), Unit: a.GetUnit()}
		if a.GetKnown() {
			amount.Amount = new(a.GetAmount())
		}
		v.Amounts = append(v.Amounts, amount)
	}
	for _, c := range r.GetConsents() {
		v.Consents = append(v.Consents, consentView{
			Purpose: c.GetPurpose(), TakesPart: c.GetTakesPart(), Why: c.GetWhy(),
			From: timeOf(c.GetFrom()), Until: timeOf(c.GetUntil()), Withdrawn: timeOf(c.GetWithdrawn()),
		})
	}
	for _, at := range r.GetMatched() {
		v.Matched = append(v.Matched, timeOf(at))
	}
	for _, q := range r.GetQuestions() {
		v.Questions = append(v.Questions, takenPartView{
			At: timeOf(q.GetAt()), Query: q.GetQuery(), Analyst: q.GetAnalyst(), Organisation: q.GetOrganisation(), Purpose: q.GetPurpose(),
			Measure: q.GetMeasure(), Audience: q.GetAudience(), Answered: q.GetReleased(),
		})
	}
	v.Segments, v.Amounts, v.Consents, v.Questions = listed(v.Segments), listed(v.Amounts), listed(v.Consents), listed(v.Questions)
	v.Matched = listed(v.Matched)
	if v.Dimensions == nil {
		v.Dimensions = map[string]string{}
	}
	return v
}

func (v accessView) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	switch {
	case !v.Erased.IsZero():
		fmt.Fprintf(out, "erased\t%s; that is all that is kept\n", instant(v.Erased))
	case !v.Customer:
		fmt.Fprintln(out, "customer\tno")
	default:
		fmt.Fprintf(out, "customer\tyes\n")
		fmt.Fprintf(out, "segments\t%s\n", orNone(strings.Join(v.Segments, ", ")))
		for _, name := range slices.Sorted(maps.Keys(v.Dimensions)) {
			fmt.Fprintf(out, "dimension %s\t%s\n", name, v.Dimensions[name])
		}
		for _, a := range v.Amounts {
			if a.Amount == nil {
				fmt.Fprintf(out, "measure %s\tnone\n", a.Measure)
			} else {
				fmt.Fprintf(out, "measure %s\t%s\n", a.Measure, strings.TrimSpace(fmt.Sprintf("%v %s", *a.Amount, a.Unit)))
			}
		}
		if !v.KeepUntil.IsZero() {
			fmt.Fprintf(out, "used until\t%s\n", v.KeepUntil.Format(time.DateOnly))
		}
	}
	for _, at := range v.Matched {
		fmt.Fprintf(out, "matched\t%s, with a slot of its own\n", instant(at))
	}
	for _, c := range v.Consents {
		if v.Erased.IsZero() {
			fmt.Fprintf(out, "purpose %s\t%s\n", c.Purpose, c)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(v.Questions) == 0 {
		_, err := fmt.Fprintln(w, "\nthis person's data was part of no question")
		return err
	}
	fmt.Fprintln(w, "\nquestions that this person's data was part of")
	for _, q := range v.Questions {
		asker := q.Analyst
		if q.Organisation != q.Analyst {
			asker += " of " + q.Organisation
		}
		answered := ""
		if !q.Answered {
			answered = "  (no answer came of it)"
		}
		fmt.Fprintf(out, "  %s\t%s\tfor %s\t%s of %s%s\n", instant(q.At), asker, q.Purpose, q.Measure, q.Audience, answered)
	}
	return out.Flush()
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func (c consentView) String() string {
	said := "takes part"
	if !c.TakesPart {
		said = "takes no part: " + c.Why
	}
	if !c.Withdrawn.IsZero() {
		said += " " + instant(c.Withdrawn)
	}
	if !c.From.IsZero() {
		said += ", consent from " + c.From.Format(time.DateOnly)
	}
	if !c.Until.IsZero() {
		said += " to " + c.Until.Format(time.DateOnly)
	}
	return said
}
