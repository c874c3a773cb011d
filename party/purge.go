package party

import (
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/members"
)

// Purge destroys what was stored of customers for longer than the declared retention, and what no question refers to; it says
// what that is. With dryRun it only says so. Rows that became too old are out of memory with the next refresh; nothing uses them
// before.
func (n *Node) Purge(actor string, dryRun bool) ([]members.Purged, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	var before time.Time // nothing is older
	if n.config.Retention.Declared() {
		before = n.config.Retention.KeepFor.Before(n.now())
	}
	n.viewing.Lock()
	current := n.current.snapshot.Version
	n.viewing.Unlock()
	purged, err := n.state.Members.Purge(before, [][32]byte{current}, dryRun)
	if err != nil || dryRun || len(purged) == 0 {
		return purged, err
	}
	n.trace("purge: done")
	return purged, n.state.Audit.Record(audit.Entry{
		Actor: actor, Action: audit.Purge, Verdict: audit.Done, Detail: fmt.Sprintf("%d stored files destroyed", len(purged)),
	})
}
