package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/cmd/sotto/cluster"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/sample"
)

type benchCommand struct {
	Overlap benchOverlapCommand `cmd:"" help:"Count the overlap of two generated companies."`
	Match   benchMatchCommand   `cmd:"" help:"Match the customers of two generated companies."`
}

// benchTerms let the few questions of a benchmark be asked.
var benchTerms = agreement.Agreement{
	Collaboration: "bench", Purposes: []string{sample.Planning}, Noise: agreement.NoiseEveryone,
	Layouts: []string{agreement.LayoutHashed, agreement.LayoutMatched}, Matching: agreement.Matching{Epsilon: 100_000, Delta: 1e-9},
	Limits: agreement.Limits{
		EpsilonPerQuery: 1_000_000, EpsilonTotal: 10_000_000, DeltaPerQuery: agreement.DefaultDeltaPerQuery, DeltaTotal: agreement.DefaultDeltaTotal,
	},
}

// benchProcess is what one process took, from its start to its end.
type benchProcess struct {
	Name   string  `json:"name"`
	CPU    float64 `json:"cpu_seconds"`
	MaxRSS int64   `json:"max_rss_bytes"`
}

// startBench makes two companies of n customers each in dir, and starts their nodes and a coordinator.
func startBench(ctx context.Context, c console, dir string, n int) (*cluster.Cluster, []sample.Company, error) {
	fmt.Fprintf(c.err, "making two companies of %s customers\n", humanize.Comma(int64(n)))
	companies, err := sample.Bench(dir, n)
	if err != nil {
		return nil, nil, err
	}
	var members []cluster.Member
	for _, company := range companies {
		members = append(members, cluster.Member{Name: company.Name, ConfigFile: company.ConfigFile})
	}
	running, err := cluster.Start(ctx, dir, benchTerms, members)
	return running, companies, err
}

// stopBench stops all nodes, and returns what each process took, and all of them: the analyst is this one, since before.
func stopBench(running *cluster.Cluster, analyst float64) (all []benchProcess, cpu float64, err error) {
	err = running.Stop()
	all, cpu = []benchProcess{{Name: "analyst", CPU: analyst}}, analyst
	for _, u := range running.Usages {
		all = append(all, benchProcess{u.Name, u.CPU.Seconds(), u.MaxRSS})
		cpu += u.CPU.Seconds()
	}
	return all, cpu, err
}

// printProcesses prints a table of what processes took.
func printProcesses(w io.Writer, all []benchProcess, cpu float64) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row(out, []string{"process", "CPU s", "peak memory"})
	for _, p := range all {
		memory := ""
		if p.MaxRSS > 0 {
			memory = humanize.Bytes(uint64(p.MaxRSS))
		}
		row(out, []string{p.Name, fmt.Sprintf("%.2f", p.CPU), memory})
	}
	row(out, []string{"all", fmt.Sprintf("%.2f", cpu), ""})
	return out.Flush()
}

// measured calls measure with a folder to work in, which goes afterwards unless it is to be kept, and prints what it returns.
func measured[R interface{ print(c console) error }](c console, keep string, asJSON bool, measure func(dir string) (R, error)) (err error) {
	dir, cleanUp, err := workFolder(keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()
	report, err := measure(dir)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.out, report)
	}
	return report.print(c)
}
