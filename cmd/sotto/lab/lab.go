package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/coordinator"
	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/vault"
)

// Lab is a running collaboration.
type Lab struct {
	*client.Client // of its only analyst

	dir   string
	stop  context.CancelFunc
	nodes *errgroup.Group
}

// Start loads all parties' customers and starts all nodes of the file, each with an identity, a state and a loopback
// address of its own, in a temporary folder. Nodes log to logger. Where the file is [File.Matched], Match comes next.
func Start(ctx context.Context, f *File, logger *slog.Logger) (*Lab, error) {
	dir, err := os.MkdirTemp("", "sotto-lab-")
	if err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lab{dir: dir, stop: stop, nodes: &errgroup.Group{}}
	if err := l.start(ctx, running, f, logger); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx, running context.Context, f *File, logger *slog.Logger) error {
	a := &agreement.Agreement{
		Collaboration: f.Collaboration, Noise: agreement.Noise(first(f.Noise, string(agreement.NoiseEveryone))),
		Layouts:  []string{agreement.LayoutHashed},
		Purposes: f.Agreement.Purposes, Identifiers: f.Agreement.Identifiers,
		Limits: agreement.Limits{
			EpsilonPerQuery: f.Agreement.EpsilonPerQuery, EpsilonTotal: f.Agreement.EpsilonTotal,
			DeltaPerQuery: first(f.Agreement.DeltaPerQuery, DefaultDelta),
			DeltaTotal:    agreement.DefaultDeltaTotalFor(first(f.Agreement.DeltaPerQuery, DefaultDelta)),
		},
	}
	if f.Matched() {
		a.Layouts, a.Matching = append(a.Layouts, agreement.LayoutMatched), first(f.Agreement.Matching, DefaultMatching)
	}
	var listeners []net.Listener
	started := 0
	defer func() {
		for _, unused := range listeners[started:] {
			_ = unused.Close()
		}
	}()
	listen := func() (string, error) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("start lab: %w", err)
		}
		listeners = append(listeners, listener)
		return listener.Addr().String(), nil
	}
	keys := map[string]*identity.Key{}
	enrol := func(name string) (identity.PublicKey, error) {
		key, err := identity.Create(filepath.Join(l.dir, "keys", name), name)
		if err != nil {
			return identity.PublicKey{}, err
		}
		keys[name] = key
		return key.Public(), nil
	}
	for i := range f.Parties {
		key, err := enrol(f.Parties[i].Name)
		if err != nil {
			return err
		}
		address, err := listen()
		if err != nil {
			return err
		}
		a.Parties = append(a.Parties, agreement.Party{Name: f.Parties[i].Name, Address: address, Key: key})
	}
	coordinatorKey, err := enrol(agreement.CoordinatorName)
	if err != nil {
		return err
	}
	address, err := listen()
	if err != nil {
		return err
	}
	a.Coordinator = agreement.Coordinator{Address: address, Key: coordinatorKey}
	analyst, err := identity.Generate()
	if err != nil {
		return err
	}
	a.Analysts = []agreement.Analyst{{Name: "lab_analyst", Key: analyst.Public()}}
	if err := a.Check(); err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	// Nodes and analyst hold the agreement in the form in which a file holds it.
	path := filepath.Join(l.dir, "agreement.yaml")
	if err := a.Write(path); err != nil {
		return err
	}
	if a, err = agreement.Load(path); err != nil {
		return err
	}
	for i := range f.Parties {
		p := &f.Parties[i]
		kept, err := l.newState(p.Name)
		if err != nil {
			return err
		}
		node, err := party.New(ctx, party.Options{
			Agreement: a, Config: p, Key: keys[p.Name], State: kept, Logger: logger.With("node", p.Name),
			Load: func(ctx context.Context, o customers.Options) (*customers.Snapshot, error) {
				return customers.Load(ctx, p, o)
			},
		})
		if err != nil {
			return errors.Join(err, kept.Close()) // names the party
		}
		listener := listeners[started]
		started++
		l.nodes.Go(func() error { return errors.Join(node.Serve(running, listener), kept.Close()) })
	}
	if err := l.coordinator(running, a, keys[agreement.CoordinatorName], listeners[started], logger); err != nil {
		return err
	}
	started++
	l.Client, err = client.New(a, analyst, "")
	return err
}

// newState makes the state of a party's node, under a key that nobody keeps: it is gone with the lab.
func (l *Lab) newState(party string) (*state.State, error) {
	sealed, err := vault.New()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(l.dir, "state", party)
	if err := state.Create(folder, sealed); err != nil {
		sealed.Close()
		return nil, err
	}
	return state.Open(folder, sealed)
}

func (l *Lab) coordinator(running context.Context, a *agreement.Agreement, key *identity.Key, listener net.Listener, logger *slog.Logger) error {
	answers, err := store.Open(filepath.Join(l.dir, "coordinator.store"))
	if err != nil {
		return err
	}
	parties, disconnect, err := coordinator.Connect(a, key)
	if err != nil {
		return errors.Join(err, answers.Close())
	}
	l.nodes.Go(func() error {
		err := coordinator.Serve(running, coordinator.Options{
			Agreement: a, Key: key, Store: answers, Parties: parties, Logger: logger.With("node", agreement.CoordinatorName),
		}, listener)
		return errors.Join(err, disconnect(), answers.Close())
	})
	return nil
}

// Close stops all nodes and removes everything that the lab wrote.
func (l *Lab) Close() error {
	var closed error
	if l.Client != nil {
		closed = l.Client.Close()
	}
	l.stop()
	return errors.Join(closed, l.nodes.Wait(), os.RemoveAll(l.dir))
}

// Silent is a logger for labs that nobody looks into.
func Silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
