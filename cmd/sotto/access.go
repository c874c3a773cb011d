package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// accessView is what a node holds on a person, as --json prints it.
type accessView struct {
	Customer   bool              `json:"customer"`
	Segments   []string          `json:"segments"`
	Dimensions map[string]string `json:"dimensions"`
	Amounts    []amountView      `json:"amounts"`
	Consents   []consentView     `json:"consents"`
	KeepUntil  time.Time         `json:"keep_until,omitzero"`
	Erased     time.Time         `json:"erased,omitzero"`
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
	for _, q := range r.GetQuestions() {
		v.Questions = append(v.Questions, takenPartView{
			At: timeOf(q.GetAt()), Query: q.GetQuery(), Analyst: q.GetAnalyst(), Organisation: q.GetOrganisation(), Purpose: q.GetPurpose(),
			Measure: q.GetMeasure(), Audience: q.GetAudience(), Answered: q.GetReleased(),
		})
	}
	return v
}

func (v accessView) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	switch {
	case !v.Erased.IsZero():
		fmt.Fprintf(out, "erased\t%s; nothing else is kept\n", v.Erased.Format(time.DateTime))
	case !v.Customer:
		fmt.Fprintln(out, "not a customer that this node knows")
	default:
		fmt.Fprintf(out, "customer\tyes\n")
		fmt.Fprintf(out, "segments\t%s\n", orNone(strings.Join(v.Segments, ", ")))
		for _, name := range slices.Sorted(maps.Keys(v.Dimensions)) {
			fmt.Fprintf(out, "%s\t%s\n", name, v.Dimensions[name])
		}
		for _, a := range v.Amounts {
			if a.Amount == nil {
				fmt.Fprintf(out, "%s\tnone\n", a.Measure)
			} else {
				fmt.Fprintf(out, "%s\t%g %s\n", a.Measure, *a.Amount, a.Unit)
			}
		}
		if !v.KeepUntil.IsZero() {
			fmt.Fprintf(out, "used until\t%s\n", v.KeepUntil.Format(time.DateOnly))
		}
	}
	for _, c := range v.Consents {
		if v.Erased.IsZero() {
			fmt.Fprintf(out, "%s\t%s\n", c.Purpose, c)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(v.Questions) == 0 {
		_, err := fmt.Fprintln(w, "\nno question was asked over this person's data")
		return err
	}
	fmt.Fprintln(w, "\nquestions over data that this person's was among")
	for _, q := range v.Questions {
		asker := q.Analyst
		if q.Organisation != q.Analyst {
			asker += " of " + q.Organisation
		}
		answered := ""
		if !q.Answered {
			answered = "  (gave no answer)"
		}
		fmt.Fprintf(out, "  %s\t%s\tfor %s\t%s of %s%s\n", q.At.Format(time.DateTime), asker, q.Purpose, q.Measure, q.Audience, answered)
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
		said += " " + c.Withdrawn.Format(time.DateTime)
	}
	if !c.From.IsZero() {
		said += ", consent from " + c.From.Format(time.DateOnly)
	}
	if !c.Until.IsZero() {
		said += " to " + c.Until.Format(time.DateOnly)
	}
	return said
}
