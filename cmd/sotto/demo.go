package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/cluster"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/sample"
)

type demoCommand struct {
	Seed string `default:"sotto" help:"Other seeds make other people; companies and sizes stay the same."`
	Keep string `placeholder:"DIR" help:"Make this folder, and leave customers, keys, states and logs in it."`
}

func (d *demoCommand) Help() string {
	return `Makes customer files of three companies, starts a coordinator and three party nodes as processes of their own on loopback, as a
deployment does, asks four questions through the SDK, and prints the answers beside the truth, which only the maker of the data
knows. Stops everything that it started, also when interrupted.`
}

// demoTerms leave the demo's budgets half spent.
var demoTerms = agreement.Agreement{
	Collaboration: "demo", Purposes: []string{sample.Marketing, sample.Planning}, Noise: agreement.NoiseEveryone, Layouts: []string{agreement.LayoutHashed},
	Limits: agreement.Limits{
		EpsilonPerQuery: 2_000_000, EpsilonTotal: 10_000_000, DeltaPerQuery: agreement.DefaultDeltaPerQuery, DeltaTotal: agreement.DefaultDeltaTotal,
	},
}

func (d *demoCommand) Run(ctx context.Context, c console) (err error) {
	began := time.Now()
	dir, cleanUp, err := workFolder(d.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()
	world := sample.Demo(d.Seed)
	companies, err := world.Write(dir)
	if err != nil {
		return err
	}
	var members []cluster.Member
	var names []string
	for _, company := range companies {
		members = append(members, cluster.Member{Name: company.Name, ConfigFile: company.ConfigFile})
		names = append(names, fmt.Sprintf("%s (%s)", company.Name, humanize.Comma(int64(world.Count(func(p sample.Person) bool { return p.Member(company.Name) })))))
	}
	fmt.Fprintf(c.out, "Three companies and their customers: %s.\nEach runs a node of its own; nobody sees another's customers.\n\n", strings.Join(names, ", "))
	running, err := cluster.Start(ctx, dir, demoTerms, members)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, running.Stop()) }()
	spent := map[string]float64{}
	for i, q := range world.Questions() {
		fmt.Fprintf(c.out, "%d. %s\n   %s%s, ε %v\n\n", i+1, q.Name, q.Count, by(q.By), q.Epsilon)
		p := newProgress(c.err)
		answer, err := running.Ask(ctx, client.Question{Count: q.Count, By: q.By, Epsilon: q.Epsilon, Purpose: q.Purpose}, p.report)
		p.close()
		if err != nil {
			return err
		}
		if err := printAnswer(c.out, answer, q.Truth); err != nil {
			return err
		}
		fmt.Fprintln(c.out)
		for party, epsilon := range answer.Charged {
			spent[party] += epsilon
		}
	}
	var budgets []string
	for _, party := range sortedKeys(spent) {
		budgets = append(budgets, fmt.Sprintf("%s ε %v of %v", party, spent[party], demoTerms.Limits.EpsilonTotal.Float()))
	}
	_, err = fmt.Fprintf(c.out, "budgets spent: %s\ndone in %.1f s\n", strings.Join(budgets, ", "), time.Since(began).Seconds())
	return err
}

func by(dimensions []string) string {
	if len(dimensions) == 0 {
		return ""
	}
	return ", by " + strings.Join(dimensions, " and ")
}

// workFolder makes the folder to work in: the one that is to be kept, or one that cleanUp removes.
func workFolder(keep string) (dir string, cleanUp func() error, err error) {
	if keep != "" {
		return keep, func() error { return nil }, os.Mkdir(keep, 0o700)
	}
	if dir, err = os.MkdirTemp("", "sotto-"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}
