package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/internal/fault"
)

type labCommand struct {
	File    string `arg:"" help:"Lab file (YAML)."`
	JSON    bool   `name:"json" help:"Print one JSON object per question and line."`
	Verbose bool   `short:"v" help:"Show the nodes' logs on standard error."`
}

func (k *labCommand) Help() string {
	return `Starts a coordinator and a node per party on loopback, with the real protocol, asks the questions of the file one after the other,
prints the answers, and removes all that it made. The file:

  collaboration: telco
  agreement: {purposes: [planning], epsilon_per_query: 10, epsilon_total: 100}
  purpose: planning                       # of all questions that name none
  precision: medium                       # low, medium or high; default for all questions
  parties:
    - name: phoneco
      source: {csv: phoneco.csv}          # relative to the file
      identity: {column: customer_id, type: opaque}
      customers_up_to: 10000
      purposes: {planning: {consent: "true"}}   # SQL: whose data may be used for it
      segments: {churned: "churn = 'Yes'"}
      dimensions:
        age_band: {sql: "age_band", values: ["under 65", "65+"]}
    - name: netco
      source: {csv: netco.csv}
      identity: {column: customer_id, type: opaque}
      customers_up_to: 8000
      purposes: {planning: {consent: "consented = 'yes'"}}
  questions:
    - name: overlap by age
      count: "phoneco.member && netco.member"
      by: [phoneco.age_band]
      epsilon: 10

In the place of count, a question can have sum or mean of a measure ("phoneco.spend") with where; or total or frequency of a list
of audiences of one party each. It can also have mechanism (laplace or gaussian), delta, precision, layout, purpose, and fresh,
to be asked anew where the same was asked before. With layout: matched, at the top or at a question, or matching: {epsilon, delta}
under agreement:, all customers are matched first, which costs epsilon and delta once for each party, and questions are exact but for
their noise; layout: hashed at a question asks it in the other layout. A party can also have measures, retention, limits and other sources: sotto party --help.`
}

func (k *labCommand) Run(ctx context.Context, c console) (err error) {
	f, err := lab.Load(k.File)
	if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	if k.Verbose {
		logger = newLogger(c.err)
	}
	fmt.Fprintf(c.err, "starting %d parties and a coordinator\n", len(f.Parties))
	l, err := lab.Start(ctx, f, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if f.Matched() {
		fmt.Fprintln(c.err, "matching the customers of all parties")
		m, err := matchShown(ctx, c, l.Client)
		if err != nil {
			return err
		}
		heading := c.out
		if k.JSON {
			heading = c.err
		}
		if err := printMatching(heading, m); err != nil {
			return err
		}
		fmt.Fprintln(heading)
	}
	failed := 0
	for _, q := range f.Questions {
		if err := k.ask(ctx, c, l, f, q); err != nil {
			if ctx.Err() != nil {
				return err
			}
			failed++
			if err := k.refused(c, q.Name, fault.From(err)); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return fault.New(fault.Invalid, "%d of %d questions have no answer", failed, len(f.Questions))
	}
	return nil
}

func (k *labCommand) ask(ctx context.Context, c console, l *lab.Lab, f *lab.File, q lab.Question) error {
	heading := c.out
	if k.JSON {
		heading = c.err
	}
	fmt.Fprintf(heading, "%s\n", q.Name)
	p := newProgress(c.err)
	answer, elapsed, cpu, err := lab.Measure(ctx, l.Client, f.Ask(q), p.report)
	p.close()
	if err != nil {
		return err
	}
	if k.JSON {
		return printJSON(c.out, lab.NewReport(q.Name, answer, elapsed, cpu))
	}
	if err := printAnswer(c.out, answer, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out)
	return err
}

// refused reports a question that has no answer; the questions after it are still asked.
func (k *labCommand) refused(c console, name string, f *fault.Error) error {
	fmt.Fprintf(c.err, "sotto: question %q: %s\n", name, f.Error())
	if f.Hint != "" {
		fmt.Fprintf(c.err, "hint: %s\n", f.Hint)
	}
	if !k.JSON {
		return nil
	}
	return printJSON(c.out, lab.Refusal{Name: name, Error: lab.Reason{Kind: string(f.Kind), Party: f.Party, Message: f.Message, Hint: f.Hint}})
}
