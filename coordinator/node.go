// Package coordinator plans and relays, adds noise of its own before anything is released, and keeps the sealed answers.
// It is one of the key-holders and holds no data; nobody with data trusts it. One file per step of protocol.md.
package coordinator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	"github.com/sotto-dev/sotto/internal/rpc"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// Defaults of Options.
const (
	// DefaultMaxRunning is how many questions run at a time; further ones wait.
	DefaultMaxRunning = 4
	// DefaultPatience is how long the coordinator waits for one answer, or for the next block, of a party.
	DefaultPatience = 60 * time.Second
)

// Options are what a coordinator is made of. Store and connections stay the caller's to close.
type Options struct {
	Agreement  *agreement.Agreement
	Key        *identity.Key
	Store      *store.Store
	Parties    map[string]sottov1.PartyClient // one per party of the agreement
	Logger     *slog.Logger
	Patience   time.Duration    // 0: DefaultPatience
	MaxRunning int              // 0: DefaultMaxRunning
	Now        func() time.Time // the clock; nil for the system's
}

// Node answers analysts. Safe for concurrent use.
type Node struct {
	sottov1.UnimplementedCoordinatorServer
	Options

	slots   chan struct{} // as many as questions may run
	ctx     context.Context
	stop    context.CancelCauseFunc
	waiting sync.WaitGroup // running questions, a matching, the schedule of matchings

	matching sync.Mutex // held by the matching that is under way

	mu   sync.Mutex
	runs map[[32]byte]*run // questions that are queued or under way
}

