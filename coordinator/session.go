package coordinator

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sotto-dev/sotto/internal/agreement"
	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/keyholder"
	"github.com/sotto-dev/sotto/internal/protocol"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// session is one attempt at answering a question.
type session struct {
	*Node
	id       [16]byte
	signed   *sottov1.Signed
	plan     *query.Plan
	progress *stages
	own      *keyholder.Session // the coordinator as a key-holder

	// In the plan's order of key-holders, the coordinator last.
	commitments []*sottov1.Signed
	openings    []*sottov1.Opening
	approvals   []*sottov1.Signed
	releases    []*sottov1.SealedRelease

	handOvers []*sottov1.Signed // of all hops of all chains
	results   [][]byte          // the c1 of every result, chain by chain
	hops      []*sottov1.HopBytes
}

// answer runs one session from the signed question to the sealed answer.
func (n *Node) answer(ctx context.Context, r *run, signed *sottov1.Signed, plan *query.Plan) (*sottov1.ResultResponse, error) {
	holders := len(plan.KeyHolders)
	s := &session{
		Node: n, id: protocol.NewSession(), signed: signed, plan: plan, progress: &stages{run: r},
		commitments: make([]*sottov1.Signed, holders), openings: make([]*sottov1.Opening, holders),
		approvals: make([]*sottov1.Signed, holders), releases: make([]*sottov1.SealedRelease, holders),
	}
	defer s.forget()
	for _, step := range []struct {
		stage sottov1.Stage
		do    func(context.Context) error
	}{
		{sottov1.Stage_STAGE_PREPARE, s.prepare},
		{sottov1.Stage_STAGE_OPEN, s.open},
		{sottov1.Stage_STAGE_CONTRIBUTE, s.contribute},
		{sottov1.Stage_STAGE_RELEASE, s.release},
	} {
		s.progress.enter(step.stage)
		if err := step.do(ctx); err != nil {
			return nil, err
		}
	}
	s.progress.enter(sottov1.Stage_STAGE_DONE)
	return &sottov1.ResultResponse{
		Session: s.id[:], Releases: s.releases, HandOvers: s.handOvers, Stages: s.progress.times, Hops: s.hops,
	}, nil
}

// each calls every party at the same time, with its index among the key-holders; the first error stops the others. Errors
// name the party.
func (s *session) each(ctx context.Context, call func(ctx context.Context, i int, party sottov1.PartyClient) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, name := range s.plan.KeyHolders {
		if name == agreement.CoordinatorName {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, s.Patience)
			defer cancel()
			return at(name, call(ctx, i, s.Parties[name]))
		})
	}
	return g.Wait()
}

// at says at whose node an error occurred.
func at(party string, err error) error {
	if err == nil {
		return nil
	}
	return fault.From(err).WithParty(party)
}

// self is the coordinator's index among the key-holders.
func (s *session) self() int { return slices.Index(s.plan.KeyHolders, agreement.CoordinatorName) }

// forget ends the session everywhere. Parties that have released keep what they stored.
func (s *session) forget() {
	if s.own != nil {
		s.own.Erase()
	}
	var parties []string
	for _, p := range s.plan.Query.Participants {
		parties = append(parties, p.Party)
	}
	s.forgetAt(parties, s.id)
}

// forgetAt ends a session, of a question or a matching, at some parties.
func (n *Node) forgetAt(parties []string, session [16]byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, name := range parties {
		all.Go(func() {
			// A party that can't be reached forgets by itself when its streams break or the session's time is over.
			_, _ = n.Parties[name].Forget(ctx, &sottov1.ForgetRequest{Session: session[:]})
		})
	}
	all.Wait()
}
