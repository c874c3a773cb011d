package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/cluster"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/sample"
)

type benchCommand struct {
	Overlap benchOverlapCommand `cmd:"" help:"Count the overlap of two generated companies."`
}

type benchOverlapCommand struct {
	N         int    `default:"100000" help:"Customers of each company; half of them are customers of both."`
	Precision string `enum:"low,medium,high" default:"low" help:"Size of the hashed layout: low, medium or high."`
	By        string `enum:"none,one,both" default:"none" help:"Count by the ten cohorts of none, one or both of the companies."`
	Keep      string `placeholder:"DIR" help:"Make this folder, and leave customers, keys, states and logs in it."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

func (b *benchOverlapCommand) Help() string {
	return `Generates two companies, starts a coordinator and both nodes as processes of their own, asks one question, stops them, and prints
what it took: CPU (user and system) and peak memory of every process from its start to its end, loading customers included; wall
time of the question; bytes between the nodes; and the share of the CPU that is encryption, which is measured by running as many
of the same lattice operations alone, in this process, in the same run.`
}

// benchReport is what --json prints. CPU in seconds, sizes in bytes.
type benchReport struct {
	N              int                `json:"n"`
	Precision      string             `json:"precision"`
	LogSlots       int                `json:"log_slots"`
	CPU            float64            `json:"cpu_seconds"` // of all nodes and the analyst
	QuestionWall   float64            `json:"question_seconds"`
	TotalWall      float64            `json:"total_seconds"` // with start, load and stop
	Crypto         float64            `json:"crypto_cpu_seconds"`
	CryptoShare    float64            `json:"crypto_share"`
	Hops           []client.Hop       `json:"hops"`
	Stages         []client.StageTime `json:"stages"`
	Processes      []benchProcess     `json:"processes"`
	Answer, Truth  int64              `json:"-"`
	HalfWidth      float64            `json:"-"`
	AnswerIsWithin bool               `json:"within_interval"` // true answer within the 99.9 % interval
}

type benchProcess struct {
	Name   string  `json:"name"`
	CPU    float64 `json:"cpu_seconds"`
	MaxRSS int64   `json:"max_rss_bytes"`
}

// benchLimits let the one question of a benchmark be asked.
var benchLimits = agreement.Limits{EpsilonPerQuery: 1_000_000, EpsilonTotal: 1_000_000, DeltaPerQuery: agreement.DefaultDeltaPerQuery, DeltaTotal: agreement.DefaultDeltaTotal}

func (b *benchOverlapCommand) Run(ctx context.Context, c console) (err error) {
	dir, cleanUp, err := workFolder(b.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()
	fmt.Fprintf(c.err, "making two companies of %s customers\n", humanize.Comma(int64(b.N)))
	companies, err := sample.Bench(dir, b.N)
	if err != nil {
		return err
	}
	report, err := b.measure(ctx, c, dir, companies)
	if err != nil {
		return err
	}
	if b.JSON {
		return printJSON(c.out, report)
	}
	return report.print(c)
}

func (b *benchOverlapCommand) measure(ctx context.Context, c console, dir string, companies []sample.Company) (*benchReport, error) {
	began := time.Now()
	var members []cluster.Member
	for _, company := range companies {
		members = append(members, cluster.Member{Name: company.Name, ConfigFile: company.ConfigFile})
	}
	running, err := cluster.Start(ctx, dir, "bench", benchLimits, []string{sample.Planning}, members)
	if err != nil {
		return nil, err
	}
	question := client.Question{Count: companies[0].Name + ".member && " + companies[1].Name + ".member", Epsilon: 1, Precision: b.Precision, Purpose: sample.Planning}
	for i, company := range companies {
		if b.By == "both" || b.By == "one" && i == 1 {
			question.By = append(question.By, company.Name+".cohort")
		}
	}
	p := newProgress(c.err)
	before := cluster.SelfCPU()
	asked := time.Now()
	answer, err := running.Ask(ctx, question, p.report)
	p.close()
	report := &benchReport{N: b.N, Precision: b.Precision, QuestionWall: time.Since(asked).Seconds()}
	self := cluster.SelfCPU() - before
	if err := errors.Join(err, running.Stop()); err != nil {
		return nil, err
	}
	report.TotalWall = time.Since(began).Seconds()
	report.Processes = []benchProcess{{Name: "analyst", CPU: self.Seconds()}}
	report.CPU = self.Seconds()
	for _, u := range running.Usages {
		report.Processes = append(report.Processes, benchProcess{u.Name, u.CPU.Seconds(), u.MaxRSS})
		report.CPU += u.CPU.Seconds()
	}
	report.Hops, report.Stages, report.Truth = answer.Hops, answer.Stages, int64(sample.BenchOverlap(b.N))
	return report, report.finish(answer)
}

// finish compares the answer with the truth and measures the encryption alone.
func (r *benchReport) finish(answer *client.Answer) error {
	var low, high float64
	for _, cell := range answer.Cells {
		l, h, err := cell.Interval(0.999)
		if err != nil {
			return err
		}
		r.Answer, low, high = r.Answer+int64(cell.Value), low+l, high+h
	}
	r.HalfWidth = (high - low) / 2
	r.AnswerIsWithin = low <= float64(r.Truth) && float64(r.Truth) <= high
	work := answer.Work()
	r.LogSlots = work.LogSlots
	crypto, err := cluster.Baseline(work)
	r.Crypto = crypto.Seconds()
	r.CryptoShare = r.Crypto / r.CPU
	return err
}

func (r *benchReport) print(c console) error {
	fmt.Fprintf(c.out, "%s × %s customers, precision %s, 2^%d slots\n\n", humanize.Comma(int64(r.N)), humanize.Comma(int64(r.N)), r.Precision, r.LogSlots)
	out := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row(out, []string{"process", "CPU s", "peak memory"})
	for _, p := range r.Processes {
		memory := ""
		if p.MaxRSS > 0 {
			memory = humanize.Bytes(uint64(p.MaxRSS))
		}
		row(out, []string{p.Name, fmt.Sprintf("%.2f", p.CPU), memory})
	}
	row(out, []string{"all", fmt.Sprintf("%.2f", r.CPU), ""})
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\ncrypto    %.2f s CPU, %.0f %% of all\n", r.Crypto, 100*r.CryptoShare)
	fmt.Fprintf(c.out, "wall      %.2f s for the question, %.2f s with starting, loading and stopping\n", r.QuestionWall, r.TotalWall)
	for _, h := range r.Hops {
		fmt.Fprintf(c.out, "wire      %s → %s %s\n", h.From, h.To, humanize.Bytes(h.Bytes))
	}
	_, err := fmt.Fprintf(c.out, "answer    %s ± %.0f (99.9 %%), true %s\n", humanize.Comma(r.Answer), r.HalfWidth, humanize.Comma(r.Truth))
	return err
}
