package party

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/layout"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/vault"
)

// world is one node with customers in a file, a clock and a state of its own; the other members are keys and nothing more.
type world struct {
	*testing.T
	*Node
	folder    string
	agreement *agreement.Agreement
	config    *config.Party
	keys      map[string]*identity.Key // by name
	key       *identity.Key            // the node's
	state     *state.State
	clock     atomic.Int64 // Unix seconds
	trace     func(string)
	logger    *slog.Logger
}

// everybody has a key: the parties, the coordinator, an analyst, an administrator, and somebody whom nobody knows.
var everybody = []string{"shop", "bank", "coordinator", "ana", "privacy_desk", "stranger"}

// start is when worlds begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const shopYAML = `name: shop
source: {csv: customers.csv}
identity: {column: id, type: opaque}
customers_up_to: 1000
segments: {gold: "tier = 'gold'"}
dimensions: {region: {sql: region, values: [north, south]}}
measures: {spend: {sql: spend, clip: [0, 100], step: 1}}
purposes:
  planning: {consent: "true", basis: contract}
  ads: {consent: "ads = 'yes'", given: since, valid_for: 12 months}
`

const shopCSV = `id,tier,region,spend,ads,since,bought
a,gold,north,10,yes,2026-01-01,2026-02-01
b,basic,south,20,yes,2025-03-02,2023-03-10
c,gold,north,30,no,2026-01-01,2026-02-01
d,gold,,40,yes,,2026-02-01
e,basic,north,50,yes,2026-03-02,2026-02-01
f,gold,south,,yes,2026-01-01,2026-02-01
`

// newWorld makes a node of a party's file and its customers.
func newWorld(t *testing.T, yaml, csv string) *world {
	w := &world{T: t, folder: t.TempDir()}
	w.clock.Store(start.Unix())
	w.write("party.yaml", yaml)
	w.write("customers.csv", csv)
	for _, name := range everybody {
		_, err := identity.Create(filepath.Join(w.folder, name), name)
		w.must(err)
	}
	w.must(vault.NewKeyFile(filepath.Join(w.folder, "data.key")))
	v := w.vault()
	w.must(state.Create(filepath.Join(w.folder, "state"), v))
	v.Close()
	return w.open()
}

// openWorld returns the world that another one has left in a folder.
func openWorld(t *testing.T, folder string, now time.Time) *world {
	w := &world{T: t, folder: folder}
	w.clock.Store(now.Unix())
	return w.open()
}

func (w *world) open() *world {
	w.declare()
	w.begin()
	w.Cleanup(w.end)
	return w
}

// declare reads the party's file and the keys, and makes the agreement.
func (w *world) declare() {
	w.keys = map[string]*identity.Key{}
	for _, name := range everybody {
		key, err := identity.Open(filepath.Join(w.folder, name))
		w.must(err)
		w.keys[name] = key
	}
	w.key = w.keys["shop"]
	var err error
	w.config, err = config.Load(filepath.Join(w.folder, "party.yaml"))
	w.must(err)
	w.config.Administrators = []config.Administrator{{Name: "privacy_desk", Key: w.keys["privacy_desk"].Public()}}
	w.agreement = &agreement.Agreement{
		Collaboration: "loyalty", Coordinator: agreement.Coordinator{Address: "localhost:1", Key: w.keys["coordinator"].Public()},
		Parties: []agreement.Party{
			{Name: "bank", Address: "localhost:2", Key: w.keys["bank"].Public()}, {Name: "shop", Address: "localhost:3", Key: w.key.Public()},
		},
		Analysts: []agreement.Analyst{{Name: "ana", Organisation: "agency", Key: w.keys["ana"].Public()}},
		Purposes: []string{"ads", "planning", "research"},
		Limits:   agreement.Limits{EpsilonPerQuery: 1e6, EpsilonTotal: 1e9, DeltaPerQuery: 1e-6, DeltaTotal: 1e-2},
		Noise:    agreement.NoiseEveryone, Layouts: []string{agreement.LayoutHashed, agreement.LayoutMatched},
		Matching: agreement.Matching{Epsilon: 100_000, Delta: 1e-9},
	}
	if len(w.config.Identity) > 1 {
		for _, i := range w.config.Identity {
			w.agreement.Identifiers = append(w.agreement.Identifiers, agreement.Identifier{Type: i.Type})
		}
	}
	w.must(w.agreement.Check())
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) write(name, content string) {
	w.Helper()
	w.must(os.WriteFile(filepath.Join(w.folder, name), []byte(content), 0o600))
}

func (w *world) vault() *vault.Vault {
	v, err := vault.OpenKeyFile(filepath.Join(w.folder, "data.key"))
	w.must(err)
	return v
}

// begin starts the node, as after a restart.
func (w *world) begin() {
	w.Helper()
	var err error
	w.state, err = state.Open(filepath.Join(w.folder, "state"), w.vault())
	w.must(err)
	w.Node, err = New(context.Background(), w.options())
	w.must(err)
}

func (w *world) options() Options {
	return Options{
		Agreement: w.agreement, Config: w.config, Key: w.key, State: w.state, Trace: w.trace, Logger: w.logger,
		Now: func() time.Time { return time.Unix(w.clock.Load(), 0) },
		Load: func(ctx context.Context, o customers.Options) (*customers.Snapshot, error) {
			return customers.Load(ctx, w.config, o)
		},
	}
}

func (w *world) end() {
	if w.state != nil {
		w.must(w.state.Close())
		w.state = nil
	}
}

func (w *world) wait(d time.Duration) { w.clock.Add(int64(d.Seconds())) }

// names are what customers are called by.
var names = append(strings.Fields("a b c d e f g h a@x.de b@x.de c@x.de d@x.de e@x.de f@x.de dora@x.de"), crashIDs...)

func (w *world) name(id ids.ID) string {
	for _, m := range w.matched() {
		for _, name := range names {
			if named, ok := m.Normalizer.ID(name); ok && named == id {
				return name
			}
		}
	}
	return "?"
}

func (w *world) matched() []config.Matched {
	matched, err := w.config.Matched(w.agreement)
	w.must(err)
	return matched
}

// taking returns the names of those who may take part in questions for a purpose now.
func (w *world) taking(purpose string) string {
	w.Helper()
	v := w.view()
	members, ok := v.purpose(purpose)
	if !ok {
		w.Fatalf("no purpose %q", purpose)
	}
	var names []string
	for customer, id := range v.snapshot.IDs {
		if members.has(customer) {
			names = append(names, w.name(id))
		}
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

// contributed is what the node would put into the one chain of a question: by name, group and amount, without noise.
func (w *world) contributed(purpose string, hop query.Hop, q query.Query) map[string][2]int64 {
	w.Helper()
	v := w.view()
	members, _ := v.purpose(purpose)
	c := w.contribution(&query.Plan{Query: &q}, &hop, v.snapshot, members)
	found := map[string][2]int64{}
	for customer, id := range v.snapshot.IDs {
		if group := c.group(customer); group != layout.None {
			amount := int64(1)
			if c.amount != nil {
				amount = c.amount(customer)
			}
			found[w.name(id)] = [2]int64{int64(group), amount}
		}
	}
	return found
}

// entries returns the audit log.
func (w *world) entries() []audit.Entry {
	w.Helper()
	var all []audit.Entry
	w.must(w.state.Audit.Entries(func(e audit.Entry) error {
		all = append(all, e)
		return nil
	}))
	return all
}
