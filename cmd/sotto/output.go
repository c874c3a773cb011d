package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sotto-dev/sotto/client"
)

// progress shows how far a question is: a bar on a terminal, elsewhere one line per stage.
type progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar
	stage string
}

const barSteps = 1000

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(barSteps, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	}
	return p
}

func (p *progress) report(now client.Progress) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%-10s", now.Stage))
		_ = p.bar.Set(int(now.Share * barSteps)) // a bar that can't be drawn is no reason to fail
		return
	}
	if now.Stage != p.stage {
		p.stage = now.Stage
		fmt.Fprintf(p.w, "%s\n", now.Stage)
	}
}

// close takes the bar away.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// printAnswer prints a table of the cells and below it how they came about. truth, where the true counts are known, is
// by the values of the cell's group joined by " | ".
func printAnswer(w io.Writer, a *client.Answer, truth map[string]int) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	label := a.Measure
	if a.Measure == "count" {
		label = "answer"
	}
	if a.Unit != "" {
		label += " " + a.Unit
	}
	header := append(slices.Clone(a.By), label, "± 95 %")
	if a.Measure == "mean" { // its interval need not have the mean in the middle
		header = append(slices.Clone(a.By), label, "95 % from", "to")
	}
	if truth != nil {
		header = append(header, "true")
	}
	row(out, header)
	for _, c := range a.Cells {
		var values []string
		for _, d := range a.By {
			values = append(values, c.Group[d])
		}
		width := figure(c.High - c.Value)
		if a.Unit == "" {
			width = fmt.Sprintf("%.0f", c.High-c.Value)
		}
		columns := append(slices.Clone(values), figure(c.Value), width)
		if a.Measure == "mean" {
			columns = append(slices.Clone(values), figure(c.Value), figure(c.Low), figure(c.High))
		}
		if truth != nil {
			columns = append(columns, humanize.Comma(int64(truth[strings.Join(values, " | ")])))
		}
		row(out, columns)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	var stages, hops, charged []string
	for _, s := range a.Stages {
		stages = append(stages, fmt.Sprintf("%s %.2f s", s.Stage, s.Seconds))
	}
	for _, h := range a.Hops {
		hops = append(hops, fmt.Sprintf("%s → %s %s", h.From, h.To, humanize.Bytes(h.Bytes)))
	}
	for _, party := range sortedKeys(a.Charged) {
		charged = append(charged, fmt.Sprintf("%s ε %v", party, a.Charged[party]))
	}
	if a.Earlier {
		if _, err := fmt.Fprintln(w, "the same was asked of the same data before: this is that answer, and nothing was charged again (--fresh asks anew)"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "time     %s\nbytes    %s\ncharged  %s  (δ %.1e, %s noise by %d key-holders, %s)\n",
		strings.Join(stages, ", "), strings.Join(hops, ", "), strings.Join(charged, ", "), a.Delta, a.Mechanism, a.Draws, layoutOf(a))
	return err
}

// layoutOf says where customers were in an answer's vectors.
func layoutOf(a *client.Answer) string {
	if a.Spine == "" {
		return a.Layout + " layout"
	}
	return fmt.Sprintf("%s layout: spine %.8s, %s slots", a.Layout, a.Spine, humanize.Comma(a.Slots))
}

// matchingOf says when a matching was, and of how many slots.
func matchingOf(m client.Matched) string {
	return fmt.Sprintf("of %s, %s slots, spine %.8s", instant(m.At), humanize.Comma(m.Slots), m.Spine)
}

// figure prints people in whole numbers, and small amounts with as many digits as tell something.
func figure(x float64) string {
	if digits := 2 - int(math.Floor(math.Log10(math.Abs(x)))); x != math.Trunc(x) && digits > 0 {
		return strconv.FormatFloat(x, 'f', min(digits, 6), 64)
	}
	return humanize.Comma(int64(math.Round(x)))
}

// printTables prints tables that agree with each other, one below the other; the sums' dimensions are left out.
func printTables(w io.Writer, a *client.Answer, tables []client.Table) error {
	if len(tables) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\ncells and marginals that agree, without negative numbers:\n")
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row(out, append(slices.Clone(a.By), "answer", "95 % from", "to"))
	for _, t := range tables {
		for _, c := range t.Cells {
			var columns []string
			for _, d := range a.By {
				columns = append(columns, cmp.Or(c.Group[d], "(all)"))
			}
			row(out, append(columns, figure(math.Round(c.Value*10)/10), figure(math.Round(c.Low)), figure(math.Round(c.High))))
		}
	}
	return out.Flush()
}

// row writes tab-separated columns; in right-aligned tables, text reads better with a column of its own at the end.
func row(w io.Writer, columns []string) {
	fmt.Fprintln(w, strings.Join(columns, "\t")+"\t")
}

func printCatalog(w io.Writer, catalog *client.Catalog) error {
	fmt.Fprintf(w, "collaboration %s\n", catalog.Collaboration)
	for _, p := range catalog.Parties {
		if p.Unavailable != "" {
			fmt.Fprintf(w, "\n%s  %s\n", p.Name, p.Unavailable)
			continue
		}
		fmt.Fprintf(w, "\n%s  up to %s customers, identified by %s\n", p.Name, humanize.Comma(p.CustomersUpTo), p.IdentityType)
		fmt.Fprintf(w, "  segments    %s\n", strings.Join(p.Segments, ", "))
		for i, d := range p.Dimensions {
			label := "          "
			if i == 0 {
				label = "dimensions"
			}
			fmt.Fprintf(w, "  %s  %s: %s\n", label, d.Name, strings.Join(append(slices.Clone(d.Values), "unknown"), ", "))
		}
		for i, m := range p.Measures {
			label := "          "
			if i == 0 {
				label = "measures  "
			}
			fmt.Fprintf(w, "  %s  %s: %v to %v %s\n", label, m.Name, m.Clip[0], m.Clip[1], cmp.Or(m.Unit, "(no unit)"))
		}
		if len(p.Purposes) > 0 {
			fmt.Fprintf(w, "  purposes    %s\n", strings.Join(p.Purposes, ", "))
		}
		for i, m := range p.Matchings {
			label := "          "
			if i == 0 {
				label = "matchings "
			}
			fmt.Fprintf(w, "  %s  %s\n", label, matchingOf(m))
		}
	}
	return nil
}

// printJSON prints v on one line, with &, < and > as they are: this is no HTML.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
