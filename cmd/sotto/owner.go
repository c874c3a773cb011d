package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
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
	State    string `required:"" env:"SOTTO_STATE" placeholder:"DIR" help:"The folder that the node was started with: it listens there."`
	Identity string `required:"" env:"SOTTO_IDENTITY" placeholder:"DIR" help:"The node's identity, or that of an administrator whom its config names."`
	Node     string `placeholder:"KEY" help:"An administrator says here which node it is: its public key, as in the agreement."`
}

// call calls the node.
func (f *ownerFlags) call(with func(sottov1.OwnerClient) error) error {
	key, err := identity.Open(f.Identity)
	if err != nil {
		return err
	}
	node := key.Public()
	if f.Node != "" {
		if node, err = identity.ParsePublicKey(f.Node); err != nil {
			return fault.New(fault.Invalid, "--node: %s", err)
		}
	}
	path, err := filepath.Abs(state.Socket(f.State))
	if err != nil {
		return err
	}
	if err := f.knock(path); err != nil {
		return err
	}
	connection, err := grpc.NewClient("unix://"+path, append(rpc.DialOptions(), rpc.ClientCredentials(key.ClientTLS(node)))...)
	if err != nil {
		return err
	}
	err = errors.Join(with(sottov1.NewOwnerClient(connection)), connection.Close())
	if fault.IsKind(err, fault.NotMember) {
		return fault.From(err).WithHint("--identity is the node's own, or that of an administrator whom the party's file names; " +
			"then --node is the node's key from the agreement")
	}
	return err
}

// knock finds out whether a node is there at all.
func (f *ownerFlags) knock(path string) error {
	connection, err := net.Dial("unix", path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.NotMember, "reach the node").Wrap(err).WithHint("its state is open to the account alone that the node runs as")
	case err != nil:
		return fault.New(fault.Unavailable, "no node is running with state %s", f.State).
			WithHint("start it with sotto party and the same --state: it must be running to be told or asked something")
	}
	return connection.Close()
}

type partyStatusCommand struct {
	ownerFlags
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (k *partyStatusCommand) Help() string {
	return `Shows the node's customers as its next question sees them: those who withdrew or were erased are out already. These are exact numbers, for
the owner's eyes only. If the last refresh failed, it says why.`
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
stay, and the exit code is 1. source: {refresh: 24h} in the party's file does the same by schedule.`
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
	Matched       *matchedView     `json:"matched,omitempty"`
	RefreshFailed string           `json:"refresh_failed,omitempty"`
}

// matchedView is what is to know of a node's newest matching.
type matchedView struct {
	At          time.Time `json:"at"`
	Slots       int64     `json:"slots"`
	WithoutSlot int64     `json:"customers_without_slot"` // of those who may take part
}

// matchedOf returns nil if there was no matching.
func matchedOf(s *sottov1.StatusResponse) *matchedView {
	if s.GetMatched() == 0 {
		return nil
	}
	return &matchedView{time.Unix(s.GetMatched(), 0).UTC(), s.GetSlots(), s.GetWithoutSlot()}
}

func (m *matchedView) String() string {
	return fmt.Sprintf("%s, %s slots; %s who may take part have none", instant(m.At), humanize.Comma(m.Slots), plural(m.WithoutSlot, "customer"))
}

func printStatus(w io.Writer, s *sottov1.StatusResponse, asJSON bool) error {
	view := statusView{
		Party: s.GetParty(), Version: fmt.Sprintf("%x", s.GetVersion()), Loaded: time.Unix(s.GetLoaded(), 0).UTC(), Customers: s.GetCustomers(),
		Purposes: map[string]int64{}, Sessions: s.GetSessions(), RefreshFailed: s.GetRefreshFailed(), Matched: matchedOf(s),
	}
	for _, p := range s.GetPurposes() {
		view.Purposes[p.GetPurpose()] = p.GetCustomers()
	}
	if asJSON {
		return printJSON(w, view)
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "party\t%s\n", view.Party)
	fmt.Fprintf(out, "customers\t%s, loaded %s\n", humanize.Comma(view.Customers), instant(view.Loaded))
	for _, p := range s.GetPurposes() {
		fmt.Fprintf(out, "purpose %s\t%s may take part\n", p.GetPurpose(), humanize.Comma(p.GetCustomers()))
	}
	if view.Matched != nil {
		fmt.Fprintf(out, "matched\t%s\n", view.Matched)
	}
	fmt.Fprintf(out, "questions\t%d under way\n", view.Sessions)
	if view.RefreshFailed != "" {
		fmt.Fprintf(out, "last refresh\tfailed: %s\n", view.RefreshFailed)
	}
	return out.Flush()
}

// instant returns a time for people: to the second, in UTC.
func instant(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

type partyPurgeCommand struct {
	ownerFlags
	DryRun bool `help:"Show what would go, and keep it."`
	JSON   bool `name:"json" help:"Print one JSON object per destroyed file."`
}

func (k *partyPurgeCommand) Help() string {
	return `What a node stores of customers is who was among the customers of which question, and which slots they have in the latest matchings,
in encrypted files. They are destroyed when they are older than retention: {keep_for: …} in the party's file, or no question refers to them any more
(slots: with the next matching): at every start, once a day, and now with this command. Rows of the source that are too old leave the node's memory with the next refresh; no question uses them before.`
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
		verb := "destroyed"
		if k.DryRun {
			verb = "would destroy"
		}
		for _, p := range r.GetPurged() {
			at := time.Unix(p.GetAt(), 0).UTC()
			if k.JSON {
				err = printJSON(c.out, struct {
					What   string    `json:"what"`
					Stored time.Time `json:"stored"`
				}{p.GetWhat(), at})
			} else {
				_, err = fmt.Fprintf(c.out, "%s %s, stored %s\n", verb, p.GetWhat(), instant(at))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
