package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/lab"
	"github.com/sotto-dev/sotto/internal/fault"
)

// analystFlags are what an analyst's commands need.
type analystFlags struct {
	Agreement string `required:"" env:"SOTTO_AGREEMENT" placeholder:"FILE" help:"Agreement file."`
	Identity  string `required:"" env:"SOTTO_IDENTITY" placeholder:"DIR" help:"The analyst's identity, made by sotto keys new."`
}

func (f *analystFlags) dial() (*client.Client, error) { return client.Dial(f.Agreement, f.Identity) }

type catalogCommand struct {
	analystFlags
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (k *catalogCommand) Run(ctx context.Context, c console) error {
	sdk, err := k.dial()
	if err != nil {
		return err
	}
	defer sdk.Close()
	catalog, err := sdk.Catalog(ctx)
	if err != nil {
		return err
	}
	if k.JSON {
		return printJSON(c.out, catalog)
	}
	return printCatalog(c.out, catalog)
}

// questionFlags say what to ask.
type questionFlags struct {
	Audience string `arg:"" optional:"" help:"Whom to count, in CEL: party.member, party.segment, party.dimension == \"value\", joined by &&, || and !. With --sum or --mean: over whom."`

	Sum       string        `placeholder:"PARTY.MEASURE" help:"Add up an amount over the audience, instead of counting it."`
	Mean      string        `placeholder:"PARTY.MEASURE" help:"The mean of an amount over the people of the audience who have one."`
	Total     []string      `sep:"none" placeholder:"AUDIENCE" help:"Add up audiences of one party each, without matching people; separated by commas."`
	Frequency []string      `sep:"none" placeholder:"AUDIENCE" help:"How many people are in exactly 1, 2, … of some audiences of one party each; separated by commas."`
	By        []string      `placeholder:"PARTY.DIMENSION" help:"A cell per value of a dimension; may be repeated or separated by commas."`
	Epsilon   float64       `placeholder:"EPSILON" help:"Privacy loss of the whole answer, charged at every party in the question."`
	Mechanism string        `enum:"laplace,gaussian" default:"laplace" help:"Kind of noise: laplace or gaussian."`
	Delta     float64       `placeholder:"DELTA" help:"With --mechanism gaussian: its delta."`
	Precision string        `enum:",low,medium,high" default:"" help:"Size of the hashed layout, where that is used: low, medium (as without this) or high. Higher is more exact, and slower."`
	Layout    string        `enum:",matched,hashed" default:"" help:"matched: exact but for the noise, by a matching that all parties in the question have. hashed: with an error besides. Without this: matched where it can be, else hashed."`
	Purpose   string        `placeholder:"TEXT" help:"What the answer is for, one of the agreement's purposes: only those take part whose consent covers it."`
	Lifetime  time.Duration `default:"1h" help:"How long parties may begin the question."`
}

// asked tells whether there is a question at all.
func (k *questionFlags) asked() bool {
	return k.Audience != "" || k.Sum != "" || k.Mean != "" || len(k.Total)+len(k.Frequency) > 0
}

func (k *questionFlags) question() client.Question {
	q := client.Question{
		Sum: k.Sum, Mean: k.Mean, Total: k.Total, Frequency: k.Frequency, By: k.By, Epsilon: k.Epsilon, Mechanism: k.Mechanism, Delta: k.Delta,
		Precision: k.Precision, Layout: k.Layout, Purpose: k.Purpose, Lifetime: k.Lifetime,
	}
	if k.Sum != "" || k.Mean != "" {
		q.Where = k.Audience
	} else {
		q.Count = k.Audience
	}
	return q
}

type queryCommand struct {
	analystFlags
	questionFlags
	Marginals bool   `help:"Also print the marginals down to the total, made to agree with the cells; they cost nothing."`
	Fresh     bool   `help:"Ask, and pay, even if the same was asked of the same data before."`
	Watch     string `placeholder:"ID" help:"Follow a question that was asked with --detach, and print its answer."`
	Detach    bool   `help:"Print the question's identifier and leave; --watch ID fetches the answer."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

func (k *queryCommand) Help() string {
	return `Examples:

  sotto query 'bank.gold && shop.member' --by bank.age_band --epsilon 1 --purpose planning
  sotto query 'bank.member || shop.member' --epsilon 1 --purpose planning  # reach: customers of either, each once
  sotto query 'bank.gold && !shop.member' --epsilon 1 --purpose planning   # exclusive
  sotto query 'bank.gold && shop.member' --mean shop.spend --epsilon 1 --purpose planning
  sotto query --total bank.gold,shop.gold --epsilon 1 --purpose planning
  sotto query --frequency bank.member,shop.member,gym.member --epsilon 1 --purpose planning

sotto catalog lists the names, and sotto explain says what a question would cost and how exact it would be. The same question
of the same data gets the same answer again, free of charge. Interrupting cancels the question at all parties; with --watch it only stops watching.
The key that opens the answer stays in the identity's folder, under queries.`
}

func (k *queryCommand) Run(ctx context.Context, c console) error {
	switch {
	case k.Watch != "" && k.asked():
		return fault.New(fault.Invalid, "--watch follows a question that was asked; it takes no other")
	case k.Watch == "" && !k.asked():
		return fault.New(fault.Invalid, "there is no audience").WithHint(`sotto query 'a.member && b.member' --epsilon 1 --purpose planning`)
	case k.Marginals && (k.Mean != "" || len(k.Total)+len(k.Frequency) > 0):
		return fault.New(fault.Unsupported, "--marginals: a mean, total or frequency has no marginals that add up").
			WithHint("counts have, and sums of amounts that can't be negative")
	case k.Watch == "" && k.Epsilon == 0:
		return fault.New(fault.Invalid, "--epsilon is missing, or 0").WithHint("--epsilon 1 is a common choice; smaller is more private and less exact")
	}
	sdk, err := k.dial()
	if err != nil {
		return err
	}
	defer sdk.Close()
	began := time.Now()
	ticket, err := k.ticket(ctx, sdk)
	if err != nil {
		return err
	}
	if k.Detach {
		_, err := fmt.Fprintln(c.out, ticket.ID)
		return err
	}
	progress := newProgress(c.err)
	err = sdk.Watch(ctx, ticket.ID, progress.report)
	progress.close()
	if ctx.Err() != nil && k.Watch == "" && !ticket.Earlier {
		return interrupted(ctx, sdk, ticket.ID)
	}
	if err != nil {
		return err
	}
	answer, err := sdk.Result(ctx, ticket)
	if err != nil {
		return err
	}
	return k.print(c, ticket.ID, answer, time.Since(began))
}

func (k *queryCommand) print(c console, id string, answer *client.Answer, elapsed time.Duration) error {
	var tables []client.Table
	var err error
	if k.Marginals { // an answer without them is still printed: it was paid for
		tables, err = answer.Consistent()
	}
	if k.JSON {
		report := lab.NewReport(id, answer, elapsed, 0)
		report.AddTables(tables)
		return errors.Join(err, printJSON(c.out, report))
	}
	if err := printAnswer(c.out, answer, nil); err != nil {
		return err
	}
	return errors.Join(err, printTables(c.out, answer, tables))
}

// interrupted cancels the question at all parties, and says if that was not possible.
func interrupted(ctx context.Context, sdk *client.Client, id string) error {
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if err := sdk.Cancel(last, id); err != nil {
		return fault.New(fault.Unavailable, "the question goes on, for it could not be cancelled").Wrap(err).
			WithHint("sotto cancel " + id)
	}
	return ctx.Err()
}

// ticket submits the question, or finds the one to watch.
func (k *queryCommand) ticket(ctx context.Context, sdk *client.Client) (*client.Ticket, error) {
	if k.Watch != "" {
		return sdk.Find(k.Watch)
	}
	q := k.question()
	q.Fresh = k.Fresh
	return sdk.Submit(ctx, q)
}

type cancelCommand struct {
	analystFlags
	ID string `arg:"" help:"Identifier of the question."`
}

func (k *cancelCommand) Run(ctx context.Context) error {
	sdk, err := k.dial()
	if err != nil {
		return err
	}
	defer sdk.Close()
	return sdk.Cancel(ctx, k.ID)
}
