package coordinator

import (
	"context"
	"time"
)

// watch returns nil once finished is closed, and an error when moved, which only goes up, has stayed the same for the coordinator's
// patience and toBlame says whose fault that is.
func (n *Node) watch(ctx context.Context, finished <-chan struct{}, moved func() int64, toBlame func() error) error {
	tick := time.NewTicker(n.Patience / 4)
	defer tick.Stop()
	last, since := int64(-1), time.Now()
	for {
		select {
		case <-finished:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if now := moved(); now != last {
			last, since = now, time.Now()
			continue
		}
		if time.Since(since) < n.Patience {
			continue
		}
		if err := toBlame(); err != nil {
			return err
		}
	}
}
