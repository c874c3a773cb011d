package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/cluster"
)

type benchMatchCommand struct {
	N    int    `default:"100000" help:"Customers of each company; half of them are customers of both."`
	Keep string `placeholder:"DIR" help:"Make this folder, and leave customers, keys, states and logs in it."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

func (b *benchMatchCommand) Help() string {
	return `Generates two companies, starts a coordinator and both nodes as processes of their own, matches their customers, stops them, and
prints what it took: CPU (user and system) of all processes for the matching alone, and of every process from its start to its end,
with its peak memory; wall time; bytes of lists between the nodes; and the share of the matching's CPU that is exponentiations, which
is measured by running some of the same alone, in this process, in the same run, and multiplying.`
}

// benchMatchReport is what --json prints. CPU in seconds, sizes in bytes.
type benchMatchReport struct {
	N           int            `json:"n"`
	Slots       int64          `json:"slots"`
	MatchCPU    float64        `json:"match_cpu_seconds"` // of all nodes and the analyst
	MatchWall   float64        `json:"match_seconds"`
	CPU         float64        `json:"cpu_seconds"` // from start to end, with loading
	Powers      float64        `json:"exponentiation_cpu_seconds"`
	PowersShare float64        `json:"exponentiation_share"` // of MatchCPU
	Hops        []client.Hop   `json:"hops"`
	Processes   []benchProcess `json:"processes"`
}

func (b *benchMatchCommand) Run(ctx context.Context, c console) error {
	return measured(c, b.Keep, b.JSON, func(dir string) (*benchMatchReport, error) { return b.measure(ctx, c, dir) })
}

func (b *benchMatchCommand) measure(ctx context.Context, c console, dir string) (*benchMatchReport, error) {
	running, _, err := startBench(ctx, c, dir, b.N)
	if err != nil {
		return nil, err
	}
	report := &benchMatchReport{N: b.N}
	begun := cluster.SelfCPU()
	err = report.match(ctx, c, running)
	self := cluster.SelfCPU() - begun
	var stopped error
	report.Processes, report.CPU, stopped = stopBench(running, self.Seconds())
	if err := errors.Join(err, stopped); err != nil {
		return nil, err
	}
	powers, err := cluster.MatchBaseline(benchTerms.Matching, int64(b.N), report.Slots)
	report.Powers = powers.Seconds()
	report.PowersShare = report.Powers / report.MatchCPU
	return report, err
}

// match runs the matching and measures it.
func (r *benchMatchReport) match(ctx context.Context, c console, running *cluster.Cluster) error {
	before, err := allCPU(running)
	if err != nil {
		return err
	}
	began := time.Now()
	matched, err := matchShown(ctx, c, running.Client)
	if err != nil {
		return err
	}
	r.MatchWall = time.Since(began).Seconds()
	after, err := allCPU(running)
	r.MatchCPU, r.Slots, r.Hops = (after - before).Seconds(), matched.Slots, matched.Hops
	return err
}

func (r *benchMatchReport) print(c console) error {
	fmt.Fprintf(c.out, "%s × %s customers, %s slots\n\n", humanize.Comma(int64(r.N)), humanize.Comma(int64(r.N)), humanize.Comma(r.Slots))
	if err := printProcesses(c.out, r.Processes, r.CPU); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\nmatching  %.2f s CPU, of which exponentiations %.2f s, %.0f %%\n", r.MatchCPU, r.Powers, 100*r.PowersShare)
	fmt.Fprintf(c.out, "wall      %.2f s\n", r.MatchWall)
	for _, h := range r.Hops {
		fmt.Fprintf(c.out, "wire      %s → %s %s\n", h.From, h.To, humanize.Bytes(h.Bytes))
	}
	return nil
}
