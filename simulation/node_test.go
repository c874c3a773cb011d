package simulation

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/coordinator"
	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/party"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/state"
	"github.com/sotto-dev/sotto/party/vault"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// partyNode is a party that can crash and come back.
type partyNode struct {
	cluster *cluster
	name    string
	index   int
	config  *config.Party
	folder  string             // of the state; the key that it is sealed under lies beside it
	path    string             // of the ledger
	trace   func(point string) // what the node calls at every step, if anything
	clock   atomic.Int64       // how far ahead of the others' it is, in nanoseconds

	mu     sync.Mutex
	node   *party.Node // nil while it is down
	state  *state.State
	served *served
}

// newParty makes a party with a new state in a folder.
func newParty(c *cluster, index int, folder string) *partyNode {
	c.Helper()
	c.must(vault.NewKeyFile(folder + ".key"))
	sealed, err := vault.OpenKeyFile(folder + ".key")
	c.must(err)
	defer sealed.Close()
	c.must(state.Create(folder, sealed))
	own := declared(index, c.answersFor(partyNames[index]))
	own.Limits = c.limits[own.Name]
	return &partyNode{cluster: c, name: own.Name, index: index, folder: folder, path: state.Ledger(folder), config: own}
}

// declared is what a party declares of its customers, who all consent to the purposes.
func declared(index int, purposes []string) *config.Party {
	p := &config.Party{
		Name: partyNames[index], Identity: config.Identities{{Column: "id", Type: ids.Opaque}}, CustomersUpTo: customersUpTo,
		Segments: segments, Dimensions: dimensions, Measures: measures, Purposes: map[string]config.Purpose{},
	}
	for _, purpose := range purposes {
		p.Purposes[purpose] = config.Purpose{Consent: "true"}
	}
	return p
}

// answersFor returns the purposes that a party answers for.
func (c *cluster) answersFor(party string) []string {
	if some, ok := c.purposes[party]; ok {
		return some
	}
	return c.agreement.Purposes
}

// openState opens the state in a folder, under the key beside it.
func openState(folder string) (*state.State, error) {
	sealed, err := vault.OpenKeyFile(folder + ".key")
	if err != nil {
		return nil, err
	}
	return state.Open(folder, sealed)
}

// loader returns what loads the customers of a party that knows these people.
func loader(all []person, party int, own *config.Party) func(context.Context, customers.Options) (*customers.Snapshot, error) {
	return func(context.Context, customers.Options) (*customers.Snapshot, error) {
		return snapshot(all, party, own.PurposeNames()), nil
	}
}

func (p *partyNode) serve(l net.Listener) {
	c := p.cluster
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	p.state, err = openState(p.folder)
	c.must(err)
	p.node, err = party.New(context.Background(), party.Options{
		Agreement: c.agreement, Config: p.config, Key: c.keys[p.name], State: p.state, Load: loader(c.people, p.index, p.config),
		Logger: c.logger(p.name), Now: func() time.Time { return c.now().Add(time.Duration(p.clock.Load())) }, Trace: p.trace,
	})
	c.must(err)
	p.served = serve(l, func(ctx context.Context, l net.Listener) error {
		return p.node.Serve(ctx, l, c.ends.served(p.name)...)
	})
}

// crash ends the node as a power cut does: from one moment to the next nothing reaches its state, and its connections
// break.
func (p *partyNode) crash() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.node != nil {
		p.served.mute()
		_ = p.state.Close()
		p.served.cut()
		p.served.stop()
		p.node = nil
	}
}

// stop ends the node in peace.
func (p *partyNode) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.node != nil {
		p.served.stop()
		_ = p.state.Close()
		p.node = nil
	}
}

func (p *partyNode) down() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.node == nil
}

// restart starts a node that is down where it was.
func (p *partyNode) restart() {
	p.cluster.Helper()
	member, _ := p.cluster.agreement.Party(p.name)
	l, err := net.Listen("tcp", member.Address)
	p.cluster.must(err)
	p.cluster.labelled(func() { p.serve(l) })
}

// descriptor is what the party declares.
func (p *partyNode) descriptor() *protocol.Descriptor {
	p.cluster.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	response, err := p.node.Describe(context.Background(), nil)
	p.cluster.must(err)
	d := &protocol.Descriptor{}
	p.cluster.must(protocol.Verify(response.GetDescriptor_(), p.cluster.keys[p.name].Public(), p.name, d))
	return d
}

