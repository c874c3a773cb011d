package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/client"
)

type matchCommand struct {
	analystFlags
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (k *matchCommand) Help() string {
	return `Gives every customer of every party a slot of their own, by a private matching, so that questions are exact but for their noise: the
matched layout. It takes an agreement with layouts: [hashed, matched] and matching: {epsilon, delta}. All parties must be up.

  sotto match --agreement agreement.yaml --identity keys/marketing

It takes a while: about 0.3 ms of a core for each customer of each of two parties, more with more parties. Questions go on
meanwhile, in what there was before. Afterwards they use the new slots by themselves; sotto catalog lists which matchings each
party has. Customers who come later have no slot before the next matching, and count in no question in the matched layout.

A matching costs each person N times the epsilon and delta of the agreement's matching, N being the number of parties. That is
charged to every party's ledger before any list leaves a party: also for a matching that fails, or is interrupted, after that.

Interrupting (Ctrl-C) ends it at all parties, and nothing is stored, unless that had begun: sotto catalog shows which matchings there
are. A new one starts from the beginning.`
}

func (k *matchCommand) Run(ctx context.Context, c console) error {
	sdk, err := k.dial()
	if err != nil {
		return err
	}
	defer sdk.Close()
	epsilon, delta, err := sdk.MatchCost()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "a matching costs each person epsilon %v and delta %.6g at every party, also if it fails halfway\n", epsilon, delta)
	m, err := matchShown(ctx, c, sdk)
	if err != nil {
		return err
	}
	if k.JSON {
		return printJSON(c.out, m)
	}
	return printMatching(c.out, m)
}

// matchShown runs a matching and shows how far it is.
func matchShown(ctx context.Context, c console, sdk *client.Client) (*client.Matching, error) {
	shown := newProgress(c.err)
	defer shown.close()
	return sdk.Match(ctx, func(p client.MatchProgress) {
		stage := p.Stage
		if shown.bar != nil && p.Remaining >= 0 { // elsewhere there is a line per stage
			stage += ", " + lasting(p.Remaining) + " left"
		}
		shown.report(client.Progress{Stage: stage, Share: p.Share})
	})
}

// lasting says how long something takes, as exactly as an estimate deserves.
func lasting(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

func printMatching(w io.Writer, m *client.Matching) error {
	_, err := fmt.Fprintf(w, "%s slots, of %s, matched at %s (spine %.8s)\ncharged  epsilon %v and delta %.6g to each person, at every party\n",
		humanize.Comma(m.Slots), strings.Join(m.Parties, ", "), instant(m.At), m.Spine, m.Epsilon, m.Delta)
	if err == nil && len(m.NotKept) > 0 {
		_, err = fmt.Fprintf(w, "not confirmed by %s: where they have not stored it, questions with them go on in what they have (sotto catalog shows it)\n",
			strings.Join(m.NotKept, ", "))
	}
	return err
}
