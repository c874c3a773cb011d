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
	Cells      []Cell             `json:"cells"`
	Epsilon    float64            `json:"epsilon"`
	Delta      float64            `json:"delta"`
	Mechanism  string             `json:"mechanism"`
	Layout     string             `json:"layout"`
	Seconds    float64            `json:"seconds"`     // from asking to the opened answer
	CPUSeconds float64            `json:"cpu_seconds"` // user and system, of all nodes and the analyst in that time
	Bytes      uint64             `json:"bytes"`       // of encrypted blocks between nodes
	Charged    map[string]float64 `json:"charged"`     // ε, by party
}

// Cell is one number: people, its 95 % interval with all error in it, and the standard deviation of that error.
type Cell struct {
	Group map[string]string `json:"group"`
	Value int64             `json:"value"`
	Low   float64           `json:"low"`
	High  float64           `json:"high"`
	Std   float64           `json:"std"`
}

// NewReport describes an answer.
func NewReport(name string, a *client.Answer, elapsed, cpu time.Duration) *Report {
	r := &Report{
		Name: name, Cells: []Cell{}, Epsilon: a.Epsilon, Delta: a.Delta, Mechanism: a.Mechanism, Layout: a.Layout,
		Seconds: elapsed.Seconds(), CPUSeconds: cpu.Seconds(), Bytes: a.Bytes(), Charged: a.Charged,
	}
	for _, c := range a.Cells {
		r.Cells = append(r.Cells, Cell{c.Group, c.Value, c.Low, c.High, c.Std})
	}
	return r
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
