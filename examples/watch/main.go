// Command watch asks a question that may take long. It keeps the question's ticket in a file, so that the answer can
// still be fetched after this program was stopped; an interrupt cancels the question at all parties:
//
//	watch AGREEMENT IDENTITY TICKET
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/sotto-dev/sotto/client"
)

var question = client.Question{Count: "bank.member && shop.member", Epsilon: 1, Precision: "high", Purpose: "planning"}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: watch AGREEMENT IDENTITY TICKET")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := watch(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatalf("watch: %v", err)
	}
}

func watch(ctx context.Context, agreement, identity, file string) error {
	c, err := client.Dial(agreement, identity)
	if err != nil {
		return err
	}
	defer c.Close()
	ticket, err := restore(file)
	if errors.Is(err, fs.ErrNotExist) {
		ticket, err = submit(ctx, c, file)
	}
	if err != nil {
		return err
	}
	err = c.Watch(ctx, ticket.ID, func(p client.Progress) { log.Printf("%3.0f %%  %s", 100*p.Share, p.Stage) })
	if ctx.Err() != nil {
		return errors.Join(errors.New("interrupted"), cancel(ctx, c, ticket, file))
	}
	if err != nil {
		return err
	}
	answer, err := c.Result(ctx, ticket)
	if err != nil {
		return err
	}
	for _, cell := range answer.Cells {
		fmt.Printf("%.0f people, between %.0f and %.0f at 95 %%\n", cell.Value, cell.Low, cell.High)
	}
	return nil
}

// submit asks the question and keeps its ticket, which opens the answer: whoever can read the file can read the answer.
func submit(ctx context.Context, c *client.Client, file string) (*client.Ticket, error) {
	ticket, err := c.Submit(ctx, question)
	if err != nil {
		return nil, err
	}
	encoded, err := ticket.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return ticket, os.WriteFile(file, encoded, 0o600)
}

func restore(file string) (*client.Ticket, error) {
	encoded, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	ticket := &client.Ticket{}
	return ticket, ticket.UnmarshalBinary(encoded)
}

// cancel stops the question at all parties, though ctx has ended, and drops the ticket.
func cancel(ctx context.Context, c *client.Client, ticket *client.Ticket, file string) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	return errors.Join(c.Cancel(ctx, ticket.ID), os.Remove(file))
}
