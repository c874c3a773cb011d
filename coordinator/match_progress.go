package coordinator

import (
	"sync"

	"github.com/sotto-dev/sotto/internal/protocol"
	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// The shares of a matching at which its lists begin to move, and at which they are there.
const (
	listsBegin = 0.01
	listsEnd   = 0.98
)

// matchProgress tells how far a matching is. Of the lists it counts exponentiations, done and to do. Safe for concurrent use.
type matchProgress struct {
	mu    sync.Mutex
	stage sottov1.MatchStage
	share float64 // as last shown; it never goes back
	lists map[protocol.ListID]*listWork
}

// listWork is what there is to do for one list, in exponentiations, and which share of it is done.
type listWork struct {
	length          int64
	sends, receives float64 // to make the list, and to go on from it
	out, worked     int64   // points on their way, and worked on by who receives them
}

func (l *listWork) done() float64 {
	if l.length == 0 {
		return 0
	}
	return l.sends*float64(l.out)/float64(l.length) + l.receives*float64(l.worked)/float64(l.length)
}

func newMatchProgress() *matchProgress {
	return &matchProgress{stage: sottov1.MatchStage_MATCH_STAGE_PREPARE, lists: map[protocol.ListID]*listWork{}}
}

// enter begins a stage, at a share of the whole.
func (p *matchProgress) enter(stage sottov1.MatchStage, begins float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.share = stage, max(p.share, begins)
}

// weigh says what there is to do for a list, or says it anew.
func (p *matchProgress) weigh(id protocol.ListID, length int64, sends, receives float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lists[id] = &listWork{length: length, sends: sends, receives: receives}
}

// sent notes that more points of a list are on their way.
func (p *matchProgress) sent(id protocol.ListID, points int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lists[id]
	l.out = min(l.out+points, l.length)
}

// worked notes how many points of a list its receiver has worked on, and tells whether these are more than before.
func (p *matchProgress) worked(id protocol.ListID, points int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lists[id]
	more := min(points, l.length) > l.worked
	if more {
		l.worked = min(points, l.length)
	}
	return more
}

// now returns how far the matching is.
func (p *matchProgress) now() *sottov1.MatchProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	var done, all float64
	for _, l := range p.lists {
		done += l.done()
		all += l.sends + l.receives
	}
	if all > 0 {
		p.share = max(p.share, listsBegin+(listsEnd-listsBegin)*done/all)
	}
	return &sottov1.MatchProgress{Stage: p.stage, Done: p.share}
}
