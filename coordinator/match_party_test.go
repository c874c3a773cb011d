package coordinator_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/identity"
	"github.com/sotto-dev/sotto/internal/ids"
	"github.com/sotto-dev/sotto/internal/match"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/seal"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// stand is a party of a matching that does the arithmetic, and none of what keeps its customers safe: no seals, no dummies, and
// it believes all that it is sent. It refuses a list that comes before those that it follows from.
type stand struct {
	sottov1.UnimplementedPartyServer
	*world
	name   string
	self   int
	key    *identity.Key
	people []ids.ID

	// What goes wrong, by step; set before the matching begins.
	failing  func(step string) error                                                   // of unary calls
	sending  func(ctx context.Context, list protocol.ListID) error                     // before a list is sent
	taking   func(ctx context.Context, list protocol.ListID) error                     // before a list is received
	altering func(list protocol.ListID, parts []*sottov1.ListPart) []*sottov1.ListPart // what is sent

	slow time.Duration // that it works on each point

	mu        sync.Mutex // guards all below
	session   [16]byte
	request   *protocol.Matching
	shown     *sottov1.Signed // the last release that the coordinator has shown
	rows      int64           // of its ledger
	id        [32]byte
	sealing   *seal.Key
	entries   *match.Entries
	secrets   *match.Secrets
	route     *protocol.Route
	ready     map[protocol.ListID]match.Points
	known     *match.Known
	own       match.Points
	spine     *match.Spine
	slots     []uint32
	held      []protocol.Matched // newest first
	kept      map[[32]byte][]uint32
	forgotten int
}

// errQuit makes a receiver end as if it were done.
var errQuit = errors.New("quit")

func (s *stand) fails(step string) error {
	if s.failing == nil {
		return nil
	}
	return s.failing(step)
}

