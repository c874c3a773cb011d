package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

type queryCommand struct {
	analystFlags
	Audience string `arg:"" optional:"" help:"Whom to count, in CEL: party.member, party.segment, party.dimension == \"value\", joined by &&."`

	By        []string      `placeholder:"PARTY.DIMENSION" help:"Count per value of a dimension; may be repeated or separated by commas."`
	Epsilon   float64       `placeholder:"EPSILON" help:"Privacy loss of the whole answer, charged at every party in the question."`
	Mechanism string        `enum:"laplace,gaussian" default:"laplace" help:"Kind of noise: laplace or gaussian."`
	Delta     float64       `placeholder:"DELTA" help:"With --mechanism gaussian: its delta."`
	Precision string        `enum:"low,medium,high" default:"medium" help:"Size of the hashed layout: low, medium or high. Higher is more exact, and slower."`
	Purpose   string        `placeholder:"TEXT" help:"What the answer is for; parties record it."`
	Lifetime  time.Duration `default:"1h" help:"How long parties may begin the question."`
	Watch     string        `placeholder:"ID" help:"Follow a question that was asked with --detach, and print its answer."`
	Detach    bool          `help:"Print the question's identifier and leave; --watch ID fetches the answer."`
	JSON      bool          `name:"json" help:"Print one JSON object."`
}

func (k *queryCommand) Help() string {
	return `Example:

  sotto query 'bank.gold && shop.member' --by bank.age_band --epsilon 1

sotto catalog lists the names. Interrupting cancels the question at all parties; with --watch it only stops watching.
The key that opens the answer stays in the identity's folder, under queries.`
}

func (k *queryCommand) Run(ctx context.Context, c console) error {
	switch {
	case k.Watch != "" && k.Audience != "":
		return fault.New(fault.Invalid, "--watch follows a question that was asked; it takes no audience")
	case k.Watch == "" && k.Audience == "":
		return fault.New(fault.Invalid, "there is no audience").WithHint(`sotto query 'a.member && b.member' --epsilon 1`)
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
	if ctx.Err() != nil && k.Watch == "" {
		return interrupted(ctx, sdk, ticket.ID)
	}
	if err != nil {
		return err
	}
	answer, err := sdk.Result(ctx, ticket)
	if err != nil {
		return err
	}
	if k.JSON {
		return printJSON(c.out, lab.NewReport(ticket.ID, answer, time.Since(began), 0))
	}
	return printAnswer(c.out, answer, nil)
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

// ticket submits the question and keeps its key, or finds the key of the one to watch.
func (k *queryCommand) ticket(ctx context.Context, sdk *client.Client) (*client.Ticket, error) {
	if k.Watch != "" {
		return loadTicket(k.Identity, k.Watch)
	}
	ticket, err := sdk.Submit(ctx, client.Question{
		Count: k.Audience, By: k.By, Epsilon: k.Epsilon, Mechanism: k.Mechanism, Delta: k.Delta, Precision: k.Precision,
		Purpose: k.Purpose, Lifetime: k.Lifetime,
	})
	if err != nil {
		return nil, err
	}
	return ticket, saveTicket(k.Identity, ticket)
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

var ticketName = regexp.MustCompile(`^[0-9a-f]{64}$`)

func ticketPath(identityDir, id string) (string, error) {
	if id = strings.TrimSpace(id); !ticketName.MatchString(id) {
		return "", fault.New(fault.Invalid, "%.80q is not the identifier of a question: it must be 64 hexadecimal digits", id)
	}
	return filepath.Join(identityDir, "queries", id), nil
}

func saveTicket(identityDir string, t *client.Ticket) error {
	path, err := ticketPath(identityDir, t.ID)
	if err != nil {
		return err
	}
	encoded, err := t.MarshalBinary()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, encoded, 0o600)
}

func loadTicket(identityDir, id string) (*client.Ticket, error) {
	path, err := ticketPath(identityDir, id)
	if err != nil {
		return nil, err
	}
	encoded, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no question %s was asked with this identity", id).
			WithHint("the key of an answer stays where the question was asked: use the same --identity")
	}
	if err != nil {
		return nil, err
	}
	t := &client.Ticket{}
	return t, t.UnmarshalBinary(encoded)
}
