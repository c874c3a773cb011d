package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/cmd/sotto/cluster"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/sample"
)

type benchOverlapCommand struct {
	N         int    `default:"100000" help:"Customers of each company; half of them are customers of both."`
	Layout    string `enum:"hashed,matched" default:"hashed" help:"Layout of the vectors: hashed, or matched, by a matching that comes first and is not measured."`
	Precision string `enum:"low,medium,high" default:"low" help:"Size of the hashed layout: low, medium or high."`
	By        string `enum:"none,one,both" default:"none" help:"Count by the ten cohorts of none, one or both of the companies."`
	Keep      string `placeholder:"DIR" help:"Make this folder, and leave customers, keys, states and logs in it."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

func (b *benchOverlapCommand) Help() string {
	return `Generates two companies, starts a coordinator and both nodes as processes of their own, asks one question, stops them, and prints
what it took: CPU (user and system) of all processes for the question alone, and of every process from its start to its end, loading
customers included, with its peak memory; wall time of the question; bytes between the nodes; and the share of the question's CPU that
is encryption, which is measured by running as many of the same lattice operations alone, in this process, in the same run.`
}

// benchReport is what --json prints. CPU in seconds, sizes in bytes.
type benchReport struct {
	N              int                `json:"n"`
	Layout         string             `json:"layout"`
	Precision      string             `json:"precision,omitempty"`
	Slots          uint64             `json:"slots"`
	QuestionCPU    float64            `json:"question_cpu_seconds"` // of all nodes and the analyst
	QuestionWall   float64            `json:"question_seconds"`
	CPU            float64            `json:"cpu_seconds"` // from start to end, with loading, and matching if there was one
	TotalWall      float64            `json:"total_seconds"`
	Crypto         float64            `json:"crypto_cpu_seconds"`
	CryptoShare    float64            `json:"crypto_share"` // of QuestionCPU
	Hops           []client.Hop       `json:"hops"`
	Stages         []client.StageTime `json:"stages"`
	Processes      []benchProcess     `json:"processes"`
	Answer, Truth  int64              `json:"-"`
	HalfWidth      float64            `json:"-"`
	AnswerIsWithin bool               `json:"within_interval"` // true answer within the 99.9 % interval
}

func (b *benchOverlapCommand) Run(ctx context.Context, c console) error {
	return measured(c, b.Keep, b.JSON, func(dir string) (*benchReport, error) { return b.measure(ctx, c, dir) })
}

func (b *benchOverlapCommand) measure(ctx context.Context, c console, dir string) (*benchReport, error) {
	began := time.Now()
	running, companies, err := startBench(ctx, c, dir, b.N)
	if err != nil {
		return nil, err
	}
	report := &benchReport{N: b.N, Layout: b.Layout, Truth: int64(sample.BenchOverlap(b.N))}
	before := cluster.SelfCPU()
	answer, err := b.ask(ctx, c, running, companies, report)
	self := cluster.SelfCPU() - before
	var stopped error
	report.Processes, report.CPU, stopped = stopBench(running, self.Seconds())
	if err := errors.Join(err, stopped); err != nil {
		return nil, err
	}
	report.TotalWall = time.Since(began).Seconds()
	report.Hops, report.Stages = answer.Hops, answer.Stages
	return report, report.finish(answer)
}

// ask asks the question, after a matching where it needs one, and measures it.
func (b *benchOverlapCommand) ask(ctx context.Context, c console, running *cluster.Cluster, companies []sample.Company, report *benchReport) (*client.Answer, error) {
	question := client.Question{
		Count: companies[0].Name + ".member && " + companies[1].Name + ".member", Epsilon: 1, Layout: b.Layout, Purpose: sample.Planning,
	}
	if b.Layout == agreement.LayoutMatched {
		if _, err := matchShown(ctx, c, running.Client); err != nil {
			return nil, err
		}
	} else {
		question.Precision, report.Precision = b.Precision, b.Precision
	}
	for i, company := range companies {
		if b.By == "both" || b.By == "one" && i == 1 {
			question.By = append(question.By, company.Name+".cohort")
		}
	}
	before, err := allCPU(running)
	if err != nil {
		return nil, err
	}
	p := newProgress(c.err)
	asked := time.Now()
	answer, err := running.Ask(ctx, question, p.report)
	report.QuestionWall = time.Since(asked).Seconds()
	p.close()
	if err != nil {
		return nil, err
	}
	after, err := allCPU(running)
	report.QuestionCPU = (after - before).Seconds()
	return answer, err
}

// allCPU returns the CPU time of all nodes and of this process, which is the analyst's, so far.
func allCPU(running *cluster.Cluster) (time.Duration, error) {
	nodes, err := running.CPU()
	return nodes + cluster.SelfCPU(), err
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
	r.Slots = work.Slots
	crypto, err := cluster.Baseline(work)
	r.Crypto = crypto.Seconds()
	r.CryptoShare = r.Crypto / r.QuestionCPU
	return err
}

func (r *benchReport) print(c console) error {
	precision := ""
	if r.Precision != "" {
		precision = ", precision " + r.Precision
	}
	fmt.Fprintf(c.out, "%s × %s customers, layout %s%s, %s slots\n\n", humanize.Comma(int64(r.N)), humanize.Comma(int64(r.N)), r.Layout, precision, humanize.Comma(int64(r.Slots)))
	if err := printProcesses(c.out, r.Processes, r.CPU); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "\nquestion  %.2f s CPU, of which crypto %.2f s, %.0f %%\n", r.QuestionCPU, r.Crypto, 100*r.CryptoShare)
	fmt.Fprintf(c.out, "wall      %.2f s for the question, %.2f s with all before and after\n", r.QuestionWall, r.TotalWall)
	for _, h := range r.Hops {
		fmt.Fprintf(c.out, "wire      %s → %s %s\n", h.From, h.To, humanize.Bytes(h.Bytes))
	}
	_, err := fmt.Fprintf(c.out, "answer    %s ± %.0f (99.9 %%), true %s\n", humanize.Comma(r.Answer), r.HalfWidth, humanize.Comma(r.Truth))
	return err
}
