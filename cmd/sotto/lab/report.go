package lab

import (
	"context"
	"syscall"
	"time"

	"github.com/sotto-dev/sotto/client"
)

// Report is the answer to one question as `sotto lab --json` prints it, one object per line.
type Report struct {
	Name       string             `json:"name"`
	Measure    string             `json:"measure"`
	Unit       string             `json:"unit,omitempty"` // of a sum or mean
	Cells      []Cell             `json:"cells"`
	Tables     []Table            `json:"tables,omitempty"` // cells and marginals that agree, if they were asked for
	Earlier    bool               `json:"earlier"`          // the answer was given before; nothing was charged again
	Epsilon    float64            `json:"epsilon"`
	Delta      float64            `json:"delta"`
	Mechanism  string             `json:"mechanism"`
	Layout     string             `json:"layout"`
	Spine      string             `json:"spine,omitempty"` // in the matched layout: the hash of its slots, as the catalog has it
	Slots      int64              `json:"slots,omitempty"` // in the matched layout
	Seconds    float64            `json:"seconds"`         // from asking to the opened answer
	CPUSeconds float64            `json:"cpu_seconds"`     // user and system, of all nodes and the analyst in that time
	Bytes      uint64             `json:"bytes"`           // of encrypted blocks between nodes
	Charged    map[string]float64 `json:"charged"`         // ε, by party
}

// Cell is one number: people or units, its 95 % interval with all error in it, and the standard deviation of that error.
type Cell struct {
	Group    map[string]string `json:"group"`
	Value    float64           `json:"value"`
	Low      float64           `json:"low"`
	High     float64           `json:"high"`
	Std      float64           `json:"std"`
	Released []int64           `json:"released"` // the noisy numbers as they were opened
}

// Table is a table of cells by some of an answer's dimensions.
type Table struct {
	By    []string `json:"by"`
	Cells []Cell   `json:"cells"`
}

// AddTables puts the tables that agree into the report.
func (r *Report) AddTables(tables []client.Table) {
	for _, t := range tables {
		r.Tables = append(r.Tables, Table{append([]string{}, t.By...), cells(t.Cells)})
	}
}

func cells(all []client.Cell) []Cell {
	out := make([]Cell, len(all))
	for i, c := range all {
		out[i] = Cell{c.Group, c.Value, c.Low, c.High, c.Std, c.Released}
	}
	return out
}

// NewReport describes an answer.
func NewReport(name string, a *client.Answer, elapsed, cpu time.Duration) *Report {
	return &Report{
		Name: name, Measure: a.Measure, Unit: a.Unit, Cells: cells(a.Cells), Earlier: a.Earlier, Epsilon: a.Epsilon, Delta: a.Delta, Mechanism: a.Mechanism, Layout: a.Layout,
		Spine: a.Spine, Slots: a.Slots,
		Seconds: elapsed.Seconds(), CPUSeconds: cpu.Seconds(), Bytes: a.Bytes(), Charged: a.Charged,
	}
}

// Measure asks a question and takes its time and, for a process that holds all nodes, its CPU time.
func Measure(ctx context.Context, c *client.Client, q client.Question, progress func(client.Progress)) (a *client.Answer, elapsed, cpu time.Duration, err error) {
	began, used := time.Now(), cpuTime()
	a, err = c.Ask(ctx, q, progress)
	return a, time.Since(began), cpuTime() - used, err
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Refusal stands in the place of a report where a question has no answer.
type Refusal struct {
	Name  string `json:"name"`
	Error Reason `json:"error"`
}

// Reason is why; kinds are those of client.ErrorKind.
type Reason struct {
	Kind    string `json:"kind"`
	Party   string `json:"party,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}
