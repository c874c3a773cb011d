package coordinator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/internal/query"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// run is a question that is queued or under way.
type run struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the end is stored

	mu      sync.Mutex
	state   *sottov1.Progress
	changed chan struct{} // closed and replaced at every change
}

// progress returns the present state and a channel that is closed when there is a newer one.
func (r *run) progress() (*sottov1.Progress, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state, r.changed
}

func (r *run) update(state *sottov1.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = state
	close(r.changed)
	r.changed = make(chan struct{})
}

// begin runs a question in the background, as soon as there is room.
func (n *Node) begin(id [32]byte, signed *sottov1.Signed, plan *query.Plan) *run {
	r := &run{done: make(chan struct{}), changed: make(chan struct{}), state: &sottov1.Progress{Stage: sottov1.Stage_STAGE_QUEUED}}
	ctx, cancel := context.WithCancelCause(n.ctx)
	r.cancel = cancel
	n.mu.Lock()
	n.runs[id] = r
	n.mu.Unlock()
	n.waiting.Go(func() {
		defer cancel(nil)
		result, err := n.runWhenFree(ctx, r, signed, plan)
		n.finish(ctx, id, r, result, err)
	})
	return r
}

func (n *Node) runWhenFree(ctx context.Context, r *run, signed *sottov1.Signed, plan *query.Plan) (*sottov1.ResultResponse, error) {
	select {
	case n.slots <- struct{}{}:
		defer func() { <-n.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return n.answer(ctx, r, signed, plan)
}

// finish stores how a question ended and tells its watchers.
func (n *Node) finish(ctx context.Context, id [32]byte, r *run, result *sottov1.ResultResponse, err error) {
	if err == nil {
		err = n.Store.Done(id, result)
	}
	final := &sottov1.Progress{Stage: sottov1.Stage_STAGE_DONE, Done: 1}
	if err != nil {
		f := fault.From(err)
		if ctx.Err() != nil {
			f = fault.From(context.Cause(ctx)) // what stopped it, not what broke because of that
		}
		n.Logger.Warn("question failed", slog.String("kind", string(f.Kind)), slog.String("party", f.Party), slog.String("error", f.Error()))
		failure := &sottov1.Failure{Kind: string(f.Kind), Party: f.Party, Message: f.Message, Hint: f.Hint}
		if err = n.Store.Fail(id, failure); err != nil {
			n.Logger.Error("store is failing", slog.String("error", err.Error()))
		}
		final = &sottov1.Progress{Stage: sottov1.Stage_STAGE_FAILED, Failure: failure}
	}
	if err == nil { // else only the run knows how it ended
		n.mu.Lock()
		delete(n.runs, id)
		n.mu.Unlock()
	}
	close(r.done)
	r.update(final)
}

// stages reports progress and takes the time of each stage.
type stages struct {
	run   *run
	times []*sottov1.StageTime
	since time.Time
	stage sottov1.Stage
}

// The share of the whole at which each stage begins; contributing is nearly all of the work.
var stageBegins = map[sottov1.Stage]float64{
	sottov1.Stage_STAGE_PREPARE: 0, sottov1.Stage_STAGE_OPEN: 0.04, sottov1.Stage_STAGE_CONTRIBUTE: 0.08,
	sottov1.Stage_STAGE_RELEASE: 0.95, sottov1.Stage_STAGE_DONE: 1,
}

// enter ends the stage before and begins one.
func (s *stages) enter(stage sottov1.Stage) {
	now := time.Now()
	if s.stage != sottov1.Stage_STAGE_UNSPECIFIED {
		s.times = append(s.times, &sottov1.StageTime{Stage: s.stage, Seconds: now.Sub(s.since).Seconds()})
	}
	s.stage, s.since = stage, now
	if stage != sottov1.Stage_STAGE_DONE { // the run reports that it is done when the answer is stored
		s.within(0)
	}
}

// within reports the share of the present stage that is done.
func (s *stages) within(share float64) {
	begins := stageBegins[s.stage]
	s.run.update(&sottov1.Progress{Stage: s.stage, Done: begins + share*(stageBegins[s.stage+1]-begins)})
}
