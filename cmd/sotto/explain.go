package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/fault"
)

type explainCommand struct {
	analystFlags
	questionFlags
	Within float64 `placeholder:"±" help:"Find the epsilon at which every cell is within this at 95 %, instead of --epsilon."`
	JSON   bool    `name:"json" help:"Print one JSON object."`
}

func (k *explainCommand) Help() string {
	return `Says how exact an answer would be, how it would be computed, and what it would cost at every party, before any party is asked to
take part. Nothing is charged. Examples:

  sotto explain 'bank.gold && shop.member' --by bank.age_band --epsilon 1 --purpose planning
  sotto explain 'bank.gold && shop.member' --within 50 --purpose planning   # which epsilon does ± 50 take?`
}

func (k *explainCommand) Run(ctx context.Context, c console) error {
	switch {
	case !k.asked():
		return fault.New(fault.Invalid, "there is no audience").WithHint(`sotto explain 'a.member && b.member' --epsilon 1 --purpose planning`)
	case (k.Epsilon == 0) == (k.Within == 0):
		return fault.New(fault.Invalid, "give either --epsilon or --within").WithHint("--within 50 finds the epsilon for ± 50")
	}
	sdk, err := k.dial()
	if err != nil {
		return err
	}
	defer sdk.Close()
	e, err := sdk.Explain(ctx, k.question(), k.Within)
	if err != nil {
		return err
	}
	if k.JSON {
		return printJSON(c.out, e)
	}
	return printExplanation(c.out, e)
}

func printExplanation(w io.Writer, e *client.Explanation) error {
	unit := e.Unit
	if unit == "" {
		unit = "people"
	}
	least, most := e.Cells[0].Within, e.Cells[0].Within
	for _, cell := range e.Cells {
		least, most = min(least, cell.Within), max(most, cell.Within)
	}
	within := "± " + figure(most)
	if figure(least) != figure(most) {
		within = fmt.Sprintf("± %s to %s", figure(least), figure(most))
	}
	where := ""
	if len(e.Cells) > 1 {
		where = fmt.Sprintf(" in each of %d cells", len(e.Cells))
	}
	without := fmt.Sprintf("± %s without noise", figure(e.HashingOnly))
	if e.Matching != nil {
		without = "all of it noise"
	}
	fmt.Fprintf(w, "expected   %s %s at 95 %%%s, at most (%s)\n", within, unit, where, without)
	if e.Assumed > 0 {
		fmt.Fprintf(w, "           if %s people are in a cell; twice as many halve it\n", figure(e.Assumed))
	}
	if e.Matching != nil {
		fmt.Fprintf(w, "layout     %s, by the matching %s\n", e.Layout, matchingOf(*e.Matching))
	}
	fmt.Fprintf(w, "price      ε %v at every party (δ %.1e)\n", e.Epsilon, e.Delta)
	fmt.Fprintf(w, "noise      %d draws in every number, for a sensitivity of %d: what one person can change in all of them together\n",
		e.Draws, e.Sensitivity)
	fmt.Fprintf(w, "work       %s of encrypted blocks, about %s s\n\n", humanize.Bytes(e.Bytes), figure(e.Seconds))
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "plan\tslots\tresults\tbytes")
	for _, p := range e.Chains {
		slots := "a count"
		if p.Slots > 0 {
			slots = humanize.Comma(int64(p.Slots))
		}
		fmt.Fprintf(out, "%s %s\t%s\t%d\t%s\n", coefficients(p.Coefficients), strings.Join(p.Where, " × "), slots, p.Results, humanize.Bytes(p.Bytes))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintln(out, "budget\tcosts\tof what is left\tsuch questions left")
	for _, b := range e.Budgets {
		share, questions := "not shown", "not shown"
		if b.Share >= 0 {
			share = fmt.Sprintf("%.3g %%", 100*b.Share)
		}
		if b.Questions >= 0 {
			questions = humanize.Comma(b.Questions)
		}
		fmt.Fprintf(out, "%s\tε %v\t%s\t%s\n", b.Party, b.Epsilon, share, questions)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if e.Earlier {
		_, err := fmt.Fprintln(w, "\nthe same was asked of the same data before: asked again, it is free")
		return err
	}
	return nil
}

// coefficients prints +1 as +, and where a product goes to several cells all its coefficients.
func coefficients(all []int64) string {
	distinct := slices.Compact(slices.Clone(all))
	var texts []string
	for _, c := range distinct {
		switch c {
		case 1:
			texts = append(texts, "+")
		case -1:
			texts = append(texts, "−")
		default:
			texts = append(texts, fmt.Sprintf("%+d", c))
		}
	}
	return strings.Join(texts, "/")
}
