package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/sotto-dev/sotto/coordinator"
	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

// nodeFlags are what every node needs.
type nodeFlags struct {
	Agreement string `required:"" env:"SOTTO_AGREEMENT" placeholder:"FILE" help:"Agreement file; the same at all members."`
	Identity  string `required:"" env:"SOTTO_IDENTITY" placeholder:"DIR" help:"This node's identity, made by sotto keys new."`
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
