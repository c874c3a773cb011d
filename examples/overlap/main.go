// Command overlap asks the two companies of examples/two-companies one question through the SDK:
//
//	overlap AGREEMENT IDENTITY
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/sotto-dev/sotto/client"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: overlap AGREEMENT IDENTITY")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := overlap(ctx, os.Args[1], os.Args[2]); err != nil {
		log.Fatalf("overlap: %v", err)
	}
}

func overlap(ctx context.Context, agreement, identity string) error {
	c, err := client.Dial(agreement, identity)
	if err != nil {
		return err
	}
	defer c.Close()

	catalog, err := c.Catalog(ctx)
	if err != nil {
		return err
	}
	for _, party := range catalog.Parties {
		fmt.Println(party.Name, "has", party.Segments)
	}

	answer, err := c.Ask(ctx, client.Question{
		Count:   "bank.member && shop.newsletter",
		By:      []string{"bank.age_band"},
		Epsilon: 1,
		Purpose: "marketing",
	}, func(p client.Progress) { log.Printf("%3.0f %%  %s", 100*p.Share, p.Stage) })
	if err != nil {
		return err // client.ErrorKind and client.ErrorHint say more
	}
	for _, cell := range answer.Cells {
		fmt.Printf("%s: %.0f people, between %.0f and %.0f at 95 %%\n",
			cell.Group["bank.age_band"], cell.Value, cell.Low, cell.High)
	}
	return nil
}