// New returns a coordinator. Its key must be the one that the agreement pins.
func New(o Options) (*Node, error) {
	if !o.Agreement.IsCoordinator(o.Key.Public()) {
		return nil, fault.New(fault.NotMember, "the agreement pins another coordinator's key than %s", o.Key.Public()).
			WithHint("put this node's key into the agreement, or use the identity that is in it")
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.MaxRunning == 0 {
		o.MaxRunning = DefaultMaxRunning
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	n := &Node{Options: o, slots: make(chan struct{}, o.MaxRunning), runs: map[[32]byte]*run{}}
	n.ctx, n.stop = context.WithCancelCause(context.Background())
	return n, nil
}

// Register makes server answer for the node.
func (n *Node) Register(server grpc.ServiceRegistrar) { sottov1.RegisterCoordinatorServer(server, n) }

// Close cancels all questions and a matching under way, and waits until the parties were told.
func (n *Node) Close() {
	n.stop(fault.New(fault.Unavailable, "the coordinator is shutting down").WithHint("ask again later"))
	n.waiting.Wait()
}

// analyst returns the name of the analyst who calls.
func (n *Node) analyst(ctx context.Context) (string, error) {
	key, err := identity.PeerKey(ctx)
	if err != nil {
		return "", fault.New(fault.NotMember, "the caller has no identity").Wrap(err)
	}
	a, ok := n.Agreement.AnalystByKey(key)
	if !ok {
		return "", fault.New(fault.NotMember, "%s is not an analyst of the agreement", key)
	}
	rpc.Annotate(ctx, slog.String("analyst", a.Name))
	return a.Name, nil
}

// Catalog asks every party what it declares. A party that can't be asked is listed with the reason.
func (n *Node) Catalog(ctx context.Context, _ *sottov1.CatalogRequest) (*sottov1.CatalogResponse, error) {
	if _, err := n.analyst(ctx); err != nil {
		return nil, err
	}
	response := &sottov1.CatalogResponse{Entries: make([]*sottov1.CatalogEntry, len(n.Agreement.Parties))}
	n.everybody(ctx, func(ctx context.Context, i int, party string) {
		entry := &sottov1.CatalogEntry{Party: party}
		if described, err := n.Parties[party].Describe(ctx, &sottov1.DescribeRequest{}); err != nil {
			entry.Unavailable = fault.From(err).Message
		} else {
			entry.Descriptor_ = described.GetDescriptor_()
		}
		response.Entries[i] = entry
	})
	return response, nil
}

// Submit checks a signed question as every party will, and begins it.
func (n *Node) Submit(ctx context.Context, r *sottov1.SubmitRequest) (*sottov1.SubmitResponse, error) {
	name, err := n.analyst(ctx)
	if err != nil {
		return nil, err
	}
	if known, err := n.again(ctx, name, r.GetQuery()); known != nil || err != nil {
		return known, err
	}
	q, err := protocol.VerifyQuery(r.GetQuery(), n.Agreement, n.Now())
	if err != nil {
		return nil, err
	}
	if q.Analyst != name {
		return nil, fault.New(fault.NotMember, "the question is signed by %s and handed in by %s", q.Analyst, name)
	}
	plan, err := query.NewPlan(q)
	if err != nil {
		return nil, err
	}
	if err := seal.CheckRecipient(q.Recipient); err != nil {
		return nil, fault.New(fault.Invalid, "the key to seal the answer to is not usable").Wrap(err)
	}
	id := q.ID()
	rpc.Annotate(ctx, slog.String("query", hex.EncodeToString(id[:8])))
	added, err := n.Store.Add(ctx, store.Query{ID: id, Analyst: name, Signed: r.GetQuery()}, n.Now())
	if err != nil {
		return nil, err
	}
	if added {
		run := n.begin(id, r.GetQuery(), plan)
		if ctx.Err() != nil { // the analyst gave up, and may have cancelled before there was anything to cancel
			run.cancel(fault.New(fault.Cancelled, "the question was cancelled"))
		}
	}
	return &sottov1.SubmitResponse{QueryId: q.HexID()}, nil
}

// again returns the response to a question that was submitted before, by the same analyst; nil if it was not. It may be long
// expired: its answer is stored.
func (n *Node) again(ctx context.Context, analyst string, signed *sottov1.Signed) (*sottov1.SubmitResponse, error) {
	id := sha256.Sum256(signed.GetBody()) // as query.Query.ID has it
	q, err := n.Store.Get(ctx, id)
	if fault.IsKind(err, fault.NotFound) || err == nil && q.Analyst != analyst {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rpc.Annotate(ctx, slog.String("query", hex.EncodeToString(id[:8])))
	return &sottov1.SubmitResponse{QueryId: hex.EncodeToString(id[:]), Stage: q.Progress().GetStage()}, nil
}

// Budget asks every party what it lets the calling analyst see. A party that can't be asked is listed with the reason.
func (n *Node) Budget(ctx context.Context, r *sottov1.BudgetRequest) (*sottov1.BudgetResponse, error) {
	name, err := n.analyst(ctx)
	if err != nil {
		return nil, err
	}
	response := &sottov1.BudgetResponse{Entries: make([]*sottov1.BudgetEntry, len(n.Agreement.Parties))}
	n.everybody(ctx, func(ctx context.Context, i int, party string) {
		entry := &sottov1.BudgetEntry{Party: party}
		if b, err := n.Parties[party].Budget(ctx, &sottov1.PartyBudgetRequest{Analyst: name, Price: r.GetPrice()}); err != nil {
			entry.Unavailable = fault.From(err).Message
		} else {
			entry.Budget = b.GetBudget()
		}
		response.Entries[i] = entry
	})
	return response, nil
}

// everybody calls for every party of the agreement, at the same time, and gives them some seconds.
func (n *Node) everybody(ctx context.Context, call func(ctx context.Context, i int, party string)) {
	ctx, cancel := context.WithTimeout(ctx, min(n.Patience, 10*time.Second))
	defer cancel()
	var all sync.WaitGroup
	for i, p := range n.Agreement.Parties {
		all.Go(func() { call(ctx, i, p.Name) })
	}
	all.Wait()
}

// own returns a question of the calling analyst, and its run if it is under way.
func (n *Node) own(ctx context.Context, queryID string) (*store.Query, *run, error) {
	name, err := n.analyst(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := hex.DecodeString(queryID)
	if err != nil || len(id) != 32 {
		return nil, nil, fault.New(fault.Invalid, "%.80q is not the identifier of a question: it must be 64 hexadecimal digits", queryID)
	}
	rpc.Annotate(ctx, slog.String("query", hex.EncodeToString(id[:8])))
	// The run first: once it is gone its end is stored.
	n.mu.Lock()
	run := n.runs[[32]byte(id)]
	n.mu.Unlock()
	q, err := n.Store.Get(ctx, [32]byte(id))
	if err != nil {
		return nil, nil, err
	}
	if q.Analyst != name { // do not tell whether it exists
		return nil, nil, fault.New(fault.NotFound, "no question has the identifier %x", id)
	}
	return q, run, nil
}

// Watch streams the progress of a question.
func (n *Node) Watch(r *sottov1.WatchRequest, stream grpc.ServerStreamingServer[sottov1.Progress]) error {
	q, run, err := n.own(stream.Context(), r.GetQueryId())
	if err != nil {
		return err
	}
	if run == nil {
		return stream.Send(q.Progress())
	}
	for {
		progress, changed := run.progress()
		if err := stream.Send(progress); err != nil || progress.GetStage() >= sottov1.Stage_STAGE_DONE {
			return err
		}
		select {
		case <-changed:
			// A watcher sees at most some ten states a second.
			select {
			case <-time.After(100 * time.Millisecond):
			case <-run.done:
			case <-stream.Context().Done():
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Result returns the sealed answer.
func (n *Node) Result(ctx context.Context, r *sottov1.ResultRequest) (*sottov1.ResultResponse, error) {
	q, _, err := n.own(ctx, r.GetQueryId())
	if err != nil {
		return nil, err
	}
	if q.Failure != nil {
		return nil, failed(q.Failure)
	}
	if q.Result == nil {
		return nil, fault.New(fault.Unavailable, "the question is still under way").WithHint("watch it until it is done")
	}
	return q.Result, nil
}

// Cancel stops a question and waits until the parties were told. One that has ended stays as it is.
func (n *Node) Cancel(ctx context.Context, r *sottov1.CancelRequest) (*sottov1.CancelResponse, error) {
	_, run, err := n.own(ctx, r.GetQueryId())
	if err != nil {
		return nil, err
	}
	if run != nil {
		run.cancel(fault.New(fault.Cancelled, "the question was cancelled"))
		select {
		case <-run.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &sottov1.CancelResponse{}, nil
}

func failed(f *sottov1.Failure) *fault.Error {
	return fault.New(fault.Kind(f.GetKind()), "%s", f.GetMessage()).WithParty(f.GetParty()).WithHint(f.GetHint())
}
