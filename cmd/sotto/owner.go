package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/party/state"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// ownerFlags are what is needed to reach a running node on this machine.
type ownerFlags struct {
	State    string `required:"" env:"SOTTO_STATE" placeholder:"DIR" help:"The node's state."`
	Identity string `required:"" env:"SOTTO_IDENTITY" placeholder:"DIR" help:"The node's identity, or that of an administrator whom its config names."`
	Node     string `placeholder:"KEY" help:"As an administrator: the node's public key, as in the agreement."`
}

// dial connects to the node.
func (f *ownerFlags) dial() (sottov1.OwnerClient, func() error, error) {
	key, err := identity.Open(f.Identity)
	if err != nil {
		return nil, nil, err
	}
	node := key.Public()
	if f.Node != "" {
		if node, err = identity.ParsePublicKey(f.Node); err != nil {
			return nil, nil, fault.New(fault.Invalid, "--node: %s", err)
		}
	}
	path, err := filepath.Abs(state.Socket(f.State))
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, nil, fault.New(fault.Unavailable, "no node is running with state %s", f.State).
			WithHint("start it with sotto party; it must be running to be told something")
	}
	connection, err := grpc.NewClient("unix://"+path, append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(node)))...)
	if err != nil {
		return nil, nil, err
	}
	return sottov1.NewOwnerClient(connection), connection.Close, nil
}

// call calls the node.
func (f *ownerFlags) call(with func(sottov1.OwnerClient) error) error {
	client, disconnect, err := f.dial()
	if err != nil {
		return err
	}
	return errors.Join(with(client), disconnect())
}

type partyStatusCommand struct {
	ownerFlags
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (k *partyStatusCommand) Run(ctx context.Context, c console) error {
	return k.call(func(node sottov1.OwnerClient) error {
		s, err := node.Status(ctx, &sottov1.StatusRequest{})
		if err != nil {
			return err
		}
		return printStatus(c.out, s, k.JSON)
	})
}

type partyRefreshCommand struct {
	ownerFlags
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (k *partyRefreshCommand) Help() string {
	return `Questions go on with the old customers until the new ones are there, and then with the new ones. If they can't be loaded, the old ones
stay. source: {refresh: 24h} in the party's file does the same by schedule.`
}

func (k *partyRefreshCommand) Run(ctx context.Context, c console) error {
	return k.call(func(node sottov1.OwnerClient) error {
		r, err := node.Refresh(ctx, &sottov1.RefreshRequest{})
		if err != nil {
			return err
		}
		if !k.JSON && !r.GetChanged() {
			fmt.Fprintln(c.err, "the customers are the same as before")
		}
		return printStatus(c.out, r.GetStatus(), k.JSON)
	})
}

// statusView is a status as --json prints it.
type statusView struct {
	Party         string           `json:"party"`
	Version       string           `json:"version"`
	Loaded        time.Time        `json:"loaded"`
	Customers     int64            `json:"customers"`
	Purposes      map[string]int64 `json:"purposes"`
	Sessions      int64            `json:"sessions"`
	RefreshFailed string           `json:"refresh_failed,omitempty"`
}

func printStatus(w io.Writer, s *sottov1.StatusResponse, asJSON bool) error {
	view := statusView{
		Party: s.GetParty(), Version: fmt.Sprintf("%x", s.GetVersion()), Loaded: time.Unix(s.GetLoaded(), 0).UTC(), Customers: s.GetCustomers(),
		Purposes: map[string]int64{}, Sessions: s.GetSessions(), RefreshFailed: s.GetRefreshFailed(),
	}
	for _, p := range s.GetPurposes() {
		view.Purposes[p.GetPurpose()] = p.GetCustomers()
	}
	if asJSON {
		return printJSON(w, view)
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "party\t%s\n", view.Party)
	fmt.Fprintf(out, "customers\t%s, loaded %s\n", humanize.Comma(view.Customers), view.Loaded.Format(time.DateTime))
	for _, p := range s.GetPurposes() {
		fmt.Fprintf(out, "%s\t%s may take part\n", p.GetPurpose(), humanize.Comma(p.GetCustomers()))
	}
	fmt.Fprintf(out, "questions\t%d under way\n", view.Sessions)
	if view.RefreshFailed != "" {
		fmt.Fprintf(out, "refresh\tfailed: %s\n", view.RefreshFailed)
	}
	return out.Flush()
}

type partyPurgeCommand struct {
	ownerFlags
	DryRun bool `help:"Show what would go, and keep it."`
	JSON   bool `name:"json" help:"Print one JSON object per destroyed file."`
}

func (k *partyPurgeCommand) Help() string {
	return `What a node stores of customers are encrypted lists of who was among the customers of which question. They are destroyed when they are
older than retention: {keep_for: …} in the party's file, at every start and once a day; this command does it now.`
}

func (k *partyPurgeCommand) Run(ctx context.Context, c console) error {
	return k.call(func(node sottov1.OwnerClient) error {
		r, err := node.Purge(ctx, &sottov1.PurgeRequest{DryRun: k.DryRun})
		if err != nil {
			return err
		}
		if len(r.GetPurged()) == 0 {
			fmt.Fprintln(c.err, "nothing is kept too long")
		}
		for _, p := range r.GetPurged() {
			at := time.Unix(p.GetAt(), 0).UTC()
			if k.JSON {
				err = printJSON(c.out, struct {
					What   string    `json:"what"`
					Stored time.Time `json:"stored"`
				}{p.GetWhat(), at})
			} else {
				_, err = fmt.Fprintf(c.out, "%s  stored %s\n", p.GetWhat(), at.Format(time.DateTime))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
