// Package party is a company's node: it holds the company's customers and answers the coordinator's calls, one file per
// step of protocol.md. Its owner trusts it and nothing else: whatever comes in is checked here against the signed
// question, the agreement and the owner's own configuration.
package party

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/config"
	"github.com/sotto-dev/sotto/party/customers"
	"github.com/sotto-dev/sotto/party/ledger"
	"github.com/sotto-dev/sotto/party/state"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

const (
	// maxSessions is how many sessions a party has under way at a time.
	maxSessions = 16
	// sessionLifetime bounds how long a session keeps its secrets, whatever the coordinator does.
	sessionLifetime = 30 * time.Minute
)

// Node is a party's part in all sessions. Safe for concurrent use.
type Node struct {
	sottov1.UnimplementedPartyServer

	agreement *agreement.Agreement
	config    *config.Party
	key       *identity.Key
	ledger    *ledger.Ledger
	state     *state.State
	load      func(context.Context, customers.Options) (*customers.Snapshot, error)
	logger    *slog.Logger
	now       func() time.Time
	trace     func(point string)
	began     time.Time

	refreshing sync.Mutex // held through a refresh
	changing   sync.Mutex // held while customers are exchanged, and while what they say is taken in; guards the three below
	owing      bool       // what is recorded of people who were erased is perhaps not done, in what is stored of them
	stale      bool       // people were taken out of the matchings since current's slots were looked up
	absent     [32]byte   // hashOf those whom the source has and who are erased, none of whom is in what is stored
	viewing    sync.Mutex // guards the five below; taken within changing
	current    *view
	told       said      // of current's snapshot
	loaded     time.Time // current's snapshot
	storedAs   [32]byte  // name under which it is stored who current's customers are
	failed     error     // why the last refresh failed, or nil

	preparing sync.Mutex // held through Prepare, so that a session is prepared once
	mu        sync.Mutex // guards the three below
	sessions  map[[16]byte]*session
	matching  *matchSession // nil if none is under way
	scheduled time.Time     // when the latest matching by the coordinator's schedule was paid for
}

// session is one session at this party.
type session struct {
	*keyholder.Session
	id       [16]byte
	query    []byte // the signed question's bytes
	snapshot *customers.Snapshot
	taking   people   // who may take part
	slots    []uint32 // of the customers in the matching that the question is over; nil in the hashed layout
	asked    audit.Entry
	// connection is the one that the session was prepared over; nil if nobody told connections apart.
	connection any

	ctx    context.Context // ends with the session, and with it all its streams; its cause says why
	cancel context.CancelCauseFunc
	expiry *time.Timer

	mu        sync.Mutex
	begun     map[int]bool // chains that Contribute was called for
	handOvers map[int]*sottov1.Signed
}

// Options are what a node is made of. The state stays the caller's to close.
type Options struct {
	Agreement *agreement.Agreement
	Config    *config.Party
	Key       *identity.Key
	State     *state.State
	// Load reads the customers, at the start and whenever they are refreshed.
	Load   func(context.Context, customers.Options) (*customers.Snapshot, error)
	Logger *slog.Logger     // nil for none
	Now    func() time.Time // the clock; nil for the system's
	// Trace is called at every step of a question, a refresh and a subject's request, with its name; nil for nothing. It is where
	// tests stop a node dead.
	Trace func(point string)
}

// Check tells whether the party's file fits the agreement, and whether name and key are those of a party of it.
func Check(a *agreement.Agreement, c *config.Party, key *identity.Key) error {
	if misfits := c.Misfits(a); len(misfits) > 0 {
		return misfits[0]
	}
	if member, _ := a.Party(c.Name); member.Key != key.Public() {
		return fault.New(fault.NotMember, "the agreement pins another key for %s than %s", c.Name, key.Public()).
			WithHint("put this node's key into the agreement, or use the identity that is in it")
	}
	return nil
}

