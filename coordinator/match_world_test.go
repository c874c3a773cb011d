package coordinator_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sotto-dev/sotto/coordinator"
	"github.com/sotto-dev/sotto/coordinator/store"
	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/rpc"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// world is a coordinator with parties that stand in for real ones, over gRPC in memory.
type world struct {
	agreement *agreement.Agreement
	analyst   *identity.Key
	another   *identity.Key // of a second analyst
	stands    []*stand
	node      *coordinator.Node
	listener  net.Listener // the coordinator's, for analysts
	now       func() time.Time

	mu              sync.Mutex // guards both
	wentOut, cameIn map[protocol.ListID][32]byte
}

// sizes are the parties' customers: the first of them are everybody's.
func newWorld(t *testing.T, every time.Duration, common int, sizes ...int) *world {
	t.Helper()
	w := &world{now: time.Now, wentOut: map[protocol.ListID][32]byte{}, cameIn: map[protocol.ListID][32]byte{}}
	key := func() *identity.Key {
		k, err := identity.Generate()
		must(t, err)
		return k
	}
	own := key()
	var err error
	w.listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = w.listener.Close() }) // which a server may have done
	w.analyst, w.another = key(), key()
	w.agreement = &agreement.Agreement{
		Collaboration: "test", Coordinator: agreement.Coordinator{Address: w.listener.Addr().String(), Key: own.Public()},
		Analysts: []agreement.Analyst{{Name: "analyst", Key: w.analyst.Public()}, {Name: "another", Key: w.another.Public()}}, Purposes: []string{"planning"},
		Limits: agreement.Limits{EpsilonPerQuery: 1e6, EpsilonTotal: 10e6, DeltaPerQuery: 1e-6, DeltaTotal: 1e-5},
		Noise:  agreement.NoiseEveryone, Layouts: []string{agreement.LayoutMatched},
		Matching: agreement.Matching{Epsilon: 1e6, Delta: 1e-6, Every: every},
	}
	parties := map[string]sottov1.PartyClient{}
	for i, size := range sizes {
		s := &stand{world: w, name: fmt.Sprintf("party_%d", i), self: i, key: key(), kept: map[[32]byte][]uint32{}}
		for person := range size {
			if person >= common {
				person += 1_000_000 * (i + 1)
			}
			var id ids.ID
			binary.BigEndian.PutUint64(id[:], uint64(person))
			s.people = append(s.people, id)
		}
		w.stands = append(w.stands, s)
		w.agreement.Parties = append(w.agreement.Parties, agreement.Party{Name: s.name, Address: "127.0.0.1:1", Key: s.key.Public()})
		parties[s.name] = connect(t, s)
	}
	must(t, w.agreement.Check())
	var answers *store.Store
	answers, err = store.Open(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	t.Cleanup(func() { must(t, answers.Close()) })
	w.node, err = coordinator.New(coordinator.Options{
		Agreement: w.agreement, Key: own, Store: answers, Parties: parties, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	must(t, err)
	t.Cleanup(w.node.Close)
	return w
}

// connect returns a client of a party, as the coordinator has it but for TLS.
func connect(t *testing.T, s *stand) sottov1.PartyClient {
	listener := bufconn.Listen(1 << 20)
	const never = 1000 * 24 * time.Hour // some tests take weeks, which would be all pings
	server := grpc.NewServer(append(rpc.ServerOptions(slog.New(slog.NewTextHandler(io.Discard, nil))),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: never}))...)
	sottov1.RegisterPartyServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///party", append(rpc.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: never}), grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		server.Stop()
		must(t, <-served)
	})
	return sottov1.NewPartyClient(conn)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// match runs a matching that the analyst asks for.
func (w *world) match(ctx context.Context) (*sottov1.MatchOutcome, error) {
	outcome, _, _, err := w.run(ctx)
	return outcome, err
}

func (w *world) run(ctx context.Context) (outcome *sottov1.MatchOutcome, done, all float64, err error) {
	return w.node.RunMatching(ctx, protocol.Sign(w.analyst, protocol.NewMatching(w.agreement, "analyst", w.now())), "analyst")
}

// ended fails the test unless the last matching was forgotten everywhere, and nobody has kept anything.
func (w *world) ended(t *testing.T, what string) {
	t.Helper()
	for _, s := range w.stands {
		s.mu.Lock()
		if s.forgotten == 0 {
			t.Errorf("%s: %s was not told to forget", what, s.name)
		}
		if len(s.kept) > 0 {
			t.Errorf("%s: %s has kept slots", what, s.name)
		}
		s.forgotten = 0
		s.mu.Unlock()
	}
}

// right fails the test unless a matching that all parties have kept gives each person one slot, the same at all, and to no other.
func (w *world) right(t *testing.T, id [32]byte, union int) {
	t.Helper()
	slotOf := map[ids.ID]uint32{}
	personAt := map[uint32]ids.ID{}
	for _, s := range w.stands {
		slots := s.kept[id]
		if len(slots) != len(s.people) {
			t.Fatalf("%s has %d slots for %d people", s.name, len(slots), len(s.people))
		}
		for i, person := range s.people {
			if before, ok := slotOf[person]; ok && before != slots[i] {
				t.Fatalf("a person has slots %d and %d", before, slots[i])
			}
			if other, ok := personAt[slots[i]]; ok && other != person {
				t.Fatalf("two people have slot %d", slots[i])
			}
			slotOf[person], personAt[slots[i]] = slots[i], person
		}
		if s.held[0].ID != id || s.held[0].Slots != int64(union) {
			t.Errorf("%s holds %+v, want %d slots", s.name, s.held[0], union)
		}
	}
	if len(slotOf) != union {
		t.Errorf("%d people have slots, want %d", len(slotOf), union)
	}
}

// verbatim fails the test unless all that parties sent to parties has arrived as it was sent.
func (w *world) verbatim(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := int64(len(w.stands))
	relayed := 0
	for list, hash := range w.wentOut {
		if list.Pass == protocol.PassTokens && list.Hop == n-1 {
			continue // for the coordinator
		}
		relayed++
		if w.cameIn[list] != hash {
			t.Errorf("%s did not arrive as it was sent", list)
		}
	}
	// Pass A has N−1 hops between parties for each of N lists, as has pass C; pass B has N−1, and the spine goes to N−1.
	if want := int(2*n*(n-1) + 2*(n-1)); relayed != want {
		t.Errorf("%d lists were relayed, want %d", relayed, want)
	}
}

// refused fails the test unless err is a fault of that kind at that party that says so.
func refused(t *testing.T, what string, err error, kind fault.Kind, party string) {
	t.Helper()
	if !fault.IsKind(err, kind) || fault.From(err).Party != party {
		t.Errorf("%s: error is %v (%s), want one of kind %s at %q", what, err, fault.From(err).Kind, kind, party)
	}
}

func (w *world) names() []string {
	var names []string
	for _, s := range w.stands {
		names = append(names, s.name)
	}
	return slices.Clone(names)
}
