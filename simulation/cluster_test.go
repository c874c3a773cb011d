package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sotto-dev/sotto/client"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/party/config"
)

// setup says what collaboration a test wants. Zero values stand for the defaults.
type setup struct {
	parties  int                        // 2
	analysts int                        // 1
	noise    agreement.Noise            // everyone
	total    float64                    // ε that each party may spend in all: 1000
	patience time.Duration              // of the coordinator: a minute
	running  int                        // questions at a time: the coordinator's default
	seed     uint64                     // of the population
	unknown  []string                   // parties that nobody is a customer of
	limits   map[string]config.Limits   // of single parties
	purposes map[string][]string        // that single parties answer for; the others for all agreed ones
	asking   []string                   // organisations of the analysts, as far as they are not the analysts' names
	outside  string                     // a party that is no part of this process
	matched  bool                       // the matched layout is agreed on, too
	few      bool                       // of the population only fewPeople
	agreed   func(*agreement.Agreement) // changes the agreement before anybody has it; nil for nothing
}

// population is who there is.
func population(seed uint64, parties int, few bool) []person {
	all := people(rand.New(rand.NewPCG(seed, 1)), parties)
	if few {
		return fewPeople(all)
	}
	return all
}

// cluster is a collaboration in this process: every node with an identity, a state or store, and an address of its own.
type cluster struct {
	testing.TB
	setup
	people    []person
	agreement *agreement.Agreement
	keys      map[string]*identity.Key // of everybody, by name
	tap       *tap                     // on the wires between coordinator and parties, at the coordinator's end
	ends      *tap                     // on the wires at the servers' ends: parties towards the coordinator, it towards analysts
	log       *logBuffer
	clock     atomic.Int64 // by how many nanoseconds all nodes' clocks are ahead

	parties     []*partyNode
	coordinator *coordinatorNode
	analysts    []*client.Client
	label       string
}

var clusters atomic.Int64

// start builds a cluster and takes it down when the test ends.
func start(t testing.TB, s setup) *cluster {
	t.Helper()
	s.parties, s.analysts, s.total = max(s.parties, 2), max(s.analysts, 1), max(s.total, 1e-6)
	if s.total == 1e-6 {
		s.total = 1000
	}
	if s.noise == "" {
		s.noise = agreement.NoiseEveryone
	}
	if s.patience == 0 {
		s.patience = time.Minute
	}
	c := &cluster{
		TB: t, setup: s, people: population(s.seed, s.parties, s.few), keys: map[string]*identity.Key{},
		tap: &tap{}, ends: &tap{}, log: &logBuffer{}, label: fmt.Sprintf("cluster-%d", clusters.Add(1)),
	}
	for _, name := range s.unknown {
		for _, p := range c.people {
			p.knows[slices.Index(partyNames, name)] = customer{}
		}
	}
	// Every goroutine that a node starts has this label, which tells whose it is.
	c.labelled(c.startNodes)
	t.Cleanup(c.stop)
	return c
}

func (c *cluster) labelled(do func()) {
	pprof.Do(context.Background(), pprof.Labels("cluster", c.label), func(context.Context) { do() })
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) startNodes() {
	c.Helper()
	total, err := agreement.MicroEpsilonOf(c.total)
	c.must(err)
	a := &agreement.Agreement{
		Collaboration: "simulation", Noise: c.noise, Layouts: []string{agreement.LayoutHashed},
		Purposes: []string{"marketing", "measurement", "planning"},
		Limits:   agreement.Limits{EpsilonPerQuery: min(total, agreement.MaxEpsilonPerQuery), EpsilonTotal: total, DeltaPerQuery: agreement.DefaultDeltaPerQuery, DeltaTotal: agreement.DefaultDeltaTotal},
	}
	if c.matched {
		a.Layouts, a.Matching = append(a.Layouts, agreement.LayoutMatched), agreement.Matching{Epsilon: 100_000, Delta: 1e-9}
	}
	c.agreement = a
	folder, err := os.MkdirTemp("", "sotto-") // its sockets' paths must be short
	c.must(err)
	c.Cleanup(func() { _ = os.RemoveAll(folder) })
	enrol := func(name string) identity.PublicKey {
		key, err := identity.Generate()
		if name == c.outside {
			key, err = identity.Create(filepath.Join(folder, "identity"), name)
		}
		c.must(err)
		c.keys[name] = key
		return key.Public()
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		c.must(err)
		return l
	}
	var listeners []net.Listener
	for i := range c.setup.parties {
		l := listen()
		listeners = append(listeners, l)
		a.Parties = append(a.Parties, agreement.Party{Name: partyNames[i], Address: l.Addr().String(), Key: enrol(partyNames[i])})
	}
	l := listen()
	a.Coordinator = agreement.Coordinator{Address: l.Addr().String(), Key: enrol(agreement.CoordinatorName)}
	for i := range c.setup.analysts {
		analyst := agreement.Analyst{Name: fmt.Sprintf("analyst_%d", i)}
		if analyst.Key = enrol(analyst.Name); i < len(c.asking) {
			analyst.Organisation = c.asking[i]
		}
		a.Analysts = append(a.Analysts, analyst)
	}
	if c.agreed != nil {
		c.agreed(a)
	}
	c.must(a.Check())
	for i := range c.setup.parties {
		if partyNames[i] == c.outside {
			c.must(listeners[i].Close())
			c.parties = append(c.parties, newParty(c, i, filepath.Join(folder, "state")))
			continue
		}
		p := newParty(c, i, filepath.Join(folder, partyNames[i]))
		p.serve(listeners[i])
		c.parties = append(c.parties, p)
	}
	c.coordinator = &coordinatorNode{cluster: c, path: filepath.Join(c.TempDir(), "coordinator.store")}
	c.coordinator.serve(l)
	for i := range a.Analysts {
		c.analysts = append(c.analysts, c.analyst(i, ""))
	}
}