func (s *stand) Describe(context.Context, *sottov1.DescribeRequest) (*sottov1.DescribeResponse, error) {
	if err := s.fails("describe"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &sottov1.DescribeResponse{Descriptor_: protocol.Sign(s.key, &protocol.Descriptor{
		Collaboration: s.agreement.Collaboration, Agreement: s.agreement.Hash(), Party: s.name, Matchings: s.held,
	})}, nil
}

func (s *stand) MatchPrepare(_ context.Context, r *sottov1.MatchPrepareRequest) (*sottov1.MatchPrepareResponse, error) {
	if err := s.fails("prepare"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	request, err := protocol.VerifyMatching(r.GetMatching(), s.agreement, s.now())
	if err != nil {
		return nil, err
	}
	s.session, s.request, s.shown = [16]byte(r.GetSession()), request, r.GetLastRelease()
	if s.sealing, err = seal.NewKey(); err != nil {
		return nil, err
	}
	return &sottov1.MatchPrepareResponse{Announcement: protocol.Sign(s.key, &protocol.MatchAnnouncement{
		Request: protocol.MatchRequestHash(r.GetMatching()), Session: s.session, Party: s.name, Nonce: protocol.NewNonce(), Key: s.sealing.Public(),
	})}, nil
}

func (s *stand) MatchOpen(_ context.Context, r *sottov1.MatchOpenRequest) (*sottov1.MatchOpenResponse, error) {
	if err := s.fails("open"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// The hash of the request is that of the announcements, of which one is this party's own.
	var mine protocol.MatchAnnouncement
	if err := protocol.Verify(r.GetAnnouncements()[s.self], s.key.Public(), s.name, &mine); err != nil {
		return nil, err
	}
	var err error
	if _, s.id, err = protocol.VerifyAnnouncements(r.GetAnnouncements(), s.agreement, mine.Request, s.session); err != nil {
		return nil, err
	}
	if s.entries, err = match.NewEntries(s.id, s.people, nil); err != nil {
		return nil, err
	}
	s.secrets, s.ready, s.known, s.own, s.route = match.NewSecrets(), map[protocol.ListID]match.Points{}, nil, nil, nil
	s.rows++
	return &sottov1.MatchOpenResponse{
		Length:  protocol.Sign(s.key, &protocol.MatchLength{Matching: s.id, Party: s.name, Length: int64(s.entries.Len())}),
		Release: protocol.Sign(s.key, &protocol.Release{Transcript: s.id, KeyHolder: s.name, LedgerRows: s.rows}),
	}, nil
}

func (s *stand) MatchSend(r *sottov1.MatchSendRequest, stream grpc.ServerStreamingServer[sottov1.ListPart]) error {
	list := protocol.ParseListID(r.GetList())
	if s.sending != nil {
		if err := s.sending(stream.Context(), list); err != nil {
			return err
		}
	}
	s.mu.Lock()
	points, ok := s.ready[list]
	delete(s.ready, list)
	n := int64(len(s.agreement.Parties))
	var err error
	if list == (protocol.ListID{Pass: protocol.PassTokens, Owner: int64(s.self)}) {
		points, err = s.entries.Tokens(0, s.entries.Len(), s.secrets)
		ok = true
	}
	matching := s.id
	s.mu.Unlock()
	if err == nil && !ok {
		err = fault.New(fault.Protocol, "%s: is asked for before what it follows from, or twice", list)
	}
	if err != nil {
		return err
	}
	sealed := list.Pass != protocol.PassTokens || list.Hop < n-1
	var parts []*sottov1.ListPart
	if sealed {
		parts = append(parts, &sottov1.ListPart{Part: &sottov1.ListPart_Encapsulated{Encapsulated: random(seal.Encapsulated)}})
	}
	for chunk := range slices.Chunk(points, protocol.ListChunk) {
		bytes := chunk.AppendBytes(nil)
		if sealed {
			bytes = append(bytes, random(16)...)
		}
		parts = append(parts, &sottov1.ListPart{Part: &sottov1.ListPart_Chunk{Chunk: bytes}})
	}
	digest, err := points.Digest()
	if err != nil {
		return err
	}
	parts = append(parts, &sottov1.ListPart{Part: &sottov1.ListPart_HandOver{HandOver: protocol.Sign(s.key, &protocol.ListHandOver{
		Matching: matching, List: list, From: s.name, Length: int64(len(points)), Digest: digest,
	})}})
	if s.altering != nil {
		parts = s.altering(list, parts)
	}
	s.note(s.wentOut, list, parts)
	for _, part := range parts {
		if err := stream.Send(part); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) MatchReceive(stream grpc.BidiStreamingServer[sottov1.MatchReceiveRequest, sottov1.MatchReceiveResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	list := protocol.ParseListID(start.GetList())
	if s.taking != nil {
		if err := s.taking(stream.Context(), list); errors.Is(err, errQuit) {
			return nil
		} else if err != nil {
			return err
		}
	}
	points, err := s.take(list, start, stream)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.route == nil {
		lengths, err := protocol.VerifyLengths(start.GetLengths(), s.agreement, s.id)
		if err != nil {
			return err
		}
		s.route = protocol.NewRoute(lengths)
	}
	if _, to, ok := s.route.Way(list); !ok || to != s.self {
		return fault.New(fault.Protocol, "%s: is not for %s", list, s.name)
	}
	return s.work(list, points)
}

// take reads a list, and what is said of it.
func (s *stand) take(list protocol.ListID, start *sottov1.MatchReceiveStart, stream grpc.BidiStreamingServer[sottov1.MatchReceiveRequest, sottov1.MatchReceiveResponse]) (match.Points, error) {
	var points match.Points
	var parts []*sottov1.ListPart
	seal := 16
	from := agreement.CoordinatorName
	if list.Pass == protocol.PassSlots && list.Hop == 0 {
		seal = 0
	}
	var said protocol.ListHandOver
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, m.GetPart())
		if chunk := m.GetPart().GetChunk(); chunk != nil {
			some, err := match.ParsePoints(chunk[:len(chunk)-seal])
			if err != nil {
				return nil, err
			}
			points = append(points, some...)
			for i := range some {
				if s.slow == 0 {
					continue
				}
				time.Sleep(s.slow)
				if err := stream.Send(&sottov1.MatchReceiveResponse{Worked: int64(len(points) - len(some) + i + 1)}); err != nil {
					return nil, err
				}
			}
			// The last point's work it does not mention: that it ends says as much.
			if err := stream.Send(&sottov1.MatchReceiveResponse{Worked: int64(len(points) - 1)}); err != nil {
				return nil, err
			}
		}
		if signed := m.GetPart().GetHandOver(); seal == 0 && signed != nil {
			if err := protocol.Verify(signed, s.agreement.Coordinator.Key, from, &said); err != nil {
				return nil, err
			}
		}
	}
	s.note(s.cameIn, list, parts)
	if seal == 0 {
		digest, err := points.Digest()
		if err != nil {
			return nil, err
		}
		if err := protocol.CheckListHandOver(&said, protocol.ListHandOver{Matching: s.id, List: list, From: from, Length: int64(len(points)), Digest: digest}); err != nil {
			return nil, err
		}
	}
	if list.Pass == protocol.PassSlots || list.Pass == protocol.PassSpine {
		lengths, err := protocol.VerifyLengths(start.GetLengths(), s.agreement, s.id)
		if err != nil {
			return nil, err
		}
		union, err := protocol.VerifyUnion(start.GetUnion(), s.agreement, s.id, lengths)
		if err != nil {
			return nil, err
		}
		if union.Length != int64(len(points)) {
			return nil, fault.New(fault.Protocol, "%s: has another length than the union", list)
		}
	}
	return points, nil
}

// work does what a party does with a list. The caller holds s.mu.
func (s *stand) work(list protocol.ListID, points match.Points) error {
	n := int64(len(s.agreement.Parties))
	next := protocol.ListID{Pass: list.Pass, Owner: list.Owner, Hop: list.Hop + 1}
	last := s.route.Last() == s.self
	var err error
	switch {
	case list.Pass == protocol.PassTokens && list.Hop == 0:
		tokens, own, err := match.RaiseTwo(points, &s.secrets.Token, &s.secrets.Slot)
		if err != nil {
			return err
		}
		if n == 2 {
			s.known = match.NewKnown(tokens, own)
		}
		s.ready[protocol.ListID{Pass: protocol.PassOwn, Owner: list.Owner, Hop: 1}] = own
		tokens.Shuffle()
		s.ready[next] = tokens
	case list.Pass == protocol.PassTokens:
		if points, err = match.Raise(nil, points, &s.secrets.Token); err != nil {
			return err
		}
		points.Shuffle()
		s.ready[next] = points
	case list.Pass == protocol.PassOwn && list.Hop < n-1:
		if s.ready[next], err = match.Raise(nil, points, &s.secrets.Slot); err != nil {
			return err
		}
	case list.Pass == protocol.PassOwn:
		s.own = points
		if !last {
			s.own, err = match.Raise(nil, points, &s.secrets.Turn)
		}
		return err
	case list.Pass == protocol.PassSlots:
		turned, err := match.Turn(points, s.secrets, s.known)
		if err != nil {
			return err
		}
		if !last {
			turned.Shuffle()
			s.ready[next] = turned
			return nil
		}
		if s.own == nil {
			return fault.New(fault.Protocol, "%s: comes before the own list", list)
		}
		if s.spine, s.slots, err = match.Finish(points, turned, s.own); err != nil {
			return err
		}
		for other := range n {
			s.ready[protocol.ListID{Pass: protocol.PassSpine, Owner: other}] = s.spine.Points()
		}
	case list.Pass == protocol.PassSpine:
		if s.own == nil {
			return fault.New(fault.Protocol, "%s: comes before the own list", list)
		}
		if s.spine, err = match.NewSpine(points); err != nil {
			return err
		}
		s.slots, err = s.spine.Find(s.own)
	}
	return err
}

func (s *stand) MatchApprove(context.Context, *sottov1.MatchApproveRequest) (*sottov1.MatchApproveResponse, error) {
	if err := s.fails("approve"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hash, err := s.spine.Hash(s.id)
	if err != nil {
		return nil, err
	}
	return &sottov1.MatchApproveResponse{Approval: protocol.Sign(s.key, &protocol.MatchApproval{Matching: s.id, Party: s.name, Spine: hash, Slots: int64(s.spine.Len())})}, nil
}

func (s *stand) MatchKeep(_ context.Context, r *sottov1.MatchKeepRequest) (*sottov1.MatchKeepResponse, error) {
	if err := s.fails("keep"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	agreed, err := protocol.VerifyApprovals(r.GetApprovals(), s.agreement, s.id)
	if err != nil {
		return nil, err
	}
	slots, err := s.entries.People(s.slots)
	if err != nil {
		return nil, err
	}
	s.kept[s.id] = slots
	s.held = append([]protocol.Matched{{ID: s.id, Spine: agreed.Spine, Slots: agreed.Slots, At: s.request.Begun}}, s.held...)
	return &sottov1.MatchKeepResponse{}, nil
}

func (s *stand) Forget(_ context.Context, r *sottov1.ForgetRequest) (*sottov1.ForgetResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session := [16]byte(r.GetSession()); s.session == [16]byte{} || s.session == session { // unless it was never begun here
		s.forgotten++
	}
	return &sottov1.ForgetResponse{}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// note keeps a hash of the parts of a list.
func (w *world) note(where map[protocol.ListID][32]byte, list protocol.ListID, parts []*sottov1.ListPart) {
	hash := sha256.New()
	for _, part := range parts {
		bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(part)
		if err != nil {
			panic(err)
		}
		hash.Write([]byte{byte(len(bytes)), byte(len(bytes) >> 8), byte(len(bytes) >> 16)})
		hash.Write(bytes)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	where[list] = [32]byte(hash.Sum(nil))
}