// New returns a node that has loaded its customers. Its name and key must be those of a party of the agreement. ctx ends the
// loading.
func New(ctx context.Context, o Options) (*Node, error) {
	if err := Check(o.Agreement, o.Config, o.Key); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Trace == nil {
		o.Trace = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.State.Trace(o.Trace)
	o.State.Audit.SetClock(o.Now)
	n := &Node{
		agreement: o.Agreement, config: o.Config, key: o.Key, state: o.State, ledger: o.State.Ledger, load: o.Load, logger: o.Logger,
		now: o.Now, trace: o.Trace, began: o.Now(), sessions: map[[16]byte]*session{},
	}
	if err := n.start(); err != nil {
		return nil, err
	}
	if _, err := n.Refresh(ctx, nodeActor); err != nil {
		return nil, err
	}
	return n, nil
}

// Register makes server answer for the node.
func (n *Node) Register(server grpc.ServiceRegistrar) { sottov1.RegisterPartyServer(server, n) }

// Describe returns what the party declares, signed.
func (n *Node) Describe(context.Context, *sottov1.DescribeRequest) (*sottov1.DescribeResponse, error) {
	return &sottov1.DescribeResponse{Descriptor_: protocol.Sign(n.key, n.descriptor(n.view()))}, nil
}

func (n *Node) descriptor(v *view) *protocol.Descriptor {
	identityType, _ := n.config.IdentityType(n.agreement) // Check has seen to it
	return &protocol.Descriptor{
		Collaboration: n.agreement.Collaboration,
		Agreement:     n.agreement.Hash(),
		Party:         n.config.Name,
		IdentityType:  identityType,
		CustomersUpTo: n.config.CustomersUpTo,
		Snapshot:      v.version,
		Segments:      v.snapshot.SegmentNames,
		Dimensions:    n.dimensions(v.snapshot),
		Measures:      n.measures(v.snapshot),
		Purposes:      n.config.PurposeNames(),
		Matchings:     v.matched(),
	}
}

// Sessions returns how many sessions are under way.
func (n *Node) Sessions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sessions)
}

// Close ends all sessions.
func (n *Node) Close() {
	n.endWhere(func(any) bool { return true }, fault.New(fault.Unavailable, "the node is shutting down"))
}

// endWhere ends all sessions, of questions and of a matching, that were prepared over connections of which ends holds.
func (n *Node) endWhere(ends func(connection any) bool, why error) {
	n.preparing.Lock() // those that are being prepared are waited for
	defer n.preparing.Unlock()
	n.mu.Lock()
	var ending []*session
	for _, s := range n.sessions {
		if ends(s.connection) {
			ending = append(ending, s)
		}
	}
	matching := n.matching
	n.mu.Unlock()
	// A reservation that can't be given back now lapses at the next start.
	for _, s := range ending {
		_ = n.end(s, why)
	}
	if matching != nil && ends(matching.connection) {
		_ = n.endMatching(matching, why)
	}
}

// find returns the session that a request names.
func (n *Node) find(id []byte) (*session, error) {
	key, err := protocol.ParseSession(id)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.sessions[key]
	if !ok {
		return nil, fault.New(fault.Unavailable, "the session is not under way here: it ended, or the node was restarted").WithHint("ask again")
	}
	return s, nil
}

// end forgets a session: its streams stop, for the reason why (nil if it is done), its secrets are erased, and its
// reservation lapses unless it was released.
func (n *Node) end(s *session, why error) error {
	s.cancel(why)
	s.expiry.Stop()
	s.Erase()
	n.mu.Lock()
	_, known := n.sessions[s.id]
	delete(n.sessions, s.id)
	n.mu.Unlock()
	err := n.ledger.Lapse(s.id)
	if why == nil || !known || err != nil {
		return err
	}
	if stored, err := n.stored(context.Background(), s.id); stored != nil || err != nil {
		return err // it was released, though perhaps to nobody
	}
	return n.lapsed(s, why)
}

// until runs a call that may wait for a stream's peer until it returns, or until ctx ends. A call that is left behind comes
// back when the handler has returned, for only then does gRPC end a stream.
func until[R any](ctx context.Context, call func() (R, error)) (R, error) {
	type outcome struct {
		result R
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := call()
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		var none R
		return none, context.Cause(ctx)
	}
}

// Forget ends a session.
func (n *Node) Forget(_ context.Context, r *sottov1.ForgetRequest) (*sottov1.ForgetResponse, error) {
	n.preparing.Lock() // a session that is being prepared is waited for
	s, unknown := n.find(r.GetSession())
	m, none := n.findMatching(r.GetSession())
	n.preparing.Unlock()
	why := fault.New(fault.Cancelled, "the coordinator ended the session")
	switch {
	case unknown == nil:
		return &sottov1.ForgetResponse{}, n.end(s, why)
	case none == nil:
		return &sottov1.ForgetResponse{}, n.endMatching(m, why)
	}
	return &sottov1.ForgetResponse{}, nil // what is not known is forgotten
}