// analyst returns another client of an analyst, with a folder for its questions or, where that is "", without.
func (c *cluster) analyst(i int, folder string) *client.Client {
	c.Helper()
	one, err := client.New(c.agreement, c.keys[c.agreement.Analysts[i].Name], folder)
	c.must(err)
	c.Cleanup(func() { _ = one.Close() })
	return one
}

// now is the time by the nodes' clocks.
func (c *cluster) now() time.Time { return time.Now().Add(time.Duration(c.clock.Load())) }

// setTime sets the nodes' clocks.
func (c *cluster) setTime(to time.Time) { c.clock.Store(int64(time.Until(to))) }

func (c *cluster) logger(node string) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", node)
}

// setNoon sets the nodes' clocks to noon of this day, in UTC, so that no day ends while a test runs. Questions of the SDK,
// which goes by the real time, need the lifetime that askAtNoon gives them.
func (c *cluster) setNoon() { c.setTime(time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)) }

// askAtNoon asks a question while clocks are set to noon, and returns its identifier, too.
func askAtNoon(analyst *client.Client, q client.Question) (*client.Answer, string, error) {
	q.Lifetime = 12*time.Hour + 30*time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ticket, err := analyst.Submit(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if err := analyst.Watch(ctx, ticket.ID, nil); err != nil {
		return nil, "", err
	}
	a, err := analyst.Result(ctx, ticket)
	return a, ticket.ID, err
}

// party returns the node of a party.
func (c *cluster) party(name string) *partyNode {
	for _, p := range c.parties {
		if p.name == name {
			return p
		}
	}
	c.Fatalf("there is no party %q", name)
	return nil
}

// ask asks a question as the first analyst; defaults are precision low, ε 10 and planning. Whatever was asked before, it is asked
// anew.
func (c *cluster) ask(q client.Question) (*client.Answer, error) {
	return ask(c.analysts[0], filled(q))
}

func ask(analyst *client.Client, q client.Question) (*client.Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return analyst.Ask(ctx, q, nil)
}

func filled(q client.Question) client.Question {
	q = plain(q)
	q.Fresh = true
	return q
}

// plain is filled for a question that may be one that was asked before.
func plain(q client.Question) client.Question {
	if q.Epsilon == 0 {
		q.Epsilon = 10
	}
	if q.Precision == "" {
		q.Precision = "low"
	}
	if q.Purpose == "" {
		q.Purpose = "planning"
	}
	return q
}

// answered asks a question that must be answered, and compares the answer with the truth.
func (c *cluster) answered(q client.Question) *client.Answer {
	c.Helper()
	a, err := c.ask(q)
	if err != nil {
		c.Fatalf("%s: %v", wording(q), err)
	}
	checkAnswer(c, c.people, q, a)
	return a
}

// everybody is the question that all parties of the cluster take part in.
func (c *cluster) everybody() client.Question {
	var members []string
	for i := range c.setup.parties {
		members = append(members, partyNames[i]+".member")
	}
	return client.Question{Count: strings.Join(members, " && ")}
}

// stop takes the cluster down and checks that nothing is left of any question, and after that nothing of any node.
func (c *cluster) stop() {
	c.tap.clear()
	c.ends.clear()
	c.tidy()
	for _, a := range c.analysts { // their connections before the nodes
		_ = a.Close()
	}
	c.coordinator.stop()
	for _, p := range c.parties {
		p.stop()
	}
	if !c.eventually(func() error {
		if n, left := c.goroutines(); n > 0 {
			return errors.New("goroutines of stopped nodes:\n" + left)
		}
		return nil
	}) {
		return
	}
	text := c.log.String()
	if strings.Contains(text, "panic in a request") {
		c.Errorf("a node panicked:\n%s", text)
	}
	for _, p := range c.people[:100] {
		if id := fmt.Sprintf("%x", p.id); strings.Contains(text, id) {
			c.Errorf("a log has customer %s", id)
		}
	}
}
