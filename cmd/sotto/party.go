package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/vault"
)

type partyCommand struct {
	Node    partyNodeCommand    `cmd:"" name:"run" default:"withargs" help:"Run a company's node."`
	Check   partyCheckCommand   `cmd:"" help:"Look at the customers as the node would, and report, before anything goes on the air."`
	Status  partyStatusCommand  `cmd:"" help:"Show what the running node computes on."`
	Refresh partyRefreshCommand `cmd:"" help:"Have the running node load its customers anew."`
	Purge   partyPurgeCommand   `cmd:"" help:"Destroy what the node has stored for longer than the declared retention, and show what went."`
	Report  partyReportCommand  `cmd:"" help:"Write the record of processing and a privacy-impact assessment."`
	Policy  partyPolicyCommand  `cmd:"" help:"Write the public page that tells customers what is computed with their data."`
}

// stateFlags are what is needed to open a node's state.
type stateFlags struct {
	State   string `required:"" env:"SOTTO_STATE" placeholder:"DIR" help:"The node's state: its ledger, audit log, what customers have said. Keep it as long as the collaboration lasts."`
	DataKey string `placeholder:"FILE" help:"Key that customers' data is stored under. Default: data.key in the identity's folder, or the text of SOTTO_DATA_KEY."`
}

// dataKeyVariable may hold the key itself.
const dataKeyVariable = "SOTTO_DATA_KEY"

func (f *stateFlags) keyFile(identity string) string {
	if f.DataKey != "" {
		return f.DataKey
	}
	return filepath.Join(identity, "data.key")
}

// vault opens the key that data is stored under.
func (f *stateFlags) vault(identity string) (*vault.Vault, error) {
	if text := os.Getenv(dataKeyVariable); text != "" && f.DataKey == "" {
		return vault.FromText(text)
	}
	return vault.OpenKeyFile(f.keyFile(identity))
}

// create makes a new state, and the key for it unless there is one.
func (f *stateFlags) create(identity string) error {
	if os.Getenv(dataKeyVariable) == "" || f.DataKey != "" {
		if err := vault.NewKeyFile(f.keyFile(identity)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	v, err := f.vault(identity)
	if err != nil {
		return err
	}
	defer v.Close()
	return state.Create(f.State, v)
}

// check refuses to go on with a wrong idea of whether there is a state.
func (f *stateFlags) check(create bool) error {
	entries, err := os.ReadDir(f.State)
	switch {
	case create && len(entries) > 0:
		return fault.New(fault.Invalid, "create state: %s exists, and a state is never overwritten", f.State).
			WithHint("leave out --create-state: it is for a node's very first start")
	case !create && errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "there is no state at %s: without it a node does not know what it has spent, nor whom to leave out", f.State).
			WithHint("restore it from a backup; on this node's very first start, and only then, add --create-state")
	}
	return nil
}

type partyNodeCommand struct {
	nodeFlags
	stateFlags
	Config      string `required:"" env:"SOTTO_CONFIG" placeholder:"FILE" help:"What this company declares about its customers."`
	CreateState bool   `help:"Make a new, empty state first; on a node's very first start."`
}

func (p *partyCommand) Help() string {
	return `sotto party loads the customers, then answers the coordinator until interrupted. It logs to standard error, one JSON object per
request; no customer's value and no exact count is ever logged.

  sotto party check --agreement agreement.yaml --config party.yaml        # what it would be, before anything goes on the air
  sotto party --agreement agreement.yaml --identity identity --config party.yaml --state state --create-state   # the very first start
  sotto party --agreement agreement.yaml --identity identity --config party.yaml --state state                  # all others

SOTTO_AGREEMENT, SOTTO_IDENTITY, SOTTO_CONFIG and SOTTO_STATE stand for the flags of these names.

The party's file:

  name: bank
  source: {csv: customers.csv}                 # or parquet: "customers-*.parquet", or postgres (below)
  identity: {column: email, type: email}       # or opaque, or phone; or a list, where the agreement has several
  customers_up_to: 100000                      # public bound
  segments: {gold: "tier = 'gold'"}            # SQL over the columns
  dimensions:
    age_band: {sql: age_band, values: ["18-34", "35-54", "55+"]}
  measures:                                    # amounts: rows of a customer add up, then are clipped
    spend: {sql: amount, clip: [0, 500], unit: EUR}
  purposes:                                    # of the agreement, each with the SQL of who consents to it
    planning: {consent: "true", basis: contract}
    marketing: {consent: "newsletter = 'yes'", given: newsletter_since, valid_for: 24 months}
  retention: {since: last_purchase, keep_for: 36 months}
  limits:                                      # stricter than the agreement, or by period (UTC) and organisation
    epsilon_total: 5
    epsilon_per_month: 2
    per_organisation: {epsilon_per_day: 0.5}
  administrators:                              # who may send subject requests, beside this node's own key
    - {name: privacy_desk, key: "ed25519:…"}

A source in PostgreSQL, loaded anew every day:

  source:
    postgres: {connection: {file: pg.url}, table: crm.customers}   # or {env: PG_URL}; or query: "SELECT …"
    refresh: 24h`
}

func (p *partyNodeCommand) Run(ctx context.Context, c console) (err error) {
	a, key, err := p.open()
	if err != nil {
		return err
	}
	declared, err := config.Load(p.Config)
	if err != nil {
		return err
	}
	// What can be refused is refused before customers are loaded, which takes minutes where there are many.
	if err := party.Check(a, declared, key); err != nil {
		return err
	}
	if err := p.check(p.CreateState); err != nil {
		return err
	}
	member, _ := a.Party(declared.Name)
	listener, err := p.listen(member.Address)
	if err != nil {
		return err
	}
	defer listener.Close()
	var first *customers.Snapshot
	if p.CreateState {
		// Made last: a first start that fails can be repeated as it was.
		if first, err = customers.Load(ctx, declared, customers.Options{Agreement: a, Now: time.Now()}); err != nil {
			return err
		}
		if err := p.create(p.Identity); err != nil {
			return err
		}
	}
	load := func(ctx context.Context, o customers.Options) (*customers.Snapshot, error) {
		if s := first; s != nil { // nobody has said anything yet
			first = nil
			return s, nil
		}
		return customers.Load(ctx, declared, o)
	}
	v, err := p.vault(p.Identity)
	if err != nil {
		return err
	}
	kept, err := state.Open(p.State, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	return party.Serve(ctx, party.Options{Agreement: a, Config: declared, Key: key, State: kept, Load: load, Logger: newLogger(c.err)}, listener)
}
