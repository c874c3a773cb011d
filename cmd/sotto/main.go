// Command sotto runs every role of a Sotto collaboration; see README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sotto-dev/sotto/internal/fault"
)

type commands struct {
	Demo demoCommand `cmd:"" help:"Run a whole collaboration of three made-up companies on this machine and ask it four questions."`
	Lab  labCommand  `cmd:"" help:"Run a whole collaboration on this machine from one file and ask its questions."`

	Keys        keysCommand        `cmd:"" help:"Make or show a node's identity."`
	Agreement   agreementCommand   `cmd:"" help:"Check an agreement file and show its hash."`
	Party       partyCommand       `cmd:"" help:"Run a company's node, check its customers, report on it."`
	Subject     subjectCommand     `cmd:"" help:"Record what customers say about their data, and show a person what is held on them."`
	Audit       auditCommand       `cmd:"" help:"Verify or export a party's audit log."`
	Coordinator coordinatorCommand `cmd:"" help:"Run the coordinator."`

	Catalog catalogCommand `cmd:"" help:"List what can be asked about."`
	Match   matchCommand   `cmd:"" help:"Give every customer a slot, so that questions are exact but for their noise."`
	Query   queryCommand   `cmd:"" help:"Ask a question, or follow one that was asked."`
	Explain explainCommand `cmd:"" help:"Say how exact a question's answer would be and what it would cost, without asking it."`
	Budget  budgetCommand  `cmd:"" help:"Show what was spent and what is left."`
	Cancel  cancelCommand  `cmd:"" help:"Stop a question."`

	Bench   benchCommand   `cmd:"" help:"Measure the real thing on this machine with generated companies."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

const description = `Companies ask how their audiences overlap; nobody sees the customers, nor the true number.

	sotto demo              three made-up companies on this machine
	sotto lab FILE.yaml     your own files on this machine
	sotto keys new DIR      the first step of a deployment; README.md has the rest`

// console is where commands read from and write to.
type console struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default handling is back, so that a second one ends a shutdown that hangs.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], console{os.Stdout, os.Stderr}))
}

// Exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func run(ctx context.Context, args []string, c console) int {
	var cli commands
	exit := -1
	parser := kong.Must(&cli, kong.Name("sotto"), kong.Description(description), kong.Writers(c.out, c.err),
		kong.Exit(func(code int) { exit = code }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(c))
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		return misused(c, err)
	}
	if err := parsed.Run(); err != nil {
		return report(ctx, c, err)
	}
	return 0
}

// misused reports a command line that can't be understood.
func misused(c console, err error) int {
	hint := "sotto --help lists the commands"
	var at *kong.ParseError
	if errors.As(err, &at) && at.Context.Selected() != nil {
		hint = "sotto " + at.Context.Selected().Path() + " --help shows what it takes"
	}
	fmt.Fprintf(c.err, "sotto: %v\nhint: %s\n", err, hint)
	return exitUsage
}

// report prints an error with what can be done about it.
func report(ctx context.Context, c console, err error) int {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || fault.IsKind(err, fault.Cancelled)) {
		fmt.Fprintln(c.err, "sotto: interrupted")
		return exitInterrupted
	}
	f := fault.From(err)
	message := f.Error()
	if f.Kind == fault.Internal {
		message = err.Error() // it happened in this very process: its owner may read all of it
	}
	fmt.Fprintf(c.err, "sotto: %s\n", message)
	if f.Hint != "" {
		fmt.Fprintf(c.err, "hint: %s\n", f.Hint)
	}
	return exitFailure
}

type versionCommand struct{}

func (versionCommand) Run(c console) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(c.out, "sotto %s\n", version)
	return err
}
