package party

import (
	"errors"
	"fmt"
	"time"

	"github.com/sotto-dev/sotto/internal/fault"
	"github.com/sotto-dev/sotto/party/audit"
	"github.com/sotto-dev/sotto/party/members"
)

// Purge destroys what was stored of customers for longer than the declared retention, and what no question refers to; it says
// what that is. With dryRun it only says so. Rows that became too old are out of memory with the next refresh; nothing uses them
// before.
func (n *Node) Purge(actor string, dryRun bool) ([]members.Purged, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.preparing.Lock() // a question that is being prepared has perhaps seen customers of before, and not kept its view yet
	defer n.preparing.Unlock()
	var before time.Time // nothing is older
	if n.config.Retention.Declared() {
		before = n.config.Retention.KeepFor.Before(n.now())
	}
	n.viewing.Lock()
	current := n.current.storedAs
	n.viewing.Unlock()
	inUse := [][32]byte{current}
	purged, err := n.state.Members.Purge(before, inUse, true)
	if err != nil || dryRun || len(purged) == 0 {
		return purged, err
	}
	entry := audit.Entry{
		Actor: actor, Action: audit.Purge, Verdict: audit.Done, Detail: fmt.Sprintf("%d stored files destroyed", len(purged)),
	}
	if err := n.state.Audit.Record(entry); err != nil { // before anything goes, which is not to go unseen
		return nil, err
	}
	n.trace("purge: recorded")
	if purged, err = n.state.Members.Purge(before, inUse, false); err != nil {
		entry.Verdict, entry.Detail, entry.Reason = audit.Failed, "", fault.From(err).Message
		return nil, errors.Join(err, n.state.Audit.Record(entry))
	}
	n.trace("purge: done")
	return purged, nil
}
