package coordinator

import (
	"context"

	sottov1 "github.com/sotto-dev/sotto/proto/sotto/v1"
)

// RunMatching is Match without a caller. It returns how much of the work on lists, in exponentiations, was noted as done, and what
// there was to do.
func (n *Node) RunMatching(ctx context.Context, signed *sottov1.Signed, by string) (outcome *sottov1.MatchOutcome, done, all float64, err error) {
	m, err := n.beginMatch(ctx, signed, by)
	if err != nil {
		return nil, 0, 0, err
	}
	<-m.done
	for _, l := range m.progress.lists {
		done += l.done()
		all += l.sends + l.receives
	}
	return m.outcome, done, all, m.err
}

// Schedule runs the schedule of matchings until the node is closed.
func (n *Node) Schedule() { n.waiting.Go(n.schedule) }
