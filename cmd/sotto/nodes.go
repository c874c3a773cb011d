package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/sotto-dev/sotto/coordinator"
	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/ledger"
)

// nodeFlags are what every node needs.
type nodeFlags struct {
	Agreement string `required:"" placeholder:"FILE" help:"Agreement file; the same at all members."`
	Identity  string `required:"" placeholder:"DIR" help:"This node's identity, made by sotto keys new."`
	Listen    string `placeholder:"HOST:PORT" help:"Address to listen on. Default: the port of this node's address in the agreement, on all interfaces; on loopback only, if the address is there."`
}

func (f *nodeFlags) open() (*agreement.Agreement, *identity.Key, error) {
	a, err := agreement.Load(f.Agreement)
	if err != nil {
		return nil, nil, err
	}
	key, err := identity.Open(f.Identity)
	return a, key, err
}

// listen opens the node's port, given its address in the agreement.
func (f *nodeFlags) listen(address string) (net.Listener, error) {
	if f.Listen != "" {
		address = f.Listen
	} else if host, port, err := net.SplitHostPort(address); err == nil && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		address = net.JoinHostPort("", port)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "listen").Wrap(err).WithHint("choose another address with --listen")
	}
	return listener, nil
}

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

type partyCommand struct {
	nodeFlags
	Config       string `required:"" placeholder:"FILE" help:"What this company declares about its customers."`
	Ledger       string `required:"" placeholder:"FILE" help:"Record of what was spent. Keep it as long as the collaboration lasts."`
	CreateLedger bool   `help:"Make a new, empty ledger first; on a node's very first start."`
}

func (p *partyCommand) Help() string {
	return `Loads the customers, then answers the coordinator until interrupted. Logs to standard error, one JSON object per request;
no customer's value and no exact count is ever logged.

The party's file:

  name: bank
  source: {csv: customers.csv}
  identity: {column: email, type: email}       # or opaque, or phone
  customers_up_to: 100000                      # public bound
  segments: {gold: "tier = 'gold'"}            # SQL over the columns
  dimensions:
    age_band: {sql: age_band, values: ["18-34", "35-54", "55+"]}
  measures:                                    # amounts: rows of a customer add up, then are clipped
    spend: {sql: amount, clip: [0, 500], unit: EUR}
  purposes: [planning, measurement]            # that questions may be for; left out: any
  limits:                                      # stricter than the agreement, or by period (UTC) and organisation
    epsilon_total: 5
    epsilon_per_month: 2
    per_organisation: {epsilon_per_day: 0.5}`
}

func (p *partyCommand) Run(ctx context.Context, c console) (err error) {
	a, key, err := p.open()
	if err != nil {
		return err
	}
	declared, err := config.Load(p.Config)
	if err != nil {
		return err
	}
	o := party.Options{Agreement: a, Config: declared, Key: key}
	// What can be refused is refused before customers are loaded, which takes minutes where there are many.
	if err := party.Check(a, declared, key); err != nil {
		return err
	}
	if err := p.checkLedger(); err != nil {
		return err
	}
	if !p.CreateLedger { // before customers are loaded: it says at once that another node has it, or that it is damaged
		if o.Ledger, err = ledger.Open(p.Ledger); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.Ledger.Close()) }()
	}
	logger := newLogger(c.err)
	began := time.Now()
	if o.Customers, err = customers.Load(ctx, declared); err != nil {
		return err
	}
	logger.Info("customers loaded", slog.Float64("seconds", time.Since(began).Seconds()))
	member, _ := a.Party(declared.Name)
	listener, err := p.listen(member.Address)
	if err != nil {
		return err
	}
	defer listener.Close()
	// The ledger is made last: a first start that fails can be repeated as it was.
	if p.CreateLedger {
		if err := ledger.Create(p.Ledger); err != nil {
			return err
		}
		if o.Ledger, err = ledger.Open(p.Ledger); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.Ledger.Close()) }()
	}
	return party.Serve(ctx, o, listener, logger)
}

// checkLedger refuses to start with a wrong idea of whether there is a ledger.
func (p *partyCommand) checkLedger() error {
	_, err := os.Stat(p.Ledger)
	switch {
	case p.CreateLedger && err == nil:
		return fault.New(fault.Invalid, "create ledger: %s exists, and a ledger is never overwritten", p.Ledger).
			WithHint("leave out --create-ledger: it is for a node's very first start")
	case !p.CreateLedger && errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "there is no ledger at %s: without it a node does not know what it has spent", p.Ledger).
			WithHint("restore it from a backup; on this node's very first start, and only then, add --create-ledger")
	}
	return nil
}

type coordinatorCommand struct {
	nodeFlags
	Store    string        `required:"" placeholder:"FILE" help:"Where questions and sealed answers are kept; made if it is not there."`
	Patience time.Duration `default:"60s" help:"How long to wait for a party's answer or next block."`
	Running  int           `default:"4" help:"Questions that run at a time; further ones wait."`
}

func (k *coordinatorCommand) Help() string {
	return `Plans questions, relays what parties send each other encrypted, adds noise of its own, and keeps the sealed answers. It holds no
customers and sees no answer. Logs to standard error, one JSON object per request.`
}

func (k *coordinatorCommand) Run(ctx context.Context, c console) (err error) {
	if k.Patience <= 0 || k.Running <= 0 {
		return fault.New(fault.Invalid, "--patience %s and --running %d must be above 0", k.Patience, k.Running)
	}
	a, key, err := k.open()
	if err != nil {
		return err
	}
	answers, err := store.Open(k.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answers.Close()) }()
	parties, disconnect, err := coordinator.Connect(a, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disconnect()) }()
	listener, err := k.listen(a.Coordinator.Address)
	if err != nil {
		return err
	}
	o := coordinator.Options{
		Agreement: a, Key: key, Store: answers, Parties: parties, Logger: newLogger(c.err), Patience: k.Patience, MaxRunning: k.Running,
	}
	if err := coordinator.Serve(ctx, o, listener); err != nil {
		return fmt.Errorf("coordinator: %w", err)
	}
	return nil
}