// tidy returns what is left at a living node of any question.
func (p *partyNode) tidy() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.node == nil {
		return nil
	}
	if n := p.node.Sessions(); n > 0 {
		return fmt.Errorf("%s has %d sessions left", p.name, n)
	}
	if n := len(p.journal().reserved); n > 0 {
		return fmt.Errorf("%s has %d reservations left", p.name, n)
	}
	return nil
}

// dial connects to the party as the coordinator, without a tap.
func (p *partyNode) dial() sottov1.PartyClient {
	p.cluster.Helper()
	conn := p.cluster.dialParty(p.name)
	p.cluster.Cleanup(func() { _ = conn.Close() })
	return sottov1.NewPartyClient(conn)
}

func (c *cluster) dialParty(name string) *grpc.ClientConn {
	c.Helper()
	member, _ := c.agreement.Party(name)
	conn, err := grpc.NewClient("passthrough:///"+member.Address,
		append(rpc.DialOptions(), rpc.ClientCredentials(c.keys[agreement.CoordinatorName].ClientTLS(member.Key)))...)
	c.must(err)
	return conn
}

// coordinatorNode is a coordinator that can crash and come back.
type coordinatorNode struct {
	cluster *cluster
	path    string // of the store

	node   *coordinator.Node // nil while it is down
	store  *store.Store
	served *served
	conns  []*grpc.ClientConn
}

func (n *coordinatorNode) serve(l net.Listener) {
	c := n.cluster
	var err error
	n.store, err = store.Open(n.path)
	c.must(err)
	parties := map[string]sottov1.PartyClient{}
	n.conns = nil
	for _, p := range c.agreement.Parties {
		conn := c.dialParty(p.Name)
		n.conns = append(n.conns, conn)
		parties[p.Name] = sottov1.NewPartyClient(&wire{conn, p.Name, c.tap})
	}
	n.node, err = coordinator.New(coordinator.Options{
		Agreement: c.agreement, Key: c.keys[agreement.CoordinatorName], Store: n.store, Parties: parties,
		Logger: c.logger(agreement.CoordinatorName), Patience: c.patience, MaxRunning: c.running, Now: c.now,
	})
	c.must(err)
	n.served = serve(l, func(ctx context.Context, l net.Listener) error {
		return n.node.Serve(ctx, l, c.ends.served(agreement.CoordinatorName)...)
	})
}

// crash ends the node as a power cut does: nothing reaches its store or the parties any more, and all connections break.
// What is left of it in this process goes with stop.
func (n *coordinatorNode) crash() {
	n.served.mute()
	_ = n.store.Close()
	n.disconnect()
	n.served.cut()
}

// stop ends the node in peace.
func (n *coordinatorNode) stop() {
	if n.node == nil {
		return
	}
	n.served.stop()
	n.disconnect()
	_ = n.store.Close()
	n.node = nil
}

func (n *coordinatorNode) disconnect() {
	for _, c := range n.conns {
		_ = c.Close()
	}
}

// restart starts the node, when it is down, where it was.
func (n *coordinatorNode) restart() {
	n.cluster.Helper()
	l, err := net.Listen("tcp", n.cluster.agreement.Coordinator.Address)
	n.cluster.must(err)
	n.cluster.labelled(func() { n.serve(l) })
}

// served is a node that serves as in production, on a network that can be cut.
type served struct {
	net.Listener
	stop func() // makes it stop in peace, and waits

	silent atomic.Bool // nothing is sent any more
	mu     sync.Mutex
	conns  []net.Conn
	isCut  bool
}

// servedConn is a connection that a served node accepted.
type servedConn struct {
	*net.TCPConn
	of *served
}

func (c servedConn) Write(b []byte) (int, error) {
	if c.of.silent.Load() {
		return 0, net.ErrClosed
	}
	return c.TCPConn.Write(b)
}

func serve(l net.Listener, run func(context.Context, net.Listener) error) *served {
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{Listener: l}
	var running sync.WaitGroup
	running.Go(func() { _ = run(ctx, s) })
	s.stop = func() {
		cancel()
		running.Wait()
	}
	return s
}

func (s *served) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCut {
		_ = conn.Close()
	}
	s.conns = append(s.conns, conn)
	return servedConn{conn.(*net.TCPConn), s}, nil
}

// mute makes the node unable to say anything more.
func (s *served) mute() { s.silent.Store(true) }

// cut breaks all connections, and all that are made after.
func (s *served) cut() {
	_ = s.Listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isCut = true
	for _, c := range s.conns {
		_ = c.Close()
	}
}
