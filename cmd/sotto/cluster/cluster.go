// Package cluster runs a deployment on one machine: a coordinator and its parties as processes of their own on loopback,
// set up and started with the same commands that a real deployment uses. The demo and the benchmarks are built on it.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
)

// Member is a party and the file that declares its customers.
type Member struct{ Name, ConfigFile string }

// Cluster is a running deployment.
type Cluster struct {
	*client.Client // of its analyst

	Usages []Usage // per process, once stopped

	dir       string // where everything is written
	program   string
	processes []*process
}

// startLimit bounds how long nodes may take until they answer; loading customers is most of it.
const startLimit = 2 * time.Minute

// Start sets up a deployment in dir and starts all its nodes as processes of this very program. Their logs go to
// dir/NAME.log. terms is the agreement, but for the nodes, their keys and the analyst, which are filled in.
func Start(ctx context.Context, dir string, terms agreement.Agreement, members []Member) (*Cluster, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c := &Cluster{dir: dir, program: program}
	if err := c.start(ctx, &terms, members); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, a *agreement.Agreement, members []Member) error {
	addresses, err := freeAddresses(len(members) + 1)
	if err != nil {
		return err
	}
	for i, m := range members {
		key, err := identity.Create(c.path("keys", m.Name), m.Name)
		if err != nil {
			return err
		}
		a.Parties = append(a.Parties, agreement.Party{Name: m.Name, Address: addresses[i], Key: key.Public()})
	}
	coordinator, err := identity.Create(c.path("keys", agreement.CoordinatorName), agreement.CoordinatorName)
	if err != nil {
		return err
	}
	a.Coordinator = agreement.Coordinator{Address: addresses[len(members)], Key: coordinator.Public()}
	analyst, err := identity.Create(c.path("keys", "analyst"), "analyst")
	if err != nil {
		return err
	}
	a.Analysts = []agreement.Analyst{{Name: "analyst", Key: analyst.Public()}}
	if err := a.Write(c.path("agreement.yaml")); err != nil {
		return err
	}
	for _, m := range members {
		if err := c.spawn(m.Name, "party", "--config", m.ConfigFile, "--state", c.path(m.Name), "--create-state"); err != nil {
			return err
		}
	}
	if err := c.spawn(agreement.CoordinatorName, "coordinator", "--store", c.path("coordinator.store")); err != nil {
		return err
	}
	if c.Client, err = client.Dial(c.path("agreement.yaml"), c.path("keys", "analyst")); err != nil {
		return err
	}
	return c.ready(ctx)
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// spawn starts a node with the flags that all have, and its own.
func (c *Cluster) spawn(name, command string, flags ...string) error {
	args := append([]string{command, "--agreement", c.path("agreement.yaml"), "--identity", c.path("keys", name)}, flags...)
	p, err := startProcess(c.program, name, c.path(name+".log"), args)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.processes = append(c.processes, p)
	return nil
}

// ready waits until every node answers.
func (c *Cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		catalog, err := c.Catalog(ctx)
		waiting := ""
		if err == nil {
			for _, p := range catalog.Parties {
				if p.Unavailable != "" {
					waiting = p.Name
				}
			}
			if waiting == "" {
				return nil
			}
		}
		for _, p := range c.processes {
			if p.exited() {
				return fault.New(fault.Unavailable, "%s stopped while starting; its log ends: %s", p.name, p.logTail())
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// CPU returns the CPU time, user and system, that all nodes together have taken so far.
func (c *Cluster) CPU() (time.Duration, error) {
	var total time.Duration
	for _, p := range c.processes {
		used, err := cpuOf(p.cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		total += used
	}
	return total, nil
}

// Stop stops all processes, waits for them and fills in Usages. It may be called twice.
func (c *Cluster) Stop() error {
	var errs []error
	if c.Client != nil {
		errs = append(errs, c.Close())
		c.Client = nil
	}
	for _, p := range c.processes {
		p.interrupt()
	}
	for _, p := range c.processes {
		usage, err := p.wait()
		c.Usages = append(c.Usages, usage)
		errs = append(errs, err)
	}
	c.processes = nil
	return errors.Join(errs...)
}

// freeAddresses returns loopback addresses that nobody listens on. Between here and the node's start somebody else could
// take one; the node then says so and the cluster does not start.
func freeAddresses(count int) ([]string, error) {
	var addresses []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free address: %w", err)
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
